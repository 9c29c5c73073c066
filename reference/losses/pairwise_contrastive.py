r"""The contrastive loss of pairs: what belongs together is drawn together, what does not is pushed apart, up to a margin.

Before there were batches of negatives there were pairs with a label. A positive pair acts like a spring that is at rest
when both vectors are one. A negative pair is a spring that only pushes, and only while the pair is nearer than the
margin: without that limit it would cost less and less to fly apart, and nothing would stay together.

$$
\ell_i = \frac1q \Bigl( y_i\, d_i^{\,q} + (1 - y_i) \max(0,\ \mu - d_i)^q \Bigr)
\qquad q = 2 \ \text{ or } \ 1
$$

With $q = 2$ this is Hadsell's equation 4, and the factor $\frac12$ makes the force of the spring just $d$. With $q = 1$
there is no square and no factor. Nothing of this has a default here, since libraries differ in all of it:

| who | $q$ | distance | margin |
|---|---|---|---|
| Hadsell et al. | 2 | Euclidean | |
| sentence-transformers' `ContrastiveLoss` | 2 | cosine | 0.5 |
| pytorch-metric-learning's `ContrastiveLoss` | 1 | Euclidean, of vectors of length 1 | 1 |
| torch's `CosineEmbeddingLoss` | 1 | cosine | $1 - \mu$, a limit for the cosine: 0 |

pytorch-metric-learning averages positive and negative pairs apart, and of each kind only what costs something.
sentence-transformers' `OnlineContrastiveLoss` is another loss: it sums, without $\frac12$, over the negative pairs that are
nearer than the farthest positive one, and the positive ones that are farther than the nearest negative one.

**Where there is no gradient.** A Euclidean distance of 0 has gradient 0 here, as in `triplet`. For a positive pair that is
what the formula says; a negative pair of equal vectors costs most of all, and still nothing says which way to part.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x, x'$ | `left`, `right` | `n` pairs of vectors of width `d` |
| $y$ | `labels` | 1 if a pair belongs together, 0 if not |
| $d_i$ | `distance` | of the two vectors of a pair, as in `triplet` |
| $\mu$ | `margin` | from where negative pairs cost nothing, in the unit of the distance |
| $q$ | `power` | 2 or 1 |
| $\epsilon$ | `eps` | added to every component of each difference; 0 unless given |

## Papers

- Chopra, Hadsell, LeCun (2005), *Learning a Similarity Metric Discriminatively, with Application to Face Verification*,
  CVPR: pairs, two copies of one network, and a loss of their distance.
- Hadsell, Chopra, LeCun (2006), *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR: the margin, equation 4,
  and the springs.

## Pitfalls

- Hadsell's $Y$ is 0 for pairs that belong together. Libraries say 1 today.
- It is the hinge that is squared, $\max(0, \mu - d)^2$, and not the distances within it, $\max(0, \mu - d^2)$.
- Half a square, or a square: with sentence-transformers' loss the same vectors cost half of what the formula without the
  factor says.
- A negative pair beyond the margin has no gradient at all. Its cost is flat there, so its curvature jumps.
- sentence-transformers' Euclidean and Manhattan distances add 1e-6 to every component of the difference, inside the norm,
  as torch's `pairwise_distance` does. That is what `eps` is for.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reference.losses.triplet import distances


def pairwise_contrastive(
    left: Float[Tensor, "n d"],
    right: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    *,
    margin: float,
    distance: str,
    power: int,
    eps: float = 0.0,
    reduction: str = "mean",
) -> Float[Tensor, ""] | Float[Tensor, "n"]:
    """Cost of pairs, where those of label 1 should be one and those of label 0 at least `margin` apart.

    `distance` is `"euclidean"`, `"cosine"` or `"manhattan"`, see `triplet`. `power` 2 gives halves of squares (Hadsell et
    al. 2006, equation 4), 1 neither square nor half. `eps` is added to every component of each difference (not to
    cosines). `reduction` is `"mean"` over all pairs, `"sum"`, or `"none"`: the `n` costs.

    Computed in float32 at least, and returned in the dtype of `left` (of half precision, float32 is as good).

    Raises `ValueError` for shapes that do not fit together, a label that is neither 0 nor 1, a margin that is not positive,
    and an unknown distance, power or reduction.
    """
    n = len(left)
    if right.shape != left.shape:
        raise ValueError(f"expected two of one shape (n, d), got {tuple(left.shape)} and {tuple(right.shape)}")
    if labels.shape != (n,):
        raise ValueError(f"expected one label for each of {n} pairs, got {tuple(labels.shape)}")
    if bool(((labels != 0) & (labels != 1)).any()):
        raise ValueError(f"labels must be 1 (belong together) or 0, got {sorted(set(labels.tolist()))}")
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}")
    if power not in (1, 2):
        raise ValueError(f"power must be 1 or 2, got {power}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")

    apart = distances(left, right, distance, eps)
    costs = torch.where(labels == 1, apart, torch.relu(margin - apart)) ** power / power

    if reduction == "sum":
        costs = costs.sum()
    elif reduction == "mean":
        costs = costs.mean()
    return costs.to(left.dtype)
