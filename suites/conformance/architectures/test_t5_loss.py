"""Laws of T5: the loss, and the decoder's input that is made of the labels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import labels
from fixtures.strategies.t5_inputs import A_FEW, ample_pairs, pairs
from fixtures.strategies.token_ids import different_ids, visibility


def starts(pair, data):
    """An id of the vocabulary to begin with."""
    return data.draw(st.sampled_from([0, pair.model.vocabulary - 1]), label="start")


@judge.every_dtype
@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_loss_is_the_mean_cross_entropy_of_the_labels(implementation, pair, data):
    """The labels are shifted right to be read and not shifted to be predicted; -100 counts in neither sum nor mean."""
    options = {"labels": data.draw(labels(pair.written)), "decoder_start": starts(pair, data)}
    judge.agree(implementation, pair.model.weights, pair.text, **options, **pair.model.scalars)


@judge.every_dtype
@A_FEW
@given(pair=ample_pairs(), data=st.data())
def test_gradients_of_the_loss_agree(implementation, pair, data):
    """What training follows: the gradient of the loss in every parameter, some tokens hidden and some not asked for."""
    options = {"attention_mask": data.draw(visibility(*pair.text.shape)), "labels": data.draw(labels(pair.written))}
    judge.agree_gradients(implementation, pair.model.weights, pair.text, **options, **pair.model.scalars)


@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(pair=pairs(), data=st.data())
def test_loud_logits_cost_what_they_cost(implementation, size, pair, data):
    """Pit: the logarithm of a probability that has become 0, or of one that is kept from 0 by a small number."""
    norm = "decoder.final_layer_norm.weight"
    loud = pair.model.weights | {norm: size * pair.model.weights[norm]}
    # That of what is certain is e^-1000, or 0.
    said = data.draw(labels(pair.written))
    judge.agree_in(lambda cost: 1 + cost, implementation, loud, pair.text, labels=said, **pair.model.scalars)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_labels_are_read_one_position_later(implementation, pair, data):
    """Pit: without its own input the decoder reads the start token and then the labels, the start token for -100.

    Source: transformers' T5PreTrainedModel._shift_right
    """
    wanted, start = data.draw(labels(pair.written)), starts(pair, data)
    shifted = torch.cat([torch.full_like(wanted[:, :1], start), wanted[:, :-1]], dim=1)
    read = shifted.masked_fill(shifted == -100, start)
    model = pair.model

    def experiment(f):
        options = {"labels": wanted, "decoder_start": start, **model.scalars}
        return f(model.weights, pair.text, **options), f(model.weights, pair.text, read, **options)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_what_is_given_is_read_whatever_the_labels(implementation, pair, data):
    """With an input of its own the decoder reads that; labels are compared with its predictions, place by place."""
    wanted = data.draw(different_ids(pair.written, pair.model.vocabulary))
    judge.agree(implementation, *pair.given, labels=wanted, **pair.model.scalars)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_states_under_labels_are_those_of_the_shifted_input(implementation, pair, data):
    """Labels are an input for what else is asked for as well."""
    options = {"labels": data.draw(labels(pair.written)), "returns": "hidden_states", **pair.model.scalars}
    judge.agree(implementation, pair.model.weights, pair.text, **options)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_loss_counts_what_the_mask_hides(implementation, pair, data):
    """Pit: only labels of -100 are left out; a mask alone hides tokens from others, it does not unask for them."""
    masks = {"decoder_attention_mask": data.draw(visibility(*pair.written.shape))}
    judge.agree(implementation, *pair.given, labels=pair.written, **masks, **pair.model.scalars)


@A_FEW
@given(pair=pairs())
def test_loss_of_nothing_is_nan(implementation, pair):
    """Pit: where every label is -100 the mean is over nothing."""
    ignored = torch.full_like(pair.written, -100)
    loss = implementation(pair.model.weights, pair.text, labels=ignored, **pair.model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")
