"""Laws of BERT's heads: tasks, labels and weights that must raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_heads_inputs import KINDS, TASKS, head_of, inputs, labels
from fixtures.strategies.rotary import A_FEW

WHOLE = ("masked", "next_sentence", "token", "span")
"""Tasks whose labels are whole numbers and nothing else."""


@A_FEW
@given(drawn=inputs("masked"), task=st.sampled_from(["", "mlm", "question_answering", "Masked"]))
def test_an_unknown_task_is_refused(implementation, drawn, task):
    """A task that there is not raises; none is chosen in its place."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"task": task}))


@given(data=st.data())
def test_a_missing_parameter_is_refused(implementation, data):
    """A state dict without a parameter of its head, its pooler or its body raises; nothing is made up in its place."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(inputs(task))
    own = [name for name in model.weights if not name.startswith(("bert.encoder.", "bert.embeddings."))]
    body = "bert.encoder.layer.0.output.dense.bias"
    missing = {*data.draw(st.permutations([*own, body]), label="missing")[:1]}
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n not in missing}, ids, **model.scalars)


@A_FEW
@given(data=st.data())
def test_the_head_of_another_task_is_refused(implementation, data):
    """A state dict with a head, but not that of the task, raises: a pooler and a body are not enough."""
    task = data.draw(st.sampled_from(["next_sentence", "sequence", "token", "span"]), label="task")
    model, ids = data.draw(inputs("masked"))
    judge.rejects(implementation, replace(model, pooler=True).weights, ids, **(model.scalars | {"task": task}))


@pytest.mark.parametrize("task", ["next_sentence", "span"])
@A_FEW
@given(data=st.data(), outputs=st.sampled_from([1, 3]))
def test_heads_of_two_have_two_outputs(implementation, task, outputs, data):
    """Next sentence is a yes or no, and a span has a start and an end: heads with more or fewer outputs raise."""
    model, ids = data.draw(inputs(task))
    head = {f"{head_of(task)}.weight": torch.ones(outputs, model.d), f"{head_of(task)}.bias": torch.ones(outputs)}
    wrong = model.weights | {name: tensor.double() for name, tensor in head.items()}
    judge.rejects(implementation, wrong, ids, **model.scalars)


@A_FEW
@given(data=st.data())
def test_labels_that_do_not_exist_are_refused(implementation, data):
    """A word or class that the head has no score for raises; only -100 is left out."""
    task = data.draw(st.sampled_from(["masked", "next_sentence", "sequence", "token"]), label="task")
    model, ids = data.draw(inputs(task))
    said = data.draw(labels(model, ids)).clamp(min=0)
    where = data.draw(st.integers(0, said.numel() - 1), label="where")
    said.view(-1)[where] = data.draw(st.sampled_from([-1, -99, model.outputs, model.outputs + 2]), label="wrong")
    judge.rejects(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs("span"), data=st.data())
def test_negative_positions_are_refused(implementation, drawn, data):
    """Pit: no answer begins before the text. Moved to the first token it would say "no answer", -100 too."""
    model, ids = drawn
    said = data.draw(labels(model, ids))
    where = data.draw(st.sampled_from([0, 1]), label="start or end")
    for position in (-1, -100):
        said[-1, where] = position
        judge.rejects(implementation, model.weights, ids, labels=said.clone(), **model.scalars)


@A_FEW
@given(data=st.data())
def test_labels_of_another_number_are_refused(implementation, data):
    """Labels of one text too many, or too few, raise."""
    task, kind = data.draw(st.sampled_from([case for case in KINDS if case[1] != "number"]), label="task and kind")
    model, ids = data.draw(inputs(task, batch=1))
    said = data.draw(labels(model, ids, kind=kind))
    judge.rejects(implementation, model.weights, ids, labels=said.repeat(2, *[1] * (said.ndim - 1)), **model.scalars)
    judge.rejects(implementation, model.weights, ids.repeat(3, 1), labels=said, **model.scalars)


@pytest.mark.filterwarnings("ignore:Using a target size")
@A_FEW
@given(drawn=inputs("sequence", batch=1, classes=1), data=st.data())
def test_one_number_for_several_texts_is_refused(implementation, drawn, data):
    """Pit: subtraction stretches what does not fit; a number is of one text."""
    model, ids = drawn
    said = data.draw(labels(model, ids, kind="number"))
    judge.rejects(implementation, model.weights, ids.repeat(3, 1), labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_labels_that_lie_crosswise_are_refused(implementation, data):
    """Pit: as many labels as tokens, in another shape, belong to other tokens."""
    task = data.draw(st.sampled_from(["masked", "token"]), label="task")
    model, ids = data.draw(inputs(task, at_least=2, batch=1))
    judge.rejects(implementation, model.weights, ids, labels=data.draw(labels(model, ids)).mT, **model.scalars)


@A_FEW
@given(data=st.data())
def test_labels_between_classes_are_refused(implementation, data):
    """Labels of words, classes and positions are whole numbers; floating ones raise."""
    task = data.draw(st.sampled_from(WHOLE), label="task")
    model, ids = data.draw(inputs(task))
    said = data.draw(labels(model, ids)).clamp(min=0)
    judge.rejects(implementation, model.weights, ids, labels=said.double(), **model.scalars)
    if task == "next_sentence":
        shares = torch.nn.functional.one_hot(said, 2).double()
        judge.rejects(implementation, model.weights, ids, labels=shares, **model.scalars)


@A_FEW
@given(drawn=inputs("sequence"), data=st.data())
def test_several_labels_in_whole_numbers_are_refused(implementation, drawn, data):
    """Pit: yes and no for several labels at once, kept as whole numbers, are no classes of texts (M35)."""
    model, ids = drawn
    said = data.draw(labels(model, ids, kind="several")).round().long()
    judge.rejects(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs("pooler"))
def test_labels_of_the_pooler_are_refused(implementation, drawn):
    """The pooler has no loss: labels raise."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, labels=torch.zeros(len(ids), dtype=torch.long), **model.scalars)


@A_FEW
@given(drawn=inputs("masked"), what=st.sampled_from(["ids", "segments", "heads"]))
def test_what_bert_refuses_is_refused(implementation, what, drawn):
    """Ids and segments that there are not, and heads that do not divide d, raise as they do without a head."""
    model, ids = drawn
    wrong = {
        "ids": {"input_ids": ids + model.vocabulary},
        "segments": {"token_type_ids": torch.full_like(ids, model.segments)},
        "heads": {"heads": model.d + 1},
    }[what]
    options = {"input_ids": ids} | model.scalars | wrong
    judge.rejects(implementation, model.weights, options.pop("input_ids"), **options)
