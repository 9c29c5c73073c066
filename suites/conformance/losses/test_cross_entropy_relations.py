"""Laws of cross-entropy: how costs relate to each other, to probabilities and to the number of classes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.labelled_logits import A_FEW, IGNORED, SMOOTHINGS, Batch, batches
from fixtures.subject import Subject as Implementation

Loss = Callable[..., Tensor]


@A_FEW
@given(batch=batches())
def test_gradient_is_probability_less_label(implementation: Implementation, batch: Batch) -> None:
    """The gradient of the mean is (softmax - one-hot) / n."""
    wrong = torch.nn.functional.one_hot(batch.labels, batch.v)

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        logits = implementation.rounded(batch.logits).detach().clone().requires_grad_()
        loss = f(logits, batch.labels)
        if not loss.requires_grad:
            return torch.zeros_like(logits), torch.zeros_like(logits)
        gradient = torch.autograd.grad(loss, logits)[0]
        return gradient, ((torch.softmax(logits.detach().double(), -1) - wrong) / batch.n).to(gradient)

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=batches(ignoring=True, rows=st.sampled_from([2, 5, 17])), size=st.sampled_from([1.0, 30.0, 1e4]))
def test_ignored_rows_do_not_matter(implementation: Implementation, batch: Batch, size: float) -> None:
    """The loss is that of the other rows alone, whatever stands in those that are ignored."""
    logits = batch.logits.where(batch.kept[:, None], -size * batch.logits)
    judge.holds(
        implementation, lambda f: (f(logits, batch.labels), f(batch.logits[batch.kept], batch.labels[batch.kept]))
    )


@A_FEW
@given(batch=batches(ignoring=True, rows=st.sampled_from([2, 5, 17])))
def test_ignored_rows_get_no_gradient(implementation: Implementation, batch: Batch) -> None:
    """The gradient of a row that is ignored is exactly 0."""
    logits = implementation.rounded(batch.logits).detach().clone().requires_grad_()
    loss = implementation(logits, batch.labels)
    if not loss.requires_grad:
        raise judge.Rejected("the loss cannot be differentiated")
    judge.zero(implementation, torch.autograd.grad(loss, logits)[0][~batch.kept])


@A_FEW
@given(batch=batches(ignoring=True))
def test_reductions_are_consistent(implementation: Implementation, batch: Batch) -> None:
    """The sum is that of the single costs, and the mean is the sum over the number of rows that count."""

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        single = f(batch.logits, batch.labels, reduction="none")
        both = torch.stack([f(batch.logits, batch.labels, reduction=how) for how in ("sum", "mean")])
        return both, torch.stack([single.sum(), single.sum() / int(batch.kept.sum())])

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=batches())
def test_rows_do_not_see_each_other(implementation: Implementation, batch: Batch) -> None:
    """The cost of each row is what it is alone."""
    judge.holds(
        implementation,
        lambda f: (
            torch.cat([f(batch.logits[i, None], batch.labels[i, None], reduction="none") for i in range(batch.n)]),
            f(batch.logits, batch.labels, reduction="none"),
        ),
    )


@A_FEW
@given(batch=batches(regimes=("normal", "confident", "ties")), shift=st.sampled_from([-100.0, 3.0, 1e3]))
def test_a_shift_changes_nothing(implementation: Implementation, batch: Batch, shift: float) -> None:
    """A constant added to all logits of a row, one of its own for each, changes nothing."""
    shifts = shift * torch.arange(1, batch.n + 1)[:, None] / 8
    logits = (batch.logits * 32).round() / 32  # so that the sum is exact
    judge.holds(implementation, lambda f: (f(logits + shifts, batch.labels), f(logits, batch.labels)))


@A_FEW
@given(batch=batches(ignoring=True), level=st.sampled_from([0.0, -3.0, 40.0]))
def test_uniform_logits_cost_the_logarithm_of_their_number(
    implementation: Implementation, batch: Batch, level: float
) -> None:
    """If all logits are the same, the cost is ln v whatever the labels."""
    logits = torch.full_like(batch.logits, level)
    judge.holds(implementation, lambda f: ((loss := f(logits, batch.labels)), torch.full_like(loss, math.log(batch.v))))


@pytest.mark.parametrize("vocabulary", [32_001, 50_257, 151_936])
def test_uniform_vocabularies_cost_the_logarithm_of_their_size(implementation: Implementation, vocabulary: int) -> None:
    """An untrained language model costs ln v: 10.82 nats with GPT-2's 50,257 classes. Pit: bits, or a block forgotten."""
    logits, labels = torch.zeros(1, vocabulary, dtype=torch.float64), torch.tensor([vocabulary - 1])
    judge.holds(implementation, lambda f: ((loss := f(logits, labels)), torch.full_like(loss, math.log(vocabulary))))


@given(gap=st.sampled_from([-30.0, -2.0, 0.0, 0.5, 10.0]))
def test_two_classes_cost_the_softplus_of_their_difference(implementation: Implementation, gap: float) -> None:
    """Of two classes, the right one costs ln(1 + exp(other - right)), and the other likewise."""
    logits, labels = torch.tensor([[0.0, gap], [0.0, gap]], dtype=torch.float64), torch.tensor([0, 1])
    mean = (max(gap, 0) + max(-gap, 0)) / 2 + math.log1p(math.exp(-abs(gap)))
    judge.holds(implementation, lambda f: ((loss := f(logits, labels)), torch.full_like(loss, mean)))


@A_FEW
@given(batch=batches(classes=st.sampled_from([2, 5, 8])), smoothing=SMOOTHINGS)
def test_smoothing_mixes_in_every_label(implementation: Implementation, batch: Batch, smoothing: float) -> None:
    """The smoothed loss is the mixture of the plain one and of its mean over all v labels, the right one among them."""

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        plain = f(batch.logits, batch.labels, label_smoothing=0.0)
        every = [f(batch.logits, torch.full_like(batch.labels, k), label_smoothing=0.0) for k in range(batch.v)]
        mixed = (1 - smoothing) * plain + smoothing * torch.stack(every).mean()
        return f(batch.logits, batch.labels, label_smoothing=smoothing), mixed

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=batches(ignoring=True))
def test_a_class_of_weight_two_counts_twice(implementation: Implementation, batch: Batch) -> None:
    """Whole weights are repetitions of rows: so the mean divides by the sum of the labels' weights."""
    weight = 1 + torch.arange(batch.v) % 3
    labels = batch.labels[batch.kept]
    logits, repeats = batch.logits[batch.kept], weight[labels]
    judge.holds(
        implementation,
        lambda f: (
            f(logits, labels, weight=weight.double()),
            f(
                logits.repeat_interleave(repeats, 0),
                labels.repeat_interleave(repeats),
                weight=torch.ones(batch.v).double(),
            ),
        ),
    )


@A_FEW
@given(batch=batches(ignoring=True), seed=st.integers(0, 99))
def test_rows_and_classes_may_be_reordered(implementation: Implementation, batch: Batch, seed: int) -> None:
    """The order of the rows does not matter, nor that of the classes if labels follow."""
    generator = torch.Generator().manual_seed(seed)
    rows, classes = torch.randperm(batch.n, generator=generator), torch.randperm(batch.v, generator=generator)
    moved = classes.argsort()[batch.labels.clamp(min=0)].where(batch.kept, IGNORED)
    judge.holds(
        implementation,
        lambda f: (f(batch.logits[rows][:, classes], moved[rows]), f(batch.logits, batch.labels)),
    )
