"""Laws of cross-entropy: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.bounds import near, rounding
from fixtures.experiments import gradients_by_layout
from fixtures.implementations import Unsupported
from fixtures.strategies.labelled_logits import A_FEW, IGNORED, SMOOTHINGS, VERY_FEW, VOCABULARIES, Batch, batches
from fixtures.strategies.layouts import LAYOUTS, gapped
from fixtures.subject import Subject as Implementation

# Put together when drawn: a text is what it says, not where it is kept.
REDUCTIONS = st.sampled_from(["mean", "sum", "none"]).map(lambda name: "".join(list(name)))


@judge.every_dtype
@A_FEW
@given(batch=batches())
def test_agrees_with_the_reference(implementation: Implementation, batch: Batch) -> None:
    """Values are the reference's: the mean over rows, in nats."""
    judge.agree(implementation, batch.logits, batch.labels)


@judge.every_dtype
@A_FEW
@given(batch=batches(ignoring=True))
def test_agrees_where_rows_are_ignored(implementation: Implementation, batch: Batch) -> None:
    """Rows labelled -100 cost nothing and do not count in the mean."""
    judge.agree(implementation, batch.logits, batch.labels)


@judge.every_dtype
@A_FEW
@given(batch=batches(ignoring=True))
def test_agrees_with_class_weights(implementation: Implementation, batch: Batch) -> None:
    """With class weights, the mean divides by the weights of the labels that count."""
    judge.agree(implementation, batch.logits, batch.labels, weight=batch.weight)


@judge.every_dtype
@A_FEW
@given(batch=batches(ignoring=True), smoothing=SMOOTHINGS)
def test_agrees_with_smoothing(implementation: Implementation, batch: Batch, smoothing: float) -> None:
    """Label smoothing spreads its share over all classes."""
    judge.agree(implementation, batch.logits, batch.labels, label_smoothing=smoothing)


@judge.every_dtype
@VERY_FEW
@given(batch=batches(rows=st.sampled_from([1, 2, 3]), classes=VOCABULARIES))
def test_agrees_on_a_vocabulary(implementation: Implementation, batch: Batch) -> None:
    """Rows may be as long as vocabularies are: 50,257 classes."""
    judge.agree(implementation, batch.logits, batch.labels)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@judge.every_dtype
@VERY_FEW
@given(batch=batches(rows=st.sampled_from([1000, 4096])))
def test_agrees_on_many_rows(implementation: Implementation, batch: Batch, reduction: str) -> None:
    """As many rows as a step of training has: their sum still grows in low precision, and the last of them counts."""
    judge.agree(implementation, batch.logits, batch.labels, reduction=reduction)


@judge.every_dtype
@A_FEW
@given(batch=batches(ignoring=True))
def test_gradients_agree(implementation: Implementation, batch: Batch) -> None:
    """Gradients of the logits are the reference's."""
    judge.agree_gradients(implementation, batch.logits, batch.labels)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@A_FEW
@given(batch=batches(ignoring=True))
def test_agrees_with_each_reduction(implementation: Implementation, batch: Batch, reduction: str) -> None:
    """Each reduction is the reference's, where some rows are ignored."""
    judge.agree(implementation, batch.logits, batch.labels, reduction=reduction)


@A_FEW
@given(batch=batches(ignoring=True), smoothing=SMOOTHINGS, reduction=REDUCTIONS, own=st.booleans())
def test_options_do_not_disturb_each_other(
    implementation: Implementation, batch: Batch, smoothing: float, reduction: str, own: bool
) -> None:
    """Weights, smoothing, another ignored label and a reduction at once: each does what it does alone."""
    ignored = int(batch.labels[batch.kept][0]) if own and len(set(batch.labels[batch.kept].tolist())) > 1 else -7
    judge.agree(
        implementation,
        batch.logits,
        batch.labels.where(batch.kept, ignored),
        weight=batch.weight,
        label_smoothing=smoothing,
        ignore_index=ignored,
        reduction=reduction,
    )


@VERY_FEW
@given(batch=batches(ignoring=True, rows=st.sampled_from([3, 8, 33])))
def test_gradients_of_unreduced_costs_agree(implementation: Implementation, batch: Batch) -> None:
    """Each row's cost takes its own number from above back to its logits."""
    judge.agree_gradients(implementation, batch.logits, batch.labels, reduction="none")


@A_FEW
@given(batch=batches(ignoring=True), smoothing=SMOOTHINGS, reduction=REDUCTIONS)
def test_gradients_agree_under_all_options(
    implementation: Implementation, batch: Batch, smoothing: float, reduction: str
) -> None:
    """Gradients of the logits are the reference's with weights, smoothing and each reduction."""
    judge.agree_gradients(
        implementation,
        batch.logits,
        batch.labels,
        wrt=0,
        weight=batch.weight,
        label_smoothing=smoothing,
        reduction=reduction,
    )


@A_FEW
@given(batch=batches(ignoring=True), last=st.booleans())
def test_any_label_may_be_the_ignored_one(implementation: Implementation, batch: Batch, last: bool) -> None:
    """`ignore_index` may be any number, a class too: then the rows with that label are ignored, not the class."""
    ignored = batch.v - 1 if last else 0
    labels = batch.labels.where(batch.kept, ignored)
    labels[0] = 1 if batch.v == 2 and not last else (ignored + 1) % batch.v
    judge.agree(implementation, batch.logits, labels, ignore_index=ignored)


