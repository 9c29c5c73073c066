r"""Activations: what makes a network more than one matrix. The smooth gates of language models, element by element.

A rectifier passes a number or blocks it by its sign, $x \cdot [x > 0]$. The first four below soften the step into a
gate between 0 and 1, so that small negative numbers still pass a little, and gradients with them; softplus softens the
rectifier itself and stays positive.

$$
\operatorname{GELU}(x) = x\,\Phi(x) = \tfrac{x}{2}\left(1 + \operatorname{erf}\tfrac{x}{\sqrt 2}\right)
\qquad
\operatorname{SiLU}(x) = x\,\sigma(x)
\qquad
\operatorname{softplus}(x) = \ln(1 + e^x)
$$

GELU asks how likely a standard normal number is to lie below $x$. Two approximations avoid the error function:

$$
\tfrac{x}{2}\left(1 + \tanh\!\left[\sqrt{\tfrac{2}{\pi}}\,\bigl(x + 0.044715\,x^3\bigr)\right]\right)
\qquad
x\,\sigma(1.702\,x)
$$

They differ from GELU by up to $4.8 \cdot 10^{-4}$ and $2.1 \cdot 10^{-2}$: a model must be run with the one that it was
trained with. All five satisfy $f(x) - f(-x) = x$ and have slope $\tfrac12$ at 0.

## Names

| `name` | function | who uses it | elsewhere called |
|---|---|---|---|
| `gelu` | $x\,\Phi(x)$ | BERT, ViT | `gelu_python`; `approximate="none"` |
| `gelu_tanh` | the tanh approximation | GPT-2, T5 v1.1, Gemma | `gelu_new`, `gelu_fast`, `gelu_pytorch_tanh` |
| `quick_gelu` | $x\,\sigma(1.702\,x)$ | CLIP | |
| `silu` | $x\,\sigma(x)$ | Llama, Mamba | `swish` |
| `softplus` | $\ln(1 + e^x)$ | Mamba (step sizes) | |

An implementation may have only some of them (see the README on what is not supported).

## Papers

- Hendrycks, Gimpel (2016), *Gaussian Error Linear Units (GELUs)*, arXiv 1606.08415: GELU, both approximations, SiLU.
- Elfwing, Uchibe, Doya (2017), *Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
  Learning*, arXiv 1702.03118: SiLU by itself.
- Ramachandran, Zoph, Le (2017), *Searching for Activation Functions*, arXiv 1710.05941: the same function found by
  search, as Swish with $\beta = 1$.
- Dugas, Bengio, Bélisle, Nadeau, Garcia (2000), *Incorporating Second-Order Functional Knowledge for Better Option
  Pricing*, NIPS 13: softplus.

## Pitfalls

- The name "gelu" means the exact function in one library and an approximation in another.
- $1 + \operatorname{erf}$ and $1 + \tanh$ cancel for negative $x$. In float32 the result is 57 % off at $-5.5$ and 0
  from about $-6$ on; in bfloat16 it is so from about $-3$ on.
- $\ln(1 + e^x)$ as written overflows. Some libraries switch to $x$ above a threshold: at 20 that is $2 \cdot 10^{-9}$
  off, which float64 shows.
- In half precision $x^3$ overflows above 40. The value survives, its gradient may be $0 \cdot \infty$.
- At $-\infty$ the gated ones are $-\infty \cdot 0$, which arithmetic calls NaN, though the limit is 0. Both are
  accepted here; NaN for any other number is not.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x` times the standard normal distribution function at `x` (Hendrycks, Gimpel 2016, section 2)."""
    # subtle: erfc(-z) is 1 + erf(z) without the cancellation.
    return x * (torch.erfc(-x / math.sqrt(2)) / 2)


def gelu_tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """GELU with tanh in the error function's place (Hendrycks, Gimpel 2016, section 2)."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    # subtle: sigmoid(2z) is (1 + tanh(z)) / 2 without the cancellation.
    return x * torch.sigmoid(2 * inner)


def quick_gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """GELU with a sigmoid in the place of the normal distribution function (Hendrycks, Gimpel 2016, section 2)."""
    return x * torch.sigmoid(1.702 * x)


def silu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x` times its own sigmoid (Elfwing et al. 2017, equation 9)."""
    return x * torch.sigmoid(x)


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The logarithm of 1 + exp(x) (Dugas et al. 2000), as that of exp(x) + exp(0)."""
    return torch.logaddexp(x, torch.zeros_like(x))


FORMULAS = {"gelu": gelu, "gelu_tanh": gelu_tanh, "quick_gelu": quick_gelu, "silu": silu, "softplus": softplus}


def activations(x: Float[Tensor, "*shape"], *, name: str) -> Float[Tensor, "*shape"]:
    """The activation called `name`, of every element of `x`, whatever its shape, in the dtype of `x`.

    Raises `ValueError` for a name that is not one of `gelu gelu_tanh quick_gelu silu softplus`.
    """
    if name not in FORMULAS:
        raise ValueError(f"unknown activation {name!r}; known are {', '.join(FORMULAS)}")
    return FORMULAS[name](x)
