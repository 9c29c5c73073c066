"""Laws of T5: ids, texts, masks and weights that must raise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.t5_inputs import A_FEW, pairs


@pytest.mark.parametrize("which", ["text", "written", "labels"])
@A_FEW
@given(pair=pairs(), data=st.data())
def test_ids_outside_the_vocabulary_are_refused(implementation, which, pair, data):
    """An id or label that the word table does not have raises."""
    model = pair.model
    ids = {"text": pair.text.clone(), "written": pair.written.clone(), "labels": pair.written.clone()}
    ids[which][-1, -1] = data.draw(st.sampled_from([-1, model.vocabulary, model.vocabulary + 2]), label="wrong id")
    options = {"labels": ids["labels"], **model.scalars}
    judge.rejects(implementation, model.weights, ids["text"], ids["written"], **options)


@A_FEW
@given(pair=pairs(), more=st.sampled_from([1, 2]))
def test_heads_that_the_table_has_not_are_refused(implementation, pair, more):
    """As many heads as the tables of the bias have columns, not more."""
    model = pair.model
    judge.rejects(implementation, *pair.given, **(model.scalars | {"heads": model.heads * model.d_head + more}))


@A_FEW
@given(pair=pairs(heads=1, d_head=4))
def test_a_table_of_one_head_is_not_for_all(implementation, pair):
    """Pit: a bias of one head is broadcast to two, and nobody notices."""
    judge.rejects(implementation, *pair.given, **(pair.model.scalars | {"heads": 2}))


@A_FEW
@given(pair=pairs(heads=4, d_head=1))
def test_fewer_heads_than_the_table_has_are_refused(implementation, pair):
    """Heads that divide the features, but are not those that the tables are for, raise."""
    judge.rejects(implementation, *pair.given, **(pair.model.scalars | {"heads": 2}))


@given(pair=pairs(), data=st.data())
def test_a_missing_parameter_is_refused(implementation, pair, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model = pair.model
    missing = data.draw(st.sampled_from(sorted(model.weights.keys() - {"lm_head.weight"})), label="missing")
    others = {name: w for name, w in model.weights.items() if name != missing}
    judge.rejects(implementation, others, pair.text, pair.written, **model.scalars)


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
@A_FEW
@given(pair=pairs())
def test_a_stack_without_layers_is_refused(implementation, stack, pair):
    """A state dict with no layer at all in one of its stacks raises."""
    model = pair.model
    others = {name: w for name, w in model.weights.items() if not name.startswith(f"{stack}.block")}
    judge.rejects(implementation, others, pair.text, pair.written, **model.scalars)


@pytest.mark.parametrize("which", ["attention_mask", "decoder_attention_mask"])
@A_FEW
@given(pair=pairs(reads=2, writes=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, which, pair, change):
    """A mask that is shorter or longer than its text raises."""
    ids = pair.text if which == "attention_mask" else pair.written
    mask = {which: torch.ones(len(ids), ids.shape[1] + change, dtype=torch.long)}
    judge.rejects(implementation, *pair.given, **mask, **pair.model.scalars)


@A_FEW
@given(pair=pairs())
def test_nothing_to_write_is_refused(implementation, pair):
    """Without an input for the decoder, and without labels to make one of, there is nothing to predict."""
    judge.rejects(implementation, pair.model.weights, pair.text, **pair.model.scalars)


@A_FEW
@given(pair=pairs(batch=1))
def test_another_number_of_texts_is_refused(implementation, pair):
    """Two texts written from one that was read raise; none is used twice."""
    twice = pair.written.repeat(2, 1)
    judge.rejects(implementation, pair.model.weights, pair.text, twice, **pair.model.scalars)


@A_FEW
@given(pair=pairs(writes=2))
def test_labels_of_another_length_are_refused(implementation, pair):
    """Each position of the decoder has one label."""
    judge.rejects(implementation, *pair.given, labels=pair.written[:, 1:], **pair.model.scalars)


@pytest.mark.parametrize("returns", ["encoder_hidden_states", "encoder_attentions"])
@A_FEW
@given(pair=pairs(writes=2))
def test_the_encoder_is_not_asked_with_a_past(implementation, returns, pair):
    """States and weights of the encoder are there in the call that encodes; later nobody has them."""
    model = pair.model
    cache: list = []
    implementation(model.weights, pair.text, pair.written[:, :-1], cache=cache, **model.scalars)
    options = {"cache": cache, "returns": returns, **model.scalars}
    judge.rejects(implementation, model.weights, pair.text, pair.written[:, -1:], **options)


@pytest.mark.parametrize("option", ["activation", "returns"])
@A_FEW
@given(pair=pairs())
def test_an_unknown_name_is_refused(implementation, option, pair):
    """An activation or a result of no known name raises."""
    judge.rejects(implementation, *pair.given, **(pair.model.scalars | {option: "unknown"}))
