r"""Layer normalisation: each vector is shifted to mean 0 and scaled to variance 1 over its own features.

What a layer receives changes in size while the layers before it learn. Batch normalisation holds it steady with the
mean and variance of each feature over a batch, and so makes one example depend on the others. Layer normalisation
takes the mean and variance over the features of one example instead: it works alike for any batch, any length of
text, in training and afterwards. A learned weight and bias for each feature then choose the scale and the shift that
the next layer gets.

$$
\operatorname{LayerNorm}(x) = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \odot w + b,
\qquad \mu = \frac1d \sum_{i=1}^{d} x_i, \qquad \sigma^2 = \frac1d \sum_{i=1}^{d} (x_i - \mu)^2
$$

The result does not change when a constant is added to all features, nor, epsilon aside, when all are multiplied by a
positive number. Its gradient is therefore orthogonal to both: mean and variance take part in the gradient, and by
experiment (Xu et al.) that is worth more than the forward normalisation.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `x` | vectors of `d` features, with any leading axes |
| $w$, $b$ | `weight`, `bias` | learned scale and shift of each feature (also gain, gamma and beta) |
| $\mu$, $\sigma^2$ | `mean`, `variance` | of one vector |
| $\epsilon$ | `eps` | keeps the root away from 0: 1e-12 in BERT, 1e-5 in GPT-2 |

## Papers

- Ioffe, Szegedy (2015), *Batch Normalization*, arXiv 1502.03167: normalise what a layer gets, epsilon under the root.
- Ba, Kiros, Hinton (2016), *Layer Normalization*, arXiv 1607.06450: over the features, with weight and bias.
- Xu, Sun, Zhang, Zhao, Lin (2019), *Understanding and Improving Layer Normalization*, arXiv 1911.07013: what the
  gradients of mean and variance contribute.
- Xiong et al. (2020), *On Layer Normalization in the Transformer Architecture*, arXiv 2002.04745: before a sublayer
  rather than after it, training needs no warm-up.
- Chan, Golub, LeVeque (1983), *Algorithms for Computing the Sample Variance*, The American Statistician 37(3): which
  ways of computing a variance lose digits, and how parts are merged.

## Pitfalls

- Epsilon stands under the root, added to the variance. Outside it, or ignored, nothing shows until activations are
  small.
- The variance divides by `d`, not by `d - 1`, as `torch.var` does unless told otherwise.
- $\overline{x^2} - \mu^2$ is the variance on paper only: where the mean is a thousand times the spread it has lost six
  digits, and may come out negative. Deviations are squared after the mean is known, or merged as Chan et al. do.
- A kernel that pads a row to a full block must leave the padding out of the deviations too: $0 - \mu$ is not 0.
- In half precision everything is computed in float32 and rounded once, at the end. Squares of 300 overflow float16.
- Some models store `w - 1` (Nemotron), so that a weight of 0 does nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def layer_norm(
    x: Float[Tensor, "*batch d"],
    weight: Float[Tensor, "..."] | None = None,
    bias: Float[Tensor, "..."] | None = None,
    *,
    eps: float,
) -> Float[Tensor, "*batch d"]:
    """`x` with mean 0 and variance 1 over its last axis, times `weight`, plus `bias` (Ba et al. 2016, equation 4).

    `weight` and `bias`, each of shape `(d,)`, are 1 and 0 unless given; `eps` is added to the variance, in its unit.
    A constant row is `bias`. Computed in float32 at least, and rounded to the dtype of `x` once.

    Raises `ValueError` for a weight or bias of another shape.
    """
    d = x.shape[-1]
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and parameter.shape != (d,):
            raise ValueError(f"{name} must have shape ({d},), one number a feature, got {tuple(parameter.shape)}")

    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = wide.mean(-1, keepdim=True)
    centred = wide - mean
    variance = centred.square().mean(-1, keepdim=True)
    result = centred / (variance + eps).sqrt()
    if weight is not None:
        result = result * weight
    if bias is not None:
        result = result + bias
    return result.to(x.dtype)
