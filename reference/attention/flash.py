r"""FlashAttention: the same attention, tile by tile, without ever holding the matrix of weights.

Attention weighs every key for every query: $t \times s$ numbers that are made, used once and thrown away. Neither the
result nor its gradient needs them all at once. Go through the keys in blocks and remember of each query three things
only: the largest score so far, the sum of the exponentials, and the sum of the values so weighted. When a larger score
turns up, what was summed under the old maximum is shrunk by one factor, and the end is as though the maximum had been
known from the start. So memory grows with the length, not with its square; on a GPU a tile fits into fast memory, and
what is saved is the traffic to slow memory, not arithmetic.

For each block of keys with scores $S_{ij} = c\, q_i \cdot k_j$, starting with $m = -\infty$, $\ell = 0$, $a = 0$:

$$
m' = \max\bigl(m, \max_j S_{ij}\bigr), \qquad P_{ij} = e^{S_{ij} - m'}, \qquad
\ell' = e^{m - m'} \ell + \sum_j P_{ij}, \qquad a' = e^{m - m'} a + \sum_j P_{ij} v_j
$$

and when all keys have been seen

$$
o_i = a / \ell, \qquad L_i = m + \ln \ell = \ln \sum_j e^{S_{ij}} .
$$

One number a query, the log-sum-exp $L$, is enough to make any weight again, $P_{ij} = e^{S_{ij} - L_i}$, so the way back
goes through the same tiles once more:

$$
D_i = \mathrm{d}o_i \cdot o_i, \qquad \mathrm{d}S_{ij} = P_{ij}\,(\mathrm{d}o_i \cdot v_j - D_i + \mathrm{d}L_i)
$$

$$
\mathrm{d}v_j = \sum_i P_{ij}\, \mathrm{d}o_i, \qquad \mathrm{d}q_i = c \sum_j \mathrm{d}S_{ij}\, k_j, \qquad
\mathrm{d}k_j = c \sum_i \mathrm{d}S_{ij}\, q_i
$$

$D_i$ is $\sum_j P_{ij}\, \mathrm{d}o_i \cdot v_j$, the sum over a whole row that the gradient of a softmax needs, found
without the row. The log-sum-exp is a result of its own, with a gradient of its own: attention over keys that lie on
several devices, or in several parts of a cache, is put together from the parts by it.

## Notation

| symbol | name | meaning |
|---|---|---|
| $S$, $P$ | `scores`, `weights` | of one tile: some queries by some keys |
| $c$ | `scale` | what the inner products are multiplied by |
| $m$, $m'$ | `before`, `largest` | the largest score of a query so far |
| $\ell$ | `total` | sum of its exponentials |
| $a$ | `mean` | sum of the values that they weigh |
| $L$ | `log_sum_exp` | logarithm of the sum of the exponentials of all its scores |
| $\mathrm{d}L - D$ | `of_row` | what all scores of a query share in their gradient |

## Papers

- Milakov, Gimelshein (2018), *Online normalizer calculation for softmax*, arXiv 1805.02867: maximum and sum in one
  pass, by shrinking the sum.
- Rabe, Staats (2021), *Self-attention Does Not Need $O(n^2)$ Memory*, arXiv 2112.05682: the same for the weighted
  values, and the way back by computing again.
- Dao, Fu, Ermon, Rudra, Ré (2022), *FlashAttention*, arXiv 2205.14135: tiles in fast memory, counted by what they read
  and write; the log-sum-exp and $D$ for the way back.
- Dao (2023), *FlashAttention-2*, arXiv 2307.08691: divide once at the end; keep $L$ rather than $m$ and $\ell$.
- Shah et al. (2024), *FlashAttention-3*, arXiv 2407.08608: the same on newer hardware, overlapped, and in 8 bits.

## Pitfalls

- Everything summed so far is shrunk: the values as well as the sum. Who forgets one is right as long as the largest
  score comes in the first block.
- While a query has seen nothing its maximum is $-\infty$, and $-\infty - (-\infty)$ is NaN.
- The last block is shorter than the others, of queries and of keys.
- A query that sees no key at all: result 0, log-sum-exp $-\infty$. So it counts for nothing where parts are put together.
- $D$ is made of the finished result, after the division.
- Kernels hand the log-sum-exp out in float32, some with no gradient, and some in powers of 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def flash(
    query: Float[Tensor, "*batch t d"],
    key: Float[Tensor, "*batch s d"],
    value: Float[Tensor, "*batch s v"],
    *,
    causal: bool = False,
    scale: float | None = None,
    block_size: int = 64,
) -> tuple[Float[Tensor, "*batch t v"], Float[Tensor, "*batch t"]]:
    """Weighted means of `value`, one for each query, and the log-sum-exp of its scores (Dao et al. 2022, algorithm 1).

    `causal` lets query `i` attend to key `j` only if `j - s <= i - t`: the last query is aligned with the last key.
    `scale` multiplies the scores and is `1 / sqrt(d)` unless given. `block_size`, how many queries and keys make a tile,
    changes memory and speed, not the result. A query that sees nothing has 0 and minus infinity. Both results have the
    dtype of the inputs and a gradient.

    Raises `ValueError` for widths or lengths that do not fit together, for no width without a scale, and for a block size
    below 1.
    """
    d, s = query.shape[-1], key.shape[-2]
    if key.shape[-1] != d:
        raise ValueError(f"query and key must have one width, got {d} and {key.shape[-1]}")
    if d == 0 and scale is None:
        raise ValueError("query and key have no width, so there is no 1 / sqrt(width): give a scale")
    if value.shape[-2] != s:
        raise ValueError(f"key and value must have one length, got {s} and {value.shape[-2]}")
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1, got {block_size}")

    scale = 1 / math.sqrt(d) if scale is None else scale
    output, log_sum_exp = _Tiled.apply(query, key, value, causal, scale, block_size)
    return output, log_sum_exp


class _Tiled(torch.autograd.Function):
    """Both ways through the tiles. Only what grows with the length, not with its square, is kept in between."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
        # Products of 16-bit numbers are added up in float32, and so are sums and maxima: as the papers' kernels do.
        wide = torch.promote_types(query.dtype, torch.float32)
        output = query.new_zeros(*query.shape[:-1], value.shape[-1], dtype=wide)
        log_sum_exp = query.new_full(query.shape[:-1], -math.inf, dtype=wide)
        for rows, blocks in _tiles(query, key, *options):
            mean = output[..., rows, :]
            largest = log_sum_exp[..., rows, None]
            total = torch.zeros_like(largest)
            for columns in blocks:
                scores = _scores(query, key, rows, columns, *options)
                before, largest = largest, torch.maximum(largest, scores.amax(-1, keepdim=True))
                shift = _finite(largest)
                weights = (scores - shift).exp()
                shrink = (before - shift).exp()
                total = shrink * total + weights.sum(-1, keepdim=True)
                mean = shrink * mean + weights @ value[..., columns, :].to(wide)
            output[..., rows, :] = mean / total.masked_fill(total == 0, 1)
            log_sum_exp[..., rows] = (largest + total.log()).squeeze(-1)
        ctx.save_for_backward(query, key, value, output, log_sum_exp)
        ctx.options = options
        return output.to(query.dtype), log_sum_exp.to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_log_sum_exp: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, log_sum_exp = ctx.saved_tensors
        wide, scale = output.dtype, ctx.options[1]
        d_output = d_output.to(wide)
        of_row = d_log_sum_exp - (d_output * output).sum(-1)
        shift = _finite(log_sum_exp)
        d_query, d_key, d_value = (torch.zeros_like(x, dtype=wide) for x in (query, key, value))
        for rows, blocks in _tiles(query, key, *ctx.options):
            above = d_output[..., rows, :]
            for columns in blocks:
                scores = _scores(query, key, rows, columns, *ctx.options)
                weights = (scores - shift[..., rows, None]).exp()
                d_value[..., columns, :] += weights.mT @ above
                d_weights = above @ value[..., columns, :].to(wide).mT
                d_scores = scale * weights * (d_weights + of_row[..., rows, None])
                d_query[..., rows, :] += d_scores @ key[..., columns, :].to(wide)
                d_key[..., columns, :] += d_scores.mT @ query[..., rows, :].to(wide)
        return d_query.to(query.dtype), d_key.to(key.dtype), d_value.to(value.dtype), None, None, None


