r"""Grouped-query attention: several heads of queries share one head of keys and values.

When a model writes a text, every new token reads the keys and values of all tokens before it, in every layer. Reading
them takes longer than computing with them, and keeping them takes the memory that longer texts would need. Queries are
not kept. So give fewer heads to keys and values than to queries: with $h$ heads of queries in $g$ groups the cache
shrinks by $h / g$, and each head of queries still weighs the values in its own way.

$$
\operatorname{head}_i = \operatorname{Attention}\!\left(Q_i,\; K_{\lfloor i g / h \rfloor},\;
V_{\lfloor i g / h \rfloor}\right), \qquad i = 0, \ldots, h - 1
$$

so that the first $h / g$ heads of queries use the first head of keys, the next $h / g$ the second, and so on.
$g = 1$ is *multi-query* attention, $g = h$ the *multi-head* attention of the transformer.

A decoder keeps what it has: `past` are the keys and values of the tokens before, to which those of the new tokens are
appended. Each new query sees the past and, when causal, the new tokens up to its own. A text in one piece, in chunks or
token by token is the same computation.

## Notation

| symbol | name | meaning |
|---|---|---|
| $h$ | `heads` | heads of queries |
| $g$ | `groups` | heads of keys and values |
| $Q_i$ | `query[..., i, :, :]` | `t` queries of width `d` |
| $K_j, V_j$ | `key`, `value` | `n` new keys of width `d`, values of width `v` |
| | `past` | `p` keys and values of before; `s = p + n` are attended to |

## Papers

- Shazeer (2019), *Fast Transformer Decoding: One Write-Head is All You Need*, arXiv 1911.02150: decoding waits for
  memory, and one head of keys and values for all queries costs little quality.
- Ainslie, Lee-Thorp, de Jong, Zemlyanskiy, Lebrón, Sanghai (2023), *GQA: Training Generalized Multi-Query Transformer
  Models from Multi-Head Checkpoints*, arXiv 2305.13245: groups between the two extremes, and how to make them of a model
  with many heads (the mean of the projections, not of keys, and some more training).
- Pope et al. (2022), *Efficiently Scaling Transformer Inference*, arXiv 2211.05102: what the cache costs.

## Pitfalls

- Which head belongs to which group is a convention: here and in most models neighbours share. Heads that are dealt out
  in turn ($i \bmod g$, a *tile* instead of a repetition) have the right shape and the wrong partners.
- The scale is that of one head, $1 / \sqrt{d}$, however many heads share.
- With a past the last query is aligned with the last key. Query `i` sees key `j` if `j - s <= i - t`, or
  `j <= i + p` where there are as many new keys as queries: so says the ONNX operator `Attention`.
- Mask and bias are about all keys, the past ones first. A past that began with padding has to stay masked.
- The gradient of a shared key is the sum over the heads of queries that use it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product


def grouped_query(
    query: Float[Tensor, "*batch heads t d"],
    key: Float[Tensor, "*batch groups n d"],
    value: Float[Tensor, "*batch groups n v"],
    *,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    scale: float | None = None,
    bias: Float[Tensor, "..."] | None = None,
    softcap: float | None = None,
    past: tuple[Float[Tensor, "*batch groups p d"], Float[Tensor, "*batch groups p v"]] | None = None,
) -> Float[Tensor, "*batch heads t v"]:
    """Attention in which query head `i` uses key head `i // (heads // groups)` (Ainslie et al. 2023, section 2.2).

    `past` are keys and values that come before `key` and `value`, `s = p + n` in all. `mask` and `bias` are broadcastable
    to `(*batch, heads, t, s)`; they, `causal`, `scale` and `softcap` mean what they mean to `scaled_dot_product`: when
    causal, query `i` sees key `j` only if `j - s <= i - t`, and a row that may attend to nothing is 0.

    Raises `ValueError` where `heads` is no multiple of `groups`, where keys and values, or those of the past, differ in
    batch, heads or length, and for whatever `scaled_dot_product` does.
    """
    heads, groups = query.shape[-3], key.shape[-3]
    if value.shape[-3] != groups:
        raise ValueError(f"keys and values must have as many heads, got {groups} and {value.shape[-3]}")
    if groups == 0 or heads % groups != 0:
        raise ValueError(f"heads of queries must be a multiple of heads of keys, got {heads} and {groups}")
    if past is not None:
        try:
            key, value = (torch.cat([old, new], dim=-2) for old, new in zip(past, (key, value), strict=True))
        except RuntimeError:
            raise ValueError(
                "past and new keys, and values, must be alike but for their lengths, got "
                f"{', '.join(str(tuple(x.shape)) for x in (*past, key, value))}"
            ) from None

    shared = heads // groups
    key, value = (x.repeat_interleave(shared, dim=-3) for x in (key, value))
    return scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale, bias=bias, softcap=softcap)
