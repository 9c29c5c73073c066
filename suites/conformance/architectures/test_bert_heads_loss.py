"""Laws of BERT's heads: what their scores cost, and what it teaches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_heads_inputs import (
    KINDS,
    SIZES,
    TOKENWISE,
    WITH_LOSS,
    ample_inputs,
    head_of,
    inputs,
    labels,
)
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import different_ids, every_other, visibility


@pytest.mark.parametrize("task, kind", KINDS)
@A_FEW
@given(data=st.data())
def test_gradients_of_the_loss_agree(implementation, task, kind, data):
    """What training follows: the gradient of the loss in every parameter, some tokens hidden and some not asked for."""
    model, ids = data.draw(ample_inputs(task, **SIZES.get(kind, {})))
    options = {"attention_mask": data.draw(visibility(*ids.shape)), "labels": data.draw(labels(model, ids, kind=kind))}
    judge.agree_gradients(implementation, model.weights, ids, **options, **model.scalars)


@pytest.mark.parametrize("task, kind", KINDS)
@A_FEW
@given(size=st.sampled_from([1e3, 1e5]), data=st.data())
def test_loud_scores_agree(implementation, task, kind, size, data):
    """Scores of hundreds, thousands and more than 1e4 are what they are, and cost what they cost.

    Pit: scores are clamped "for safety", or probabilities are kept from 0 by a small number.
    """
    model, ids = data.draw(inputs(task, **SIZES.get(kind, {})))
    said = data.draw(labels(model, ids, kind=kind))
    head = "cls.predictions.transform.LayerNorm" if task == "masked" else head_of(task)
    loud = {name: w * size if name.startswith(head) else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)
    # That of what is certain is e^-1000, or 0.
    judge.agree_in(lambda cost: 1 + cost, implementation, loud, ids, labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_loss_counts_what_the_mask_hides(implementation, data):
    """Pit: only labels are left out; a mask alone hides tokens from others, it does not unask for them."""
    task = data.draw(st.sampled_from(TOKENWISE), label="task")
    model, ids = data.draw(inputs(task, at_least=2))
    mask = data.draw(visibility(*ids.shape))
    said = data.draw(labels(model, ids))
    judge.agree(implementation, model.weights, ids, attention_mask=mask, labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_padding_may_be_where_an_answer_is_not(implementation, data):
    """Pit: the scores of what a mask hides take part in the softmax over starts and ends, though no answer is there."""
    model, ids = data.draw(inputs("span", at_least=2))
    mask = every_other(ids)
    shown = torch.stack(
        [data.draw(st.sampled_from(row.nonzero()[:, 0].tolist())) * torch.ones(2).long() for row in mask]
    )
    judge.agree(implementation, model.weights, ids, attention_mask=mask, labels=shown, **model.scalars)


@pytest.mark.parametrize("kind", ["number", "several"])
@A_FEW
@given(data=st.data())
def test_a_number_of_minus_a_hundred_counts(implementation, kind, data):
    """Pit: -100 leaves a class out; where labels are numbers it is a number like any other."""
    model, ids = data.draw(inputs("sequence", at_least=2, **SIZES.get(kind, {})))
    said = data.draw(labels(model, ids, kind=kind))
    said[0] = -100
    judge.agree(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_loss_of_nothing_is_nan(implementation, data):
    """Pit: where no label is left the mean is over nothing; of a span, where no start or no end is left."""
    task = data.draw(st.sampled_from(WITH_LOSS), label="task")
    model, ids = data.draw(inputs(task))
    if task == "span":
        nothing = torch.zeros(len(ids), 2, dtype=torch.long)
        nothing[:, data.draw(st.sampled_from([0, 1]), label="start or end")] = ids.shape[1]
    else:
        nothing = torch.full(ids.shape if task in TOKENWISE else (len(ids),), -100)
    loss = implementation(model.weights, ids, labels=nothing, **model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")


@A_FEW
@given(data=st.data())
def test_labels_stand_where_their_tokens_stand(implementation, data):
    """Pit: no label is shifted. With one label left the loss is the cost of that position, the last one included."""
    task = data.draw(st.sampled_from(["masked", "token"]), label="task")
    model, ids = data.draw(inputs(task, at_least=2))
    row = data.draw(st.integers(0, len(ids) - 1), label="row")
    column = data.draw(st.sampled_from([0, ids.shape[1] - 1]), label="column")
    said = torch.full_like(ids, -100)
    said[row, column] = wanted = data.draw(st.integers(0, model.outputs - 1), label="label")

    def experiment(f):
        scores = f(model.weights, ids, **model.scalars)[row, column]
        return f(model.weights, ids, labels=said, **model.scalars), scores.logsumexp(-1) - scores[wanted]

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs("span", at_least=2), beyond=st.sampled_from([0, 1, 1000]), data=st.data())
def test_answers_beyond_the_text_are_not_asked_for(implementation, drawn, beyond, data):
    """Pit: of a start or end of t or more nothing is known: the mean is that over the other texts."""
    model, ids = drawn
    several = ids[:1].repeat(3, 1)
    said = data.draw(labels(model, several))
    said = torch.where(said < ids.shape[1], said, 0)
    cut = torch.cat([said[:2], torch.full((1, 2), ids.shape[1] + beyond)])

    def experiment(f):
        whole = f(model.weights, several[:2], labels=said[:2], **model.scalars)
        return f(model.weights, several, labels=cut, **model.scalars), whole

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs("span", batch=1), data=st.data())
def test_start_and_end_are_not_each_other(implementation, drawn, data):
    """The first score and the first label are the start's: exchanged in both, rows of the head too, they cost the same."""
    model, ids = drawn
    said = torch.randint(ids.shape[1], (1, 2), generator=torch.Generator().manual_seed(model.seed))
    turned = {name: w.flip(0) if name.startswith("qa_outputs") else w for name, w in model.weights.items()}

    def experiment(f):
        left = f(turned, ids, labels=said.flip(-1), **model.scalars)
        return left, f(model.weights, ids, labels=said, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs("sequence", classes=1), data=st.data())
