"""Laws of multi-head attention: masks, causal and given, what nobody may attend to, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.multi_head import EVEN, Kind, Layer, layers
from fixtures.strategies.self_attention import A_FEW
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True))
def test_agrees_under_a_mask_of_each_head(implementation: Implementation, layer: Layer) -> None:
    """Values are the reference's under a mask of its own for every head. Pit: True means "may attend", not "ignore"."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=layer.mask)


@A_FEW
@given(layer=layers("memory", masked=True))
def test_agrees_under_a_mask_of_another_sequence(implementation: Implementation, layer: Layer) -> None:
    """A mask of keys that are not the queries' own."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=layer.mask)


@judge.every_dtype
@A_FEW
@given(layer=layers("self", heads=EVEN))
def test_agrees_when_causal(implementation: Implementation, layer: Layer) -> None:
    """Values are the reference's when no query may attend to a later key."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, causal=True)


@A_FEW
@given(layer=layers("memory", more_keys=True))
def test_causal_aligns_the_last_query_with_the_last_key(implementation: Implementation, layer: Layer) -> None:
    """With fewer queries than keys (a cache), the last query sees every key. Pit: top-left alignment."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, causal=True)


@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True))
def test_mask_and_causal_both_apply(implementation: Implementation, layer: Layer) -> None:
    """With a mask and `causal`, a key must be allowed by both."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=layer.mask, causal=True)


@A_FEW
@given(layer=layers("self"))
def test_gradients_agree_when_causal(implementation: Implementation, layer: Layer) -> None:
    """Gradients of every weight are the reference's when causal."""
    judge.agree_gradients(implementation, *layer.inputs, wrt=0, heads=layer.heads, causal=True)


@A_FEW
@given(layer=layers("self", learned=True))
def test_causal_does_not_hide_the_learned_key(implementation: Implementation, layer: Layer) -> None:
    """Pit: the learned key comes after all others, and belongs to no position: the first query may attend to it too."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, causal=True)


@A_FEW
@given(layer=layers("memory", learned=True, masked=True), padded=st.booleans())
def test_no_mask_hides_the_learned_key(implementation: Implementation, layer: Layer, padded: bool) -> None:
    """Where all keys are hidden, or padding is, the learned key is still there: its value is what is left."""
    assert layer.mask is not None
    mask = layer.mask & (torch.arange(layer.t) != 0)[:, None]
    if padded:
        mask = (torch.arange(layer.s) < layer.s // 2)[None]
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=mask)


MASKS = {
    "keys": lambda mask: mask[..., :1, :1, :],
    "keys of all texts": lambda mask: mask.flatten(0, -3)[0, 0],
    "pairs of all texts": lambda mask: mask.flatten(0, -3)[0],
    "pairs of each text": lambda mask: mask[..., :1, :, :],
    "pairs of each head": lambda mask: mask.flatten(0, -4)[0],
}


@pytest.mark.parametrize("form", MASKS)
@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True, batches=st.sampled_from([(1,), (3,), (2, 2)])))
def test_mask_broadcasts(implementation: Implementation, form: str, layer: Layer) -> None:
    """A mask of fewer or of singleton axes means the same as its full form."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=MASKS[form](layer.mask))


def _hidden_from(layer: Layer, row: int) -> Tensor:
    """The layer's mask, with nothing left for one query of the first head."""
    assert layer.mask is not None
    mask = layer.mask.clone()
    mask[..., 0, row % layer.t, :] = False
    return mask


@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True, least=2), row=st.integers(0, 40))
def test_a_head_that_may_attend_to_nothing_adds_nothing(implementation: Implementation, layer: Layer, row: int) -> None:
    """Pit: where every key is hidden from a head it finds 0, no NaN and no mean; the other heads do not notice."""
    judge.agree(implementation, *layer.inputs, heads=layer.heads, mask=_hidden_from(layer, row))


