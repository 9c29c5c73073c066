"""Laws of GPT-2: what it is taught, gradients in every parameter."""

from __future__ import annotations

import pytest
from hypothesis import given

from fixtures import judge
from fixtures.strategies.gpt2_inputs import ample_inputs
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.weights import Gpt2, large


@judge.every_dtype
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of tables, layers, biases and norms are the reference's; the tied table gets both of its shares."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


def test_long_texts_teach_from_end_to_end(implementation):
    """Pit: what is computed in blocks has gradients that stop between them."""
    model, ids = large(Gpt2, "text")
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("returns", ["hidden_states", "attentions"])
@A_FEW
@given(drawn=ample_inputs())
def test_gradients_of_what_goes_on_inside_agree(implementation, returns, drawn):
    """What is read off hidden states, or off weights of attention, teaches the layers below."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, returns=returns, **model.scalars)
