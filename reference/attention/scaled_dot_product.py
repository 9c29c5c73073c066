r"""Scaled dot-product attention: each query takes a weighted mean of the values, weighted by how well it matches each key.

A query and a key match by their inner product. The products of one query with all keys it may attend to are turned
into positive weights that sum to one (softmax), and the answer is the mean of the values under these weights. Nothing
is learned here: all learning sits in the projections that make queries, keys and values.

$$
\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}} + M\right) V
$$

where $M_{ij} = 0$ if query $i$ may attend to key $j$, and $-\infty$ if not.

Why divide by $\sqrt{d}$: for entries of mean 0 and variance 1 the inner product of two vectors of width $d$ has
variance $d$. Without the division the softmax saturates as $d$ grows, and its gradient vanishes.

## Notation

| symbol | name | meaning |
|---|---|---|
| $Q$ | `query` | `t` queries of width `d` |
| $K$ | `key` | `s` keys of width `d` |
| $V$ | `value` | `s` values of width `v` |
| $M$ | `mask`, `causal` | which key each query may attend to |
| $1/\sqrt{d}$ | `scale` | what the inner products are multiplied by |

## Papers

- Bahdanau, Cho, Bengio (2014), *Neural Machine Translation by Jointly Learning to Align and Translate*,
  arXiv 1409.0473: attention as a learned soft alignment, with additive scores.
- Luong, Pham, Manning (2015), *Effective Approaches to Attention-based Neural Machine Translation*,
  arXiv 1508.04025: the inner product as a score.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762: the scale, the causal mask, and attention as
  the only means by which positions exchange information.
- Dao, Fu, Ermon, Rudra, Ré (2022), *FlashAttention*, arXiv 2205.14135: the same function without ever storing the
  `t` by `s` matrix of weights.

## Pitfalls

- With fewer queries than keys (decoding with a cache) "causal" is ambiguous. Here the **last** query is aligned with
  the **last** key, as decoding needs; some libraries align the first with the first.
- A query that may attend to nothing has no mean to take. Here its result is 0. Adding a large negative number instead
  of $-\infty$ gives the mean of all values, forbidden ones included; a bare softmax gives NaN.
- A boolean mask means "may attend" here; elsewhere `True` means "ignore".
- Adding the same vector to every key shifts all scores of a query equally and changes nothing: a bias on the keys
  cannot be learned.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def scaled_dot_product(
    query: Float[Tensor, "*batch t d"],
    key: Float[Tensor, "*batch s d"],
    value: Float[Tensor, "*batch s v"],
    *,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch t v"]:
    """Weighted means of `value`, one for each query (Vaswani et al. 2017, equation 1).

    `mask` is boolean and broadcastable to `(*batch, t, s)`; True means that the query may attend to the key.
    `causal` lets query `i` attend to key `j` only if `j - s <= i - t`: the last query is aligned with the last key.
    `scale` multiplies the scores and is `1 / sqrt(d)` unless given. A row that may attend to nothing is 0.

    Raises `ValueError` for widths, lengths or a mask that do not fit together, and for no width without a scale.
    """
    t, d = query.shape[-2:]
    s = key.shape[-2]
    if key.shape[-1] != d:
        raise ValueError(f"query and key must have one width, got {d} and {key.shape[-1]}")
    if d == 0 and scale is None:
        raise ValueError("query and key have no width, so there is no 1 / sqrt(width): give a scale")
    if value.shape[-2] != s:
        raise ValueError(f"key and value must have one length, got {s} and {value.shape[-2]}")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean (True = may attend), got {mask.dtype}")

    scale = 1 / math.sqrt(d) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale

    visible = torch.ones(t, s, dtype=torch.bool, device=query.device)
    if causal:
        visible = visible.tril(diagonal=s - t)
    if mask is not None:
        try:
            visible = (visible & mask).expand(scores.shape)
        except RuntimeError:
            wanted, got = tuple(scores.shape), tuple(mask.shape)
            raise ValueError(f"mask must be broadcastable to {wanted}, got {got}") from None

    weights = torch.softmax(scores.masked_fill(~visible, -math.inf), dim=-1)
    # A softmax over nothing but -inf is NaN: this defines such rows as 0, and stops the NaN in the gradient too.
    weights = weights.masked_fill(~visible, 0)
    return weights @ value
