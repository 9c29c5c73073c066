"""Laws of the triplet loss: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.gradients import gradients
from fixtures.strategies.embeddings import (
    A_FEW_AS_DRAWN,
    DISTANCES,
    FEW,
    REDUCTIONS,
    ROWS,
    WIDE,
    Batch,
    Distance,
    embeddings,
)
from fixtures.strategies.labelled_logits import A_FEW, VERY_FEW
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

MARGINS = st.sampled_from([0.05, 0.5, 1.0, 5.0])
"""pytorch-metric-learning's, Sentence-BERT's and torch's, and sentence-transformers'"""
of_each_distance = pytest.mark.parametrize("distance", DISTANCES)


@of_each_distance
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FEW), margin=MARGINS)
def test_agrees_with_the_reference(
    implementation: Implementation, batch: Batch, distance: Distance, margin: float
) -> None:
    """Values are the reference's: the mean over triplets."""
    judge.agree(implementation, *batch.triplets, margin=margin, distance=distance)


@A_FEW
@given(batch=embeddings(rows=ROWS), margin=MARGINS)
def test_the_distance_is_euclidean_unless_told(implementation: Implementation, batch: Batch, margin: float) -> None:
    """Without a distance it is Euclidean, and not squared. Pit: torch adds 1e-6 to each component by default; nothing is here."""
    judge.agree(implementation, *batch.triplets, margin=margin)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FEW), margin=MARGINS)
def test_agrees_with_each_reduction(
    implementation: Implementation, batch: Batch, margin: float, reduction: str
) -> None:
    """Mean over all triplets, sum, or the cost of each."""
    judge.agree(implementation, *batch.triplets, margin=margin, reduction=reduction)


@of_each_distance
@A_FEW
@given(batch=embeddings(rows=ROWS), margin=MARGINS)
def test_agrees_with_swap(implementation: Implementation, batch: Batch, distance: Distance, margin: float) -> None:
    """With `swap` the negative is to be far from the positive too: the lesser of its distances counts."""
    judge.agree(implementation, *batch.triplets, margin=margin, distance=distance, swap=True)


@of_each_distance
@A_FEW
@given(batch=embeddings(rows=ROWS), margin=MARGINS, eps=st.sampled_from([1e-6, 0.1, 1.0]))
def test_epsilon_is_inside_the_difference(
    implementation: Implementation, batch: Batch, distance: Distance, margin: float, eps: float
) -> None:
    """Pit: epsilon is added to every component of each difference, inside the norm, and not to cosines.

    Source: torch.nn.TripletMarginLoss, whose default is 1e-6.
    """
    if distance != "cosine":
        judge.agree(implementation, *batch.triplets, margin=margin, distance=distance, eps=eps)
    else:
        judge.holds(
            implementation,
            lambda f: (
                f(*batch.triplets, margin=margin, distance=distance, eps=eps),
                f(*batch.triplets, margin=margin, distance=distance, eps=0.0),
            ),
        )


@A_FEW
@given(batch=embeddings(rows=ROWS), margin=MARGINS, reduction=st.sampled_from(["mean", "sum", "none"]))
def test_options_do_not_disturb_each_other(
    implementation: Implementation, batch: Batch, margin: float, reduction: str
) -> None:
    """Manhattan distances, swapped, with an epsilon, in each reduction: each does what it does alone."""
    judge.agree(
        implementation,
        *batch.triplets,
        margin=margin,
        distance="manhattan",
        swap=True,
        eps=0.25,
        reduction=reduction,
    )


@of_each_distance
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FEW, widths=WIDE), margin=st.sampled_from([0.5, 1.0, 5.0]))
def test_gradients_agree(implementation: Implementation, batch: Batch, distance: Distance, margin: float) -> None:
    """Gradients of all three inputs are the reference's."""
    judge.agree_gradients(implementation, *batch.triplets, margin=margin, distance=distance)


@of_each_distance
@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE), margin=st.sampled_from([0.5, 1.0, 5.0]))
def test_gradients_agree_with_swap(
    implementation: Implementation, batch: Batch, distance: Distance, margin: float
) -> None:
    """Gradients are the reference's where the nearer of anchor and positive counts."""
    judge.agree_gradients(implementation, *batch.triplets, margin=margin, distance=distance, swap=True)


@pytest.mark.parametrize("reduction", ["sum", "none"])
@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE), margin=st.sampled_from([0.5, 1.0, 5.0]))
def test_gradients_agree_with_each_reduction(
    implementation: Implementation, batch: Batch, margin: float, reduction: str
) -> None:
    """Gradients are the reference's under each reduction."""
    judge.agree_gradients(implementation, *batch.triplets, margin=margin, reduction=reduction)


@pytest.mark.parametrize("distance", ["euclidean", "manhattan"])
def test_gradients_at_equal_vectors_are_zero(implementation: Implementation, distance: Distance) -> None:
    """Pit: the norm of 0 has no slope, and that of its root is infinite. Where all are equal the gradient is exactly 0."""
    same = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)
    found = gradients(
        lambda *given: implementation(*given, margin=1.0, distance=distance), same, same.clone(), same.clone()
    )
    judge.zero(implementation, found)


