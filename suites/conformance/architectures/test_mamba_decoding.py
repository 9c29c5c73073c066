"""Laws of Mamba: decoding with a cache, which holds the window of the convolution and the state."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import in_turns, labelled_in_pieces
from fixtures.strategies.gpt2_inputs import left_padded
from fixtures.strategies.mamba_inputs import A_FEW, Mamba, in_chunks, inputs
from fixtures.strategies.token_ids import row_lengths


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_token_by_token_agrees(implementation, drawn, data):
    """Pit: a beginning of any length, and then token by token, gives the logits of one pass."""
    model, ids = drawn
    read = data.draw(st.integers(1, ids.shape[1]), label="tokens read at once")
    judge.holds(implementation, in_chunks(model, ids, [read] + [1] * (ids.shape[1] - read)))


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_new_positions_have_hidden_states(implementation, drawn, data):
    """With a cache, hidden states are those of the new positions, and what was read for them is kept like any other."""
    model, ids = drawn
    read = data.draw(st.integers(1, ids.shape[1] - 1), label="tokens read at once")
    sizes = [read] + [1] * (ids.shape[1] - read)
    judge.holds(implementation, in_chunks(model, ids, sizes, axis=2, returns="hidden_states"))


@A_FEW
@given(drawn=inputs(at_least=5, pace=-1.0, decay=0.0), data=st.data())
def test_loss_with_a_past_is_that_of_new_tokens(implementation, drawn, data):
    """Labels are shifted among the tokens that are given, which go on from the past and are remembered like any others."""
    model, ids = drawn
    first = data.draw(st.integers(1, ids.shape[1] - 3), label="tokens of the past")
    judge.holds(implementation, lambda f: labelled_in_pieces(partial(f, model.weights, **model.scalars), ids, first))


@A_FEW
@given(drawn=inputs(at_least=3, batch=2, layers=4))
def test_every_layer_has_a_past_of_its_own(implementation, drawn):
    """Pit: with two layers the places of their pasts in a cache may be counted wrongly and nobody sees it."""
    model, ids = drawn
    judge.holds(implementation, in_chunks(model, ids, [1] * ids.shape[1]))


@A_FEW
@given(drawn=inputs(at_least=3, width=5), data=st.data())
def test_a_beginning_shorter_than_the_window(implementation, drawn, data):
    """Pit: the cache of one or two tokens is filled up with what stands before a text, and that is 0."""
    model, ids = drawn
    read = data.draw(st.integers(1, 2), label="tokens read at once")
    judge.holds(implementation, in_chunks(model, ids, [read] + [1] * (ids.shape[1] - read)))


CHUNKS = {"one, then all": [1, 8], "two, then all": [2, 7], "three thirds": [3, 3, 3], "all sorts": [2, 1, 4, 1, 1]}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("sizes", CHUNKS)
def test_chunks_go_on_from_the_state(implementation, sizes, seed):
    """Pit: more than one token at a time after the first ones; the state, too, goes on where it was.

    Source: transformers' mamba_selective_scan starts from 0.
    """
    model = Mamba(seed, layers=3, d=5, expand=2, states=3, width=4, rank=2, vocabulary=11, epsilon=1e-5)
    ids = torch.randint(model.vocabulary, (2, 9), generator=torch.Generator().manual_seed(seed))
    judge.holds(implementation, in_chunks(model, ids, CHUNKS[sizes]))


def test_long_chunks_go_on_from_the_state(implementation):
    """However many tokens come at once, they are not a text of their own."""
    model = Mamba(seed=0, layers=2, d=5, expand=2, states=3, width=4, rank=2, vocabulary=11, epsilon=1e-5)
    ids = torch.randint(model.vocabulary, (2, 140), generator=torch.Generator().manual_seed(0))
    judge.holds(implementation, in_chunks(model, ids, [5, 1, 134]))


@pytest.mark.parametrize("how", ["in one pass", "token by token"])
def test_a_convolution_of_one_keeps_no_window(implementation, how):
    """A convolution that sees nothing but its own position has nothing to remember; the state has."""
    model = Mamba(seed=0, layers=2, d=5, expand=2, states=3, width=1, rank=2, vocabulary=11, epsilon=1e-5)
    ids = torch.randint(model.vocabulary, (2, 9), generator=torch.Generator().manual_seed(0))
    if how == "in one pass":
        judge.agree(implementation, model.weights, ids, **model.scalars)
    else:
        judge.holds(implementation, in_chunks(model, ids, [1] * 9))


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
@given(drawn=inputs(at_least=3), data=st.data())
def test_decoding_after_padding_on_the_left(implementation, drawn, data):
    """Pit: padding leaves nothing in window and state, so tokens after a padded beginning need no mask any more."""
    model, ids = drawn
    length = ids.shape[1] - 2
    tokens = data.draw(row_lengths(ids.shape[0], length))
    mask, _ = left_padded(tokens, length)

    def experiment(f):
        cache: list = []
        pieces = [f(model.weights, ids[:, :length], attention_mask=mask, cache=cache, **model.scalars)]
        pieces += [f(model.weights, ids[:, k : k + 1], cache=cache, **model.scalars) for k in (length, length + 1)]
        padded = torch.cat(pieces, dim=1)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


PIECES = {"token by token": lambda length: [1] * length, "in chunks": lambda length: [2, length - 3, 1]}


@pytest.mark.parametrize("how", PIECES)
@A_FEW
@given(drawn=inputs(at_least=5, pace=-1.0, decay=0.0), data=st.data())
def test_padding_on_the_left_may_go_on_in_later_calls(implementation, how, drawn, data):
    """Pit: a padded beginning is read in pieces. Every call has a mask then, over the tokens that it is given."""
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, _ = left_padded(tokens, length)
    sizes = PIECES[how](length)

    def experiment(f):
        cache: list = []
        pieces = [
            f(model.weights, piece, attention_mask=seen, cache=cache, **model.scalars)
            for piece, seen in zip(ids.split(sizes, dim=1), mask.split(sizes, dim=1), strict=True)
        ]
        padded = torch.cat(pieces, dim=1)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)