def test_one_output_is_a_number(implementation, drawn, data):
    """Pit: with one output whole numbers are numbers too, not classes (M35)."""
    model, ids = drawn
    said = torch.tensor([data.draw(st.integers(-3, 3), label="label") for _ in ids])
    judge.agree(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs("sequence"), data=st.data())
def test_the_kind_of_the_labels_is_not_remembered(implementation, drawn, data):
    """Pit: labels say what the loss is, call by call: classes after several at once, and the other way round (M35)."""
    model, ids = drawn
    for kind in data.draw(st.permutations(["classes", "several", "classes"]), label="order"):
        said = data.draw(labels(model, ids, kind=kind))
        judge.agree(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs("sequence"), data=st.data())
def test_several_labels_know_nothing_of_each_other(implementation, drawn, data):
    """The loss of several labels is the mean of what each costs alone, in a head with that output twice."""
    model, ids = drawn
    said = data.draw(labels(model, ids, kind="several"))

    def alone(f, n):
        rows = {name: w[[n, n]] if name.startswith("classifier") else w for name, w in model.weights.items()}
        return f(rows, ids, labels=said[:, [n, n]], **model.scalars)

    def experiment(f):
        costs = torch.stack([alone(f, n) for n in range(model.classes)])
        return f(model.weights, ids, labels=said, **model.scalars), costs.mean()

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs("sequence"), size=st.sampled_from([12.0, 22.0, 26.0]))
def test_labels_that_are_all_but_certain_cost_what_is_left(implementation, drawn, size):
    """Pit: a softplus that gives up at 20 takes a small cost for none."""
    model, ids = drawn
    said = model.weights["classifier.bias"].sign()
    weights = model.weights | {
        "classifier.bias": size * said,
        "classifier.weight": 0 * model.weights["classifier.weight"],
    }
    judge.agree(implementation, weights, ids, labels=(said > 0).double().expand(len(ids), -1), **model.scalars)


@pytest.mark.parametrize("kind", ["classes", "several"])
@A_FEW
@given(drawn=inputs("sequence"), data=st.data())
def test_scores_of_thousands_cost_thousands(implementation, kind, drawn, data):
    """Pit: the logarithm of a probability that underflows is no number (L1)."""
    model, ids = drawn
    loud = {name: w * 1e4 if name.startswith("classifier") else w for name, w in model.weights.items()}
    said = data.draw(labels(model, ids, kind=kind))
    judge.agree(implementation, loud, ids, labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_labels_of_32_bits_are_labels(implementation, data):
    """Whole numbers of either width name the same classes."""
    task = data.draw(st.sampled_from(WITH_LOSS), label="task")
    model, ids = data.draw(inputs(task))
    said = data.draw(labels(model, ids)).int()
    judge.agree(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(drawn=inputs("masked", at_least=2), data=st.data())
def test_what_is_not_asked_for_is_still_read(implementation, drawn, data):
    """A token without a label changes the scores of the others all the same."""
    model, ids = drawn
    said = torch.full_like(ids, -100)
    said[:, 0] = ids[:, 0]
    other = torch.cat([ids[:, :1], data.draw(different_ids(ids, model.vocabulary))[:, 1:]], dim=1)
    judge.agree(implementation, model.weights, other, labels=said, **model.scalars)