def _tiles(query: Tensor, key: Tensor, causal: bool, scale: float, size: int) -> Iterator[tuple[slice, list[slice]]]:
    """Each block of queries, with the blocks of keys that one of them at least may see."""
    t, s = query.shape[-2], key.shape[-2]
    for start in range(0, t, size):
        stop = min(start + size, t)
        seen = stop + s - t if causal else s
        yield slice(start, stop), [slice(first, min(first + size, seen)) for first in range(0, seen, size)]


def _scores(query: Tensor, key: Tensor, rows: slice, columns: slice, causal: bool, scale: float, size: int) -> Tensor:
    """Of one tile, minus infinity where the query may not see the key."""
    wide = torch.promote_types(query.dtype, torch.float32)
    scores = scale * (query[..., rows, :].to(wide) @ key[..., columns, :].to(wide).mT)
    if causal:
        position = torch.arange(rows.start, rows.stop, device=query.device) + key.shape[-2] - query.shape[-2]
        later = torch.arange(columns.start, columns.stop, device=query.device) > position[:, None]
        scores = scores.masked_fill(later, -math.inf)
    return scores


def _finite(largest: Tensor) -> Tensor:
    """0 in the place of minus infinity: where nothing was seen, nothing is to be shifted."""
    return largest.masked_fill(largest == -math.inf, 0)
