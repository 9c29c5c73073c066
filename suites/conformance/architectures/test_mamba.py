"""Laws of Mamba: logits, hidden states and their gradients, on drawn models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.mamba_inputs import A_FEW, ample_inputs, inputs, large
from fixtures.strategies.token_ids import different_ids


@judge.every_dtype
@given(drawn=inputs(at_most=17))
def test_logits_agree(implementation, drawn):
    """The logits of every position are the reference's."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=inputs(tied=False))
def test_logits_agree_with_a_head_of_its_own(implementation, drawn):
    """Where the state dict has a head that is not the word table, the head makes the logits."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(biased=True))
def test_projections_may_have_biases(implementation, drawn):
    """Biases of the projections into and out of the mixer count where the state dict has them."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=inputs())
def test_hidden_states_agree(implementation, drawn):
    """Pit: the stream after each layer, and after the last norm; the embeddings are not among them.

    Source: transformers' MambaModel appends after each block, most of its other models before it.
    """
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, returns="hidden_states", **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_the_head_reads_the_last_hidden_state(implementation, drawn):
    """Logits are the last hidden state times the table, and nothing comes between."""
    model, ids = drawn
    table = implementation.rounded(model.weights["backbone.embeddings.weight"])

    def experiment(f):
        last = f(model.weights, ids, returns="hidden_states", **model.scalars)[-1]
        return last @ table.to(last).mT, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids.int(), **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of table, projections, convolution, steps, rates and norms; the tied table gets both of its shares."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=ample_inputs())
def test_gradients_of_hidden_states_agree(implementation, drawn):
    """What is read off the hidden states teaches the layers below."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, returns="hidden_states", **model.scalars)


@A_FEW
@given(drawn=inputs(tied=True))
def test_the_head_is_the_word_table(implementation, drawn):
    """A state dict without a head is one whose head is the word table."""
    model, ids = drawn
    explicit = model.weights | {"lm_head.weight": model.weights["backbone.embeddings.weight"]}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(explicit, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
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
@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    model, ids = large("rank")
    for seed in (1, 2):
        other = replace(model, seed=seed)
        judge.agree(implementation, other.weights, ids, **other.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    model, ids = large("rank")
    weights = {name: LAYOUTS[layout](w) for name, w in model.weights.items()}
    judge.agree(implementation, weights, ids, **model.scalars)


FORGETTING = ("nothing let in", "steps of almost nothing", "steep decay")


def _forgetful(model, how):
    """The weights of the model, its states without memory."""
    weights, first = dict(model.weights), "backbone.layers.0.mixer."
    if how == "nothing let in":
        inward = torch.arange(model.rank + 2 * model.states)[:, None]
        inward = (inward >= model.rank) & (inward < model.rank + model.states)
        weights[f"{first}x_proj.weight"] = weights[f"{first}x_proj.weight"].masked_fill(inward, 0)
    elif how == "steps of almost nothing":
        weights[f"{first}dt_proj.bias"] = weights[f"{first}dt_proj.bias"].clamp(max=0) - 100
    else:  # steps that are large, and rates that no step survives
        weights[f"{first}dt_proj.bias"] = weights[f"{first}dt_proj.bias"].abs() + 3
        weights[f"{first}dt_proj.weight"] = weights[f"{first}dt_proj.weight"] / 100
        weights[f"{first}A_log"] = torch.full_like(weights[f"{first}A_log"], 6)
    return weights


@pytest.mark.parametrize("how", FORGETTING)
@A_FEW
@given(drawn=inputs(at_least=8, layers=1))
def test_without_states_the_convolution_is_all_the_memory(implementation, how, drawn):
    """Pit: the bias of the steps is inside softplus, rates are -exp(A_log), B comes after the steps, and the convolution
    sees its width: where states keep nothing, the last logits follow from the last tokens, as many as it is wide."""
    model, ids = drawn
    weights = _forgetful(model, how)

    def experiment(f):
        whole = f(weights, ids, **model.scalars)[:, -1]
        return whole, f(weights, ids[:, -model.width :], **model.scalars)[:, -1]

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("what", ["gate", "ways out"])
@A_FEW
@given(drawn=inputs())
def test_a_closed_mixer_leaves_the_stream_alone(implementation, what, drawn):
    """Where the gate is 0, or neither the state is read nor the input passes by, the stream stays the embeddings."""
    model, ids = drawn
    weights = dict(model.weights)
    for index in range(model.layers):
        mixer, inner = f"backbone.layers.{index}.mixer.", model.expand * model.d
        if what == "gate":
            later = torch.arange(2 * inner)[:, None] >= inner
            weights[f"{mixer}in_proj.weight"] = weights[f"{mixer}in_proj.weight"].masked_fill(later, 0)
        else:
            outward = torch.arange(model.rank + 2 * model.states)[:, None] >= model.rank + model.states
            weights[f"{mixer}x_proj.weight"] = weights[f"{mixer}x_proj.weight"].masked_fill(outward, 0)
            weights[f"{mixer}D"] = torch.zeros_like(weights[f"{mixer}D"])
    embedded = implementation.rounded(weights["backbone.embeddings.weight"])[ids.to(implementation.device)]

    def experiment(f):
        hidden = f(weights, ids, returns="hidden_states", **model.scalars)
        return hidden[:-1], embedded.to(hidden).expand(model.layers, *embedded.shape)

    judge.holds(implementation, experiment)
