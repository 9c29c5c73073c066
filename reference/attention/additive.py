r"""Additive attention: a small network compares each query with each key.

A translator that keeps a whole sentence in one vector forgets the beginning of long ones. Attention lets it look back
instead: before every word that it writes, it asks of each word of the source how well it fits what comes next, and takes
the mean of the source, weighted by the answers. How well the two fit is learned: query and key are mapped to one space,
added, squashed, and the result is weighed feature by feature.

$$
e_{ij} = v^\top \tanh(W q_i + U k_j + b), \qquad
\alpha_{ij} = \frac{\exp e_{ij}}{\sum_l \exp e_{il}}, \qquad c_i = \sum_j \alpha_{ij}\, h_j
$$

The weights $\alpha$ are an alignment of the two texts that nobody has written down: a translator learns it by translating.

Since $\tanh$ lies between -1 and 1, no score exceeds $\sum |v|$, whatever queries and keys there are, so nothing has to be
divided by a width. What it costs is a vector of features for each *pair* of query and key, where a product of the two
takes one number.

## Notation

| symbol | name | meaning |
|---|---|---|
| $q$ | `query` | `t` states of the one who asks, of width `d_q` (Bahdanau's $s_{i-1}$) |
| $k$ | `key` | `s` states of the source, of width `d_k` (his $h_j$) |
| $h$ | `value` | what is averaged, of width `v` (his $h_j$ once more) |
| $W$, $U$ | `query_weight`, `key_weight` | maps to `a` features, stored (out, in) |
| $v$ | `score_weight` | what each of the features counts |
| $b$ | `bias` | 0 unless given, as in the paper |
| $\alpha$ | the weights | one row a query |

## Papers

- Graves (2013), *Generating Sequences With Recurrent Neural Networks*, arXiv 1308.0850: a window that moves over a text.
- Bahdanau, Cho, Bengio (2014), *Neural Machine Translation by Jointly Learning to Align and Translate*, arXiv 1409.0473:
  this score (section 3.1 and appendix A.1.2), and attention as it is known.
- Luong, Pham, Manning (2015), *Effective Approaches to Attention-based Neural Machine Translation*, arXiv 1508.04025:
  products in the place of the network, see `attention.multiplicative`.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.2.1: the two compared; for large widths
  the product needs its scale to keep up.

## Pitfalls

- Bahdanau asks with the state *before* the word, $s_{i-1}$, Luong with the state after, $h_t$. Which one is the caller's.
- The squashing is of the sum: $\tanh(Wq + Uk)$, not $\tanh(Wq) + \tanh(Uk)$.
- There is no scale, and no bias on the scores either: it would shift them all alike, and softmax would not see it.
- A query that may attend to nothing has no mean to take. Here its weights and its result are 0.
- In a batch of texts of unequal length the mask is of the source; the rows of padded queries are harmless.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def additive(
    query: Float[Tensor, "*batch t d_q"],
    key: Float[Tensor, "*batch s d_k"],
    value: Float[Tensor, "*batch s v"],
    query_weight: Float[Tensor, "a d_q"],
    key_weight: Float[Tensor, "a d_k"],
    score_weight: Float[Tensor, " a"],
    *,
    bias: Float[Tensor, " a"] | None = None,
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*batch t v"], Float[Tensor, "*batch t s"]]:
    """Weighted means of `value`, one for each query, and the weights (Bahdanau et al. 2014, section 3.1).

    `bias` is added before the squashing. `mask` is boolean and broadcastable to `(*batch, t, s)`; True means that the
    query may attend to the key. A row that may attend to nothing is 0, and so are its weights.

    Raises `ValueError` for widths, lengths, weights or a mask that do not fit together.
    """
    a = score_weight.shape[0]
    for name, weight, x in (("query", query_weight, query), ("key", key_weight, key)):
        if weight.shape != (a, x.shape[-1]):
            raise ValueError(f"expected {name}_weight of shape {(a, x.shape[-1])}, got {tuple(weight.shape)}")
    if bias is not None and bias.shape != (a,):
        raise ValueError(f"expected a bias of shape {(a,)}, got {tuple(bias.shape)}")
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"key and value must have one length, got {key.shape[-2]} and {value.shape[-2]}")

    asked, offered = query @ query_weight.mT, key @ key_weight.mT
    if bias is not None:
        asked = asked + bias
    scores = torch.tanh(asked[..., :, None, :] + offered[..., None, :, :]) @ score_weight
    weights = aligned(scores, mask)
    return weights @ value, weights


def aligned(scores: Float[Tensor, "*batch t s"], mask: Tensor | None) -> Float[Tensor, "*batch t s"]:
    """The softmax of each row over what `mask` leaves of it; 0 where that is nothing. Raises `ValueError` for the mask."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean (True = may attend), got {mask.dtype}")
    try:
        hidden = ~mask.expand(scores.shape)
    except RuntimeError:
        wanted, got = tuple(scores.shape), tuple(mask.shape)
        raise ValueError(f"mask must be broadcastable to {wanted}, got {got}") from None
    weights = torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1)
    # A softmax over nothing but -inf is NaN: this defines such rows as 0, and stops the NaN in the gradient too.
    return weights.masked_fill(hidden, 0)
