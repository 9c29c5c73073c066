r"""Self-attention, one head: every token asks all tokens of its own sequence, and answers them all.

From each token $x_i$ three vectors are made by three learned maps: a *query*, what it looks for; a *key*, what it can be
found by; a *value*, what it has to say. Then every query takes the mean of all values, weighted by how well it matches
their keys. So in one step any token can learn from any other, however far away, and how it does so depends on both.

$$
Q = X W_Q^\top + b_Q, \qquad K = X W_K^\top + b_K, \qquad V = X W_V^\top + b_V, \qquad
Y = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}} + M\right) V
$$

Two products tell what a head does. Which token listens to which depends on $x_i^\top W_Q^\top W_K\, x_j$ only: turn
queries and keys by one rotation, and nothing changes. What is heard then is linear in the values, and so in $W_V$.

Nothing here knows where a token stands: permute the tokens and the results are permuted alike. Order has to come from
elsewhere, from positions in $X$ or in the scores, or, in part, from the causal mask.

## Notation

| symbol | name | meaning |
|---|---|---|
| $X$ | `x` | `t` tokens of width `d` |
| $W_Q, W_K$ | `query_weight`, `key_weight` | to queries and keys of width `d_k`, stored (out, in) |
| $W_V$ | `value_weight` | to values of width `d_v` |
| $b_Q, b_K, b_V$ | `query_bias`, `key_bias`, `value_bias` | 0 unless given |
| $M$ | `mask`, `causal` | which token each token may attend to |
| $1/\sqrt{d_k}$ | `scale` | what the inner products are multiplied by |

## Papers

- Cheng, Dong, Lapata (2016), *Long Short-Term Memory-Networks for Machine Reading*, arXiv 1601.06733: each word attends
  to the words read before it, within one text.
- Parikh, Täckström, Das, Uszkoreit (2016), *A Decomposable Attention Model for Natural Language Inference*,
  arXiv 1606.01933: attention within a sentence without any recurrence.
- Lin et al. (2017), *A Structured Self-attentive Sentence Embedding*, arXiv 1703.03130: the name.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762: queries, keys and values, all of one sequence,
  in the place of recurrence and convolution (sections 3.2 and 4).
- Lee et al. (2018), *Set Transformer*, arXiv 1810.00825: it is a function of sets, equivariant to permutations.
- Elhage et al. (2021), *A Mathematical Framework for Transformer Circuits*: the two products above, named QK and OV.

## Pitfalls

- The scale is that of the queries and keys, $1/\sqrt{d_k}$, not that of the tokens, $1/\sqrt{d}$.
- A bias of the keys adds the same number to all scores of a query, and softmax does not see it: such a bias has no
  effect and no gradient. A bias of the queries does have one.
- Weights are stored as linear layers keep them, (out, in). Where $d_k = d$ the transposed matrix fits too.
- A token that is masked is not *heard*, but it still gets a result of its own.
- A token that may attend to nothing gets 0, the bias of the values included.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product


def self_attention(
    x: Float[Tensor, "*batch t d"],
    query_weight: Float[Tensor, "d_k d"],
    key_weight: Float[Tensor, "d_k d"],
    value_weight: Float[Tensor, "d_v d"],
    *,
    query_bias: Float[Tensor, " d_k"] | None = None,
    key_bias: Float[Tensor, " d_k"] | None = None,
    value_bias: Float[Tensor, " d_v"] | None = None,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*batch t d_v"]:
    """What each token of `x` hears from the tokens it may attend to (Vaswani et al. 2017, section 3.2).

    `mask` is boolean and broadcastable to `(*batch, t, t)`; True means that the token of the row may attend to that of
    the column. `causal` lets it attend to itself and to what came before. `scale` multiplies the scores and is
    `1 / sqrt(d_k)` unless given. A row that may attend to nothing is 0.

    Raises `ValueError` for weights and biases whose shapes do not fit `x` and each other, and for what
    `scaled_dot_product` refuses.
    """
    query = _projected("query", x, query_weight, query_bias)
    key = _projected("key", x, key_weight, key_bias)
    value = _projected("value", x, value_weight, value_bias)
    return scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale)


def _projected(name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.ndim != 2 or weight.shape[1] != x.shape[-1]:
        raise ValueError(f"expected {name}_weight of shape (any, {x.shape[-1]}), got {tuple(weight.shape)}")
    if bias is None:
        return x @ weight.mT
    if bias.shape != weight.shape[:1]:  # one number would be stretched over all features
        raise ValueError(f"expected {name}_bias of shape {tuple(weight.shape[:1])}, got {tuple(bias.shape)}")
    return x @ weight.mT + bias
