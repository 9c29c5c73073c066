"""Laws of Mamba: many layers, long texts, and everything else that may be large."""

from __future__ import annotations

import pytest
from hypothesis import given

from fixtures import judge
from fixtures.strategies.mamba_inputs import A_FEW, LARGE, in_chunks, inputs, large


@A_FEW
@given(drawn=inputs(layers=12, at_most=3))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers, states and features is right for many."""
    model, ids = large(what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


def test_decoding_goes_on_after_a_long_past(implementation):
    """A past of a thousand tokens is remembered as far as the state goes."""
    model, ids = large("text")
    judge.holds(implementation, in_chunks(model, ids, [ids.shape[1] - 3, 1, 1, 1]))
