r"""Selective scan: a linear recurrence whose memory the input itself opens and closes, position by position.

A state space model keeps a state $h$, lets it decay, adds the input, and reads the result from it. With fixed
coefficients (S4) that is a long convolution, and it treats all inputs alike. Gu and Dao let the input choose: the step
$\Delta$, the way in $B$ and the way out $C$ are functions of the token. A large step forgets the past and takes the
token in; a step of 0 passes over it and keeps the state as it is. The cost stays linear in the length of the text, and
the memory of a whole past is one state.

For each channel $d$, with a state of $n$ numbers:

$$
h_t = \overline{A}_t \odot h_{t-1} + \overline{B}_t\, u_t
\qquad
\overline{A}_t = \exp(\Delta_t A) \qquad \overline{B}_t = \Delta_t B_t
\qquad
y_t = \bigl(C_t^\top h_t + D\, u_t\bigr) \cdot \operatorname{SiLU}(z_t)
$$

$A$ is diagonal, so all products are element by element. $\overline{A}$ is exact for an input that holds still during
a step (zero-order hold). For $\overline{B}$ the paper's equation 4 has the exact form too,
$(\Delta A)^{-1}(\exp(\Delta A) - 1)\,\Delta B$; its code, and everybody since, takes the first term of its series.

## The same in parallel

A step is a map $h \mapsto a h + b$. Two steps in a row are again such a map,

$$
(a_1, b_1) \bullet (a_2, b_2) = (a_1 a_2,\; a_2 b_1 + b_2),
$$

and $\bullet$ is associative: it does not matter which neighbours are joined first. So the states after all positions are
a *prefix sum* under $\bullet$, and $\log_2 t$ rounds do instead of $t$: `_parallel_scan.py`, beside the recurrence
here, which defines it. It also means that a text may be cut anywhere, if the state is handed over.

## Notation

| symbol | name | meaning |
|---|---|---|
| $u$ | `u` | inputs, `t` of each of `d` channels |
| $\Delta$ | `delta` | step sizes, in the unit of $1/A$; `delta_bias` and `softplus` are applied to them first |
| $A$ | `A` | rates of growth; negative ones decay, and those of Mamba are $-\exp$ of what is learned |
| $B, C$ | `B`, `C` | into the state and out of it, the same for all channels |
| $D$ | `D` | what of the input goes past the state |
| $z$ | `z` | the gate |
| $h$ | `state` | `n` numbers a channel; 0 before the first position unless given |

## Papers

- Gu, Dao (2023), *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*, arXiv 2312.00752: the selection,
  section 3.2 and algorithm 2; the scan on a GPU without ever storing the states.
- Gu, Goel, Ré (2021), *Efficiently Modeling Long Sequences with Structured State Spaces* (S4), arXiv 2111.00396: the
  state space model that it makes selective.
- Blelloch (1990), *Prefix Sums and Their Applications*, CMU-CS-90-190: recurrences as prefix sums, in a tree.
- Martin, Cundy (2017), *Parallelizing Linear Recurrent Neural Nets Over Sequence Length*, arXiv 1709.04057: that on a
  GPU, forwards and backwards.

## Pitfalls

- A scan in a tree likes powers of two and is padded to them; lengths of 1, and beside a power, are where it slips.
- Dividing by products of $\overline{A}$, to have a plain cumulative sum, overflows as soon as the past is forgotten.
- Some kernels take no initial state and start from 0 without a word: a cached text then forgets its beginning.
- $\overline{A}$ is near 1 where memory is long. In half precision there is nothing between 1 and $1 - 2^{-9}$, so the
  state, its decay and the step are kept in float32 at least, and only the result is rounded.
- softplus that turns linear above 20, as torch's does, is $2 \cdot 10^{-9}$ off there.
- mamba-ssm's function also takes complex $A$ (its result is then twice the real part), $B$ and $C$ in groups of
  channels, and $B$ and $C$ that are the same at all positions. Mamba has none of these, and here they are refused.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reference.layers.activations import silu
from reference.layers.activations import softplus as smooth_rectifier


def selective_scan(
    u: Float[Tensor, "batch d t"],
    delta: Float[Tensor, "batch d t"],
    A: Float[Tensor, "d n"],
    B: Float[Tensor, "batch n t"],
    C: Float[Tensor, "batch n t"],
    D: Float[Tensor, "d"] | None = None,
    *,
    z: Float[Tensor, "batch d t"] | None = None,
    delta_bias: Float[Tensor, "d"] | None = None,
    softplus: bool = False,
    state: Float[Tensor, "batch d n"] | None = None,
) -> tuple[Float[Tensor, "batch d t"], Float[Tensor, "batch d n"]]:
    """The outputs of all positions and the state after the last one (Gu, Dao 2023, section 3.2).

    `delta_bias` is added to the steps, and `softplus` makes them positive, in this order. `D` lets the input pass by the
    state; `z` gates the result by SiLU, what passed by included. `state` is the one after the position before the first;
    0 if not given. Where there is no position it comes back as it is. Computed in float32 at least, and rounded to the
    dtype of `u` once.

    Raises `ValueError` for shapes that do not fit together and for complex `A`.
    """
    (batch, d, t), n = u.shape, A.shape[-1]
    if A.is_complex():
        raise ValueError("expected real A; A is complex, as S4's may be and Mamba's is not")
    expected: dict[str, tuple[int, ...]]
    expected = {"delta": (batch, d, t), "A": (d, n), "B": (batch, n, t), "C": (batch, n, t)}
    expected |= {"D": (d,), "z": (batch, d, t), "delta_bias": (d,), "state": (batch, d, n)}
    for name, given in zip(expected, (delta, A, B, C, D, z, delta_bias, state), strict=True):
        if given is not None and given.shape != expected[name]:
            raise ValueError(f"expected {name} of shape {expected[name]}; it has {tuple(given.shape)}")

    dtype, wide = u.dtype, torch.promote_types(u.dtype, torch.float32)
    u, delta, A, B, C = (x.to(wide) for x in (u, delta, A, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if softplus:
        delta = smooth_rectifier(delta)

    a = torch.exp(delta[..., None] * A[:, None])  # (batch, d, t, n), as b
    b = (delta * u)[..., None] * B.mT[:, None]
    h = u.new_zeros(batch, d, n) if state is None else state.to(wide)
    states = [h]
    for decay, taken_in in zip(a.unbind(2), b.unbind(2), strict=True):
        h = decay * h + taken_in
        states.append(h)
    y = (torch.stack(states, dim=2)[:, :, 1:] * C.mT[:, None]).sum(-1)

    if D is not None:
        y = y + D[:, None] * u
    if z is not None:
        y = y * silu(z.to(wide))
    return y.to(dtype), h.to(dtype)
