"""Laws of GPT-2: decoding with a cache."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import in_turns, labelled_in_pieces, masked_by_call
from fixtures.strategies.gpt2_inputs import LONG, chunks, inputs, left_padded
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import HALF, every_other, row_lengths
from fixtures.strategies.weights import Gpt2, large


@HALF
@given(drawn=inputs(), data=st.data())
def test_cached_decoding_agrees(implementation, drawn, data):
    """Pit: a text fed in chunks of any sizes, its past in the cache, gives the logits of one pass."""
    model, ids = drawn
    judge.holds(implementation, in_chunks(model, ids, data.draw(chunks(ids.shape[1]))))


@A_FEW
@given(drawn=inputs(at_least=5), data=st.data())
def test_loss_with_a_past_is_that_of_new_tokens(implementation, drawn, data):
    """Labels are shifted among the tokens that are given, which go on from the past and are remembered like any others."""
    model, ids = drawn
    first = data.draw(st.integers(1, ids.shape[1] - 3), label="tokens of the past")
    judge.holds(implementation, lambda f: labelled_in_pieces(partial(f, model.weights, **model.scalars), ids, first))


@A_FEW
@given(drawn=inputs(at_least=3))
def test_caches_do_not_meet(implementation, drawn):
    """Two texts that are decoded in turns, each with its own cache, do not disturb each other."""
    model, ids = drawn

    def experiment(f):
        read = partial(f, model.weights, **model.scalars)
        return in_turns((read, ids), (read, ids.flip(-1)))

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=3, layers=1), data=st.data())
def test_every_call_has_its_own_mask(implementation, drawn, data):
    """A mask is that of the call that it is given to: what an earlier call hid may be seen, and what it saw be hidden."""
    model, ids = drawn
    first, mask = data.draw(st.integers(1, ids.shape[1] - 1), label="tokens of the past"), every_other(ids)
    judge.holds(implementation, lambda f: masked_by_call(partial(f, model.weights, **model.scalars), ids, first, mask))


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_new_positions_attend_to_the_past(implementation, drawn, data):
    """With a cache, the rows of attention are new positions, the columns all so far, and the past stays what it was."""
    model, ids = drawn
    read = data.draw(st.integers(1, ids.shape[1] - 1), label="tokens read at once")

    def experiment(f):
        cache: list = []
        first = f(model.weights, ids[:, :read], cache=cache, returns="attentions", **model.scalars)
        new = f(model.weights, ids[:, read:], cache=cache, returns="attentions", **model.scalars)
        whole = f(model.weights, ids, returns="attentions", **model.scalars)
        return (first, new), (whole[..., :read, :read], whole[..., read:, :])

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_new_positions_have_hidden_states(implementation, drawn, data):
    """With a cache, hidden states are those of the new positions."""
    model, ids = drawn
    sizes = data.draw(chunks(ids.shape[1]))

    def experiment(f):
        cache: list = []
        options = {"returns": "hidden_states", **model.scalars}
        pieces = [f(model.weights, piece, cache=cache, **options) for piece in ids.split(sizes, dim=1)]
        return torch.cat(pieces, dim=2), f(model.weights, ids, **options)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("long", LONG)
def test_decoding_goes_on_after_a_long_past(implementation, long):
    """A past of a thousand tokens is remembered from the first to the last, and a thousand go on from a short one."""
    model, ids = large(Gpt2, "text")
    judge.holds(implementation, in_chunks(model, ids, LONG[long](ids.shape[1])))


def in_chunks(model, ids, sizes):
    """The experiment that reads a text in pieces, its past in the cache, and in one pass."""

    def experiment(f):
        cache: list = []
        pieces = [f(model.weights, piece, cache=cache, **model.scalars) for piece in ids.split(sizes, dim=1)]
        return torch.cat(pieces, dim=1), f(model.weights, ids, **model.scalars)

    return experiment


@HALF
@given(drawn=inputs(at_least=2), data=st.data())
def test_cached_decoding_of_a_left_padded_batch(implementation, drawn, data):
    """Pit: with a cache the mask covers past and new columns, and a padded text goes on as alone."""
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, positions = left_padded(tokens, length)
    sizes = data.draw(chunks(length))

    def experiment(f):
        cache: list = []
        pieces, end = [], 0
        for size in sizes:
            start, end = end, end + size
            options = {"attention_mask": mask[:, :end], "position_ids": positions[:, start:end], "cache": cache}
            pieces.append(f(model.weights, ids[:, start:end], **options, **model.scalars))
        padded = torch.cat(pieces, dim=1)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)
