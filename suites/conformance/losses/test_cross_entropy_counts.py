"""Laws of cross-entropy: a mean over rows of which the batch at hand has only some."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.gradients import gradients
from fixtures.strategies.labelled_logits import A_FEW, SMOOTHINGS, Batch, batches
from fixtures.subject import Subject as Implementation

Loss = Callable[..., Tensor]
COUNTS = st.sampled_from([1, 3, 64, 1000])
SEVERAL = st.sampled_from([2, 3, 5, 17, 33])


@judge.every_dtype
@A_FEW
@given(batch=batches(ignoring=True), count=COUNTS)
def test_agrees_with_a_given_count(implementation: Implementation, batch: Batch, count: int) -> None:
    """With a count the sum is divided by that, whatever the batch itself has."""
    judge.agree(implementation, batch.logits, batch.labels, count=count)


@A_FEW
@given(batch=batches(ignoring=True), count=COUNTS, smoothing=SMOOTHINGS)
def test_a_count_counts_rows_not_weights(
    implementation: Implementation, batch: Batch, count: int, smoothing: float
) -> None:
    """Weights and smoothing scale the costs of rows, not the count; and it need not be whole."""
    judge.agree(
        implementation,
        batch.logits,
        batch.labels,
        weight=batch.weight,
        label_smoothing=smoothing,
        count=count + 0.5,
    )


@A_FEW
@given(batch=batches(ignoring=True), count=COUNTS)
def test_gradients_agree_with_a_given_count(implementation: Implementation, batch: Batch, count: int) -> None:
    """Gradients of the logits are the reference's where a count is given."""
    judge.agree_gradients(implementation, batch.logits, batch.labels, count=count)


@A_FEW
@given(batch=batches(ignoring=True, rows=SEVERAL), cut=st.integers(0, 40))
def test_micro_batches_of_unequal_counts_add_up(implementation: Implementation, batch: Batch, cut: int) -> None:
    """Pit: the mean of means is not the mean. Losses of micro-batches under their common count add up to that of all.

    Source: https://github.com/huggingface/transformers/issues/34191: trainers that accumulated means trained on another
    loss, in which rows of short texts counted more.
    """
    cut, count = 1 + cut % (batch.n - 1), int(batch.kept.sum())
    judge.holds(
        implementation,
        lambda f: (
            f(batch.logits[:cut], batch.labels[:cut], count=count)
            + f(batch.logits[cut:], batch.labels[cut:], count=count),
            f(batch.logits, batch.labels),
        ),
    )


@A_FEW
@given(batch=batches(ignoring=True, rows=SEVERAL), cut=st.integers(0, 40))
def test_gradients_of_micro_batches_are_those_of_all(implementation: Implementation, batch: Batch, cut: int) -> None:
    """A step that is cut into micro-batches takes the same direction, and as far, as one that is not."""
    cut, count = 1 + cut % (batch.n - 1), int(batch.kept.sum())

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        parts = [(batch.logits[:cut], batch.labels[:cut]), (batch.logits[cut:], batch.labels[cut:])]
        found = [g for x, y in parts for g in gradients(lambda logits, y=y: f(logits, y, count=count), x)]
        return [torch.cat(found)], gradients(lambda logits: f(logits, batch.labels), batch.logits)

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=batches(), count=COUNTS)
def test_rows_without_labels_add_nothing(implementation: Implementation, batch: Batch, count: int) -> None:
    """Pit: a micro-batch of prompts has no label, and its mean is 0/0. Under a given count its loss and gradient are 0."""
    labels = torch.full_like(batch.labels, -100)
    judge.zero(implementation, implementation(batch.logits, labels, count=count))
    judge.zero(implementation, gradients(lambda logits: implementation(logits, labels, count=count), batch.logits))


@A_FEW
@given(batch=batches(ignoring=True))
def test_the_own_count_changes_nothing(implementation: Implementation, batch: Batch) -> None:
    """The number of rows that count in the batch is the count unless another is given."""
    count, mean = int(batch.kept.sum()), "".join(list("mean"))  # a text is what it says, not where it is kept
    judge.holds(
        implementation,
        lambda f: (
            f(batch.logits, batch.labels, count=count, reduction=mean),
            f(batch.logits, batch.labels),
        ),
    )


@pytest.mark.parametrize("count", [0, -3])
def test_counts_are_positive(implementation: Implementation, count: int) -> None:
    """What is divided by nothing, or by less, is no mean: that raises."""
    judge.rejects(implementation, torch.randn(3, 5).double(), torch.tensor([0, 1, 2]), count=count)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_counts_are_for_means(implementation: Implementation, reduction: str) -> None:
    """A count where nothing is averaged is a mistake: that raises."""
    logits, labels = torch.randn(3, 5).double(), torch.tensor([0, 1, 2])
    judge.rejects(implementation, logits, labels, count=3, reduction=reduction)
