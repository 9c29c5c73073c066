"""Laws of Mamba: many layers, long texts, and everything else that may be large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.mamba_inputs import A_FEW, LARGE, in_chunks, inputs, large
from fixtures.strategies.token_ids import every_other, shown


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


def test_long_texts_teach_from_end_to_end(implementation):
    """Pit: what is computed in blocks has gradients that stop between them."""
    model, ids = large("text")
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_hide_what_small_ones_hide(implementation, what):
    """A mask means the same for few tokens, texts and layers as for many."""
    model, ids = large(what)
    mask = every_other(ids)

    judge.agree_in(shown(mask), implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@given(drawn=inputs(), size=st.sampled_from([1e5, 1e6]))
def test_loud_activations_agree(implementation, drawn, size):
    """Activations of a hundred thousand and of a million are what they are, in every layer, and so are logits.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, ids = drawn
    parts = (".in_proj.", ".norm_f.")
    loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)


def test_decoding_goes_on_after_a_long_past(implementation):
    """A past of a thousand tokens is remembered as far as the state goes."""
    model, ids = large("text")
    judge.holds(implementation, in_chunks(model, ids, [ids.shape[1] - 3, 1, 1, 1]))
