"""Laws of GPT-2: logits, and what goes on inside, on drawn models."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import inputs
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import different_ids, many_texts, shown, token_ids
from fixtures.strategies.weights import LARGE, Gpt2, large


@judge.every_dtype
@given(drawn=inputs())
def test_logits_agree(implementation, drawn):
    """The logits of every position are the reference's."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(tied=False))
def test_logits_agree_with_a_head_of_its_own(implementation, drawn):
    """Where the state dict has a head that is not the word table, the head makes the logits."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_logits_have_a_name(implementation, drawn):
    """What is returned without being asked for is returned when asked for too."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="logits", **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=inputs())
def test_hidden_states_agree(implementation, drawn):
    """Words with positions, what each layer gives to the next, and last what the final norm gives to the head."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="hidden_states", **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=inputs())
def test_attention_weights_agree(implementation, drawn):
    """The weights of every layer and head, rows of which add up to 1."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="attentions", **model.scalars)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_positions_pick_rows_and_nothing_else(implementation, drawn, data):
    """Positions of the caller's choice, repeated or starting anew, pick rows, which learn; columns make the mask."""
    model, ids = drawn
    positions = data.draw(token_ids(model.positions, *ids.shape))
    judge.agree(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree_gradients(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree(implementation, model.weights, ids, **model.scalars)  # forgotten with the call that chose them


@A_FEW
@given(drawn=inputs(layers=3), returns=st.sampled_from(["logits", "attentions"]))
def test_scores_are_divided_by_the_number_of_the_layer_where_asked(implementation, drawn, returns):
    """Pit: where a configuration says so, scores of layer i, from 0, are divided by i + 1; a checkpoint does not show it.

    Source: transformers' GPT2Config, `scale_attn_by_inverse_layer_idx`, for https://github.com/stanford-crfm/mistral
    """
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, scale_by_layer=True, returns=returns, **model.scalars)
    judge.agree(implementation, model.weights, ids, returns=returns, **model.scalars)


@given(drawn=inputs())
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids.int(), **model.scalars)


@A_FEW
@given(data=st.data())
def test_one_model_reads_many_texts(implementation, data):
    """A model that is built, or compiled, once serves batches of any number and length, padded and not."""
    model = Gpt2(seed=1, layers=1, heads=2, d_head=4, inner=7, vocabulary=11, positions=17, epsilon=1e-5)
    ids, mask = data.draw(many_texts(model.vocabulary))
    judge.agree_in(shown(mask), implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(Gpt2, what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(), size=st.sampled_from([1e3, 1e6]))
def test_loud_activations_agree(implementation, drawn, size):
    """Activations of thousands and of a million are what they are, in every layer, and so are logits.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, ids = drawn
    parts = (".attn.c_proj.", ".c_fc.", ".ln_f.")
    loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(tied=True))
def test_the_head_is_the_word_table(implementation, drawn):
    """A state dict without a head is one whose head is the word table."""
    model, ids = drawn
    explicit = model.weights | {"lm_head.weight": model.weights["transformer.wte.weight"]}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(explicit, ids, **model.scalars)

    judge.holds(implementation, experiment)


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


@given(drawn=inputs())
def test_norms_do_not_see_a_constant(implementation, drawn):
    """A constant in all features goes through to the last norm, which drops it. Pit: mean square minus squared mean."""
    model, ids = drawn
    lifted = {name: w + 10_000 if name.endswith("wpe.weight") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(lifted, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_on_the_keys_changes_nothing(implementation, drawn, factor):
    """Pit: the middle third of c_attn's bias shifts all scores of a query alike; softmax is blind to it."""
    model, ids = drawn
    thirds = torch.tensor([1.0, factor, 1.0], dtype=torch.float64).repeat_interleave(model.d)
    biased = {name: w * thirds if name.endswith("c_attn.bias") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(biased, ids, **model.scalars)

    judge.holds(implementation, experiment)
