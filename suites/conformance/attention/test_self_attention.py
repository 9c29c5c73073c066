"""Laws of self-attention: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.self_attention import A_FEW, Head, heads
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@given(head=heads())
def test_agrees_with_the_reference(implementation: Implementation, head: Head) -> None:
    """Values are the reference's, whatever the widths of tokens, keys and values, with biases and without."""
    judge.agree(implementation, *head.inputs, **head.biases)


@judge.every_dtype
@given(head=heads(square=True))
def test_agrees_where_all_widths_are_one(implementation: Implementation, head: Head) -> None:
    """Values are the reference's in a model of one head. Pit: weights are (out, in), and here their transposes fit too."""
    judge.agree(implementation, *head.inputs, **head.biases)


@judge.every_dtype
@A_FEW
@given(head=heads(square=True, masked=True))
def test_agrees_under_a_mask(implementation: Implementation, head: Head) -> None:
    """Values are the reference's under a boolean mask, True meaning "may attend"."""
    judge.agree(implementation, *head.inputs, mask=head.mask, **head.biases)


@judge.every_dtype
@A_FEW
@given(head=heads(square=True))
def test_agrees_when_causal(implementation: Implementation, head: Head) -> None:
    """Values are the reference's when no token may attend to a later one."""
    judge.agree(implementation, *head.inputs, causal=True, **head.biases)


@judge.every_dtype
@A_FEW
@given(head=heads(widths=st.sampled_from([96, 192, 384]), lengths=st.sampled_from([1, 3, 9])))
def test_agrees_in_wide_models(implementation: Implementation, head: Head) -> None:
    """Values are the reference's where hundreds of features are added up, as in models in use."""
    judge.agree(implementation, *head.inputs, **head.biases)


@A_FEW
@given(head=heads(square=True, masked=True))
def test_mask_and_causal_both_apply(implementation: Implementation, head: Head) -> None:
    """With a mask and `causal`, a token must be allowed by both; gradients agree too."""
    judge.agree(implementation, *head.inputs, mask=head.mask, causal=True, **head.biases)
    judge.agree_gradients(implementation, *head.inputs, mask=head.mask, causal=True, **head.biases)


@A_FEW
@given(head=heads(), scale=st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, -1.0]))
def test_agrees_with_an_explicit_scale(implementation: Implementation, head: Head, scale: float) -> None:
    """A given scale replaces 1/sqrt(d_k), it does not multiply it; 0 and negative scales count too."""
    judge.agree(implementation, *head.inputs, scale=scale, **head.biases)


@A_FEW
@given(head=heads(masked=True), scale=st.sampled_from([0.3, 2.0]))
def test_options_do_not_disturb_each_other(implementation: Implementation, head: Head, scale: float) -> None:
    """With mask, causal, scale and biases given at once, each does what it does alone."""
    judge.agree(implementation, *head.inputs, mask=head.mask, causal=True, scale=scale, **head.biases)


@A_FEW
@given(head=heads())
def test_the_scale_is_that_of_the_keys(implementation: Implementation, head: Head) -> None:
    """Pit: the scale is 1/sqrt(d_k), of queries and keys, not of tokens or values (Vaswani et al. 2017, section 3.2.1)."""
    explicit = 1 / math.sqrt(head.d_k)
    judge.holds(implementation, lambda f: (f(*head.inputs), f(*head.inputs, scale=explicit)))


@judge.every_dtype
@A_FEW
@given(head=heads())
def test_gradients_agree(implementation: Implementation, head: Head) -> None:
    """Gradients of tokens and weights under a random cotangent are the reference's; tokens get theirs in three ways."""
    judge.agree_gradients(implementation, *head.inputs, **head.biases)


@judge.every_dtype
@A_FEW
@given(head=heads(square=True, masked=True))
def test_gradients_agree_under_a_mask(implementation: Implementation, head: Head) -> None:
    """Gradients are the reference's in a model of one head under a mask: what may not be heard gets none."""
    judge.agree_gradients(implementation, *head.inputs, mask=head.mask, **head.biases)


@A_FEW
@given(head=heads(square=True, masked=True, batches=st.sampled_from([(3,), (2, 2)])), keep=st.sampled_from([1, 2, 3]))
def test_mask_broadcasts(implementation: Implementation, head: Head, keep: int) -> None:
    """A mask for each token to be heard, for each token that hears, or for each text means the same as its full form."""
    assert head.mask is not None
    one = head.mask[(0,) * len(head.batch)]
    mask = {1: one[:1], 2: one, 3: head.mask[..., :1, :]}[keep]
    judge.agree(implementation, *head.inputs, mask=mask, **head.biases)


