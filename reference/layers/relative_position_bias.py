r"""Relative position bias: attention is told how far apart two positions are, by a number added to their score.

Shaw, Uszkoreit and Vaswani gave every distance, up to a limit, a vector of its own, which joins the key. T5 keeps only
what a score needs: one learned number a head. And it spends its numbers where order matters most: near distances have
one each, far ones share it with more and more neighbours, and beyond some distance all are alike. So a model can be
given texts that are longer than any it was trained on, and all positions may be shifted together.

$$
B_{hij} = T_{\beta(j - i),\, h}
\qquad
\beta(n) = \begin{cases}
  \rho(-\min(n, 0)) & \text{causal} \\
  \rho(|n|) + \tfrac N2\,[n > 0] & \text{bidirectional, where } \rho \text{ has } N/2 \text{ buckets}
\end{cases}
$$

Of the $b$ buckets of $\rho$ the first $e = \lfloor b/2 \rfloor$ hold one distance each. The others split the way from $e$
to the maximal distance $D$ into equal ratios:

$$
\rho(m) = \begin{cases}
  m & m < e \\
  \min\left(b - 1,\; e + \left\lfloor (b - e)\, \dfrac{\ln(m/e)}{\ln(D/e)} \right\rfloor\right) & m \ge e
\end{cases}
$$

## Which precision, and where it is rounded

Nowhere: a bucket is a whole number. Bucket $e + k$ begins at the least $m$ with $m^{b-e} e^k \ge D^k e^{b-e}$, and these
are whole numbers too, however large. T5's own code takes the logarithm in float32 and rounds down, so where the fraction
is whole, or within about $10^{-6}$ of it, the bucket depends on the last bit. That never happens in models in use: for 32
buckets and a distance of 128, in either direction, float32, float64 and exact arithmetic give the same buckets
(bidirectional ones begin at 8, 12, 16, 23, 32, 46, 64 and 91). It does for 48 buckets and a distance of 81 in a causal
model: 36 is 24 times the eighth power of $(81/24)^{1/24}$ exactly, and opens a bucket here, while it is in the one
before in transformers' T5. Not so in transformers' WavLM, which adds $e$ before it rounds down, nor in T5X, which adds
the epsilon of float32 to $m/e$ first. For 46 and 164 the distance 107 falls short by $10^{-6}$ of a bucket, and all three
round it up.

## Notation

| symbol | name | meaning |
|---|---|---|
| $T$ | `table` | one learned number for each bucket and head |
| $N$ | `buckets` | rows of the table |
| $b$, $e$ | `count`, `exact` | buckets of one direction, and those that hold a single distance |
| $i$, $j$ | `query_positions`, `key_positions` | where queries and keys stand |
| $D$ | `max_distance` | where the logarithm would reach bucket $b$ |

## Papers

- Shaw, Uszkoreit, Vaswani (2018), *Self-Attention with Relative Position Representations*, arXiv 1803.02155: attention
  that knows distances, clipped at a limit, rather than positions.
- Raffel et al. (2019), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer* (T5),
  arXiv 1910.10683, section 2.1: scalars in the vectors' place, buckets of growing width, one table for all layers.

## Pitfalls

- The distance is key minus query. The other way round, what comes before and what comes after change places.
- The logarithm would put $D$ into bucket $b$, which is not there: it must be held down to $b - 1$. The last bucket
  begins long before $D$.
- Bidirectional, row $N/2$ is never used: distance 0 is in bucket 0, and what comes after begins at $N/2 + 1$.
- Causal, all of the future shares bucket 0 with the query itself. The mask must hide it; the bias does not.
- A last bucket of three quarters of the range is coarse: a model that must count far tokens cannot do so by this alone.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


def relative_position_bias(
    table: Float[Tensor, "buckets heads"],
    query_positions: Int[Tensor, "t"],
    key_positions: Int[Tensor, "s"],
    *,
    bidirectional: bool,
    max_distance: int,
) -> Float[Tensor, "heads t s"]:
    """For each head, query and key the entry of `table` for the bucket of their distance, key minus query.

    `bidirectional` keeps one half of the buckets for keys after the query; if False they all share bucket 0.
    `max_distance`, in positions, is where the logarithmic half of the buckets would end (Raffel et al. 2019, section
    2.1). Positions are any whole numbers.

    Raises `ValueError` for an odd number of buckets if `bidirectional`, for fewer than 2 a direction, and for a
    `max_distance` that is not beyond the buckets of single distances.
    """
    buckets = len(table)
    if bidirectional and buckets % 2:
        raise ValueError(f"two directions need an even number of buckets, got {buckets}")
    count = buckets // 2 if bidirectional else buckets
    exact = count // 2
    if exact < 1:
        raise ValueError(f"expected at least 2 buckets for each direction, got {count}")
    if max_distance <= exact:
        raise ValueError(f"max_distance must be beyond the {exact} buckets of single distances, got {max_distance}")

    distance = key_positions.long() - query_positions.long()[:, None]
    past = distance.abs() if bidirectional else (-distance).clamp(min=0)
    edges = torch.tensor(_edges(count, exact, max_distance), dtype=past.dtype, device=past.device)
    # Both halves at once: a bucket is the number of edges that are not beyond the distance.
    bucket = torch.bucketize(past, edges, right=True)
    if bidirectional:
        bucket = bucket + count * (distance > 0)
    return table[bucket].movedim(-1, 0)


@cache  # every layer of a model asks again
def _edges(count: int, exact: int, max_distance: int) -> list[int]:
    """The least distance of each bucket but the first: 1, 2 ... and then by equal ratios, in whole numbers."""
    ratios = count - exact

    def beyond(distance: int, k: int) -> bool:  # (distance / exact) ** ratios >= (max_distance / exact) ** k
        return bool(distance**ratios * exact**k >= max_distance**k * exact**ratios)

    # subtle: the last bucket begins at ratio `ratios - 1`. There is none for `max_distance` itself.
    far = (bisect_left(range(max_distance), True, key=lambda n: beyond(n, k)) for k in range(1, ratios))
    return [*range(1, exact + 1), *far]
