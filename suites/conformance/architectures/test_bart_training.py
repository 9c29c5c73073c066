"""Laws of BART: what it is taught, gradients in every parameter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, ample_inputs
from fixtures.strategies.gpt2_inputs import labels
from fixtures.strategies.token_ids import visibility


@judge.every_dtype
@A_FEW
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of tables, layers, biases and norms are the reference's; the shared table gets all three of its shares."""
    model, source, target = drawn
    judge.agree_gradients(implementation, model.weights, source, target, **model.scalars)


@A_FEW
@given(drawn=ample_inputs(), data=st.data())
def test_gradients_under_masks_agree(implementation, drawn, data):
    """What pairs with hidden words teach: the words that are seen teach, the hidden ones do not."""
    model, source, target = drawn
    seen = {"attention_mask": data.draw(visibility(*source.shape))}
    seen["decoder_attention_mask"] = data.draw(visibility(*target.shape))
    judge.agree_gradients(implementation, model.weights, source, target, **seen, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=ample_inputs(), data=st.data())
def test_gradients_of_the_loss_agree(implementation, drawn, data):
    """What training follows: the gradient of the loss in every parameter, some words hidden and some not asked for."""
    model, source, target = drawn
    given = {"attention_mask": data.draw(visibility(*source.shape)), "labels": data.draw(labels(target))}
    judge.agree_gradients(implementation, model.weights, source, target.roll(1, -1), **given, **model.scalars)
