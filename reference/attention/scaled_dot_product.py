r"""Scaled dot-product attention: each query takes a weighted mean of the values, weighted by how well it matches each key.

A query and a key match by their inner product. The products of one query with all keys it may attend to are turned
into positive weights that sum to one (softmax), and the answer is the mean of the values under these weights. Nothing
is learned here: all learning sits in the projections that make queries, keys and values.

$$
\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}} + B + M\right) V
$$

where $M_{ij} = 0$ if query $i$ may attend to key $j$, and $-\infty$ if not; $B$ is 0 unless a model adds something of its
own to the scores, by the distance of query and key for example. A model may also keep its scores within $\pm c$ first,
by $c \tanh(\text{scores} / c)$: a *soft cap*.

Why divide by $\sqrt{d}$: for entries of mean 0 and variance 1 the inner product of two vectors of width $d$ has
variance $d$. Without the division the softmax saturates as $d$ grows, and its gradient vanishes.

## Notation

| symbol | name | meaning |
|---|---|---|
| $Q$ | `query` | `t` queries of width `d` |
| $K$ | `key` | `s` keys of width `d` |
| $V$ | `value` | `s` values of width `v` |
| $M$ | `mask`, `causal` | which key each query may attend to |
| $B$ | `bias` | what is added to the scores |
| $c$ | `softcap` | what no score exceeds |
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
- Raffel et al. (2019), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer*,
  arXiv 1910.10683: a learned bias of the scores by distance. Press, Smith, Lewis (2021), *Train Short, Test Long*,
  arXiv 2108.12409: a linear one (ALiBi).
- Gemma Team (2024), *Gemma 2*, arXiv 2408.00118, section 2: the soft cap of the scores.

## Pitfalls

- With fewer queries than keys (decoding with a cache) "causal" is ambiguous. Here the **last** query is aligned with
  the **last** key, as decoding needs; some libraries align the first with the first.
- A query that may attend to nothing has no mean to take. Here its result is 0. Adding a large negative number instead
  of $-\infty$ gives the mean of all values, forbidden ones included; a bare softmax gives NaN.
- A boolean mask means "may attend" here; elsewhere `True` means "ignore".
- The cap comes before the bias and the mask: a score of $-\infty$ that is capped would be a visible key again.
- Adding the same vector to every key shifts all scores of a query equally and changes nothing: a bias on the keys
  cannot be learned.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EXTENSIONS = ("bias", "softcap")
"""Options of some models only: an implementation without them is one all the same."""


def scaled_dot_product(
    query: Float[Tensor, "*batch t d"],
    key: Float[Tensor, "*batch s d"],
    value: Float[Tensor, "*batch s v"],
    *,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    scale: float | None = None,
    bias: Float[Tensor, "..."] | None = None,
    softcap: float | None = None,
) -> Float[Tensor, "*batch t v"]:
    """Weighted means of `value`, one for each query (Vaswani et al. 2017, equation 1).

    `mask` is boolean and broadcastable to `(*batch, t, s)`; True means that the query may attend to the key.
    `causal` lets query `i` attend to key `j` only if `j - s <= i - t`: the last query is aligned with the last key.
    `scale` multiplies the scores and is `1 / sqrt(d)` unless given. `softcap`, a positive number, keeps the scaled scores
    within plus and minus itself. `bias`, broadcastable as the mask is, is added to them then; where it is minus infinity,
    the query may not attend to the key. A row that may attend to nothing is 0.

    Raises `ValueError` for widths, lengths, a mask or a bias that do not fit together, for no width without a scale, and
    for a soft cap that is not positive.
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
    if softcap is not None and not softcap > 0:
        raise ValueError(f"softcap must be positive, got {softcap}")

    scale = 1 / math.sqrt(d) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)

    visible = torch.ones(t, s, dtype=torch.bool, device=query.device)
    if causal:
        visible = visible.tril(diagonal=s - t)
    try:
        if mask is not None:
            visible = (visible & mask).expand(scores.shape)
        if bias is not None:
            scores = scores + bias.expand(scores.shape)
            visible = visible & (bias > -math.inf)
    except RuntimeError:
        raise ValueError(
            f"mask and bias must be broadcastable to {tuple(scores.shape)}, got "
            f"{' and '.join('none' if x is None else str(tuple(x.shape)) for x in (mask, bias))}"
        ) from None

    weights = torch.softmax(scores.masked_fill(~visible, -math.inf), dim=-1)
    # A softmax over nothing but -inf is NaN: this defines such rows as 0, and stops the NaN in the gradient too.
    weights = weights.masked_fill(~visible, 0)
    return weights @ value
