"""Laws of GPT-2: decoding with a cache."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import chunks, inputs, left_padded
from fixtures.strategies.token_ids import row_lengths
from fixtures.strategies.weights import Gpt2, large


@given(drawn=inputs(), data=st.data())
def test_cached_decoding_agrees(implementation, drawn, data):
    """Pit: a text fed in chunks of any sizes, its past in the cache, gives the logits of one pass."""
    model, ids = drawn
    judge.holds(implementation, in_chunks(model, ids, data.draw(chunks(ids.shape[1]))))


def test_decoding_goes_on_after_a_long_past(implementation):
    """A past of a thousand tokens is remembered from the first to the last."""
    model, ids = large(Gpt2, "text")
    judge.holds(implementation, in_chunks(model, ids, [ids.shape[1] - 5, 1, 3, 1]))


def in_chunks(model, ids, sizes):
    """The experiment that reads a text in pieces, its past in the cache, and in one pass."""

    def experiment(f):
        cache: list = []
        pieces = [f(model.weights, piece, cache=cache, **model.scalars) for piece in ids.split(sizes, dim=1)]
        return torch.cat(pieces, dim=1), f(model.weights, ids, **model.scalars)

    return experiment


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
