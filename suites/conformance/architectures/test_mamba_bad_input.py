"""Laws of Mamba: ids, masks and weights that must raise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.mamba_inputs import A_FEW, Mamba, inputs, large


@pytest.mark.parametrize("table", ["word", "label"])
@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_ids_outside_the_table_are_refused(implementation, table, drawn, data):
    """An id or label that the table does not have raises."""
    model, ids = drawn
    wrong = ids.clone()
    column = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    wrong[-1, column] = data.draw(st.sampled_from([-1, model.vocabulary, model.vocabulary + 2]), label="wrong id")
    if table == "word":
        judge.rejects(implementation, model.weights, wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, ids, labels=wrong, **model.scalars)


SMALL = Mamba(seed=0, layers=2, d=4, expand=2, states=3, width=4, rank=2, vocabulary=11, epsilon=1e-5)
NEEDED = [name for name in SMALL.shapes() if not name.endswith("conv1d.bias")]


@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_parameter_is_refused(implementation, missing):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    weights = {name: tensor for name, tensor in SMALL.weights.items() if name != missing}
    judge.rejects(implementation, weights, torch.arange(6).reshape(2, 3), **SMALL.scalars)


@pytest.mark.parametrize("name", ["conv1d.bias", "in_proj.bias", "out_proj.bias"])
@A_FEW
@given(drawn=inputs(biased=True, bias=True, layers=2), layer=st.integers(0, 1))
def test_a_bias_that_one_layer_lacks_is_refused(implementation, name, drawn, layer):
    """A bias may be left out in all layers, not in one."""
    model, ids = drawn
    missing = f"backbone.layers.{layer}.mixer.{name}"
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n != missing}, ids, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_a_model_without_layers_is_refused(implementation, drawn):
    """A state dict with no layer at all raises: a table and a norm are not Mamba."""
    model, ids = drawn
    table = {name: tensor for name, tensor in model.weights.items() if ".layers." not in name}
    judge.rejects(implementation, table, ids, **model.scalars)


@pytest.mark.parametrize("what", ["attention_mask", "labels"])
@A_FEW
@given(drawn=inputs(at_least=3), change=st.sampled_from([-1, 1]))
def test_another_length_is_refused(implementation, what, drawn, change):
    """A mask, or labels, shorter or longer than the text raise."""
    model, ids = drawn
    wrong = torch.ones(ids.shape[0], ids.shape[1] + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, **{what: wrong}, **model.scalars)


@pytest.mark.parametrize("shape", [(3, 3), (1, 7)])
def test_as_many_labels_in_other_rows_are_refused(implementation, shape):
    """Labels that are as many as the predictions, but of other texts, raise: flattened they would seem to fit."""
    ids, labels = torch.ones(2, 4, dtype=torch.long), torch.ones(shape, dtype=torch.long)
    judge.rejects(implementation, SMALL.weights, ids, labels=labels, **SMALL.scalars)


@pytest.mark.parametrize("what", ["column", "row"])
def test_a_mask_is_not_stretched(implementation, what):
    """A mask of one column for all tokens, or of one row for all texts, raises."""
    model, ids = large("rank")
    wrong = torch.ones_like(ids)[:, :1] if what == "column" else torch.ones_like(ids)[:1]
    judge.rejects(implementation, model.weights, ids, attention_mask=wrong, **model.scalars)


@A_FEW
@given(drawn=inputs(at_most=3))
def test_something_else_to_return_is_refused(implementation, drawn):
    """There are logits and hidden states; attentions there are none."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, returns="attentions", **model.scalars)
