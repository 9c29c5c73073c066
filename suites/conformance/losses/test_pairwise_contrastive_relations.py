"""Laws of the contrastive loss of pairs: how costs relate to each other, to distances and to closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.gradients import gradients
from fixtures.strategies.embeddings import DISTANCES, MANY, ROWS, WIDE, Batch, Distance, embeddings
from fixtures.strategies.labelled_logits import A_FEW, VERY_FEW
from fixtures.subject import Subject as Implementation

Loss = Callable[..., Tensor]
FORMS: list[tuple[Distance, int]] = [("euclidean", 1), ("euclidean", 2), ("cosine", 2)]
of_some_forms = pytest.mark.parametrize("distance, power", FORMS)
of_norms = pytest.mark.parametrize("distance", ["euclidean", "manhattan"])
of_each_power = pytest.mark.parametrize("power", [1, 2])


def _options(batch: Batch, distance: Distance, power: int, part: float = 1.0) -> dict[str, Any]:
    return {"margin": part * batch.typical(distance), "distance": distance, "power": power, "reduction": "sum"}


@of_each_power
@pytest.mark.parametrize("label", [0, 1])
def test_a_single_pair_counts(implementation: Implementation, label: int, power: int) -> None:
    """One pair alone costs what it would cost in a batch."""
    left, right = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.6, 0.8]]).double()
    right_cost = (0.4 if label else 0.5) ** power / power
    labels = torch.tensor([label])
    judge.holds(
        implementation,
        lambda f: (
            (cost := f(left, right, labels, margin=0.9, distance="cosine", power=power, reduction="sum")),
            torch.full_like(cost, right_cost),
        ),
    )


@of_each_power
@given(near=st.sampled_from([0.0, 0.3, 2.0]), far=st.sampled_from([0.1, 1.9, 4.0]))
def test_distances_on_a_line(implementation: Implementation, near: float, far: float, power: int) -> None:
    """On a line, positive pairs cost their distance, and negative ones what they lack of the margin, or halves of squares."""
    left = torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    right = left + torch.tensor([[0.0, near], [0.0, far], [0.0, 0.5]], dtype=torch.float64)
    cost = (near**power + max(0.0, 2.5 - far) ** power + 2.0**power) / power
    judge.holds(
        implementation,
        lambda f: (
            (
                found := f(
                    left,
                    right,
                    torch.tensor([1, 0, 0]),
                    margin=2.5,
                    distance="euclidean",
                    power=power,
                    reduction="sum",
                )
            ),
            torch.full_like(found, cost),
        ),
    )


@of_each_power
@given(positive=st.sampled_from([0.0, 0.4, 3.0]), negative=st.sampled_from([0.1, 1.5, 3.1]))
def test_distances_on_a_circle(implementation: Implementation, positive: float, negative: float, power: int) -> None:
    """By cosine, the margin is for 1 less the cosine. Pit: torch's CosineEmbeddingLoss has one for the cosine itself."""

    def at(*angles: float) -> Tensor:
        return torch.tensor([[math.cos(a), math.sin(a)] for a in angles], dtype=torch.float64)

    cost = ((1 - math.cos(positive)) ** power + max(0.0, 0.7 - 1 + math.cos(negative)) ** power + 0.7**power) / power
    judge.holds(
        implementation,
        lambda f: (
            (
                found := f(
                    at(0, 1, 2),
                    3 * at(positive, 1 + negative, 2),
                    torch.tensor([1, 0, 0]),
                    margin=0.7,
                    distance="cosine",
                    power=power,
                    reduction="sum",
                )
            ),
            torch.full_like(found, cost),
        ),
    )


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY))
def test_left_and_right_change_places(
    implementation: Implementation, batch: Batch, distance: Distance, power: int
) -> None:
    """A pair has no first and no second."""
    options = _options(batch, distance, power)
    judge.holds(
        implementation,
        lambda f: (
            f(batch.positives, batch.anchors, batch.labels, **options),
            f(batch.anchors, batch.positives, batch.labels, **options),
        ),
    )


@of_each_power
@of_norms
@VERY_FEW
@given(batch=embeddings(rows=MANY), shift=st.sampled_from([-3.0, 0.25, 8.0]))
def test_a_shift_changes_nothing(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, shift: float
) -> None:
    """Norms of differences do not see where all of it is: the same vector added to all changes nothing."""
    left, right = ((x * 64).round() / 64 for x in (batch.anchors, batch.positives))  # so that the sums are exact
    shifts = shift * torch.arange(1, batch.d + 1)
    options = _options(batch, distance, power)
    judge.holds(
        implementation,
        lambda f: (
            f(left + shifts, right + shifts, batch.labels, **options),
            f(left, right, batch.labels, **options),
        ),
    )