def test_another_ignored_label_ends_the_usual_one(implementation: Implementation) -> None:
    """With `ignore_index=-1` the label -100 is no class and not ignored either, so it raises."""
    if implementation.device != "cpu":
        raise Unsupported("on a GPU an assertion of the kernel catches it, after which the process has no GPU any more")
    judge.rejects(implementation, torch.randn(3, 5).double(), torch.tensor([0, -100, -1]), ignore_index=-1)


def test_the_mean_of_no_rows_is_nan(implementation: Implementation) -> None:
    """If every row is ignored the mean is 0/0. Pit: 0 hides that a batch had no labels; torch gave 0 up to 1.10.

    Source: https://github.com/pytorch/pytorch/issues/70348
    """
    loss = implementation(torch.ones(3, 5, dtype=torch.float64), torch.full((3,), IGNORED))
    judge.exact(bool(loss.isnan().all()), True, "the mean of no rows is NaN", subject=implementation)


def test_the_sum_of_no_rows_is_zero(implementation: Implementation) -> None:
    """If every row is ignored the sum is 0."""
    labels = torch.full((3,), IGNORED)
    judge.zero(implementation, implementation(torch.ones(3, 5, dtype=torch.float64), labels, reduction="sum"))


@A_FEW
@given(batch=batches(ignoring=True), size=st.sampled_from([1e2, 1e4]))
def test_huge_logits_stay_finite(implementation: Implementation, batch: Batch, size: float) -> None:
    """Logits of 10,000 cost what they should. Pit: the logarithm of a softmax that has underflown, exp without the maximum."""
    logits = batch.logits.clamp(-4, 4) * size
    judge.agree(implementation, logits, batch.labels)


@A_FEW
@given(batch=batches(classes=st.sampled_from([3, 8, 33])))
def test_forbidden_classes_cost_nothing(implementation: Implementation, batch: Batch) -> None:
    """A logit of minus infinity takes its class out, for costs and gradients. Pit: 0 times infinity, in a one-hot product."""
    forbidden = torch.arange(batch.v)[None] == (batch.labels[:, None] + 1) % batch.v
    logits = batch.logits.masked_fill(forbidden, -math.inf)
    judge.agree(implementation, logits, batch.labels)


@A_FEW
@given(batch=batches(classes=st.sampled_from([3, 8, 33])))
def test_gradients_where_classes_are_forbidden(implementation: Implementation, batch: Batch) -> None:
    """Gradients are finite, and 0 at logits of minus infinity."""
    forbidden = torch.arange(batch.v)[None] == (batch.labels[:, None] + 1) % batch.v
    judge.agree_gradients(implementation, batch.logits.masked_fill(forbidden, -math.inf), batch.labels)


def test_a_forbidden_label_costs_infinity(implementation: Implementation) -> None:
    """Whoever is told that the impossible happened pays infinitely, not NaN and not a large number."""
    logits = torch.tensor([[0.0, -math.inf, 1.0]], dtype=torch.float64)
    judge.exact(float(implementation(logits, torch.tensor([1]))), math.inf, "cost", subject=implementation)


@A_FEW
@given(batch=batches(ignoring=True))
def test_memory_layout_does_not_matter(implementation: Implementation, batch: Batch) -> None:
    """Transposed, gapped and fused logits, and labels with gaps, cost what contiguous ones do."""
    for layout in LAYOUTS.values():
        judge.agree(implementation, layout(batch.logits), gapped(batch.labels))


@A_FEW
@given(batch=batches())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, batch: Batch) -> None:
    """What comes from above may lie in memory in any way, also in one number for all rows: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda logits: f(logits, batch.labels, reduction="none"), batch.logits),
    )


def test_a_single_class_costs_nothing(implementation: Implementation) -> None:
    """With one class there is nothing to be wrong about, and for a row that is ignored no other is looked for."""
    logits = torch.tensor([[3.0], [-2.0]]).double()
    # A logarithm of base 2 is multiplied to the natural one and back: 3 - 3 need not be 0.
    limit = rounding(6, 3.0, "double" if implementation.dtype == "float64" else "single")
    for labels in ([0, 0], [0, -100]):
        near(float(implementation(logits, torch.tensor(labels))), 0.0, limit, f"the loss of one class, labels {labels}")


WRONG: dict[str, dict[str, Any]] = {
    "label past the last class": {"labels": torch.tensor([0, 5, 1])},
    "negative label": {"labels": torch.tensor([0, -1, 1])},
    "too few labels": {"labels": torch.tensor([0, 1])},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_labels_raise(implementation: Implementation, wrong: str) -> None:
    """Labels that are no class, or too few, raise instead of being counted or clamped."""
    if "few" not in wrong and implementation.device != "cpu":
        raise Unsupported("on a GPU an assertion of the kernel catches it, after which the process has no GPU any more")
    judge.rejects(implementation, torch.randn(3, 5).double(), WRONG[wrong]["labels"])


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_smoothing_is_a_share(implementation: Implementation, smoothing: float) -> None:
    """Less than nothing and more than all cannot be spread: that raises."""
    logits, labels = torch.randn(3, 5).double(), torch.tensor([0, 1, 2])
    judge.rejects(implementation, logits, labels, label_smoothing=smoothing)


@pytest.mark.parametrize("classes", [4, 6])
def test_weights_that_do_not_fit_raise(implementation: Implementation, classes: int) -> None:
    """There must be one weight a class."""
    weight = torch.ones(classes, dtype=torch.float64)
    judge.rejects(implementation, torch.randn(3, 5).double(), torch.tensor([0, 1, 2]), weight=weight)


def test_unknown_reductions_raise(implementation: Implementation) -> None:
    """A reduction that is not in the contract raises; nothing is put in its place."""
    judge.rejects(implementation, torch.randn(3, 5).double(), torch.tensor([0, 1, 2]), reduction="average")
