"""Laws of BART: ids, texts, masks, names and weights that must raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, inputs


@pytest.mark.parametrize("what", ["source", "target", "label"])
@A_FEW
@given(drawn=inputs(), data=st.data())
def test_ids_outside_the_word_table_are_refused(implementation, what, drawn, data):
    """An id or label that the table does not have raises."""
    model, source, target = drawn
    wrong = (source if what == "source" else target).clone()
    where = data.draw(st.integers(0, wrong.numel() - 1), label="where")
    wrong.view(-1)[where] = data.draw(st.sampled_from([-1, model.vocabulary, model.vocabulary + 2]), label="wrong id")
    if what == "source":
        judge.rejects(implementation, model.weights, wrong, target, **model.scalars)
    elif what == "target":
        judge.rejects(implementation, model.weights, source, wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, source, target, labels=wrong, **model.scalars)


@A_FEW
@given(drawn=inputs(), wrong=st.sampled_from([-1, 10_000]))
def test_a_start_outside_the_word_table_is_refused(implementation, drawn, wrong):
    """A target cannot begin with what is no word."""
    model, source, target = drawn
    judge.rejects(implementation, model.weights, source, labels=target, decoder_start=wrong, **model.scalars)


@pytest.mark.parametrize("what", ["source", "target"])
@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_a_text_longer_than_its_position_table_is_refused(implementation, what, drawn, data):
    """Pit: the table has two rows more than positions; what is longer than the positions raises, no row is reused."""
    model, source, target = drawn
    long, column = (source, target[:, :1]) if what == "source" else (target, source[:, :1])
    short = replace(model, positions=long.shape[1] - data.draw(st.integers(1, long.shape[1] - 1), label="too long by"))
    pair = (long, column) if what == "source" else (column, long)
    judge.rejects(implementation, short.weights, *pair, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2, spare=0))
def test_decoding_beyond_the_position_table_is_refused(implementation, drawn):
    """Pit: the table ends for a cached target too."""
    model, source, target = drawn
    model = replace(model, positions=target.shape[1])
    cache: list = []
    implementation(model.weights, source[:, :1], target, cache=cache, **model.scalars)
    judge.rejects(implementation, model.weights, source[:, :1], target[:, :1], cache=cache, **model.scalars)


@pytest.mark.parametrize("heads", ["heads", "decoder_heads"])
@A_FEW
@given(drawn=inputs())
def test_heads_that_do_not_divide_d_are_refused(implementation, heads, drawn):
    """d must be a multiple of both numbers of heads."""
    model, source, target = drawn
    judge.rejects(implementation, model.weights, source, target, **(model.scalars | {heads: model.d + 1}))


@pytest.mark.parametrize("part", ["weight", "bias"])
@A_FEW
@given(drawn=inputs(), data=st.data())
def test_a_missing_parameter_is_refused(implementation, part, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place.

    The bias of the logits is left out: libraries take a missing one for 0, and may.
    """
    model, source, target = drawn
    names = sorted(name for name in model.weights if name.endswith(f".{part}"))
    missing = data.draw(st.sampled_from(names), label="missing")
    rest = {name: w for name, w in model.weights.items() if name != missing}
    judge.rejects(implementation, rest, source, target, **model.scalars)


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
@A_FEW
@given(drawn=inputs())
def test_a_stack_without_layers_is_refused(implementation, stack, drawn):
    """A state dict with no layer at all in one of the stacks raises."""
    model, source, target = drawn
    rest = {name: w for name, w in model.weights.items() if f"{stack}.layers." not in name}
    judge.rejects(implementation, rest, source, target, **model.scalars)


@pytest.mark.parametrize("what", ["source", "target"])
@A_FEW
@given(drawn=inputs(at_least=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, what, drawn, change):
    """A mask that is shorter or longer than its text raises."""
    model, source, target = drawn
    text, name = (source, "attention_mask") if what == "source" else (target, "decoder_attention_mask")
    mask = {name: torch.ones(text.shape[0], text.shape[1] + change, dtype=torch.long)}
    judge.rejects(implementation, model.weights, source, target, **mask, **model.scalars)


@pytest.mark.parametrize("what", ["source", "target"])
@A_FEW
@given(drawn=inputs())
def test_one_source_for_many_targets_is_refused(implementation, what, drawn):
    """As many targets as sources: one is not stretched to serve for all."""
    model, source, target = drawn
    one, many = source[:1], target[:1].repeat(3, 1)
    pair = (one, many) if what == "source" else (source[:1].repeat(3, 1), target[:1])
    judge.rejects(implementation, model.weights, *pair, **model.scalars)


@pytest.mark.parametrize("shape", ["shorter", "in one column", "in one row"])
@A_FEW
@given(drawn=inputs(at_least=2))
def test_labels_of_another_shape_than_the_target_are_refused(implementation, shape, drawn):
    """A label for each word of a target: neither fewer, nor as many of another shape."""
    model, source, target = drawn
    target = torch.cat([target, target.flip(-1)[:, :1]], dim=1)[:, : target.shape[1]]
    others = {"shorter": target[:, :-1], "in one column": target.reshape(-1, 1), "in one row": target.reshape(1, -1)}
    wrong = target.mT if others[shape].shape == target.shape else others[shape]
    judge.rejects(implementation, model.weights, source, target, labels=wrong, **model.scalars)


@pytest.mark.parametrize("option", ["returns", "activation"])
@A_FEW
@given(drawn=inputs(), name=st.sampled_from(["", "logit", "GELU", "none"]))
def test_an_unknown_name_is_refused(implementation, option, drawn, name):
    """Names that the contract does not know raise; nothing else is returned or computed instead."""
    model, source, target = drawn
    judge.rejects(implementation, model.weights, source, target, **{option: name}, **model.scalars)
