"""Laws of multi-head attention: agreement with the reference, on what it is asked about, and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.multi_head import EVEN, Kind, Layer, layers
from fixtures.strategies.self_attention import A_FEW
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@given(layer=layers("self", heads=EVEN))
def test_self_attention_agrees(implementation: Implementation, layer: Layer) -> None:
    """Values are the reference's for one sequence. Pit: a head is a block of neighbouring features, (h d), not (d h)."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads)


@judge.every_dtype
@A_FEW
@given(layer=layers("memory"))
def test_attention_to_another_sequence_agrees(implementation: Implementation, layer: Layer) -> None:
    """Values are the reference's for queries of one sequence, keys and values of another, whatever the number of heads."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads)


@A_FEW
@given(layer=layers("self", heads=st.sampled_from([1, 3, 5])))
def test_odd_numbers_of_heads(implementation: Implementation, layer: Layer) -> None:
    """One, three and five heads are numbers of heads too."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads)


@A_FEW
@given(layer=layers("apart"))
def test_keys_and_values_of_two_sequences_agree(implementation: Implementation, layer: Layer) -> None:
    """Values are the reference's where keys and values are made of different tokens."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads)


@judge.every_dtype
@A_FEW
@given(layer=layers("widths"), biased=st.booleans())
def test_keys_and_values_of_other_widths_agree(implementation: Implementation, layer: Layer, biased: bool) -> None:
    """Values are the reference's where tokens are as wide as they like, so that there are three weights in the place of one."""
    weights = {name: w for name, w in layer.weights.items() if biased or not name.endswith("bias")}
    judge.agree(implementation, weights, layer.query, layer.key, layer.value, heads=layer.heads)


@A_FEW
@given(layer=layers("memory", biased=False))
def test_agrees_without_biases(implementation: Implementation, layer: Layer) -> None:
    """A state dict without biases is one of a layer that has none."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads)


@A_FEW
@given(layer=layers("apart", learned=True), biased=st.booleans())
def test_agrees_with_a_learned_key(implementation: Implementation, layer: Layer, biased: bool) -> None:
    """Pit: `bias_k` is one more key and `bias_v` its value, for every query; nothing is added to the others."""
    weights = {name: w for name, w in layer.weights.items() if biased or not name.endswith("bias")}
    judge.agree(implementation, weights, layer.query, layer.key, layer.value, heads=layer.heads)


@judge.every_dtype
@A_FEW
@given(layer=layers("memory"))
def test_weights_of_attention_agree(implementation: Implementation, layer: Layer) -> None:
    """Asked for the weights of attention, it gives those of every head, with the output. Pit: their mean over the heads."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, with_weights=True)


@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True), causal=st.booleans())
def test_weights_of_attention_agree_under_a_mask(implementation: Implementation, layer: Layer, causal: bool) -> None:
    """Weights are those under the mask, 0 where it hides; causal or not."""
    options: dict[str, Any] = {"causal": True} if causal else {}
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=layer.mask, with_weights=True, **options)


@A_FEW
@given(layer=layers("self", learned=True, masked=True), causal=st.booleans())
def test_the_learned_key_has_the_last_weight(implementation: Implementation, layer: Layer, causal: bool) -> None:
    """Weights have one column more than there are keys; neither mask nor `causal` hides it."""
    options: dict[str, Any] = {"causal": True} if causal else {}
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=layer.mask, with_weights=True, **options)


@A_FEW
@given(layer=layers("self", heads=EVEN))
def test_asking_for_weights_does_not_change_the_output(implementation: Implementation, layer: Layer) -> None:
    """The output is the same, asked for weights or not."""
    judge.holds(
        implementation,
        lambda f: (f(*layer.inputs, heads=layer.heads, with_weights=True)[0], f(*layer.inputs, heads=layer.heads)),
    )


@A_FEW
@given(layer=layers("memory"))
def test_weights_of_a_head_sum_to_one(implementation: Implementation, layer: Layer) -> None:
    """For each query and head the weights are a distribution over the keys."""
    ones = torch.ones(*layer.batch, layer.heads, layer.t, dtype=torch.float64)
    judge.holds(implementation, lambda f: (f(*layer.inputs, heads=layer.heads, with_weights=True)[1].sum(-1), ones))


