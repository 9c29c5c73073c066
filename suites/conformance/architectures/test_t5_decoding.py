"""Laws of T5: decoding with a cache."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import LONG, chunks, left_padded
from fixtures.strategies.t5_inputs import A_FEW, large_pair, pairs
from fixtures.strategies.token_ids import row_lengths, visibility


def in_pieces(f, pair, sizes, mask=None, **options):
    """Logits of what is written, given in pieces; `mask` is the decoder's."""
    cache: list = []
    results, end = [], 0
    for piece in pair.written.split(sizes, dim=1):
        end += piece.shape[1]
        if mask is not None:
            options["decoder_attention_mask"] = mask[:, :end]
        results.append(f(pair.model.weights, pair.text, piece, cache=cache, **options, **pair.model.scalars))
    return torch.cat(results, dim=1)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_cached_decoding_agrees(implementation, pair, data):
    """Pit: what is written in chunks of any sizes, its past in the cache, gives the logits of one pass.

    The distances go on to be counted from the new position: https://github.com/NVIDIA/TensorRT-LLM/issues/1343
    """
    sizes = data.draw(chunks(pair.written.shape[1]))
    masks = {"attention_mask": data.draw(visibility(*pair.text.shape))}

    def experiment(f):
        return in_pieces(f, pair, sizes, **masks), f(*pair.given, **masks, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(writes=3, batch=2, decoder_layers=4))
def test_every_layer_has_a_past_of_its_own(implementation, pair):
    """Pit: with two layers the places of their pasts in a cache may be counted wrongly and nobody sees it."""
    sizes = [1] * pair.written.shape[1]
    judge.holds(implementation, lambda f: (in_pieces(f, pair, sizes), f(*pair.given, **pair.model.scalars)))


@pytest.mark.parametrize("returns", ["hidden_states", "attentions", "cross_attentions"])
@A_FEW
@given(pair=pairs(writes=2))
def test_a_step_shows_what_it_adds(implementation, returns, pair):
    """States and weights of a step with a cache are those of its new positions; weights reach over the past too."""
    model = pair.model

    def experiment(f):
        cache: list = []
        f(model.weights, pair.text, pair.written[:, :-1], cache=cache, **model.scalars)
        step = f(model.weights, pair.text, pair.written[:, -1:], cache=cache, returns=returns, **model.scalars)
        return step, f(*pair.given, returns=returns, **model.scalars)[..., -1:, :]

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(writes=2))
def test_the_text_is_read_once(implementation, pair):
    """With a cache the encoder's text is not read again: other tokens in its place change nothing."""
    model = pair.model

    def experiment(f):
        cache: list = []
        f(model.weights, pair.text, pair.written[:, :-1], cache=cache, **model.scalars)
        other = (pair.text + 1) % model.vocabulary
        step = f(model.weights, other, pair.written[:, -1:], cache=cache, **model.scalars)
        return step, f(*pair.given, **model.scalars)[:, -1:]

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("long", LONG)
def test_decoding_goes_on_after_a_long_past(implementation, long):
    """A past of a thousand tokens is remembered from the first to the last, and a thousand go on from a short one."""
    pair = large_pair("target")
    sizes = LONG[long](pair.written.shape[1])
    judge.holds(implementation, lambda f: (in_pieces(f, pair, sizes), f(*pair.given, **pair.model.scalars)))


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_cached_decoding_of_a_left_padded_batch(implementation, pair, data):
    """Pit: with a cache the decoder's mask covers past and new columns, and a padded text goes on as alone."""
    tokens, length = data.draw(row_lengths(*pair.written.shape)), pair.written.shape[1]
    mask, _ = left_padded(tokens, length)
    sizes = data.draw(chunks(length))
    model = pair.model

    def experiment(f):
        together = in_pieces(f, pair, sizes, mask)
        alone = [
            f(model.weights, pair.text[i : i + 1], pair.written[i : i + 1, length - n :], **model.scalars)
            for i, n in enumerate(tokens)
        ]
        return tuple(together[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)
