r"""The feed-forward layer: what a Transformer does with each token by itself.

Attention moves information between tokens and is, in the values, linear. What is computed *with* the information happens
in between, one token at a time: the vector is mapped to a wider one, squashed feature by feature, and mapped back. Two
thirds of a Transformer's parameters lie here. Each feature of the wide vector can be read as a memory: its row of $W_1$
says when it answers, its column of $W_2$ what it adds.

$$
\mathrm{FFN}(x) = \phi(x W_1^\top + b_1)\, W_2^\top + b_2
\qquad
\mathrm{GLU}(x) = \bigl(\phi(x W_g^\top + b_g) \odot (x W_1^\top + b_1)\bigr)\, W_2^\top + b_2
$$

The *gated* form has a second map of the input whose activation multiplies the first: what passes and how much of it are
learned apart. With $\phi$ = SiLU it is SwiGLU, with GELU GEGLU, with ReLU ReGLU.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `x` | tokens of width `d` |
| $W_1, b_1$ | `up_weight`, `up_bias` | to `inner` features, stored (out, in) |
| $W_g, b_g$ | `gate_weight`, `gate_bias` | the gate's map, of the same shape |
| $W_2, b_2$ | `down_weight`, `down_bias` | back, to any width |
| $\phi$ | `activation` | one of `relu`, and those of `layers.activations` |

## Papers

- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.3: the layer, with ReLU and four times
  the width.
- Dauphin, Fan, Auli, Grangier (2016), *Language Modeling with Gated Convolutional Networks*, arXiv 1612.08083: the gated
  linear unit.
- Shazeer (2020), *GLU Variants Improve Transformer*, arXiv 2002.05202: gates in the Transformer; the inner width is cut
  by a third, so that the parameters stay as many.
- Geva, Schuster, Berant, Levy (2020), *Transformer Feed-Forward Layers Are Key-Value Memories*, arXiv 2012.14913.

## Pitfalls

- The activation is the gate's, not that of the other map: `act(gate(x)) * up(x)`. Checkpoints name the two by habit:
  `gate_proj` and `up_proj` in Llama, `wi_0` and `wi_1` in T5, `w1` and `w3` in Meta's files; fused ones differ in order.
- GELU comes in several formulas: the exact one in BERT and BART, the one with tanh in GPT-2, T5 1.1 and Gemma.
- GPT-2 stores its maps (in, out).
- Nothing is added to the result here: the residual connection is the model's.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reference.layers.activations import FORMULAS


def feed_forward(
    x: Float[Tensor, "*batch d"],
    up_weight: Float[Tensor, "inner d"],
    down_weight: Float[Tensor, "out inner"],
    *,
    activation: str,
    gate_weight: Float[Tensor, "inner d"] | None = None,
    up_bias: Float[Tensor, " inner"] | None = None,
    down_bias: Float[Tensor, " out"] | None = None,
    gate_bias: Float[Tensor, " inner"] | None = None,
) -> Float[Tensor, "*batch out"]:
    """Each token through both maps (Vaswani et al. 2017, equation 2), gated if there is a `gate_weight` (Shazeer 2020).

    `activation` is `relu` or one of `layers.activations`: `gelu gelu_tanh quick_gelu silu softplus`.

    Raises `ValueError` for another activation, for a `gate_bias` without a gate, and for shapes that do not fit together.
    """
    formulas = FORMULAS | {"relu": torch.relu}
    if activation not in formulas:
        raise ValueError(f"unknown activation {activation!r}; known are {', '.join(formulas)}")
    if gate_bias is not None and gate_weight is None:
        raise ValueError("expected a gate_weight with the gate_bias")
    inner = _linear("up", x, up_weight, up_bias)
    if gate_weight is None:
        inner = formulas[activation](inner)
    elif gate_weight.shape != up_weight.shape:
        raise ValueError(f"expected gate_weight of shape {tuple(up_weight.shape)}, got {tuple(gate_weight.shape)}")
    else:
        inner = formulas[activation](_linear("gate", x, gate_weight, gate_bias)) * inner
    return _linear("down", inner, down_weight, down_bias)


def _linear(name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.shape[-1] != x.shape[-1]:
        raise ValueError(f"expected {name}_weight of shape (any, {x.shape[-1]}), got {tuple(weight.shape)}")
    if bias is None:
        return x @ weight.mT
    if bias.shape != weight.shape[:1]:  # one number would be stretched over all features
        raise ValueError(f"expected {name}_bias of shape {tuple(weight.shape[:1])}, got {tuple(bias.shape)}")
    return x @ weight.mT + bias
