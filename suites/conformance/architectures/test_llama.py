"""Laws of Llama: logits, and what goes on inside, on drawn models."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.llama_inputs import Llama, inputs, large
from fixtures.strategies.rotary import A_FEW, SCALINGS, scalings
from fixtures.strategies.token_ids import different_ids, many_texts, of_every_kind, shown, token_ids
from fixtures.strategies.weights import LARGE


@judge.every_dtype
@given(drawn=inputs())
def test_logits_agree(implementation, drawn):
    """The logits of every position are the reference's, with as many heads of keys as of queries, fewer, and one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(tied=False))
def test_logits_agree_with_a_head_of_its_own(implementation, drawn):
    """Where the state dict has a head that is not the word table, the head makes the logits."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@given(drawn=inputs())
def test_hidden_states_agree(implementation, drawn):
    """Word vectors, what each layer gives to the next, and last what the final norm gives to the head."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="hidden_states", **model.scalars)


@judge.every_dtype
@given(drawn=inputs())
def test_attention_weights_agree(implementation, drawn):
    """The weights of every layer and head of queries, rows of which add up to 1."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="attentions", **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=3), data=st.data())
def test_positions_turn_and_nothing_else(implementation, drawn, data):
    """Positions of the caller's choice, repeated or starting anew, are those of the rotary embedding; columns make the mask."""
    model, ids = drawn
    positions = data.draw(token_ids(300, *ids.shape))
    ids = of_every_kind(ids, model.vocabulary)  # attention to words that are all alike does not know where they are
    judge.agree(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree_gradients(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree(implementation, model.weights, ids, **model.scalars)  # forgotten with the call that chose them


@A_FEW
@given(drawn=inputs(), start=st.sampled_from([-9, 1, 100]))
def test_a_text_may_begin_anywhere(implementation, drawn, start):
    """Pit: positions count by their differences; all moved alike they change nothing, unlike GPT-2's (A11)."""
    model, ids = drawn
    positions = start + torch.arange(ids.shape[1]).expand(ids.shape)

    def experiment(f):
        return f(model.weights, ids, position_ids=positions, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@judge.every_dtype
@A_FEW
@given(drawn=inputs(at_least=8), start=st.sampled_from([300, 4092, 32_764]))
def test_distant_positions_agree(implementation, drawn, start):
    """Pit: in half precision positions of hundreds are no whole numbers any more; tables end, and so do 16 bits.

    Source: https://github.com/huggingface/transformers/pull/29285.
    """
    model, ids = drawn
    positions = start + torch.arange(ids.shape[1]).expand(ids.shape)
    judge.agree(implementation, model.weights, ids, position_ids=positions, **model.scalars)


@pytest.mark.parametrize("kind", SCALINGS)
@A_FEW
@given(drawn=inputs(at_least=9), data=st.data())
def test_scaled_speeds_agree(implementation, kind, drawn, data):
    """Llama 3's scaling and the others reach queries and keys, for texts shorter and longer than those of training."""
    model, ids = drawn
    if kind == "dynamic" and model.d_head == 2:
        return  # one pair, whose speed stays: a law of the rotary embedding
    scaling = data.draw(scalings(kind, model.d_head))
    judge.agree(implementation, model.weights, ids, scaling=scaling, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids.int(), **model.scalars)


@A_FEW
@given(data=st.data())
def test_one_model_reads_many_texts(implementation, data):
    """A model that is built, or compiled, once serves batches of any number and length, padded and not."""
    model = Llama(seed=1, layers=1, heads=2, d_head=4, inner=7, vocabulary=11, positions=17, epsilon=1e-5, width=6)
    ids, mask = data.draw(many_texts(model.vocabulary))
    judge.agree_in(shown(mask), implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(heads=4, kv_heads=2, d_head=6, width=10))
def test_width_need_not_be_a_multiple_of_the_heads(implementation, drawn):
    """The width of a head is in the shape of its projections; d / heads is nothing."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(), size=st.sampled_from([1e3, 1e6]))
def test_loud_activations_agree(implementation, drawn, size):
    """Activations of thousands and of a million are what they are, in every layer, and so are logits.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, ids = drawn
    parts = (".v_proj.", ".gate_proj.", "model.norm.")
    loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(at_least=2), data=st.data())
def test_no_position_sees_its_future(implementation, drawn, data):
    """Other tokens from some column on leave the logits before it as they were."""
    model, ids = drawn
    column = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    changed = torch.cat([ids[:, :column], data.draw(different_ids(ids, model.vocabulary))[:, column:]], dim=1)

    def experiment(f):
        after = f(model.weights, changed, **model.scalars)[:, :column]
        return after, f(model.weights, ids, **model.scalars)[:, :column]

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(epsilon=0.0), factor=st.sampled_from([0.125, 8.0]))
def test_words_of_another_size_say_the_same(implementation, drawn, factor):
    """Words, attention and feed-forward grown alike, the stream grows; every norm divides it away where epsilon is 0."""
    model, ids = drawn
    grown = ("embed_tokens.weight", "o_proj.weight", "o_proj.bias", "down_proj.weight", "down_proj.bias")
    head = {"lm_head.weight": model.weights.get("lm_head.weight", model.weights["model.embed_tokens.weight"])}
    weights = model.weights | head
    larger = {name: w * factor if name.endswith(grown) else w for name, w in weights.items()}

    def experiment(f):
        return f(larger, ids, **model.scalars), f(weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)
