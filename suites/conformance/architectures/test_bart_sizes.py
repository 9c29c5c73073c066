"""Laws of BART: many layers, heads and words, long texts, and weights wherever they lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, Bart, in_pieces, inputs, large_inputs
from fixtures.strategies.gpt2_inputs import LONG
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.token_ids import every_other, many_texts, shown
from fixtures.strategies.weights import LARGE


@A_FEW
@given(drawn=inputs(layers=11, decoder_layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, **model.scalars)


@A_FEW
@given(data=st.data())
def test_one_model_reads_many_texts(implementation, data):
    """A model that is built, or compiled, once serves batches of any number and length, padded and not."""
    model = Bart(
        seed=1, decoder_heads=4, layers=1, heads=2, d_head=4, inner=7, vocabulary=11, positions=17, epsilon=1e-5
    )
    (source, mask), (target, _) = (data.draw(many_texts(model.vocabulary)) for _ in range(2))
    target = target[:1].repeat(len(source), 1)
    judge.agree(implementation, model.weights, source, target, attention_mask=mask, **model.scalars)


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    model, source, target = large_inputs("batch")
    for seed in (1, 2):
        other = replace(model, seed=seed)
        judge.agree(implementation, other.weights, source, target, **other.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    model, source, target = large_inputs("batch")
    weights = {name: LAYOUTS[layout](w) for name, w in model.weights.items()}
    judge.agree(implementation, weights, source, target, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few words, texts, layers and heads is right for many."""
    model, source, target = large_inputs(what)
    judge.agree(implementation, model.weights, source, target, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_hide_what_small_ones_hide(implementation, what):
    """A mask means the same for few words, texts, layers and heads as for many."""
    model, source, target = large_inputs(what)
    masks = {"attention_mask": every_other(source), "decoder_attention_mask": every_other(target)}

    judge.agree_in(
        shown(masks["decoder_attention_mask"]), implementation, model.weights, source, target, **masks, **model.scalars
    )


@A_FEW
@given(drawn=inputs(), size=st.sampled_from([1e3, 1e6]))
def test_loud_activations_agree(implementation, drawn, size):
    """Activations of thousands and of a million are what they are, in every layer, and so are logits.

    Pit: what is beyond the range of float16 is clamped "for safety", whatever the dtype is.
    """
    model, source, target = drawn
    last = {"encoder_hidden_states": ("encoder", model.layers), "logits": ("decoder", model.decoder_layers)}
    for returns, (stack, layers) in last.items():
        parts = (".v_proj.", ".fc1.", f"{stack}.layers.{layers - 1}.final_layer_norm.")
        loud = {name: w * size if any(part in name for part in parts) else w for name, w in model.weights.items()}
        judge.agree(implementation, loud, source, target, returns=returns, **model.scalars)


@pytest.mark.parametrize("long", LONG)
def test_decoding_goes_on_after_a_long_past(implementation, long):
    """A past of a thousand words is remembered from the first to the last, and a thousand go on from a short one."""
    model, source, target = large_inputs("text")
    source = source[:, :9]
    sizes = LONG[long](target.shape[1])

    def experiment(f):
        whole = f(model.weights, source, target, **model.scalars)
        return torch.cat(in_pieces(f, model, source, target, sizes), dim=1), whole

    judge.holds(implementation, experiment)
