r"""The contrastive loss (InfoNCE): tell the one right partner of each vector from all other vectors of the batch.

A batch holds `n` pairs that belong together: a question and its answer, a picture and its caption, one text under two
dropout masks. Each *anchor* is scored against every *positive* of the batch, and the loss is the cross-entropy of finding
its own. The positives of the other pairs are its negatives, for nothing: $n - 1$ of them without one more vector being
computed. Hence the names *in-batch negatives*, *multiple negatives ranking* and *N-pair loss*. Vectors that were found to
be confusing (*hard negatives*) may be added; **every one of them joins the denominator of every anchor**, not only of
that for which it was found.

$$
\mathcal L = -\frac1n \sum_{i=1}^{n} \ln
\frac{e^{s(a_i, p_i)/\tau}}{\sum_{j=1}^{n} e^{s(a_i, p_j)/\tau} + \sum_{k=1}^{m} e^{s(a_i, h_k)/\tau}}
\qquad
s(a, b) = \frac{a \cdot b}{\lVert a \rVert \lVert b \rVert} \ \text{ or } \ a \cdot b
$$

The *symmetric* loss also asks each positive for its anchor, and is the mean of both directions. Hard negatives have no
anchor to be asked for, so they take part in the first direction only.

The gradient pulls an anchor to its positive and away from what it expected, the mean of all candidates under the softmax
$w_i$ of its scores. With inner products, and candidates $c$, it is $\frac{1}{n\tau} (\sum_k w_{ik} c_k - p_i)$. A low
temperature lets the nearest negatives do nearly all of the pushing.

## Notation

| symbol | name | meaning |
|---|---|---|
| $a$ | `anchors` | `n` vectors of width `d` (queries) |
| $p$ | `positives` | the partner of each |
| $h$ | `negatives` | `m` further vectors that are nobody's partner, or `k` for each anchor: $m = nk$ |
| $\tau$ | `temperature` | what scores are divided by; sentence-transformers' `scale` and CLIP's `exp(logit_scale)` are $1/\tau$ |
| $s$ | `similarity` | cosine, or the inner product |

## Papers

- Henderson et al. (2017), *Efficient Natural Language Response Suggestion for Smart Reply*, arXiv 1705.00652, section
  4.4: the other pairs of a batch as negatives, with inner products.
- van den Oord, Li, Vinyals (2018), *Representation Learning with Contrastive Predictive Coding*, arXiv 1807.03748: the
  name InfoNCE, and that $\ln n - \mathcal L$ bounds the mutual information of the two sides from below (equation 4 and
  section 2.3).
- Chen, Kornblith, Norouzi, Hinton (2020), *A Simple Framework for Contrastive Learning of Visual Representations*
  (SimCLR), arXiv 2002.05709: cosine with a temperature. Its NT-Xent is **another** loss: both views are anchors, and
  each has the $2n - 2$ others of both views as negatives.
- Karpukhin et al. (2020), *Dense Passage Retrieval for Open-Domain Question Answering*, arXiv 2004.04906: hard negatives
  that all questions of the batch share (section 3.2).
- Radford et al. (2021), *Learning Transferable Visual Models From Natural Language Supervision* (CLIP),
  arXiv 2103.00020: both directions, with a learned temperature (figure 3).
- Gao, Yao, Chen (2021), *SimCSE*, arXiv 2104.08821: the same sentence under two dropout masks as a pair.
- Gao, Zhang, Han, Callan (2021), *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*,
  arXiv 2101.06983: the same loss and gradient, with the vectors computed a few at a time (GradCache).
- Khosla et al. (2020), *Supervised Contrastive Learning*, arXiv 2004.11362: rows of one label do not push each other.

## Pitfalls

- A text that is twice in a batch is its own negative: each pair given twice costs $\ln 2$ more, however good the vectors
  are. `labels` says which rows are about the same, and leaves them out of each other's denominators.
- With dropout off, both sides of a SimCSE pair are one vector: their cosine is exactly 1, and what is left of the loss
  are the other texts.
- The loss depends on the number of candidates: vectors that are all alike cost $\ln(n + m)$. Losses of different batch
  sizes, and means over small parts of a batch, cannot be compared.
- The cosine of a vector of zeros is 0, not 0/0. What a vector shorter than $10^{-8}$ gives is left open: libraries
  take lengths of at least 1e-8 (torch's `cosine_similarity`) or 1e-12 (its `normalize`) for the divisor. In float16 such
  a number is 0, and the zero vector is NaN after all.
- A cosine is at most 1, so at temperature 1 the loss cannot come near 0: $\tau$ of 0.01 to 0.1 is what makes it learn.
- A temperature multiplies the rounding errors of scores: 20 or 100 times. Cosines of 8 bits are not enough for it.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reference.losses.cross_entropy import cross_entropy


def contrastive(
    anchors: Float[Tensor, "n d"],
    positives: Float[Tensor, "n d"],
    *,
    negatives: Float[Tensor, "..."] | None = None,
    temperature: float,
    similarity: str = "cosine",
    symmetric: bool = False,
    labels: Int[Tensor, "n"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cost, in nats, of finding each anchor's own positive among all positives and `negatives`.

    `negatives` has the shape `(n, k, d)`, k for each anchor, or `(m, d)`; either way all anchors are held against all of
    them. `similarity` is `"cosine"` or `"dot"`. `symmetric` averages with the cost of finding each positive's anchor
    among the anchors. Positives (and anchors, if symmetric) of other rows with the same label of `labels` are no negatives.

    Computed in float32 at least, as sentence-transformers does, and returned in the dtype of `anchors` (of half
    precision, float32 is as good). The loss of no pairs is NaN.

    Raises `ValueError` for shapes that do not fit together, a temperature that is not positive, and an unknown similarity.
    """
    n, d = anchors.shape
    if positives.shape != (n, d):
        raise ValueError(f"expected a positive for each anchor, of shape {(n, d)}, got {tuple(positives.shape)}")
    if negatives is None:
        negatives = positives[:0]
    if negatives.ndim not in (2, 3) or negatives.shape[-1] != d or (negatives.ndim == 3 and len(negatives) != n):
        raise ValueError(f"negatives must have the shape ({n}, k, {d}) or (m, {d}), got {tuple(negatives.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if similarity not in ("cosine", "dot"):
        raise ValueError(f"similarity must be cosine or dot, got {similarity!r}")
    if labels is not None and labels.shape != (n,):
        raise ValueError(f"expected one label for each of {n} pairs, got {tuple(labels.shape)}")

    wide = torch.promote_types(anchors.dtype, torch.float32)
    queries, candidates = anchors.to(wide), torch.cat([positives, negatives.flatten(0, -2)]).to(wide)
    if similarity == "cosine":
        queries, candidates = unit(queries), unit(candidates)
    scores = queries @ candidates.T / temperature

    own = torch.arange(n, device=scores.device)
    pairs, rest = scores[:, :n], scores[:, n:]
    if labels is not None:
        alike = labels[:, None] == labels
        pairs = pairs.masked_fill(alike.fill_diagonal_(False), -math.inf)
    loss = cross_entropy(torch.cat([pairs, rest], dim=1), own)
    if symmetric:
        loss = (loss + cross_entropy(pairs.T, own)) / 2
    return loss.to(anchors.dtype)


def unit(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Vectors of length 1 in the directions of `x`; zeros stay zeros."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.masked_fill(length == 0, 1)
