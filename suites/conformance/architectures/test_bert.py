"""Laws of BERT: hidden states and their gradients, on drawn models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_inputs import ample_inputs, inputs
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import HALF, many_texts, shown, token_ids
from fixtures.strategies.weights import LARGE, Bert, large


@judge.every_dtype
@given(drawn=inputs())
def test_every_hidden_state_agrees(implementation, drawn):
    """The embeddings and the output of every layer are the reference's."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_hidden_states_have_a_name(implementation, drawn):
    """What is returned without being asked for is returned when asked for too."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="hidden_states", **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=inputs())
def test_attention_weights_agree(implementation, drawn):
    """The weights of every layer and head, rows of which add up to 1."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="attentions", **model.scalars)


@HALF
@given(drawn=inputs(low=1, segments=5), data=st.data())
def test_agrees_with_segments_and_positions(implementation, drawn, data):
    """Segments and positions of the caller's choice pick rows of their tables, and these rows learn."""
    model, ids = drawn
    segments = data.draw(token_ids(model.segments, *ids.shape))
    positions = data.draw(token_ids(model.positions, *ids.shape))
    chosen = {"token_type_ids": segments, "position_ids": positions}
    judge.agree(implementation, model.weights, ids, **chosen, **model.scalars)
    judge.agree_gradients(implementation, model.weights, ids, **chosen, **model.scalars)


@given(drawn=inputs())
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids.int(), **model.scalars)


@A_FEW
@given(data=st.data())
def test_one_model_reads_many_texts(implementation, data):
    """A model that is built, or compiled, once serves batches of any number and length, padded and not."""
    model = Bert(seed=1, layers=1, heads=2, d_head=4, inner=7, vocabulary=11, positions=17, epsilon=1e-5)
    ids, mask = data.draw(many_texts(model.vocabulary))
    judge.agree_in(shown(mask), implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    model, ids = large(Bert, "batch")
    for seed in (1, 2):
        other = replace(model, seed=seed)
        judge.agree(implementation, other.weights, ids, **other.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    model, ids = large(Bert, "batch")
    weights = {name: LAYOUTS[layout](w) for name, w in model.weights.items()}
    judge.agree(implementation, weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(Bert, what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(), size=st.sampled_from([1e3, 1e6]))
def test_loud_activations_agree(implementation, drawn, size):
    """Activations of thousands and of a million are what they are, in every layer.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, ids = drawn
    parts = (".value.", ".intermediate.")
    loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)


@judge.every_dtype
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of all tables, layers, biases and norms are the reference's; id 0 is left out, see the pitfalls."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(at_least=2), data=st.data())
def test_order_is_known_from_positions_only(implementation, drawn, data):
    """Tokens shuffled together with their positions give the same states, shuffled: columns and order mean nothing."""
    model, ids = drawn
    order = torch.tensor(data.draw(st.permutations(range(ids.shape[1])), label="order"))

    def experiment(f):
        shuffled = f(model.weights, ids[:, order], position_ids=order.expand(ids.shape), **model.scalars)
        return shuffled, f(model.weights, ids, **model.scalars)[:, :, order]

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone, dim=1)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_segment_zero_is_added(implementation, drawn):
    """Pit: without segments all tokens are of segment 0, and its vector is added like any other."""
    model, ids = drawn
    word, segment = (f"embeddings.{name}_embeddings.weight" for name in ("word", "token_type"))
    folded = dict(model.weights)
    folded[word] = model.weights[word] + model.weights[segment][0]
    folded[segment] = torch.zeros_like(model.weights[segment])

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(folded, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_on_the_keys_changes_nothing(implementation, drawn, factor):
    """Pit: a bias on the keys shifts all scores of a query alike, and softmax does not see it."""
    model, ids = drawn
    biased = {name: w * factor if name.endswith("self.key.bias") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(biased, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_norms_do_not_see_a_constant(implementation, drawn):
    """A constant in all features of what is normalised changes nothing. Pit: mean square minus squared mean."""
    model, ids = drawn
    before_a_norm = ("word_embeddings.weight", "output.dense.bias")
    lifted = {name: w + 10_000 if name.endswith(before_a_norm) else w for name, w in model.weights.items()}

    def experiment(f):
        return f(lifted, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_the_norm_of_a_constant_is_its_bias(implementation, drawn):
    """Limit: embeddings whose features are all equal leave the first norm as its bias."""
    model, ids = drawn
    flat = {
        name: torch.full_like(w, 0.5) if name.startswith("embeddings.") and "LayerNorm" not in name else w
        for name, w in model.weights.items()
    }

    def experiment(f):
        first = f(flat, ids, **model.scalars)[0]
        return first, flat["embeddings.LayerNorm.bias"].to(first).expand_as(first)

    judge.holds(implementation, experiment)
