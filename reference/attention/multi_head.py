r"""Multi-head attention: several small heads side by side, each of which may attend to something else.

One head takes one mean, so a token that has two things to look for gets a blur of both. Therefore queries, keys and
values of width $d$ are cut into $h$ parts of width $d/h$, each part attends for itself, and one last map mixes what the
parts have found. That costs no more than one head of full width.

$$
\operatorname{head}_i = \operatorname{Attention}(Q W_Q^{(i)\top} + b_Q^{(i)},\; K W_K^{(i)\top} + b_K^{(i)},\;
V W_V^{(i)\top} + b_V^{(i)}), \qquad
Y = [\operatorname{head}_1, \dots, \operatorname{head}_h]\, W_O^\top + b_O
$$

Where queries, keys and values are made of one sequence this is *self-attention*; where keys and values are made of
another one, as in a decoder that reads what an encoder has written, *cross-attention*.

Side by side means: a sum. With $W_O^{(i)}$, the columns of $W_O$ that meet head $i$,

$$ Y = \sum_i \operatorname{head}_i\, W_O^{(i)\top} + b_O $$

so the heads have no order, and one that is cut out leaves the others as they are. A trained model can often spare most.

## Notation

| symbol | name | meaning |
|---|---|---|
| $Q, K, V$ | `query`, `key`, `value` | `t` and `s` tokens, not yet projected; widths `d`, `d_key`, `d_value` |
| $h$ | `heads` | number of heads, of $d/h$ features each |
| $W_Q, W_K, W_V$ | `in_proj_weight` | one below the other, as thirds of the rows, where all widths are `d` |
| | `q_proj_weight`, `k_proj_weight`, `v_proj_weight` | one by one, where they are not |
| $b_Q, b_K, b_V$ | `in_proj_bias` | one after another |
| $W_O, b_O$ | `out_proj.weight`, `out_proj.bias` | what mixes the heads |
| | `bias_k`, `bias_v` | one more key and its value, learned, for every query to attend to |
| $M$ | `mask`, `causal` | which key each query may attend to |

## Papers

- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.2.2: the heads, their width, the last map.
- Voita, Talbot, Moiseev, Sennrich, Titov (2019), *Analyzing Multi-Head Self-Attention*, arXiv 1905.09418: few heads do the
  specialised work, and the rest can be pruned.
- Michel, Levy, Neubig (2019), *Are Sixteen Heads Really Better than One?*, arXiv 1905.10650: at test time many layers can
  do with one.
- Sukhbaatar, Grave, Lample, Bojanowski, Joulin (2019), *Augmenting Self-attention with Persistent Memory*,
  arXiv 1907.01470: keys and values that belong to no token, as `bias_k` and `bias_v` do.

## Pitfalls

- A head is a block of neighbouring features, "(h d)". The other reading, every `h`-th feature, "(d h)", fits all shapes.
- The scale is that of a head, $\sqrt{h/d}$, not that of the model.
- `True` in `mask` means "may attend". In torch's own module it means the opposite, in both of its masks.
- `bias_k` is no bias: nothing is added to the keys, a key is added to them. No mask hides it.
- A query that may attend to nothing takes 0 from every head, so that $b_O$ is all it gets. Others give NaN.
- The weights of attention are those of each head; torch's module returns their mean unless asked.
- With fewer queries than keys, `causal` aligns the last query with the last key.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from reference.attention.scaled_dot_product import scaled_dot_product


def multi_head(
    weights: Mapping[str, Tensor],
    query: Float[Tensor, "*batch t d"],
    key: Float[Tensor, "*batch s d_key"],
    value: Float[Tensor, "*batch s d_value"],
    *,
    heads: int,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    with_weights: bool = False,
) -> Float[Tensor, "*batch t d"] | tuple[Float[Tensor, "*batch t d"], Float[Tensor, "*batch {heads} t s_and_learned"]]:
    """What `heads` heads find together (Vaswani et al. 2017, section 3.2.2); `with_weights`, what each attends to as well.

    `weights` is the state dict of `torch.nn.MultiheadAttention` as it is: with `in_proj_weight`, or with its three parts
    apart where widths differ; with both biases or with none; with `bias_k` and `bias_v` or without. `mask` is boolean and
    broadcastable to `(*batch, heads, t, s)`; True means that the query may attend to the key. `causal` lets query `i`
    attend to key `j` only if `j - s <= i - t`. Neither hides the learned key, whose column is the last of the weights.

    Raises `ValueError` if `heads` does not divide d, if the state dict lacks something, and for shapes that do not fit.
    """
    check(weights, heads, query, key, value)
    (q, k, v), (b_q, b_k, b_v) = _projections(weights)
    query, key, value = _linear(query, q, b_q), _linear(key, k, b_k), _linear(value, v, b_v)
    visible = _visible(query, key, heads, mask, causal)
    if "bias_k" in weights:
        key, value = (
            torch.cat([x, weights[name][0].expand(*x.shape[:-2], 1, -1)], dim=-2)
            for name, x in (("bias_k", key), ("bias_v", value))
        )
        visible = pad(visible, (0, 1), value=True)

    query, key, value = (_split(x, heads) for x in (query, key, value))
    attended = scaled_dot_product(query, key, value, mask=visible)
    together = attended.transpose(-3, -2).flatten(-2)  # (*batch, heads, t, d / heads) -> (*batch, t, d)
    output = _linear(together, weights["out_proj.weight"], weights.get("out_proj.bias"))
    if not with_weights:
        return output
    identity = torch.eye(key.shape[-2], dtype=key.dtype, device=key.device)  # a mean of its rows is the weights
    return output, scaled_dot_product(query, key, identity.expand(*key.shape[:-1], -1), mask=visible)


def _projections(weights: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor] | list[None]]:
    """Weights and biases of queries, keys and values."""
    if "in_proj_weight" in weights:
        parts = list(weights["in_proj_weight"].chunk(3))
    else:
        parts = [weights[f"{letter}_proj_weight"] for letter in "qkv"]
    return parts, list(weights["in_proj_bias"].chunk(3)) if "in_proj_bias" in weights else [None] * 3


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x @ weight.mT if bias is None else x @ weight.mT + bias


def _split(x: Tensor, heads: int) -> Tensor:
    """(*batch, t, d) -> (*batch, heads, t, d / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _visible(query: Tensor, key: Tensor, heads: int, mask: Tensor | None, causal: bool) -> Tensor:
    """(*batch, heads, t, s): which key each query of each head may attend to."""
    *batch, t, _ = query.shape
    s = key.shape[-2]
    visible = torch.ones(t, s, dtype=torch.bool, device=query.device)
    if causal:
        visible = visible.tril(diagonal=s - t)
    if mask is not None:
        if mask.dtype != torch.bool:
            raise ValueError(f"mask must be boolean (True = may attend), got {mask.dtype}")
        try:
            return visible & mask.expand(*batch, heads, t, s)
        except RuntimeError:
            wanted = (*batch, heads, t, s)
            raise ValueError(f"mask must be broadcastable to {wanted}, got {tuple(mask.shape)}") from None
    return visible.expand(*batch, heads, t, s)


def check(weights: Mapping[str, Tensor], heads: int, query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise ValueError for whatever does not fit."""
    d = query.shape[-1]
    if heads < 1 or d % heads:
        raise ValueError(f"expected heads to divide d; d is {d}, heads is {heads}")
    if key.shape[:-1] != value.shape[:-1] or key.shape[:-2] != query.shape[:-2]:
        shapes = ", ".join(str(tuple(x.shape)) for x in (query, key, value))
        raise ValueError(f"expected as many values as keys, and of one batch with the queries; got {shapes}")
    wanted: dict[str, tuple[int, ...]] = {"out_proj.weight": (d, d)}
    if "in_proj_weight" in weights:
        wanted |= {"in_proj_weight": (3 * d, d)}
        if (key.shape[-1], value.shape[-1]) != (d, d):
            raise ValueError(
                f"in_proj_weight is for keys and values of width {d}; got {key.shape[-1]}, {value.shape[-1]}"
            )
    else:
        wanted |= {"q_proj_weight": (d, d), "k_proj_weight": (d, key.shape[-1]), "v_proj_weight": (d, value.shape[-1])}
    for pair in ({"in_proj_bias": (3 * d,), "out_proj.bias": (d,)}, {"bias_k": (1, 1, d), "bias_v": (1, 1, d)}):
        if pair.keys() & weights.keys():
            wanted |= pair
    if missing := [name for name in wanted if name not in weights]:
        raise ValueError(f"expected the state dict of a torch.nn.MultiheadAttention; it lacks {', '.join(missing)}")
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(f"expected {name} of shape {shape}, got {tuple(weights[name].shape)}")
