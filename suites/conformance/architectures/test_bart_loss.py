"""Laws of BART: labels, what the decoder reads where there are only labels, and the loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, PADDING, START, inputs
from fixtures.strategies.gpt2_inputs import labels
from fixtures.strategies.token_ids import token_ids, visibility


@judge.every_dtype
@A_FEW
@given(drawn=inputs(wide=True), data=st.data())
def test_loss_is_the_mean_cross_entropy_of_the_labels(implementation, drawn, data):
    """Each label is what its own position should predict; those of -100 count neither in the sum nor in the mean."""
    model, source, target = drawn
    wanted = data.draw(labels(data.draw(token_ids(model.vocabulary, *target.shape))))
    judge.agree(implementation, model.weights, source, target, labels=wanted, **model.scalars)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_labels_alone_are_shifted_right(implementation, drawn, data):
    """Pit: [0 5 6 2 -100] is predicted from [2 0 5 6 2], and -100 is read as padding. Only the input is shifted."""
    model, source, target = drawn
    wanted = data.draw(labels(target))
    read = torch.cat([torch.full_like(target[:, :1], START), wanted[:, :-1]], dim=1)
    read = read.where(read != -100, PADDING)

    def experiment(f):
        alone = f(model.weights, source, labels=wanted, **model.scalars)
        return alone, f(model.weights, source, read, labels=wanted, **model.scalars)

    judge.holds(implementation, experiment)
    judge.agree(implementation, model.weights, source, labels=wanted, returns="hidden_states", **model.scalars)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_a_target_begins_with_the_start_that_is_given(implementation, drawn, data):
    """The ids that begin a target and that stand for -100 are the caller's choice."""
    model, source, target = drawn
    start, padding = (data.draw(st.integers(0, model.vocabulary - 1), label=name) for name in ("start", "padding"))
    wanted = data.draw(labels(target))
    wanted[:, -1] = START  # texts end with it as well, and mBART begins with what they end with
    given = {"labels": wanted, "decoder_start": start, "padding": padding, **model.scalars}
    judge.agree(implementation, model.weights, source, returns="hidden_states", **given)


@A_FEW
@given(drawn=inputs())
def test_without_a_target_the_source_is_restored(implementation, drawn):
    """With neither target nor labels the decoder reads the source, shifted right: the task of its pre-training."""
    model, source, _ = drawn
    read = torch.cat([torch.full_like(source[:, :1], START), source[:, :-1]], dim=1)

    def experiment(f):
        return f(model.weights, source, **model.scalars), f(model.weights, source, read, **model.scalars)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(drawn=inputs(decoder_layers=1), data=st.data())
def test_loud_logits_cost_what_they_cost(implementation, size, drawn, data):
    """Pit: the logarithm of a probability that has become 0, or of one that is kept from 0 by a small number."""
    model, source, target = drawn
    norm = "model.decoder.layers.0.final_layer_norm.weight"
    loud = model.weights | {norm: size * model.weights[norm]}
    # That of what is certain is e^-1000, or 0.
    said = data.draw(labels(target))
    judge.agree_in(lambda cost: 1 + cost, implementation, loud, source, target, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_labels_leave_a_target_as_it_is(implementation, drawn, data):
    """Labels beside a target are not read: states are those without them."""
    model, source, target = drawn
    wanted = data.draw(labels(data.draw(token_ids(model.vocabulary, *target.shape))))

    def experiment(f):
        given = {"returns": "hidden_states"} | model.scalars
        labelled = f(model.weights, source, target, labels=wanted, **given)
        return labelled, f(model.weights, source, target, **given)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_loss_counts_what_the_mask_hides(implementation, drawn, data):
    """Pit: only labels of -100 are left out; a mask alone hides words from others, it does not unask for them."""
    model, source, target = drawn
    mask = data.draw(visibility(*target.shape))
    given = {"decoder_attention_mask": mask, "labels": target, **model.scalars}
    judge.agree(implementation, model.weights, source, target, **given)


@A_FEW
@given(drawn=inputs(at_least=2, vocabulary=1))
def test_loss_of_the_only_word_is_zero(implementation, drawn):
    """Limit: where there is one word only, it is certain."""
    model, source, target = drawn
    only = {"decoder_start": 0, "padding": 0}
    judge.zero(implementation, implementation(model.weights, source, labels=target, **only, **model.scalars))


@A_FEW
@given(drawn=inputs())
def test_loss_of_nothing_is_nan(implementation, drawn):
    """Pit: where every label is -100 the mean is over nothing."""
    model, source, target = drawn
    loss = implementation(model.weights, source, target, labels=torch.full_like(target, -100), **model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")
