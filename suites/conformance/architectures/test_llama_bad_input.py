"""Laws of Llama: ids, masks, heads and weights that must raise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.llama_inputs import inputs, large
from fixtures.strategies.rotary import A_FEW


@pytest.mark.parametrize("table", ["word", "label"])
@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_ids_outside_the_vocabulary_are_refused(implementation, table, drawn, data):
    """An id or label that the vocabulary does not have raises."""
    model, ids = drawn
    wrong = ids.clone()
    column = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    wrong[-1, column] = data.draw(st.sampled_from([-1, model.vocabulary, model.vocabulary + 2]), label="wrong id")
    if table == "word":
        judge.rejects(implementation, model.weights, wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, ids, labels=wrong, **model.scalars)


@pytest.mark.parametrize("stretched", ["columns", "rows"])
@A_FEW
@given(drawn=inputs(at_least=2, batch=1))
def test_positions_of_another_shape_are_refused(implementation, stretched, drawn):
    """One position for all tokens, or positions of two texts for one, raise; neither is stretched to fit the other."""
    model, ids = drawn
    wrong = ids.new_zeros((1, 1) if stretched == "columns" else (2, ids.shape[1]))
    judge.rejects(implementation, model.weights, ids, position_ids=wrong, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2, batch=1), change=st.sampled_from([-1, 1]))
def test_labels_of_another_length_are_refused(implementation, drawn, change):
    """Labels that are one more or fewer than the tokens raise: nobody has shifted them before."""
    model, ids = drawn
    labels = ids.new_zeros(1, ids.shape[1] + change)
    judge.rejects(implementation, model.weights, ids, labels=labels, **model.scalars)


@given(drawn=inputs(heads=6, kv_heads=2, d_head=4), heads=st.sampled_from([0, 1, 2, 3, 4, 5, 12, 24, 25]))
def test_heads_that_do_not_fit_are_refused(implementation, drawn, heads):
    """The width of a head is that of queries over their heads; keys must have the same, of a width that has pairs."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"heads": heads}))


@given(drawn=inputs(heads=6, kv_heads=2, d_head=4), kv_heads=st.sampled_from([-2, 0, 1, 3, 4, 6, 8]))
def test_heads_of_keys_that_do_not_fit_are_refused(implementation, drawn, kv_heads):
    """As many heads of keys as the state dict has, no others."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"kv_heads": kv_heads}))


@A_FEW
@given(drawn=inputs(heads=6, kv_heads=4, d_head=4))
def test_groups_of_unequal_size_are_refused(implementation, drawn):
    """Four heads of keys cannot be shared by six of queries."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(tied=True, biased=False, mlp_biased=False), data=st.data())
def test_a_missing_parameter_is_refused(implementation, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model, ids = drawn
    missing = data.draw(st.sampled_from(sorted(model.weights)), label="missing")
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n != missing}, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(tied=True))
def test_a_model_without_layers_is_refused(implementation, drawn):
    """A state dict with no layer at all raises: a table and a norm are not Llama."""
    model, ids = drawn
    tables = {name: tensor for name, tensor in model.weights.items() if ".layers." not in name}
    judge.rejects(implementation, tables, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, drawn, change):
    """An attention mask that is shorter or longer than the text raises."""
    model, ids = drawn
    mask = torch.ones(ids.shape[0], ids.shape[1] + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@pytest.mark.parametrize("shape", [(4, 5), (1, 17)], ids=str)
def test_as_many_labels_in_other_rows_are_refused(implementation, shape):
    """Labels that are as many as the predictions, but of other texts, raise: flattened they would seem to fit."""
    model, ids = large("number of heads")
    assert ids.shape == (2, 9)
    judge.rejects(implementation, model.weights, ids, labels=torch.ones(shape, dtype=torch.long), **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_what_nobody_can_return_is_refused(implementation, drawn):
    """What is asked for by another name is not taken for logits."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, returns="hidden_state", **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_a_scaling_that_nobody_knows_is_refused(implementation, drawn):
    """A model is not run as though it had not been scaled."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, scaling={"rope_type": "ntk", "factor": 2.0}, **model.scalars)
