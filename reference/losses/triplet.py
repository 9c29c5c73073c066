r"""The triplet loss: an anchor shall be nearer to its positive than to a negative, by a margin at least.

Only the difference of two distances counts, not the distances: a triplet that keeps the margin costs nothing and
teaches nothing, and one that does not is paid in proportion. So most of the art is in choosing triplets that still teach.

$$
\ell_i = \max\bigl(0,\ d(a_i, p_i) - d(a_i, n_i) + \mu\bigr)
$$

$$
d(x, y) = \lVert x - y \rVert_2 \ \text{ (Euclidean)} \qquad \lVert x - y \rVert_1 \ \text{ (Manhattan)} \qquad
1 - \frac{x \cdot y}{\lVert x \rVert \lVert y \rVert} \ \text{ (cosine)}
$$

With *swap*, $d(a_i, n_i)$ is replaced by $d(p_i, n_i)$ where that is less: anchor and positive belong together, so the
negative is to be far from both.

**Where there is no gradient.** The norm of a difference has none where two vectors are equal; here it is 0 then. The
gradient is that of the two distances where the margin is violated, and 0 where it is kept. Exactly at the margin either
is right.

## Notation

| symbol | name | meaning |
|---|---|---|
| $a$ | `anchors` | `n` vectors of width `d` |
| $p$ | `positives` | of each, a vector that belongs to it |
| $n$ | `negatives` | of each, a vector that does not |
| $\mu$ | `margin` | in the unit of the distance |
| $\epsilon$ | `eps` | added to every component of each difference; 0 unless given |

## Papers

- Weinberger, Saul (2009), *Distance Metric Learning for Large Margin Nearest Neighbor Classification*, JMLR 10: the hinge
  of two (squared) distances with a margin (equation 12).
- Schroff, Kalenichenko, Philbin (2015), *FaceNet*, arXiv 1503.03832: triplets of learned vectors of length 1, squared
  Euclidean distances with margin 0.2, and which triplets to choose. Libraries today take distances that are not squared.
- Balntas, Riba, Ponsa, Mikolajczyk (2016), *Learning local feature descriptors with triplets and shallow convolutional
  neural networks*, BMVC: the swap.
- Hermans, Beyer, Leibe (2017), *In Defense of the Triplet Loss for Person Re-Identification*, arXiv 1703.07737: distances
  that are not squared, and the hardest triplets of a batch.
- Reimers, Gurevych (2019), *Sentence-BERT*, arXiv 1908.10084: for sentences, Euclidean with margin 1.

## Pitfalls

- A margin has a unit, and libraries do not agree on it: 1 in torch, 5 in sentence-transformers (both Euclidean), 0.05 in
  pytorch-metric-learning (of vectors of length 1). A cosine distance is at most 2, so a margin of 5 can never be kept.
- torch adds 1e-6 to every component of the difference, **inside** the norm. Then equal vectors are $10^{-6} \sqrt d$
  apart, their gradient has a direction (all ones), and $d(x, y) \ne d(y, x)$. That is what `eps` is for.
- Vectors that are all alike cost the margin: a loss that stays there has collapsed.
- The mean is over all triplets. pytorch-metric-learning's default leaves those out that cost nothing, and so its loss does
  not fall as triplets are learned.
- The root of a sum of squares has an infinite slope at 0, and infinity times 0 is NaN: one pair of equal vectors ends a
  training that computes the norm so.
- From $x \cdot x - 2 x \cdot y + y \cdot y$, which is fast, equal vectors come out some $10^{-8}$ apart in float64, and
  near ones in float32 at any distance.
- What cosines a vector shorter than $10^{-8}$ has is left open: torch's `cosine_similarity` divides by at least that.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reference.losses.contrastive import unit

DISTANCES = ("euclidean", "cosine", "manhattan")


def triplet(
    anchors: Float[Tensor, "n d"],
    positives: Float[Tensor, "n d"],
    negatives: Float[Tensor, "n d"],
    *,
    margin: float,
    distance: str = "euclidean",
    swap: bool = False,
    eps: float = 0.0,
    reduction: str = "mean",
) -> Float[Tensor, ""] | Float[Tensor, "n"]:
    """By how much each anchor's distances to its positive and its negative fall short of the `margin`.

    `distance` is `"euclidean"`, `"cosine"` (1 less the cosine; that of zeros is 0) or `"manhattan"`. `swap` takes the
    distance of positive and negative where it is less than that of anchor and negative. `eps` is added to every component
    of each difference (not to cosines). `reduction` is `"mean"` over all triplets, `"sum"`, or `"none"`: the `n` costs.

    Computed in float32 at least, as sentence-transformers does, and returned in the dtype of `anchors` (of half
    precision, float32 is as good).

    Raises `ValueError` for shapes that do not fit together, a margin that is not positive, and an unknown distance or
    reduction.
    """
    if positives.shape != anchors.shape or negatives.shape != anchors.shape:
        shapes = [tuple(x.shape) for x in (anchors, positives, negatives)]
        raise ValueError(f"expected anchors, positives and negatives of one shape (n, d), got {shapes}")
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")

    near = distances(anchors, positives, distance, eps)
    far = distances(anchors, negatives, distance, eps)
    if swap:
        far = torch.minimum(far, distances(positives, negatives, distance, eps))
    costs = torch.relu(near - far + margin)

    if reduction == "sum":
        costs = costs.sum()
    elif reduction == "mean":
        costs = costs.mean()
    return costs.to(anchors.dtype)


def distances(left: Float[Tensor, "n d"], right: Float[Tensor, "n d"], distance: str, eps: float) -> Float[Tensor, "n"]:
    """How far each row of `left` is from that of `right`, in float32 at least; `distance` is one of `DISTANCES`.

    The gradient of a Euclidean distance of 0 is 0. Raises `ValueError` for an unknown distance.
    """
    wide = torch.promote_types(left.dtype, torch.float32)
    left, right = left.to(wide), right.to(wide)
    if distance == "cosine":
        return 1 - (unit(left) * unit(right)).sum(-1)
    if distance == "euclidean":
        return torch.linalg.vector_norm(left - right + eps, dim=-1)
    if distance == "manhattan":
        return (left - right + eps).abs().sum(-1)
    raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, got {distance!r}")
