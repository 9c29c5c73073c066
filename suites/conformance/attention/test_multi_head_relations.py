"""Laws of multi-head attention: how its results on one input relate to those on another."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.multi_head import EVEN, Layer, layers
from fixtures.strategies.self_attention import A_FEW
from fixtures.subject import Subject as Implementation
from reference.attention.self_attention import self_attention


def _permutation(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


@A_FEW
@given(layer=layers("self", heads=EVEN))
def test_heads_add_up(implementation: Implementation, layer: Layer) -> None:
    """The output is the sum of what each head gives through its own columns of the last map, and one bias."""
    out = layer.weights["out_proj.weight"]
    silent = layer.weights | {"out_proj.bias": torch.zeros_like(layer.weights["out_proj.bias"])}
    alone = [torch.zeros_like(out) for _ in range(layer.heads)]
    for index, columns in enumerate(alone):
        columns[:, layer.head(index)] = out[:, layer.head(index)]
    tokens = layer.inputs[1:]
    judge.holds(
        implementation,
        lambda f: (
            torch.stack([f(silent | {"out_proj.weight": one}, *tokens, heads=layer.heads) for one in alone]).sum(0),
            f(layer.weights | {"out_proj.bias": silent["out_proj.bias"]}, *tokens, heads=layer.heads),
        ),
    )


@A_FEW
@given(layer=layers("self", heads=EVEN), seed=st.integers(0, 99))
def test_heads_have_no_order(implementation: Implementation, layer: Layer, seed: int) -> None:
    """Heads that are permuted, with their rows of the first maps and their columns of the last, give the same."""
    order = torch.arange(layer.d).unflatten(0, (layer.heads, -1))[_permutation(layer.heads, seed)].flatten()
    rows = torch.cat([order, order + layer.d, order + 2 * layer.d])
    permuted = layer.weights | {
        "in_proj_weight": layer.weights["in_proj_weight"][rows],
        "in_proj_bias": layer.weights["in_proj_bias"][rows],
        "out_proj.weight": layer.weights["out_proj.weight"][:, order],
    }
    tokens = layer.inputs[1:]
    judge.holds(
        implementation, lambda f: (f(permuted, *tokens, heads=layer.heads), f(*layer.inputs, heads=layer.heads))
    )


@A_FEW
@given(layer=layers("self"))
def test_a_head_is_a_head_of_self_attention(implementation: Implementation, layer: Layer) -> None:
    """Each head is one of `self_attention` with its block of the rows; with one head there is one."""
    parts = layer.weights["in_proj_weight"].chunk(3), layer.weights["in_proj_bias"].chunk(3)
    found = []
    for index in range(layer.heads):
        weights, biases = ([part[layer.head(index)] for part in some] for some in parts)
        named: dict[str, Any] = dict(zip(("query_bias", "key_bias", "value_bias"), biases, strict=True))
        found.append(self_attention(layer.query, *weights, **named))
    expected = torch.cat(found, -1) @ layer.weights["out_proj.weight"].mT + layer.weights["out_proj.bias"]
    judge.holds(implementation, lambda f: (f(*layer.inputs, heads=layer.heads), expected))


@A_FEW
@given(layer=layers("memory", least=2), seed=st.integers(0, 99))
def test_results_follow_their_queries(implementation: Implementation, layer: Layer, seed: int) -> None:
    """Queries that are permuted give the same results in that order: they do not see each other."""
    weights, query, key, value = layer.inputs
    order = _permutation(layer.t, seed)
    judge.holds(
        implementation,
        lambda f: (
            f(weights, query[..., order, :], key, value, heads=layer.heads),
            f(*layer.inputs, heads=layer.heads)[..., order, :],
        ),
    )


@A_FEW
@given(layer=layers("memory", least=2, masked=True), seed=st.integers(0, 99))
def test_keys_and_values_permute_together(implementation: Implementation, layer: Layer, seed: int) -> None:
    """The order of the keys does not matter, if values and mask follow it."""
    assert layer.mask is not None
    mask, order = layer.mask, _permutation(layer.s, seed)
    weights, query, key, value = layer.inputs
    judge.holds(
        implementation,
        lambda f: (
            f(weights, query, key[..., order, :], value[..., order, :], heads=layer.heads, mask=mask[..., order]),
            f(*layer.inputs, heads=layer.heads, mask=mask),
        ),
    )


@A_FEW
@given(layer=layers("self", heads=EVEN, least=2), at=st.integers(0, 40))
def test_no_query_sees_its_future(implementation: Implementation, layer: Layer, at: int) -> None:
    """When causal, other tokens from position i on change no result before i, and a text cut at i gives what it gave."""
    cut = 1 + at % (layer.t - 1)
    later = (torch.arange(layer.t) >= cut)[:, None]
    changed, prefix = layer.query.where(~later, -2 * layer.query - 3), layer.query[..., :cut, :]
    weights, heads = layer.weights, layer.heads
    judge.holds(
        implementation,
        lambda f: (
            torch.stack(
                [
                    f(weights, changed, changed, changed, heads=heads, causal=True)[..., :cut, :],
                    f(weights, prefix, prefix, prefix, heads=heads, causal=True),
                ]
            ),
            torch.stack([f(*layer.inputs, heads=heads, causal=True)[..., :cut, :]] * 2),
        ),
    )


@A_FEW
@given(layer=layers("self", heads=EVEN, least=2), at=st.integers(0, 40), size=st.sampled_from([0.0, 1.0, 1e3]))
def test_padding_is_not_seen(implementation: Implementation, layer: Layer, at: int, size: float) -> None:
    """A text with masked padding behind it gives what it gives alone, whatever stands there."""
    cut = 1 + at % (layer.t - 1)
    padded = layer.query.where((torch.arange(layer.t) < cut)[:, None], size)
    mask, alone = (torch.arange(layer.t) < cut)[None], layer.query[..., :cut, :]
    judge.holds(
        implementation,
        lambda f: (
            f(layer.weights, padded, padded, padded, heads=layer.heads, mask=mask)[..., :cut, :],
            f(layer.weights, alone, alone, alone, heads=layer.heads),
        ),
    )


@A_FEW
@given(layer=layers("self", heads=EVEN, batches=st.just((3,))))
def test_texts_of_a_batch_do_not_see_each_other(implementation: Implementation, layer: Layer) -> None:
    """Each text of a batch gives what it gives alone. Pit: batch and tokens in the wrong order of axes."""
    judge.holds(
        implementation,
        lambda f: (
            torch.stack([f(layer.weights, x, x, x, heads=layer.heads) for x in layer.query]),
            f(*layer.inputs, heads=layer.heads),
        ),
    )


@A_FEW
@given(layer=layers("self", heads=EVEN), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_of_the_keys_changes_nothing(implementation: Implementation, layer: Layer, factor: float) -> None:
    """Pit: the middle third of `in_proj_bias` shifts all scores of a query alike, and softmax is blind to that."""
    thirds = torch.tensor([1.0, factor, 1.0], dtype=torch.float64).repeat_interleave(layer.d)
    other = layer.weights | {"in_proj_bias": layer.weights["in_proj_bias"] * thirds}
    tokens = layer.inputs[1:]
    judge.holds(implementation, lambda f: (f(other, *tokens, heads=layer.heads), f(*layer.inputs, heads=layer.heads)))


@A_FEW
@given(layer=layers("self", learned=True), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_of_the_keys_is_seen_beside_a_learned_key(
    implementation: Implementation, layer: Layer, factor: float
) -> None:
    """The learned key has no such bias, so that of the others counts now: one more number in all scores but one."""
    thirds = torch.tensor([1.0, factor, 1.0], dtype=torch.float64).repeat_interleave(layer.d)
    other = layer.weights | {"in_proj_bias": layer.weights["in_proj_bias"] * thirds}
    judge.agree(implementation, other, *layer.inputs[1:], heads=layer.heads)


@A_FEW
@given(layer=layers("memory", learned=True), size=st.sampled_from([1e4, 1e6]))
def test_a_learned_key_that_nobody_matches_is_none(implementation: Implementation, layer: Layer, size: float) -> None:
    """A learned key far below all others leaves what there is without it."""
    plain = {name: w for name, w in layer.weights.items() if name not in ("bias_k", "bias_v")}
    turned = plain["in_proj_weight"].clone()
    turned[: layer.d] = 0  # then all queries are their bias
    ones = plain["in_proj_bias"].clone()
    ones[: layer.d] = 1
    plain |= {"in_proj_weight": turned, "in_proj_bias": ones}
    learned = plain | {"bias_k": torch.full_like(layer.weights["bias_k"], -size), "bias_v": layer.weights["bias_v"]}
    tokens = layer.inputs[1:]
    judge.holds(
        implementation, lambda f: (f(learned, *tokens, heads=layer.heads), f(plain, *tokens, heads=layer.heads))
    )
