"""Laws of GPT-2: the loss of the next token, and what it teaches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import ample_inputs, inputs, labels
from fixtures.strategies.token_ids import HALF, different_ids, visibility


@judge.every_dtype
@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_is_the_mean_cross_entropy_of_the_next_token(implementation, drawn, data):
    """Labels are shifted once, inside; those of -100 count neither in the sum nor in the mean."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, labels=data.draw(labels(ids)), **model.scalars)


@pytest.mark.parametrize("size", [1e3, 1e5])
@HALF
@given(drawn=inputs(at_least=2), data=st.data())
def test_loud_logits_cost_what_they_cost(implementation, size, drawn, data):
    """Pit: the logarithm of a probability that has become 0, or of one that is kept from 0 by a small number."""
    model, ids = drawn
    loud = model.weights | {"transformer.ln_f.weight": size * model.weights["transformer.ln_f.weight"]}
    # That of what is certain is e^-1000, or 0.
    said = data.draw(labels(ids))
    judge.agree_in(lambda cost: 1 + cost, implementation, loud, ids, labels=said, **model.scalars)


@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_counts_what_the_mask_hides(implementation, drawn, data):
    """Pit: only labels of -100 are left out; a mask alone hides tokens from others, it does not unask for them."""
    model, ids = drawn
    mask = data.draw(visibility(*ids.shape))
    judge.agree(implementation, model.weights, ids, attention_mask=mask, labels=data.draw(labels(ids)), **model.scalars)


@given(drawn=inputs(at_least=2, vocabulary=1), data=st.data())
def test_loss_of_the_only_token_is_zero(implementation, drawn, data):
    """Limit: where there is one token only, it is certain."""
    model, ids = drawn
    judge.zero(implementation, implementation(model.weights, ids, labels=data.draw(labels(ids)), **model.scalars))


@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_does_not_ask_for_the_first_token(implementation, drawn, data):
    """Nothing stands before the first token, so its label changes nothing."""
    model, ids = drawn
    other = data.draw(different_ids(ids, model.vocabulary))
    other = torch.cat([other[:, :1], ids[:, 1:]], dim=1)

    def experiment(f):
        return f(model.weights, ids, labels=ids, **model.scalars), f(model.weights, ids, labels=other, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_loss_of_nothing_is_nan(implementation, drawn):
    """Pit: where every label is -100 the mean is over nothing."""
    model, ids = drawn
    loss = implementation(model.weights, ids, labels=torch.full_like(ids, -100), **model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")


@judge.every_dtype
@given(drawn=ample_inputs(), data=st.data())
def test_gradients_of_the_loss_agree(implementation, drawn, data):
    """What training follows: the gradient of the loss in every parameter, some tokens hidden and some not asked for."""
    model, ids = drawn
    options = {"attention_mask": data.draw(visibility(*ids.shape)), "labels": data.draw(labels(ids))}
    judge.agree_gradients(implementation, model.weights, ids, **options, **model.scalars)
