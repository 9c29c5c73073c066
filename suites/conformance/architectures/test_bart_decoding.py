"""Laws of BART: decoding with a cache of the target so far, and of the source."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import in_turns
from fixtures.strategies.bart_inputs import A_FEW, in_pieces, inputs
from fixtures.strategies.gpt2_inputs import chunks
from fixtures.strategies.token_ids import different_ids, row_lengths, visibility


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_cached_decoding_agrees(implementation, drawn, data):
    """Pit: a target fed in chunks, its past in the cache, gives the logits of one pass; positions go on."""
    model, source, target = drawn
    sizes, given = data.draw(chunks(target.shape[1])), {"attention_mask": data.draw(visibility(*source.shape))}

    def experiment(f):
        whole = f(model.weights, source, target, **given, **model.scalars)
        return torch.cat(in_pieces(f, model, source, target, sizes, **given), dim=1), whole

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=3, batch=2, decoder_layers=4))
def test_every_layer_has_a_past_of_its_own(implementation, drawn):
    """Pit: with two layers the places of their pasts in a cache may be counted wrongly and nobody sees it."""
    model, source, target = drawn
    sizes = [1] * target.shape[1]

    def experiment(f):
        pieces = in_pieces(f, model, source, target, sizes)
        return torch.cat(pieces, dim=1), f(model.weights, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=3))
def test_caches_do_not_meet(implementation, drawn):
    """Two targets that are decoded in turns, each with its own source and its own cache, do not disturb each other."""
    model, source, target = drawn

    def experiment(f):
        one, other = (partial(f, model.weights, ids, **model.scalars) for ids in (source, source.flip(-1)))
        return in_turns((one, target), (other, target.flip(-1)))

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("returns", ["hidden_states", "attentions", "cross_attentions"])
@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_cached_states_and_weights_agree(implementation, returns, drawn, data):
    """States and weights of new positions only, the weights over past and new."""
    model, source, target = drawn
    sizes = data.draw(chunks(target.shape[1]))
    axis = 2 if returns == "hidden_states" else 3

    def experiment(f):
        whole = f(model.weights, source, target, returns=returns, **model.scalars).split(sizes, dim=axis)
        pieces = in_pieces(f, model, source, target, sizes, returns=returns)
        return tuple(pieces), tuple(w[..., : p.shape[-1]] for w, p in zip(whole, pieces, strict=True))

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_the_source_is_read_once(implementation, drawn, data):
    """The cache keeps what was read: afterwards another source changes nothing, and neither does none of it."""
    model, source, target = drawn
    sizes = data.draw(chunks(target.shape[1]))
    other = data.draw(different_ids(source, model.vocabulary))

    def experiment(f):
        changed = in_pieces(f, model, source, target, sizes, later=other)
        return torch.cat(changed, dim=1), f(model.weights, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_cached_decoding_of_a_left_padded_batch(implementation, drawn, data):
    """Pit: with a cache the target's mask covers past and new columns."""
    model, source, target = drawn
    tokens, length = data.draw(row_lengths(*target.shape)), target.shape[1]
    mask = (torch.arange(length) >= length - torch.tensor(tokens)[:, None]).long()
    sizes = data.draw(chunks(length))

    def experiment(f):
        whole = f(model.weights, source, target, decoder_attention_mask=mask, **model.scalars)
        pieces = torch.cat(in_pieces(f, model, source, target, sizes, mask=mask), dim=1)
        return pieces[mask.bool()], whole[mask.bool()]

    judge.holds(implementation, experiment)
