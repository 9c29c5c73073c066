"""Laws of BERT's heads: padding, and tokens that a mask hides."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_heads_inputs import POOLED, TASKS, TOKENWISE, inputs, labels
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import row_lengths, visibility


@A_FEW
@given(data=st.data())
def test_padding_on_the_right_changes_nothing(implementation, data):
    """A text gets the same scores alone and in a padded batch, whatever the padding tokens are."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(inputs(task))
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        if task in POOLED:
            return padded, torch.cat(alone)
        return tuple(padded[i : i + 1, :n] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_a_hidden_token_is_as_good_as_absent(implementation, data):
    """Wherever the mask has its holes, left padding included, the rest keeps its positions and reads as alone."""
    task = data.draw(st.sampled_from(TOKENWISE), label="task")
    model, ids = data.draw(inputs(task, batch=1))
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=mask, **model.scalars)
        return masked[:, kept], f(model.weights, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_the_first_column_speaks_even_where_it_is_hidden(implementation, data):
    """Pit: what is read is column 0, be it padding on the left; nobody looks for the first token of the text."""
    task = data.draw(st.sampled_from(POOLED), label="task")
    model, ids = data.draw(inputs(task, at_least=2))
    mask = data.draw(visibility(*ids.shape)).flip(-1)
    mask[:, 0] = 0
    judge.agree(implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@A_FEW
@given(data=st.data())
def test_padding_without_labels_costs_nothing(implementation, data):
    """The loss of a padded batch, its padding labelled -100, is the mean over the tokens of all texts."""
    task = data.draw(st.sampled_from(["masked", "token"]), label="task")
    model, ids = data.draw(inputs(task))
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()
    said = torch.where(mask == 1, data.draw(labels(model, ids)).clamp(min=0), -100)

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, labels=said, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, :n], labels=said[i : i + 1, :n], **model.scalars) * n
                 for i, n in enumerate(tokens)]  # fmt: skip
        return padded, torch.stack(alone).sum() / sum(tokens)

    judge.holds(implementation, experiment)