@A_FEW
@given(layer=layers("memory", masked=True, least=2), row=st.integers(0, 40))
def test_gradients_of_what_attends_to_nothing_are_finite(
    implementation: Implementation, layer: Layer, row: int
) -> None:
    """Pit: a softmax over nothing is NaN, and where() hides it from the values but not from the gradient."""
    judge.agree_gradients(implementation, *layer.inputs, wrt=[0, 1], heads=layer.heads, mask=_hidden_from(layer, row))


@A_FEW
@given(layer=layers("self", heads=EVEN, masked=True, least=2), row=st.integers(0, 40))
def test_weights_over_nothing_are_zero(implementation: Implementation, layer: Layer, row: int) -> None:
    """The weights of a head that may attend to nothing are all 0."""
    given, options = implementation.rounded(layer.inputs), {"mask": _hidden_from(layer, row), "with_weights": True}
    output, weights = implementation(*given, heads=layer.heads, **options)
    judge.finite(implementation, output)
    judge.zero(implementation, weights[..., 0, row % layer.t, :])


@A_FEW
@given(layer=layers("memory", biased=False))
def test_no_keys_give_nothing(implementation: Implementation, layer: Layer) -> None:
    """With no key at all and no bias, the output is 0."""
    weights, query, key, value = implementation.rounded(layer.inputs)
    output = implementation(weights, query, key[..., :0, :], value[..., :0, :], heads=layer.heads)
    judge.zero(implementation, output)
    judge.exact(tuple(output.shape), (*layer.batch, layer.t, layer.d), "shape with no keys")


WRONG: dict[str, dict[str, Any]] = {
    "no heads": {"heads": 0},
    "heads that do not divide d": {"heads": 4},
    "more heads than features": {"heads": 12},
    "widths of keys and values": {"key": (2, 5, 4), "value": (2, 5, 4)},
    "widths of queries": {"query": (2, 3, 4)},
    "fewer values than keys": {"value": (2, 4, 6)},
    "other texts": {"key": (3, 5, 6), "value": (3, 5, 6)},
    "one memory for two texts": {"key": (1, 5, 6), "value": (1, 5, 6)},
    "mask of more keys": {"mask": (3, 6)},
    "mask of more heads": {"mask": (4, 3, 5)},
    "in_proj_weight of two": {"in_proj_weight": (12, 6)},
    "in_proj_bias of two": {"in_proj_bias": (12,)},
    "in_proj_bias of one number": {"in_proj_bias": (3,)},
    "out_proj.weight of half": {"out_proj.weight": (3, 6)},
    "out_proj.bias of one number": {"out_proj.bias": (1,)},
    "bias_k of one head": {"bias_k": (1, 1, 2)},
    "bias_v of two": {"bias_v": (2, 1, 6)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Heads, tokens, masks and weights that do not fit raise instead of giving some result."""
    layer = Layer("memory", (2,), t=3, s=5, heads=3, d_head=2, regime="normal", seed=0, learned="bias_" in wrong)
    named = {"query": layer.query, "key": layer.key, "value": layer.value, **layer.weights}
    for name, shape in WRONG[wrong].items():
        if isinstance(shape, tuple):
            named[name] = torch.ones(shape, dtype=torch.bool if name == "mask" else torch.float64)
    tokens = [named.pop(name) for name in ("query", "key", "value")]
    options = {"mask": named.pop("mask")} if "mask" in named else {}
    heads = WRONG[wrong].get("heads", layer.heads)
    judge.rejects(implementation, named, *tokens, heads=heads, **options)


MISSING = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias", "q_proj_weight", "bias_k", "bias_v")


@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_weight_is_refused(implementation: Implementation, missing: str) -> None:
    """A state dict without one of the weights, or with one of a pair, raises; nothing is made up in its place."""
    kind: Kind = "widths" if missing == "q_proj_weight" else "memory"
    layer = Layer(kind, (2,), t=3, s=5, heads=3, d_head=2, regime="normal", seed=0, learned="bias_" in missing)
    weights = {name: w for name, w in layer.weights.items() if name != missing}
    judge.rejects(implementation, weights, layer.query, layer.key, layer.value, heads=layer.heads)
