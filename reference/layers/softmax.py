r"""Softmax: scores become positive weights that sum to one, in the ratio of their exponentials.

A difference of scores becomes a ratio of weights: one more in score is $e$ times the weight, wherever the two scores
stand. So only differences matter, and a model that says "this word rather than that one" need not know how large its
scores are.

$$
\operatorname{softmax}(z)_i = \frac{e^{z_i}}{\sum_j e^{z_j}} = \frac{e^{z_i - m}}{\sum_j e^{z_j - m}},
\qquad m = \max_j z_j
$$

The second form is the one to compute. It is the same number, for a shift of all scores cancels; but its largest
exponential is 1, so nothing overflows, and its sum is at least 1, so nothing is divided by 0.

The derivative of $y = \operatorname{softmax}(z)$ is $\partial y_i / \partial z_j = y_i (\delta_{ij} - y_j)$: a change
of one score moves the weights of all.

## Defined here

- A score of $-\infty$ gets the weight 0, and the others what they would get without it.
- Where **all** scores are $-\infty$ nothing may be chosen, and there is no distribution: the row is NaN, as in PyTorch,
  JAX and SciPy. A row of zeros or of equal weights would hide the mistake. (Attention defines such a row for itself.)
- $+\infty$ and NaN among the scores: not defined, and left out of the laws.
- An axis of length 0 gives an empty result.

## Notation

| symbol | name | meaning |
|---|---|---|
| $z$ | `scores` | any real numbers (also logits, energies with the sign changed) |
| $m$ | `largest` | the largest score, along `dim` |

## Papers

- Boltzmann (1868), *Studien über das Gleichgewicht der lebendigen Kraft zwischen bewegten materiellen Punkten*: the
  distribution, of energies.
- Bridle (1989), *Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual Information
  Estimation of Parameters*, NIPS 2: the name, and its use as the last layer of a network.
- Milakov, Gimelshein (2018), *Online normalizer calculation for softmax*, arXiv 1805.02867: maximum and sum in one
  pass, corrected as the maximum grows; what fused attention is built on.
- Blanchard, Higham, Higham (2019), *Accurately Computing the Log-Sum-Exp and Softmax Functions*, arXiv 1909.03469:
  rounding errors with and without the shift, and of dividing against subtracting the logarithm of the sum.

## Pitfalls

- The maximum must be that of the row. With that of the whole tensor, rows far below it underflow to 0/0.
- A large negative number is not $-\infty$: it gives a row of equal weights where nothing may be chosen.
- In half precision, exponentials and their sum are computed in float32 and rounded once: equal terms, added up one by
  one in bfloat16, stop growing at the 256th.
- The logarithm of a small weight is a large number: rounded to bfloat16, and then exponentiated, it is off by
  percents. `exp(log_softmax(z))` is the same function in wide precision only.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def softmax(scores: Float[Tensor, "*axes"], *, dim: int = -1) -> Float[Tensor, "*axes"]:
    """Positive weights that sum to one along `dim`, in the ratio of the exponentials of `scores` (Bridle 1989).

    A score of minus infinity gets 0; a row of nothing else is NaN. Computed in float32 at least, and rounded to the
    dtype of `scores` once.

    Raises `ValueError` for scores that are not floating point, and for an axis that they do not have.
    """
    if not scores.is_floating_point():
        raise ValueError(f"scores must be floating point (weights would round to 0 and 1), got {scores.dtype}")
    if not -scores.ndim <= dim < scores.ndim:
        raise ValueError(f"dim must be one of the {scores.ndim} axes of the scores, got {dim}")
    if scores.shape[dim] == 0:
        return scores.clone()

    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    largest = wide.amax(dim, keepdim=True)
    exponentials = (wide - largest).exp()
    total = exponentials.sum(dim, keepdim=True)
    result = exponentials / total
    return result.to(scores.dtype)