@A_FEW
@given(head=heads(square=True, masked=True, least=2, biased="qkv"), empty=st.integers(0, 40))
def test_a_token_that_hears_nothing_gets_zero(implementation: Implementation, head: Head, empty: int) -> None:
    """Pit: a fully masked row is exactly 0, no NaN and no mean, even with a bias of the values; others do not notice."""
    assert head.mask is not None
    row = empty % head.t
    mask = head.mask & (torch.arange(head.t) != row)[:, None]
    given = [implementation.rounded(tensor) for tensor in head.inputs]
    result = implementation(*given, mask=implementation.rounded(mask), **implementation.rounded(head.biases))
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., row, :])
    judge.agree(implementation, *head.inputs, mask=mask, **head.biases)
    judge.agree_gradients(implementation, *head.inputs, mask=mask, **head.biases)


@A_FEW
@given(head=heads(square=True, biased="qkv"))
def test_no_tokens_give_no_results(implementation: Implementation, head: Head) -> None:
    """A sequence of length 0 has no rows, and they are as wide as values are."""
    result = implementation(head.x[..., :0, :], *head.weights, **head.biases)
    judge.exact(tuple(result.shape), (*head.batch, 0, head.d_v), "shape with no tokens")


@A_FEW
@given(head=heads(square=True, least=2), size=st.sampled_from([1e2, 1e4]))
def test_huge_scores_stay_finite(implementation: Implementation, head: Head, size: float) -> None:
    """Scores of thousands do not overflow: one token is heard by all. Pit: exp without subtracting the maximum."""
    ones = torch.ones(head.d_k, head.d, dtype=torch.float64)
    x = torch.linspace(1, 2, head.t, dtype=torch.float64)[:, None].expand(*head.batch, head.t, head.d)
    judge.agree(implementation, x, ones * size, ones, head.weights[2])


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(head=heads(square=True, biased="qkv"))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, head: Head) -> None:
    """Transposed, gapped and fused tokens and weights give what contiguous ones give, and so do their gradients."""
    inputs = [LAYOUTS[layout](x) for x in head.inputs]
    biases: dict[str, Any] = {name: LAYOUTS[layout](bias) for name, bias in head.biases.items()}
    judge.agree(implementation, *inputs, **biases)
    judge.agree_gradients(implementation, *inputs, **biases)


@A_FEW
@given(head=heads(square=True, masked=True))
def test_layout_of_the_mask_does_not_matter(implementation: Implementation, head: Head) -> None:
    """A mask may be transposed, gapped or a part of a wider one."""
    assert head.mask is not None
    for layout in LAYOUTS.values():
        judge.agree(implementation, *head.inputs, mask=layout(head.mask))


@A_FEW
@given(head=heads(square=True))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, head: Head) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(implementation, lambda f: gradients_by_layout(lambda x: f(x, *head.weights), head.x))


WRONG: dict[str, dict[str, tuple[int, ...]]] = {
    "query_weight of other tokens": {"query_weight": (4, 6)},
    "key_weight of other tokens": {"key_weight": (4, 6)},
    "value_weight of other tokens": {"value_weight": (4, 6)},
    "keys wider than queries": {"key_weight": (6, 4)},
    "query_bias too long": {"query_bias": (5,)},
    "value_bias too long": {"value_bias": (5,)},
    "query_bias of one number": {"query_bias": (1,)},
    "value_bias of one number": {"value_bias": (1,)},
    "key_bias of each token": {"key_bias": (5, 4)},
    "query_weight of each text": {"query_weight": (2, 4, 4)},
    "mask": {"mask": (5, 6)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Weights, biases or a mask that do not fit raise. Pit: a bias of one number is stretched over all features."""
    shapes = {"x": (2, 5, 4), "query_weight": (4, 4), "key_weight": (4, 4), "value_weight": (4, 4), **WRONG[wrong]}
    made: dict[str, Tensor] = {
        name: torch.ones(shape, dtype=torch.bool if name == "mask" else torch.float64) for name, shape in shapes.items()
    }
    given = [made.pop(name) for name in ("x", "query_weight", "key_weight", "value_weight")]
    judge.rejects(implementation, *given, **made)


LARGE: dict[str, dict[str, Any]] = {
    "tokens": {"t": 1030},
    "width": {"d": 1030},
    "features": {"d_k": 300},
    "values": {"d_v": 300},
    "batch": {"batch": (33, 2)},
}


@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values are the reference's beyond 1024 tokens, 256 features and 64 texts, where tiles end and small integers too."""
    sizes: dict[str, Any] = {"batch": (1,), "t": 3, "d": 4, "d_k": 5, "d_v": 2} | LARGE[what]
    head = Head(**sizes, regime="normal", seed=0, biased="qkv")
    judge.agree(implementation, *head.inputs, **head.biases)