@pytest.mark.parametrize("rows", [2, 33])
@A_FEW
@given(size=st.sampled_from([1.0, 1e3]), margin=MARGINS)
def test_equal_vectors_are_no_distance_apart(
    implementation: Implementation, rows: int, size: float, margin: float
) -> None:
    """Pit: of x x - 2 x y + y y rounding is left, so that an anchor and a positive that are one are 1e-8 apart or more."""
    anchors = size * torch.randn(rows, 5, generator=torch.Generator().manual_seed(rows)).double()
    negatives = anchors + margin / 3**0.5 / 2 * torch.tensor([1.0, 0.0, -1.0, 0.0, 1.0]).double()
    judge.holds(
        implementation,
        lambda f: (
            (cost := f(anchors, anchors.clone(), negatives, margin=margin)),
            torch.full_like(cost, margin / 2),
        ),
    )


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS))
def test_gradients_inside_the_margin_are_zero(implementation: Implementation, batch: Batch, distance: Distance) -> None:
    """Triplets that keep the margin cost exactly 0, and teach exactly nothing."""
    anchors, positives, negatives = batch.anchors, batch.anchors * 1.01, -3 * batch.anchors
    size = float(anchors.abs().sum(-1).min()) / batch.d
    margin = {"euclidean": size, "manhattan": size, "cosine": 1.5}[distance]
    judge.zero(implementation, implementation(anchors, positives, negatives, margin=margin, distance=distance))
    found = gradients(
        lambda *given: implementation(*given, margin=margin, distance=distance), anchors, positives, negatives
    )
    judge.zero(implementation, found)


@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FEW))
def test_the_cosine_of_zeros_is_zero(implementation: Implementation, batch: Batch) -> None:
    """Pit: 0/0 is NaN. A vector of zeros is at distance 1 from all others."""
    positives = batch.positives.where(torch.arange(batch.n)[:, None] > 0, 0)
    judge.agree(implementation, batch.anchors, positives, batch.negatives[:, 0], margin=1.0, distance="cosine")


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE, regimes=("normal",)), size=st.sampled_from([1e-4, 1e4]))
def test_sizes_of_vectors_do_not_matter(
    implementation: Implementation, batch: Batch, distance: Distance, size: float
) -> None:
    """Vectors of 1e-4 and of 1e4 are as good as others, if the margin goes with them. Pit: a constant beside the squares."""
    triplets = [size * x for x in batch.triplets]
    margin = 1.0 if distance == "cosine" else size
    judge.agree(implementation, *triplets, margin=margin, distance=distance)


@judge.every_dtype
@VERY_FEW
@given(batch=embeddings(rows=st.sampled_from([257, 600]), widths=st.sampled_from([3, 16])), margin=MARGINS)
def test_agrees_on_large_batches(implementation: Implementation, batch: Batch, margin: float) -> None:
    """Batches may be larger than a block: the last triplets count, and their sum still grows in low precision."""
    judge.agree(implementation, *batch.triplets, margin=margin)


@of_each_distance
@VERY_FEW
@given(batch=embeddings())
def test_memory_layout_does_not_matter(implementation: Implementation, batch: Batch, distance: Distance) -> None:
    """Transposed, gapped and fused embeddings cost what contiguous ones do."""
    for layout in LAYOUTS.values():
        judge.agree(implementation, *map(layout, batch.triplets), margin=1.0, distance=distance)


@A_FEW
@given(batch=embeddings())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, batch: Batch) -> None:
    """What comes from above may lie in memory in any way, also in one number for all rows: gradients are the same."""
    anchors, positives, negatives = batch.triplets
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(
            lambda x: f(x, positives, negatives, margin=1.0, reduction="none"),
            anchors,
        ),
    )


def _some(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


WRONG: dict[str, tuple[tuple[Tensor, Tensor, Tensor], dict[str, Any]]] = {
    "too few positives": ((_some(4, 3), _some(3, 3), _some(4, 3)), {}),
    "one positive for all": ((_some(4, 3), _some(1, 3), _some(4, 3)), {}),
    "too many negatives": ((_some(4, 3), _some(4, 3), _some(5, 3)), {}),
    "one negative for all": ((_some(4, 3), _some(4, 3), _some(1, 3)), {}),
    "a width of its own": ((_some(4, 3), _some(4, 3), _some(4, 2)), {}),
    "one anchor for many positives": ((_some(1, 3), _some(4, 3), _some(1, 3)), {}),
    "one anchor for many negatives": ((_some(1, 3), _some(1, 3), _some(4, 3)), {}),
    "an unknown reduction": ((_some(4, 3), _some(4, 3), _some(4, 3)), {"reduction": "average"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_raises(implementation: Implementation, wrong: str) -> None:
    """Numbers, widths and names that do not fit together raise; nothing is cut, repeated or put in their place."""
    vectors, options = WRONG[wrong]
    judge.rejects(implementation, *vectors, margin=1.0, **options)


@pytest.mark.parametrize("distance", ["chebyshev", "dot", "hamming", "minkowski", ""])
def test_unknown_distances_raise(implementation: Implementation, distance: str) -> None:
    """A distance that is not in the contract raises; nothing is put in its place."""
    judge.rejects(implementation, _some(4, 3), _some(4, 3), _some(4, 3), margin=1.0, distance=distance)


@pytest.mark.parametrize("margin", [0.0, -1.0])
def test_margins_are_positive(implementation: Implementation, margin: float) -> None:
    """With no margin all vectors may be one and cost nothing: that raises."""
    judge.rejects(implementation, _some(4, 3), _some(4, 3), _some(4, 3), margin=margin)
