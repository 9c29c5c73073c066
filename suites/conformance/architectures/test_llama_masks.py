"""Laws of Llama: padding, and tokens that a mask hides."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import one_by_one
from fixtures.strategies.llama_inputs import inputs, large, left_padded
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import HALF, every_other, of_every_kind, row_lengths, shown, visibility
from fixtures.strategies.weights import LARGE


@HALF
@given(drawn=inputs(), data=st.data())
def test_padding_on_the_right_changes_nothing(implementation, drawn, data):
    """A text gives the same logits alone and in a batch padded on the right, whatever the padding tokens are."""
    model, ids = drawn
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, :n] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@HALF
@given(drawn=inputs(), counted=st.booleans(), data=st.data())
def test_padding_on_the_left_changes_nothing(implementation, drawn, counted, data):
    """Pit: with a mask a text padded on the left reads as alone, whether positions count from its first token or not (A11)."""
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, positions = left_padded(tokens, length)
    options = {"position_ids": positions} if counted else {}

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **options, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(batch=1), data=st.data())
def test_a_hidden_token_is_as_good_as_absent(implementation, drawn, data):
    """Pit: a mask hides tokens and moves none; the rest keeps its positions and reads as alone."""
    model, ids = drawn
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=mask, **model.scalars)
        return masked[:, kept], f(model.weights, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2, batch=1), data=st.data())
def test_weights_of_hidden_tokens_are_zero(implementation, drawn, data):
    """No query gives a hidden token any weight, and none a token of its future."""
    model, ids = drawn
    length = ids.shape[1]
    mask = data.draw(visibility(1, length)).flip(-1)
    visible = mask.bool() & torch.ones(length, length, dtype=torch.bool).tril()
    weights = implementation(model.weights, ids, attention_mask=mask, returns="attentions", **model.scalars)
    seeing = visible.any(-1)
    judge.zero(implementation, weights[:, 0, :, seeing].masked_fill(visible[seeing], 0))


@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(drawn=inputs(at_least=8, batch=1, layers=1, biased=False))
def test_loud_scores_agree(implementation, size, drawn):
    """Scores of hundreds, thousands and more than 1e4 mean what they mean, beside hidden tokens too.

    Pit: scores are clamped "for safety", or a mask adds -1e4. What is loud outvotes that with and without the mask alike.
    """
    model, ids = drawn
    loud = {name: w * size if ".q_proj." in name else w for name, w in model.weights.items()}
    ids, mask = of_every_kind(ids, model.vocabulary), every_other(ids)
    judge.agree_in(shown(mask), implementation, loud, ids, attention_mask=mask, **model.scalars)


@given(drawn=inputs(at_least=2, batch=1, layers=1, biased=False), data=st.data())
def test_hidden_tokens_stay_hidden_however_loud(implementation, drawn, data):
    """Pit: a mask is no large number, and neither do scores of thousands outvote it nor overflow in softmax."""
    model, ids = drawn
    loud = {name: w * 1000 if ".q_proj." in name else w for name, w in model.weights.items()}
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(loud, ids, attention_mask=mask, **model.scalars)
        return masked[:, kept], f(loud, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_hide_what_small_ones_hide(implementation, what):
    """A mask means the same for few tokens, texts, layers and heads as for many."""
    model, ids = large(what)
    mask = every_other(ids)
    judge.agree_in(shown(mask), implementation, model.weights, ids, attention_mask=mask, **model.scalars)


def test_no_call_leaves_anything_to_the_next(implementation):
    """Forty texts one by one, others under a mask in between, give what they give together: no call remembers another."""
    model, _ = large("text")
    ids = torch.arange(5 * 40).reshape(40, 5) % model.vocabulary
    mask = every_other(ids[:1])

    judge.holds(implementation, lambda f: one_by_one(partial(f, model.weights, **model.scalars), ids, mask))


@A_FEW
@given(drawn=inputs())
def test_a_mask_of_ones_is_no_mask(implementation, drawn):
    """An attention mask that hides nothing gives what no mask gives."""
    model, ids = drawn

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=torch.ones_like(ids), **model.scalars)
        return masked, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)
