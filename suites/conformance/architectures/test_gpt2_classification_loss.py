"""Laws of GPT-2's classifier of texts: what its scores cost, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_classification_inputs import KINDS, PADDING, ample_inputs, inputs, labels, padded

FEWER = settings(max_examples=max(2, settings().max_examples // 6))
"""for laws with many cases"""


@pytest.mark.parametrize("kind", KINDS)
@judge.every_dtype
@FEWER
@given(data=st.data())
def test_losses_agree(implementation, kind, data):
    """The mean loss of every kind of label is the reference's; a class of -100 does not count."""
    model, ids = data.draw(inputs(kind=kind))
    ids, _ = data.draw(padded(ids, "right"))
    said = data.draw(labels(model, ids, kind))
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(data=st.data())
def test_gradients_of_the_loss_agree(implementation, kind, data):
    """What training follows: the gradient of the loss in every parameter."""
    model, ids = data.draw(ample_inputs(kind=kind))
    said = data.draw(labels(model, ids, kind))
    judge.agree_gradients(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@FEWER
@given(drawn=inputs(), data=st.data())
def test_the_kind_of_the_labels_is_not_remembered(implementation, drawn, data):
    """Pit: labels say what the loss is, call by call: classes after several at once, and the other way round."""
    model, ids = drawn
    for kind in data.draw(st.permutations(["classes", "several", "classes"]), label="order"):
        said = data.draw(labels(model, ids, kind))
        judge.agree(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@FEWER
@given(drawn=inputs(kind="number"), data=st.data())
def test_one_output_is_a_number(implementation, drawn, data):
    """Pit: with one output whole numbers are numbers too, not classes."""
    model, ids = drawn
    said = torch.tensor([data.draw(st.integers(-3, 3), label="label") for _ in ids])
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@pytest.mark.parametrize("kind", ["number", "several"])
@FEWER
@given(data=st.data())
def test_a_number_of_minus_a_hundred_counts(implementation, kind, data):
    """Pit: -100 leaves a class out; where labels are numbers it is a number like any other."""
    model, ids = data.draw(inputs(kind=kind, at_least=2))
    said = data.draw(labels(model, ids, kind))
    said[0] = -100
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e3, 1e5])
@FEWER
@given(data=st.data())
def test_loud_scores_cost_what_they_cost(implementation, kind, size, data):
    """Pit: the logarithm of a probability that has become 0, or of one that is kept from 0 by a small number."""
    model, ids = data.draw(inputs(kind=kind))
    said = data.draw(labels(model, ids, kind))
    loud = model.weights | {"score.weight": size * model.weights["score.weight"]}
    # That of what is certain is e^-1000, or 0.
    judge.agree_in(lambda cost: 1 + cost, implementation, loud, ids, padding_id=PADDING, labels=said, **model.scalars)


@FEWER
@given(drawn=inputs())
def test_loss_of_nothing_is_nan(implementation, drawn):
    """Pit: where every label is -100 the mean is over nothing."""
    model, ids = drawn
    said = torch.full((len(ids),), -100)
    loss = implementation(model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")


@FEWER
@given(drawn=inputs(), more=st.integers(1, 2))
def test_several_texts_without_padding_are_refused(implementation, drawn, more):
    """Pit: nobody knows where texts end if padding is not named, be they as long as each other.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/gpt2/modeling_gpt2.py
    """
    model, ids = drawn
    judge.rejects(implementation, model.weights, torch.cat([ids, ids[:more]]), **model.scalars)


@FEWER
@given(drawn=inputs(), data=st.data())
def test_a_text_of_padding_only_is_refused(implementation, drawn, data):
    """Pit: a text without a token ends nowhere. Column 0, or the last one, would say what padding says."""
    model, ids = drawn
    ids[data.draw(st.integers(0, len(ids) - 1), label="text")] = PADDING
    judge.rejects(implementation, model.weights, ids, padding_id=PADDING, **model.scalars)


@FEWER
@given(drawn=inputs(), data=st.data())
def test_a_missing_parameter_is_refused(implementation, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model, ids = drawn
    missing = data.draw(st.sampled_from(["score.weight", *sorted(model.weights)]), label="missing")
    left = {name: w for name, w in model.weights.items() if name != missing}
    judge.rejects(implementation, left, ids, padding_id=PADDING, **model.scalars)


@pytest.mark.parametrize("name", ["n", "n + 3", "-1", "-2", "-99"])
@FEWER
@given(drawn=inputs())
def test_classes_that_do_not_exist_are_refused(implementation, name, drawn):
    """A class that there is no score for raises; only -100 is left out."""
    model, ids = drawn
    said = torch.full((len(ids),), {"n": model.classes, "n + 3": model.classes + 3}.get(name) or int(name))
    judge.rejects(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@FEWER
@given(drawn=inputs(), change=st.sampled_from([-1, 1]))
def test_labels_of_another_number_are_refused(implementation, drawn, change):
    """Labels of one text too many, or too few, raise."""
    model, ids = drawn
    said = torch.ones(len(ids) + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@pytest.mark.parametrize("kind", ["classes", "number"])
@FEWER
@given(data=st.data())
def test_labels_of_another_shape_are_refused(implementation, kind, data):
    """Several labels a text are several classes at once, in numbers; of one class, or one number, there is one a text."""
    model, ids = data.draw(inputs(kind=kind))
    said = torch.ones(len(ids), 1 if kind == "number" else model.classes)
    said = said if kind == "number" else said.long()
    judge.rejects(implementation, model.weights, ids, padding_id=PADDING, labels=said, **model.scalars)


@FEWER
@given(drawn=inputs(at_least=2), table=st.sampled_from(["words", "positions", "heads"]))
def test_what_gpt2_refuses_is_refused(implementation, drawn, table):
    """Words and positions that there are not, and heads that do not divide d, raise as they do without the layer."""
    model, ids = drawn
    options = {"padding_id": PADDING} | model.scalars
    if table == "words":
        judge.rejects(implementation, model.weights, ids + model.vocabulary, **options)
    elif table == "positions":
        wrong = torch.full_like(ids, model.positions)
        judge.rejects(implementation, model.weights, ids, position_ids=wrong, **options)
    else:
        judge.rejects(implementation, model.weights, ids, **(options | {"heads": model.d + 1}))


@pytest.mark.parametrize("change", ["more texts", "longer", "shorter"])
@FEWER
@given(drawn=inputs(at_least=2, batch=2))
def test_a_mask_of_another_length_is_refused(implementation, change, drawn):
    """A mask for another number of texts, or of tokens, raises: nothing is filled up, cut or stretched."""
    model, ids = drawn
    texts, tokens = {"more texts": (1, 0), "longer": (0, 1), "shorter": (0, -1)}[change]
    wrong = torch.ones(len(ids) + texts, ids.shape[1] + tokens, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, padding_id=PADDING, attention_mask=wrong, **model.scalars)
