r"""Multiplicative attention: a query and a key match by their product.

The network that compares queries and keys in additive attention costs a vector of features for each pair. Luong and
colleagues asked what is left if the comparison is as simple as can be: the inner product of the two, or one with a learned
matrix between. All pairs together are then one product of matrices, and translation is no worse. They called this score
*dot*, the one with a matrix *general*, and kept the additive one, under the name *concat*, for comparison.

$$
e_{ij} = \begin{cases}
q_i^\top k_j & \text{dot} \\
q_i^\top W k_j & \text{general} \\
v^\top \tanh(W [q_i; k_j]) & \text{concat}
\end{cases}
\qquad \alpha_{ij} = \frac{\exp e_{ij}}{\sum_l \exp e_{il}}, \qquad c_i = \sum_j \alpha_{ij}\, h_j
$$

Nothing is scaled: that is what `attention.scaled_dot_product` adds to *dot*, two years later. In *general* queries and
keys may differ in width, and $W$ need not be symmetric: what asks is not what answers. If $W = A^\top B$ for two
narrower maps, this is one head of a Transformer. In *concat* $W$ is two maps side by side, $[W_q; W_k]$, so it is additive
attention with both of them in one table.

## Notation

| symbol | name | meaning |
|---|---|---|
| $q$ | `query` | `t` states of the decoder, of width `d_q` (Luong's $h_t$) |
| $k$ | `key` | `s` states of the source, of width `d_k` (his $\bar h_s$) |
| $h$ | `value` | what is averaged, of width `v` (his $\bar h_s$ once more) |
| $W$ | `weight` | general: (d_q, d_k); concat: (a, d_q + d_k) |
| $v$ | `score_weight` | concat: what each of the `a` features counts |
| $\alpha$ | the weights | one row a query |

## Papers

- Luong, Pham, Manning (2015), *Effective Approaches to Attention-based Neural Machine Translation*, arXiv 1508.04025,
  section 3.1: the three scores. Its *local* attention, a window or a bell curve around one place, is a mask or a factor
  on the weights, and not part of this.
- Bahdanau, Cho, Bengio (2014), arXiv 1409.0473: what *concat* stands for.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762: *dot* over $\sqrt{d}$.

## Pitfalls

- No scale. Who reaches for a library's scaled attention has divided by $\sqrt{d}$ without being asked.
- $q^\top W k$ with $W$ of shape (d_q, d_k): the transposed matrix fits too where the widths are one.
- In *concat* the query comes first.
- Luong's papers write *concat* with one $\tanh$ over the sum of both maps; two, one for each, is another function.
- Large widths saturate *dot*: one key takes all, and the gradient of the others vanishes.
- A query that may attend to nothing has weights and a result of 0 here.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reference.attention.additive import aligned


def multiplicative(
    query: Float[Tensor, "*batch t d_q"],
    key: Float[Tensor, "*batch s d_k"],
    value: Float[Tensor, "*batch s v"],
    *,
    score: Literal["dot", "general", "concat"],
    weight: Float[Tensor, "rows columns"] | None = None,
    score_weight: Float[Tensor, " rows"] | None = None,
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*batch t v"], Float[Tensor, "*batch t s"]]:
    """Weighted means of `value`, one for each query, and the weights (Luong et al. 2015, equation 8).

    `score`: "dot" takes no weights; "general" takes `weight` (d_q, d_k); "concat" takes `weight` (a, d_q + d_k), the
    columns of the query first, and `score_weight` (a). `mask` is boolean and broadcastable to `(*batch, t, s)`; True means
    that the query may attend to the key. A row that may attend to nothing is 0, and so are its weights.

    Raises `ValueError` for another score, for weights that it does not take or lacks, and for widths, lengths or a mask
    that do not fit together.
    """
    d_q, d_k = query.shape[-1], key.shape[-1]
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"key and value must have one length, got {key.shape[-2]} and {value.shape[-2]}")
    if score not in ("dot", "general", "concat"):
        raise ValueError(f"score must be dot, general or concat, got {score!r}")
    if (weight is None) != (score == "dot") or (score_weight is None) != (score != "concat"):
        raise ValueError("dot takes no weights, general takes weight, concat takes weight and score_weight")

    if weight is None:
        if d_q != d_k:
            raise ValueError(f"for dot query and key must have one width, got {d_q} and {d_k}")
        scores = query @ key.mT
    elif score_weight is None:
        if weight.shape != (d_q, d_k):
            raise ValueError(f"for general expected a weight of shape {(d_q, d_k)}, got {tuple(weight.shape)}")
        scores = query @ weight @ key.mT
    else:
        wanted = (score_weight.shape[0], d_q + d_k)
        if weight.shape != wanted:
            raise ValueError(f"for concat expected a weight of shape {wanted}, got {tuple(weight.shape)}")
        asked, offered = query @ weight[:, :d_q].mT, key @ weight[:, d_q:].mT
        scores = torch.tanh(asked[..., :, None, :] + offered[..., None, :, :]) @ score_weight
    weights = aligned(scores, mask)
    return weights @ value, weights
