"""Laws of BART: what it is taught, gradients in every parameter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, PADDING, ample_inputs, large_inputs
from fixtures.strategies.gpt2_inputs import labels
from fixtures.strategies.token_ids import visibility

INSIDE = ["hidden_states", "encoder_hidden_states", "attentions", "cross_attentions", "encoder_attentions"]


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


@A_FEW
@given(drawn=ample_inputs(), returns=st.sampled_from(INSIDE))
def test_gradients_of_what_goes_on_inside_agree(implementation, drawn, returns):
    """What is read off hidden states, or off weights of attention, teaches the layers below."""
    model, source, target = drawn
    judge.agree_gradients(implementation, model.weights, source, target, returns=returns, **model.scalars)


def test_long_texts_teach_from_end_to_end(implementation):
    """Pit: what is computed in blocks has gradients that stop between them."""
    model, *texts = large_inputs("text")
    source, target = (ids.clamp(min=PADDING + 1) for ids in texts)  # padding teaches its row nothing in transformers
    judge.agree_gradients(implementation, model.weights, source, target, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=ample_inputs(), data=st.data())
def test_gradients_of_the_loss_agree(implementation, drawn, data):
    """What training follows: the gradient of the loss in every parameter, some words hidden and some not asked for."""
    model, source, target = drawn
    given = {"attention_mask": data.draw(visibility(*source.shape)), "labels": data.draw(labels(target))}
    judge.agree_gradients(implementation, model.weights, source, target.roll(1, -1), **given, **model.scalars)
