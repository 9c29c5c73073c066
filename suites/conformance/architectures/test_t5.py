"""Laws of T5: logits and their gradients, on drawn models of either version."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.t5_inputs import A_FEW, T5, TABLE, WHAT, ample_pairs, large_pair, mirrored, pairs
from fixtures.strategies.token_ids import HALF, different_ids, many_texts


@judge.every_dtype
@HALF
@given(pair=pairs())
def test_logits_agree(implementation, pair):
    """The logits of every position are the reference's, plain or gated, with a head of its own or not, scaled or not."""
    judge.agree(implementation, *pair.given, **pair.model.scalars)


@judge.every_dtype
@A_FEW
@given(pair=ample_pairs())
def test_gradients_of_every_parameter_agree(implementation, pair):
    """Gradients of tables, layers and norms are the reference's; the word table gets its share of every use."""
    judge.agree_gradients(implementation, *pair.given, **pair.model.scalars)


@A_FEW
@given(pair=pairs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, pair):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    judge.agree(implementation, *pair.given, **pair.model.scalars)


@A_FEW
@given(pair=pairs(), size=st.sampled_from([1e3, 1e6]))
def test_loud_activations_agree(implementation, pair, size):
    """Activations of thousands and of a million are what they are, in every layer, and so are logits.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, parts = pair.model, (".v.", ".wi", "decoder.final_layer_norm.")
    loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, pair.text, pair.written, **model.scalars)


@A_FEW
@given(data=st.data())
def test_one_model_reads_many_texts(implementation, data):
    """A model that is built, or compiled, once serves batches of any number and length, padded and not."""
    model = T5(seed=1, layers=1, heads=2, d_head=4, inner=7, vocabulary=11, positions=17, epsilon=1e-5)
    (text, mask), (written, _) = (data.draw(many_texts(model.vocabulary)) for _ in range(2))
    written = written[:1].repeat(len(text), 1)
    judge.agree(implementation, model.weights, text, written, attention_mask=mask, **model.scalars)


@A_FEW
@given(pair=pairs(layers=12, decoder_layers=12, epsilon=1e-6))
def test_ten_layers_and_more(implementation, pair):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2", in both stacks."""
    judge.agree(implementation, *pair.given, **pair.model.scalars)


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    pair = large_pair("batch")
    for seed in (1, 2):
        other = replace(pair, model=replace(pair.model, seed=seed))
        judge.agree(implementation, *other.given, **other.model.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    pair = large_pair("batch")
    weights = {name: LAYOUTS[layout](w) for name, w in pair.model.weights.items()}
    judge.agree(implementation, weights, pair.text, pair.written, **pair.model.scalars)


@pytest.mark.parametrize("what", WHAT)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    pair = large_pair(what)
    judge.agree(implementation, *pair.given, **pair.model.scalars)


@A_FEW
@given(pair=pairs())
def test_ids_of_32_bits_are_ids(implementation, pair):
    """Whole numbers of either width name the same words."""
    judge.agree(implementation, pair.model.weights, pair.text.int(), pair.written.int(), **pair.model.scalars)


@A_FEW
@given(pair=pairs())
def test_a_scaled_head_is_given_less(implementation, pair):
    """Pit: version 1.0 multiplies what its tied head is given by d ** -0.5, later ones do not.

    Source: https://github.com/huggingface/transformers/pull/43681
    """
    scalars = pair.model.scalars

    def experiment(f):
        scaled, plain = (f(*pair.given, **(scalars | {"scaled_head": scale})) for scale in (True, False))
        return scaled * pair.model.d**0.5, plain

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(tied=True))
def test_the_head_is_the_word_table(implementation, pair):
    """A state dict without a head is one whose head is the word table, and so old checkpoints have it."""
    explicit = pair.model.weights | {"lm_head.weight": pair.model.weights["shared.weight"]}

    def experiment(f):
        tied = f(*pair.given, **pair.model.scalars)
        return tied, f(explicit, pair.text, pair.written, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_what_a_checkpoint_carries_along_changes_nothing(implementation, pair):
    """Pit: copies of the word table, and a bias of cross-attention that no model uses, change nothing.

    Source: https://github.com/huggingface/transformers/pull/8518
    """
    weights = pair.model.weights
    unused = weights[f"decoder.{TABLE}"] * 3
    carried = {f"{stack}.embed_tokens.weight": weights["shared.weight"] for stack in ("encoder", "decoder")}
    carried["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = unused

    def experiment(f):
        with_them = f(weights | carried, pair.text, pair.written, **pair.model.scalars)
        return with_them, f(*pair.given, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(writes=2), data=st.data())
def test_no_position_sees_its_future(implementation, pair, data):
    """Other tokens of the decoder from some column on leave the logits before it as they were."""
    column = data.draw(st.integers(1, pair.written.shape[1] - 1), label="column")
    others = data.draw(different_ids(pair.written, pair.model.vocabulary))
    changed = torch.cat([pair.written[:, :column], others[:, column:]], dim=1)

    def experiment(f):
        after = f(pair.model.weights, pair.text, changed, **pair.model.scalars)[:, :column]
        return after, f(*pair.given, **pair.model.scalars)[:, :column]

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(reads=2))
def test_a_mirrored_text_is_read_the_other_way(implementation, pair):
    """The encoder sees both sides alike: with the halves of its table exchanged, a text backwards says the same.

    Cross-attention knows no positions, so nothing that the decoder makes of it changes.
    """

    def experiment(f):
        backwards = f(mirrored(pair.model), pair.text.flip(-1), pair.written, **pair.model.scalars)
        return backwards, f(*pair.given, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(reads=2), data=st.data())
def test_without_a_bias_the_text_has_no_order(implementation, pair, data):
    """Pit: where the encoder's table is flat nothing knows an order: no vectors of positions, no bias in cross-attention.

    Source: https://github.com/huggingface/transformers/pull/8518
    """
    order = torch.tensor(data.draw(st.permutations(range(pair.text.shape[1])), label="order"))
    table = pair.model.weights[f"encoder.{TABLE}"]
    flat = pair.model.weights | {f"encoder.{TABLE}": table[:1].expand_as(table)}

    def experiment(f):
        shuffled = f(flat, pair.text[:, order], pair.written, **pair.model.scalars)
        return shuffled, f(flat, pair.text, pair.written, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(), factor=st.sampled_from([-3.0, 0.5, 7.0]))
def test_a_bias_is_felt_by_its_differences(implementation, pair, factor):
    """A number added to all entries of a head shifts all its scores alike, and softmax does not see it."""
    weights = pair.model.weights
    lifted = {
        name: w + factor * (1 + torch.arange(pair.model.heads)) if name.endswith(TABLE) else w
        for name, w in weights.items()
    }

    def experiment(f):
        return f(lifted, pair.text, pair.written, **pair.model.scalars), f(*pair.given, **pair.model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_a_text_does_not_depend_on_its_batch(implementation, pair):
    """Each pair of texts gives in a batch what it gives alone."""

    def experiment(f):
        texts = zip(pair.text.split(1), pair.written.split(1), strict=True)
        alone = [f(pair.model.weights, *both, **pair.model.scalars) for both in texts]
        return f(*pair.given, **pair.model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)
