"""Laws of Mamba: padding, which a mask names and which must leave no trace."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import one_by_one
from fixtures.strategies.gpt2_inputs import left_padded
from fixtures.strategies.mamba_inputs import A_FEW, Mamba, ample_inputs, inputs, large
from fixtures.strategies.token_ids import every_other, row_lengths


def padded_and_alone(model, ids, tokens, mask, start):
    """The experiment that reads texts of so many `tokens` in one padded batch, from `start(n)` on, and each alone."""

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **model.scalars)
        rows = [slice(start(n), start(n) + n) for n in tokens]
        alone = [f(model.weights, ids[i : i + 1, row], **model.scalars) for i, row in enumerate(rows)]
        return tuple(padded[i : i + 1, row] for i, row in enumerate(rows)), tuple(alone)

    return experiment


def test_no_call_leaves_anything_to_the_next(implementation):
    """Forty texts one by one, others under a mask in between, give what they give together: no call remembers another."""
    model, _ = large("text")
    ids = torch.arange(5 * 40).reshape(40, 5) % model.vocabulary
    mask = every_other(ids[:1])

    judge.holds(implementation, lambda f: one_by_one(partial(f, model.weights, **model.scalars), ids, mask))


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_padding_on_the_right_changes_nothing(implementation, drawn, data):
    """A text gives the same logits alone and in a batch padded on the right, whatever the padding tokens are."""
    model, ids = drawn
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()
    judge.holds(implementation, padded_and_alone(model, ids, tokens, mask, lambda n: 0))


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_padding_on_the_left_changes_nothing(implementation, drawn, data):
    """Pit: padding is blanked before the convolution, and after it, where the bias would fill it again.

    Source: https://github.com/state-spaces/mamba/issues/66, https://github.com/huggingface/transformers/pull/32677.
    """
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, _ = left_padded(tokens, length)
    judge.holds(implementation, padded_and_alone(model, ids, tokens, mask, lambda n: length - n))


@pytest.mark.parametrize("bias", [True, False])
def test_padding_on_the_left_of_biased_projections(implementation, bias):
    """Pit: a projection with a bias fills up what was blanked before it, so it is its result that must be blanked."""
    sizes: dict[str, Any] = dict(layers=2, d=5, expand=2, states=3, width=4, rank=2, vocabulary=11)
    model = Mamba(seed=0, **sizes, epsilon=1e-5, biased=True, bias=bias)
    ids = torch.randint(model.vocabulary, (3, 9), generator=torch.Generator().manual_seed(0))
    mask, _ = left_padded([9, 5, 2], 9)
    judge.holds(implementation, padded_and_alone(model, ids, [9, 5, 2], mask, lambda n: 9 - n))


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_a_mask_may_be_boolean(implementation, drawn, data):
    """Ones and zeros say the same as yes and no."""
    model, ids = drawn
    mask, _ = left_padded(data.draw(row_lengths(*ids.shape)), ids.shape[1])

    def experiment(f):
        numbers = f(model.weights, ids, attention_mask=mask, **model.scalars)
        return f(model.weights, ids, attention_mask=mask.bool(), **model.scalars), numbers

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_a_mask_of_ones_is_no_mask(implementation, drawn):
    """An attention mask that hides nothing gives what no mask gives."""
    model, ids = drawn

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=torch.ones_like(ids), **model.scalars)
        return masked, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=ample_inputs(), data=st.data())
def test_padding_teaches_nothing(implementation, drawn, data):
    """Gradients of every parameter, where only what is no padding is asked for."""
    model, ids = drawn
    mask, _ = left_padded(data.draw(row_lengths(*ids.shape)), ids.shape[1])
    asked = ids.masked_fill(mask == 0, -100)
    judge.agree_gradients(implementation, model.weights, ids, attention_mask=mask, labels=asked, **model.scalars)
