r"""Causal convolution: each position sees its last few neighbours, each channel by itself, and nobody sees the future.

Linear attention and state space models carry a whole past in one state, which is poor at what is nearest: what was the
token just before this one? A short convolution in front of them answers that. Its kernel is a few taps wide (four in
Mamba), every channel has taps of its own (*depthwise*), and it costs next to nothing. Two words in a row can then act as
one before the state takes them in.

With a kernel $K$ of $k$ taps, a bias $b$, and $\phi$ the identity or SiLU, for each channel:

$$y_i = \phi\Bigl(\sum_{j=0}^{k-1} K_j\, x_{i-k+1+j} + b\Bigr)$$

The last tap meets the present, the first one what came $k - 1$ positions before. Before the first position $x$ is 0, or
what was there: the last $k - 1$ *inputs* of a text are all that its continuation needs to know. They are the *state*, so
a text may be cut anywhere, also into single tokens, if the state is handed over.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `x` | inputs, `t` of each of `d` channels |
| $K$ | `weight` | `k` taps a channel, the oldest first: `conv1d.weight[:, 0]` of Mamba's state dict |
| $b$ | `bias` | one number a channel |
| $\phi$ | `silu` | whether the result goes through SiLU |
| $x_{-k+1}, \ldots, x_{-1}$ | `state` | the last `k - 1` inputs before, the oldest first |

## Papers

- Gu, Dao (2023), *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*, arXiv 2312.00752, section 3.4 and
  figure 3: the convolution, and SiLU, in front of the selective scan.
- Fu, Dao, Saab, Thomas, Rudra, Ré (2022), *Hungry Hungry Hippos* (H3), arXiv 2212.14052: a *shift* that stands in front
  of a state space, so that a token can be compared with the one before.
- van den Oord et al. (2016), *WaveNet: A Generative Model for Raw Audio*, arXiv 1609.03499, section 2.1: convolutions
  that are causal because their input is shifted.

## Pitfalls

- Libraries call it a convolution and compute a correlation: the kernel is *not* turned round.
- A convolution padded by $k - 1$ on both sides, as `nn.Conv1d` pads, gives $t + k - 1$ positions: the *first* `t` are the
  causal ones.
- The state holds inputs, not results, and neither bias nor SiLU has touched it.
- A text shorter than the state does not replace it: what is left of the old one moves to the front.
- Some libraries keep $k$ inputs, one more than they need, and some write the new state over the given one.
- A layer of kernel width 1 has no state at all, and a slice of the last `-0` positions is everything.
- Layouts differ. This one, torch's and Mamba's kernels' is (batch, channels, length), as that of `layers.selective_scan`;
  Keras' and the stream's own is (batch, length, channels). Keras stores taps (k, 1, d), torch (d, 1, k).
- Before bias and SiLU the sum is kept in float32 at least. torch rounds it to the working dtype before SiLU, and Keras
  before the bias too: the laws allow for that.
- By Fourier transforms each result is as exact as the largest of its text is, no more: such ones do not pass.
- A text of no position is refused, as torch, transformers and Keras do.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reference.layers.activations import silu as sigmoid_linear_unit


def causal_convolution(
    x: Float[Tensor, "batch d t"],
    weight: Float[Tensor, "d k"],
    bias: Float[Tensor, "d"] | None = None,
    *,
    silu: bool = False,
    state: Float[Tensor, "batch d k-1"] | None = None,
) -> tuple[Float[Tensor, "batch d t"], Float[Tensor, "batch d k-1"]]:
    """The results at all positions, and the state after the last one (Gu, Dao 2023, figure 3).

    `state` is that of the text before, 0 if not given; the given one stays as it is. Sum, bias and SiLU are computed in
    float32 at least, and rounded to the dtype of `x` once; the state is not computed with.

    Raises `ValueError` for a text of no position, a kernel without taps, and shapes that do not fit together.
    """
    (batch, d, t), k = x.shape, weight.shape[-1]
    if not t or not k:
        raise ValueError(f"expected one position and one tap at least; the text has {t}, the kernel {k}")
    expected: dict[str, tuple[int, ...]] = {"weight": (d, k), "bias": (d,), "state": (batch, d, k - 1)}
    for name, given in zip(expected, (weight, bias, state), strict=True):
        if given is not None and given.shape != expected[name]:
            raise ValueError(f"expected {name} of shape {expected[name]}; it has {tuple(given.shape)}")

    wide = torch.promote_types(x.dtype, torch.float32)
    before = x.new_zeros(batch, d, k - 1) if state is None else state
    inputs = torch.cat([before, x], dim=-1)  # (batch, d, k - 1 + t)
    windows = inputs.to(wide).unfold(-1, k, 1)  # (batch, d, t, k)
    y = (windows * weight.to(wide)[:, None]).sum(-1)
    if bias is not None:
        y = y + bias.to(wide)[:, None]
    if silu:
        y = sigmoid_linear_unit(y)
    return y.to(x.dtype), inputs[..., t:].to(x.dtype)
