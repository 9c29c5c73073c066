r"""Root mean square normalisation: each vector is divided by the root mean square of its features.

Layer normalisation shifts and scales. Zhang and Sennrich took the shift away and found models as good, and faster: what
helps is that the size of a vector cancels. One statistic instead of two, and no bias; most language models now have it.

$$
\operatorname{RMSNorm}(x) = \frac{x}{\sqrt{\frac1d \sum_{i=1}^{d} x_i^2 + \epsilon}} \odot w
$$

## Which precision, and where it is rounded

In half precision, squares, their mean, the root, and the product with the weight are computed in float32, and the
result is rounded **once**, at the end. So do torch's `rms_norm`, Gemma and OLMo. T5 and Llama round the normalised
vector first and multiply it with the weight in half precision, which rounds twice: half a unit in the last place
more. Both orders are within the laws, and no third one is: every number is, bit for bit, what one of the two gives. What
no model does, and no law lets pass, is to sum squares in half precision.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `x` | vectors of `d` features, with any leading axes |
| $w$ | `weight` | learned scale of each feature (also gain, gamma, $g$) |
| $\epsilon$ | `eps` | keeps the root away from 0: 1e-6 in T5, 1e-5 in Mamba |

## Papers

- Zhang, Sennrich (2019), *Root Mean Square Layer Normalization*, arXiv 1910.07467: the idea; equation 4.
- Raffel et al. (2019), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer* (T5),
  arXiv 1910.10683: a large model with a layer norm that only scales.
- Touvron et al. (2023), *LLaMA*, arXiv 2302.13971: before each sublayer; the form that most models since copy.
- Gemma Team (2024), *Gemma*, arXiv 2403.08295: the same, its weight stored as $w - 1$.

## Pitfalls

- No mean is subtracted, neither from the vector nor from its square.
- Epsilon stands under the root, added to the mean of the squares: not to the root, nor to the sum.
- Gemma stores `w - 1`: its weights used as they are give a model that is silent rather than broken.
- It is the mean of the squares, not their sum: `torch.nn.functional.normalize` is $\sqrt d$ times smaller.
- A row of zeros is 0. Without epsilon it would be NaN, and padding is often exactly 0.
- Squares of 300 overflow float16, and those of 2e19 overflow float32 and bfloat16 (whose squares are float32's).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rms_norm(
    x: Float[Tensor, "*batch d"], weight: Float[Tensor, "..."] | None = None, *, eps: float
) -> Float[Tensor, "*batch d"]:
    """`x` over the root mean square of its last axis, times `weight` (Zhang, Sennrich 2019, equation 4).

    `weight`, of shape `(d,)`, is 1 unless given; `eps` is added to the mean of the squares, in its unit. A row of
    zeros is 0. Computed in float32 at least, and rounded to the dtype of `x` once.

    Raises `ValueError` for a weight of another shape.
    """
    d = x.shape[-1]
    if weight is not None and weight.shape != (d,):
        raise ValueError(f"weight must have shape ({d},), one number a feature, got {tuple(weight.shape)}")

    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean_square = wide.square().mean(-1, keepdim=True)
    result = wide / (mean_square + eps).sqrt()
    if weight is not None:
        result = result * weight
    return result.to(x.dtype)
