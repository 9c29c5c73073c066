"""Laws of the triplet loss: how costs relate to each other, to distances and to closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.gradients import gradients
from fixtures.strategies.embeddings import DISTANCES, ROWS, WIDE, Batch, Distance, embeddings
from fixtures.strategies.labelled_logits import A_FEW, VERY_FEW
from fixtures.subject import Subject as Implementation

Loss = Callable[..., Tensor]
NORMS: tuple[Distance, ...] = ("euclidean", "manhattan")
of_each_distance = pytest.mark.parametrize("distance", DISTANCES)
of_norms = pytest.mark.parametrize("distance", NORMS)


@of_norms
@VERY_FEW
@given(batch=embeddings(rows=ROWS), shift=st.sampled_from([-3.0, 0.25, 8.0]))
def test_a_shift_changes_nothing(
    implementation: Implementation, batch: Batch, distance: Distance, shift: float
) -> None:
    """Norms of differences do not see where all of it is: the same vector added to all changes nothing."""
    triplets = [(x * 64).round() / 64 for x in batch.triplets]  # so that the sums are exact
    shifts = shift * torch.arange(1, batch.d + 1)
    judge.holds(
        implementation,
        lambda f: (
            f(*(x + shifts for x in triplets), margin=1.0, distance=distance),
            f(*triplets, margin=1.0, distance=distance),
        ),
    )


@of_norms
@VERY_FEW
@given(batch=embeddings(rows=ROWS), factor=st.sampled_from([0.125, 3.0, 64.0]))
def test_vectors_and_margin_scale_together(
    implementation: Implementation, batch: Batch, distance: Distance, factor: float
) -> None:
    """A margin is a length: vectors and margin times c cost c times as much."""
    judge.holds(
        implementation,
        lambda f: (
            f(*(factor * x for x in batch.triplets), margin=factor * 1.0, distance=distance),
            factor * f(*batch.triplets, margin=1.0, distance=distance),
        ),
    )


@A_FEW
@given(batch=embeddings(rows=ROWS))
def test_cosines_do_not_see_lengths(implementation: Implementation, batch: Batch) -> None:
    """Every vector may be of another length, and nothing changes."""
    anchors, positives, negatives = batch.triplets
    lengths = 2.0 ** (torch.arange(batch.n)[:, None] % 7 - 3)
    judge.holds(
        implementation,
        lambda f: (
            f(anchors * lengths, positives / 3, negatives / lengths, margin=0.5, distance="cosine"),
            f(anchors, positives, negatives, margin=0.5, distance="cosine"),
        ),
    )


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE), seed=st.integers(0, 99))
def test_rotations_change_nothing(implementation: Implementation, batch: Batch, distance: Distance, seed: int) -> None:
    """Euclidean distances and cosines do not see how all vectors are turned."""
    square = torch.randn(batch.d, batch.d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turn = torch.linalg.qr(square).Q
    judge.holds(
        implementation,
        lambda f: (
            f(*(x @ turn for x in batch.triplets), margin=1.0, distance=distance),
            f(*batch.triplets, margin=1.0, distance=distance),
        ),
    )


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS), seed=st.integers(0, 99))
def test_triplets_and_features_may_be_reordered(
    implementation: Implementation, batch: Batch, distance: Distance, seed: int
) -> None:
    """The order of the triplets does not matter, nor that of the features."""
    generator = torch.Generator().manual_seed(seed)
    rows, features = torch.randperm(batch.n, generator=generator), torch.randperm(batch.d, generator=generator)
    judge.holds(
        implementation,
        lambda f: (
            f(*(x[rows][:, features] for x in batch.triplets), margin=1.0, distance=distance),
            f(*batch.triplets, margin=1.0, distance=distance),
        ),
    )


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS))
def test_the_loss_is_the_mean_of_its_triplets(implementation: Implementation, batch: Batch, distance: Distance) -> None:
    """Each triplet costs what it costs alone, those that cost nothing count in the mean. Pit: a mean over the others only.

    Source: pytorch-metric-learning's AvgNonZeroReducer.
    """
    parts = [[x[i, None] for x in batch.triplets] for i in range(batch.n)]
    judge.holds(
        implementation,
        lambda f: (
            f(*batch.triplets, margin=0.5, distance=distance),
            torch.stack([f(*part, margin=0.5, distance=distance) for part in parts]).mean(),
        ),
    )


@A_FEW
@given(batch=embeddings(rows=ROWS))
def test_reductions_are_consistent(implementation: Implementation, batch: Batch) -> None:
    """The sum is that of the single costs, and the mean is the sum over their number."""

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        single = f(*batch.triplets, margin=0.5, reduction="none")
        both = torch.stack([f(*batch.triplets, margin=0.5, reduction=how) for how in ("sum", "mean")])
        return both, torch.stack([single.sum(), single.sum() / batch.n])

    judge.holds(implementation, experiment)


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS), margin=st.sampled_from([0.05, 1.0, 5.0]))
def test_vectors_that_are_all_alike_cost_the_margin(
    implementation: Implementation, batch: Batch, distance: Distance, margin: float
) -> None:
    """If positive and negative are one, the cost is the margin, wherever the anchor is."""
    anchors, positives, _ = batch.triplets
    judge.holds(
        implementation,
        lambda f: (
            (cost := f(anchors, positives, positives.clone(), margin=margin, distance=distance)),
            torch.full_like(cost, margin),
        ),
    )


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS), more=st.sampled_from([0.1, 3.0]))
def test_a_larger_margin_costs_at_most_so_much_more(
    implementation: Implementation, batch: Batch, distance: Distance, more: float
) -> None:
    """A margin that grows by m raises the cost, by m at most."""

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        less = f(*batch.triplets, margin=0.5, distance=distance)
        larger = f(*batch.triplets, margin=0.5 + more, distance=distance)
        return torch.minimum(torch.maximum(larger, less), less + more), larger

    judge.holds(implementation, experiment)


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS))
def test_a_large_margin_leaves_the_difference_of_distances(
    implementation: Implementation, batch: Batch, distance: Distance
) -> None:
    """Under a margin that nobody keeps, positive and negative change places at the price of twice the difference."""
    anchors, positives, negatives = batch.triplets

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        there = f(anchors, positives, negatives, margin=4096.0, distance=distance)
        back = f(anchors, negatives, positives, margin=4096.0, distance=distance)
        return there + back, torch.full_like(there, 8192.0)

    judge.holds(implementation, experiment)


@of_norms
@VERY_FEW
@given(batch=embeddings(rows=ROWS))
def test_the_triangle_bounds_the_loss(implementation: Implementation, batch: Batch, distance: Distance) -> None:
    """By the triangle inequality no triplet costs more than the margin and the distance of positive and negative."""
    anchors, positives, negatives = batch.triplets
    difference = positives - negatives
    sizes = {"euclidean": difference.norm(dim=-1), "manhattan": difference.abs().sum(-1)}
    most = sizes[distance].mean() + 1.0

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        cost = f(anchors, positives, negatives, margin=1.0, distance=distance)
        return torch.minimum(cost.clamp(min=0), most.to(cost)), cost

    judge.holds(implementation, experiment)


@of_each_distance
@VERY_FEW
@given(batch=embeddings(rows=ROWS))
def test_swap_takes_the_nearer_of_the_two(implementation: Implementation, batch: Batch, distance: Distance) -> None:
    """Swapped, a triplet costs the more of what it costs, and what it costs with anchor and positive changed."""
    anchors, positives, negatives = batch.triplets

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        options = {"margin": 1.0, "distance": distance, "reduction": "none"}
        swapped = f(anchors, positives, negatives, swap=True, **options)
        either = [f(anchors, positives, negatives, **options), f(positives, anchors, negatives, **options)]
        return swapped, torch.maximum(*either)

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=embeddings(rows=ROWS), eps=st.sampled_from([1e-6, 0.5]))
def test_epsilon_shifts_one_side_of_every_difference(implementation: Implementation, batch: Batch, eps: float) -> None:
    """Pit: with an epsilon the distance has a direction. It is as if the anchor were moved by it, along all axes."""
    anchors, positives, negatives = batch.triplets
    judge.holds(
        implementation,
        lambda f: (
            f(anchors, positives, negatives, margin=1.0, eps=eps),
            f(anchors + eps, positives, negatives, margin=1.0, eps=0.0),
        ),
    )


@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE, regimes=("normal", "trained")))
def test_gradient_is_the_difference_of_two_directions(implementation: Implementation, batch: Batch) -> None:
    """Each anchor is pushed along the direction from its negative to its positive, by a length that no distance enters."""
    anchors, positives, negatives = batch.triplets

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        found = gradients(lambda a, p, n: f(a, p, n, margin=64.0), anchors, positives, negatives)
        to_positive, to_negative = anchors - positives, anchors - negatives
        near = to_positive / to_positive.norm(dim=-1, keepdim=True) / batch.n
        far = to_negative / to_negative.norm(dim=-1, keepdim=True) / batch.n
        return found, [r.to(g) for r, g in zip((near - far, -near, far), found, strict=True)]

    judge.holds(implementation, experiment)


@given(near=st.sampled_from([0.0, 0.3, 2.0]), far=st.sampled_from([0.1, 1.9]), margin=st.sampled_from([0.2, 2.5]))
def test_distances_on_a_line(implementation: Implementation, near: float, far: float, margin: float) -> None:
    """On a line the cost is the distance to the positive less that to the negative, and the margin, or nothing."""
    anchors = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    positives = anchors + torch.tensor([[0.0, near], [0.0, 5.0]], dtype=torch.float64)
    negatives = anchors - torch.tensor([[0.0, far], [0.0, 2.0]], dtype=torch.float64)
    right = (max(0.0, near - far + margin) + 3 + margin) / 2
    judge.holds(
        implementation,
        lambda f: ((cost := f(anchors, positives, negatives, margin=margin)), torch.full_like(cost, right)),
    )


@given(positive=st.sampled_from([0.0, 0.4, 2.0]), negative=st.sampled_from([0.1, 1.5, 3.1]))
def test_distances_on_a_circle(implementation: Implementation, positive: float, negative: float) -> None:
    """By cosine the cost is the cosine to the negative less that to the positive, and the margin, or nothing."""

    def at(*angles: float) -> Tensor:
        return torch.tensor([[math.cos(a), math.sin(a)] for a in angles], dtype=torch.float64)

    right = (max(0.0, math.cos(negative) - math.cos(positive) + 0.5) + 0.5) / 2
    judge.holds(
        implementation,
        lambda f: (
            (cost := f(at(0, 1), at(positive, 2), 3 * at(negative, 2), margin=0.5, distance="cosine")),
            torch.full_like(cost, right),
        ),
    )
