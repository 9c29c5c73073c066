"""Laws of BERT: ids, texts, masks and weights that must raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_inputs import inputs
from fixtures.strategies.rotary import A_FEW


@pytest.mark.parametrize("table", ["word", "position", "token_type"])
@given(drawn=inputs(), data=st.data())
def test_ids_outside_a_table_are_refused(implementation, table, drawn, data):
    """An id, position or segment that its table does not have raises."""
    model, ids = drawn
    rows = model.weights[f"embeddings.{table}_embeddings.weight"].shape[0]
    wrong = ids.clone() if table == "word" else torch.zeros_like(ids)
    where = data.draw(st.integers(0, ids.numel() - 1), label="where")
    wrong.view(-1)[where] = data.draw(st.sampled_from([-1, rows, rows + 2]), label="wrong id")
    if table == "word":
        judge.rejects(implementation, model.weights, wrong, **model.scalars)
    elif table == "position":
        judge.rejects(implementation, model.weights, ids, position_ids=wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, ids, token_type_ids=wrong, **model.scalars)


@pytest.mark.parametrize("stretched", ["columns", "rows"])
@pytest.mark.parametrize("table", ["position_ids", "token_type_ids"])
@given(drawn=inputs(at_least=2, batch=1))
def test_ids_of_another_shape_are_refused(implementation, table, stretched, drawn):
    """One position or segment for all tokens, or those of two texts for one, raise; none is stretched to fit."""
    model, ids = drawn
    wrong = ids.new_zeros((1, 1) if stretched == "columns" else (2, ids.shape[1]))
    judge.rejects(implementation, model.weights, ids, **{table: wrong}, **model.scalars)


@given(drawn=inputs(at_least=3))
def test_a_text_longer_than_the_position_table_is_refused(implementation, drawn):
    """Pit: positions beyond the table raise; none is reused."""
    model, ids = drawn
    judge.rejects(implementation, replace(model, positions=ids.shape[1] - 1).weights, ids, **model.scalars)


@given(drawn=inputs())
def test_heads_that_do_not_divide_d_are_refused(implementation, drawn):
    """d must be a multiple of the number of heads."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"heads": model.d + 1}))


@given(drawn=inputs(pooler=False), data=st.data())
def test_a_missing_parameter_is_refused(implementation, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model, ids = drawn
    missing = data.draw(st.sampled_from(sorted(model.weights)), label="missing")
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n != missing}, ids, **model.scalars)


@given(drawn=inputs())
def test_a_model_without_layers_is_refused(implementation, drawn):
    """A state dict with no layer at all raises: embeddings alone are not BERT."""
    model, ids = drawn
    tables = {name: tensor for name, tensor in model.weights.items() if ".layer." not in name}
    judge.rejects(implementation, tables, ids, **model.scalars)


@given(drawn=inputs(at_least=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, drawn, change):
    """An attention mask that is shorter or longer than the text raises."""
    model, ids = drawn
    mask = torch.ones(ids.shape[0], ids.shape[1] + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(), returns=st.sampled_from(["", "attention", "pooled"]))
def test_an_unknown_return_is_refused(implementation, drawn, returns):
    """What cannot be returned raises; nothing else is returned in its place."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, returns=returns, **model.scalars)