@of_each_power
@of_norms
@VERY_FEW
@given(batch=embeddings(rows=MANY), factor=st.sampled_from([0.125, 3.0]))
def test_vectors_and_margin_scale_together(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, factor: float
) -> None:
    """A margin is a length: vectors and margin times c cost c times as much, or its square."""
    options = _options(batch, distance, power)
    larger = options | {"margin": factor * options["margin"]}
    judge.holds(
        implementation,
        lambda f: (
            f(factor * batch.anchors, factor * batch.positives, batch.labels, **larger),
            factor**power * f(batch.anchors, batch.positives, batch.labels, **options),
        ),
    )


@of_each_power
@VERY_FEW
@given(batch=embeddings(rows=MANY))
def test_cosines_do_not_see_lengths(implementation: Implementation, batch: Batch, power: int) -> None:
    """Every vector may be of another length, and nothing changes."""
    lengths = 2.0 ** (torch.arange(batch.n)[:, None] % 5)
    options = _options(batch, "cosine", power)
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors * lengths, batch.positives * 3, batch.labels, **options),
            f(batch.anchors, batch.positives, batch.labels, **options),
        ),
    )


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY), seed=st.integers(0, 99))
def test_pairs_and_features_may_be_reordered(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, seed: int
) -> None:
    """The order of the pairs does not matter if labels follow, nor that of the features."""
    generator = torch.Generator().manual_seed(seed)
    rows, features = torch.randperm(batch.n, generator=generator), torch.randperm(batch.d, generator=generator)
    options = _options(batch, distance, power)
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors[rows][:, features], batch.positives[rows][:, features], batch.labels[rows], **options),
            f(batch.anchors, batch.positives, batch.labels, **options),
        ),
    )


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY))
def test_positive_and_negative_pairs_add_up(
    implementation: Implementation, batch: Batch, distance: Distance, power: int
) -> None:
    """The sum is that of the positive pairs and that of the negative ones, each alone with an idle pair of its kind."""
    options = _options(batch, distance, power)
    idle = torch.ones(2, batch.d, dtype=torch.float64), torch.ones(2, batch.d, dtype=torch.float64)

    def of(f: Loss, label: int) -> Tensor:
        chosen = batch.labels == label
        left, right = (torch.cat([x[chosen], y]) for x, y in zip((batch.anchors, batch.positives), idle, strict=True))
        return f(left, right, torch.tensor([label] * int(chosen.sum()) + [1, 1]), **options)

    judge.holds(
        implementation,
        lambda f: (f(batch.anchors, batch.positives, batch.labels, **options), of(f, 0) + of(f, 1)),
    )


@of_each_power
@A_FEW
@given(batch=embeddings(rows=ROWS), distance=st.sampled_from(DISTANCES))
def test_reductions_are_consistent(
    implementation: Implementation, batch: Batch, distance: Distance, power: int
) -> None:
    """The sum is that of the single costs, and the mean is the sum over their number."""
    options = {key: value for key, value in _options(batch, distance, power).items() if key != "reduction"}

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        pairs = batch.anchors, batch.positives, batch.labels
        single = f(*pairs, reduction="none", **options)
        both = torch.stack([f(*pairs, reduction=how, **options) for how in ("sum", "mean")])
        return both, torch.stack([single.sum(), single.sum() / batch.n])

    judge.holds(implementation, experiment)


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY), part=st.sampled_from([0.5, 1.0]))
def test_a_larger_margin_costs_negative_pairs_only(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Positive pairs have no margin; and where it grows, negative ones cost more, and never less."""
    less, more = _options(batch, distance, power, part), _options(batch, distance, power, 2 * part)
    together = torch.ones_like(batch.labels)

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        pairs = batch.anchors, batch.positives
        positive = [f(*pairs, together, **options) for options in (less, more)]
        both = [f(*pairs, batch.labels, **options) for options in (less, more)]
        return [positive[0], torch.maximum(*both)], [positive[1], both[1]]

    judge.holds(implementation, experiment)


@of_each_power
@VERY_FEW
@given(batch=embeddings(rows=MANY, widths=WIDE, regimes=("normal", "trained")))
def test_gradient_is_the_force_of_a_spring(implementation: Implementation, batch: Batch, power: int) -> None:
    """With squares, positive pairs are drawn by their distance, and negative ones pushed by what they lack of the margin.

    Without squares all are drawn and pushed alike. Source: Hadsell et al. 2006, section 2.3.
    """
    options = _options(batch, "euclidean", power)

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        found = gradients(lambda *pair: f(*pair, batch.labels, **options), batch.anchors, batch.positives)
        difference = batch.anchors - batch.positives
        length = difference.norm(dim=-1)
        lacks = (options["margin"] - length).clamp(min=0)
        force = torch.where(batch.labels == 1, length ** (power - 1), -(lacks ** (power - 1)) * (lacks > 0))
        right = (force / length)[:, None] * difference
        return found, [right.to(found[0]), -right.to(found[0])]

    judge.holds(implementation, experiment)