@judge.every_dtype
@A_FEW
@given(layer=layers("self", heads=EVEN))
def test_gradients_of_all_weights_agree(implementation: Implementation, layer: Layer) -> None:
    """Gradients of every weight and bias are the reference's, for one sequence."""
    judge.agree_gradients(implementation, *layer.inputs, wrt=0, heads=layer.heads)


@judge.every_dtype
@A_FEW
@given(layer=layers("memory", masked=True))
def test_gradients_of_queries_agree(implementation: Implementation, layer: Layer) -> None:
    """Gradients of queries and of every weight are the reference's, under a mask, for keys and values of one sequence."""
    judge.agree_gradients(implementation, *layer.inputs, wrt=[0, 1], heads=layer.heads, mask=layer.mask)


@A_FEW
@given(layer=layers("apart"))
def test_gradients_of_keys_and_values_agree(implementation: Implementation, layer: Layer) -> None:
    """Keys and values of two sequences each get the gradients that are theirs."""
    judge.agree_gradients(implementation, *layer.inputs, heads=layer.heads)


@A_FEW
@given(layer=layers("widths", learned=True))
def test_gradients_of_the_learned_key_agree(implementation: Implementation, layer: Layer) -> None:
    """The learned key and its value learn, from all texts and queries; so do three weights of different widths."""
    judge.agree_gradients(implementation, *layer.inputs, heads=layer.heads)


@A_FEW
@given(layer=layers("apart", regime="normal"))
def test_gradients_through_the_weights_of_attention_agree(implementation: Implementation, layer: Layer) -> None:
    """A loss may be made of the weights of attention too: gradients flow through them."""
    judge.agree_gradients(implementation, *layer.inputs, heads=layer.heads, with_weights=True)


@A_FEW
@given(layer=layers("memory"), size=st.sampled_from([1e2, 1e4]))
def test_huge_scores_stay_finite(implementation: Implementation, layer: Layer, size: float) -> None:
    """Scores of thousands do not overflow: one key takes all. Pit: exp without subtracting the maximum."""
    query, key, value = layer.weights["in_proj_weight"].chunk(3)
    loud = layer.weights | {"in_proj_weight": torch.cat([torch.ones_like(query) * size, torch.ones_like(key), value])}
    steps = torch.linspace(1, 2, layer.s, dtype=torch.float64)[:, None].expand_as(layer.key)
    judge.agree(implementation, loud, torch.ones_like(layer.query), steps, steps, heads=layer.heads)


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(layer=layers("memory"))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, layer: Layer) -> None:
    """Transposed, gapped and fused tokens and weights give what contiguous ones give, and so do their gradients."""
    weights = {name: LAYOUTS[layout](w) for name, w in layer.weights.items()}
    tokens = [LAYOUTS[layout](x) for x in (layer.query, layer.key, layer.value)]
    judge.agree(implementation, weights, *tokens, heads=layer.heads)
    judge.agree_gradients(implementation, weights, *tokens, wrt=[0, 1], heads=layer.heads)


@A_FEW
@given(layer=layers("memory"))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, layer: Layer) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    weights, query, key, value = layer.inputs
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda x: f(weights, x, key, value, heads=layer.heads), query),
    )


LARGE: dict[str, tuple[Kind, dict[str, int]]] = {
    "keys": ("memory", {"s": 1030}),
    "queries": ("memory", {"t": 1030}),
    "heads": ("self", {"heads": 66}),
    "features of a head": ("self", {"d_head": 300}),
    "texts": ("self", {"batch": 66}),
}


@judge.every_dtype
@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values are the reference's beyond 1024 keys, 256 features and 64 heads, where tiles end and small integers too."""
    kind, large = LARGE[what]
    sizes: dict[str, Any] = {"batch": 1, "t": 3, "s": 3, "heads": 2, "d_head": 3} | large
    layer = Layer(kind, (sizes.pop("batch"),), **sizes, regime="normal", seed=0)
    judge.agree(implementation, *layer.inputs, heads=layer.heads)
