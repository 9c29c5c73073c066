"""Laws of the contrastive loss of pairs: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.gradients import gradients
from fixtures.strategies.embeddings import (
    A_FEW_AS_DRAWN,
    DISTANCES,
    FEW,
    FROM_THREE,
    MANY,
    REDUCTIONS,
    ROWS,
    WIDE,
    Batch,
    Distance,
    embeddings,
)
from fixtures.strategies.labelled_logits import A_FEW, VERY_FEW
from fixtures.strategies.layouts import LAYOUTS, gapped
from fixtures.subject import Subject as Implementation

PARTS = st.sampled_from([0.5, 1.0, 1.7])
"""Margins as parts of how far apart pairs are: some negative pairs are beyond, some within."""
FORMS: list[tuple[Distance, int]] = [(distance, power) for distance in DISTANCES for power in (1, 2)]
of_each_form = pytest.mark.parametrize("distance, power", FORMS)
of_some_forms = pytest.mark.parametrize("distance, power", FORMS[:4])
of_each_power = pytest.mark.parametrize("power", [1, 2])


def _options(
    batch: Batch, distance: Distance, power: int, part: float, reduction: str = REDUCTIONS[1]
) -> dict[str, Any]:
    margin = part * batch.typical(distance)
    # The mean is what one has unless told.
    how = {} if reduction == "mean" else {"reduction": reduction}
    return {"margin": margin, "distance": distance, "power": power, **how}


@of_each_form
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FROM_THREE), part=PARTS)
def test_agrees_with_the_reference(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Values are the reference's: the sum over pairs, halves of squares for power 2 and distances for power 1."""
    judge.agree(implementation, batch.anchors, batch.positives, batch.labels, **_options(batch, distance, power, part))


@of_some_forms
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FEW), part=PARTS)
def test_the_mean_is_over_all_pairs(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Pit: the mean is over all pairs, whatever their label and whether they cost something.

    Source: pytorch-metric-learning's ContrastiveLoss averages positive and negative pairs apart.
    """
    judge.agree(
        implementation,
        batch.anchors,
        batch.positives,
        batch.labels,
        **_options(batch, distance, power, part, reduction="mean"),
    )


@of_each_power
@A_FEW
@given(batch=embeddings(rows=ROWS), part=PARTS, distance=st.sampled_from(DISTANCES))
def test_agrees_unreduced(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Without a reduction there is a cost for each pair, 0 for negative ones beyond the margin."""
    judge.agree(
        implementation,
        batch.anchors,
        batch.positives,
        batch.labels,
        **_options(batch, distance, power, part, reduction="none"),
    )


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@of_each_form
@VERY_FEW
@given(batch=embeddings(rows=ROWS), part=PARTS)
def test_epsilon_is_inside_the_difference(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float, eps: float
) -> None:
    """Pit: epsilon is added to every component of each difference, inside the norm, and not to cosines.

    Source: torch's pairwise_distance, which sentence-transformers' ContrastiveLoss takes with its default of 1e-6.
    """
    options = _options(batch, distance, power, part)
    judge.agree(implementation, batch.anchors, batch.positives, batch.labels, eps=eps, **options)


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@of_each_form
@VERY_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE), part=PARTS)
def test_gradients_agree_with_epsilon(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float, eps: float
) -> None:
    """Gradients of both sides are the reference's where an epsilon is added."""
    options = _options(batch, distance, power, part)
    judge.agree_gradients(implementation, batch.anchors, batch.positives, batch.labels, wrt=[0, 1], eps=eps, **options)


@pytest.mark.parametrize("eps", [1e-6, 2.0**-10])
@of_each_power
@given(d=st.sampled_from([1, 3, 100]))
def test_epsilon_parts_equal_vectors(implementation: Implementation, d: int, power: int, eps: float) -> None:
    """Pit: with an epsilon of 1e-6 equal vectors are 1e-6 times the root of their width apart."""
    same = torch.full((3, d), 30.0 if eps > 1e-6 else 0.0, dtype=torch.float64)  # so that the sums are exact
    apart = eps * d**0.5
    options = {"margin": 20 * eps, "distance": "euclidean", "power": power, "reduction": "sum", "eps": eps}
    right = (apart**power + 2 * (20 * eps - apart) ** power) / power
    judge.holds(
        implementation,
        lambda f: ((cost := f(same, same.clone(), torch.tensor([0, 1, 0]), **options)), torch.full_like(cost, right)),
    )


@of_each_form
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FROM_THREE, widths=WIDE), part=PARTS)
def test_gradients_agree(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Gradients of both sides are the reference's."""
    judge.agree_gradients(
        implementation,
        batch.anchors,
        batch.positives,
        batch.labels,
        wrt=[0, 1],
        **_options(batch, distance, power, part),
    )


@pytest.mark.parametrize("reduction", [REDUCTIONS[0], REDUCTIONS[2]])
@A_FEW
@given(batch=embeddings(rows=ROWS, widths=WIDE), part=PARTS)
def test_gradients_agree_with_each_reduction(
    implementation: Implementation, batch: Batch, part: float, reduction: str
) -> None:
    """Gradients are the reference's under each reduction."""
    options = _options(batch, "euclidean", 2, part, reduction)
    judge.agree_gradients(implementation, batch.anchors, batch.positives, batch.labels, wrt=[0, 1], **options)


@of_each_power
@pytest.mark.parametrize("distance", ["euclidean", "manhattan"])
def test_gradients_at_equal_vectors_are_zero(implementation: Implementation, distance: Distance, power: int) -> None:
    """Pit: the norm of 0 has no slope. A pair of equal vectors has gradient 0: no NaN, and no way for it to part."""
    same = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 0.0, 1.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    options = {"margin": 1.0, "distance": distance, "power": power, "reduction": "sum"}
    found = gradients(lambda *pair: implementation(*pair, labels, **options), same, same.clone())
    judge.zero(implementation, found)


@of_each_power
@VERY_FEW
@given(batch=embeddings(rows=FROM_THREE, regimes=("normal",)), near=st.sampled_from([1e-3, 1e-6]))
def test_near_vectors_keep_their_distance(
    implementation: Implementation, batch: Batch, near: float, power: int
) -> None:
    """Pit: x x - 2 x y + y y is a small difference of large numbers where x and y are near each other."""
    left = 1e3 * batch.anchors
    right = left + near * batch.positives
    options = {"margin": near, "distance": "euclidean", "power": power, "reduction": "sum"}
    judge.agree(implementation, left, right, batch.labels, **options)


@of_each_power
@pytest.mark.parametrize("rows", [3, 33])
def test_equal_vectors_are_no_distance_apart(implementation: Implementation, rows: int, power: int) -> None:
    """Pit: of x x - 2 x y + y y rounding is left, so that equal vectors are 1e-8 apart or more. They cost exactly 0."""
    same = torch.randn(rows, 5, generator=torch.Generator().manual_seed(rows)).double()
    options = {"margin": 1.0, "distance": "euclidean", "power": power, "reduction": "sum"}
    judge.zero(implementation, implementation(same, same.clone(), torch.ones(rows, dtype=torch.long), **options))


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY))
def test_gradients_beyond_the_margin_are_zero(
    implementation: Implementation, batch: Batch, distance: Distance, power: int
) -> None:
    """Negative pairs beyond the margin cost exactly 0, and teach exactly nothing."""
    left, right = batch.anchors, -2 * batch.anchors
    margin = {"euclidean": 1.0, "manhattan": 1.0, "cosine": 1.5}[distance]
    if distance != "cosine":
        margin *= float(left.norm(dim=-1).min())
    options = {"margin": margin, "distance": distance, "power": power, "reduction": "sum"}
    labels = torch.zeros_like(batch.labels)
    judge.zero(implementation, implementation(left, right, labels, **options))
    judge.zero(implementation, gradients(lambda *pair: implementation(*pair, labels, **options), left, right))


@of_each_power
@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=embeddings(rows=FROM_THREE), part=PARTS)
def test_the_cosine_of_zeros_is_zero(implementation: Implementation, batch: Batch, power: int, part: float) -> None:
    """Pit: 0/0 is NaN. A vector of zeros is at distance 1 from all others."""
    right = batch.positives.where(torch.arange(batch.n)[:, None] > 1, 0)
    judge.agree(implementation, batch.anchors, right, batch.labels, **_options(batch, "cosine", power, part))


@of_each_power
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@A_FEW
@given(batch=embeddings(rows=MANY, widths=WIDE, regimes=("normal",)), size=st.sampled_from([1e-4, 1e4]))
def test_sizes_of_vectors_do_not_matter(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, size: float
) -> None:
    """Vectors of 1e-4 and of 1e4 are as good as others, if the margin goes with them. Pit: a constant beside the squares.

    Source: torch's cosine_embedding_loss adds 1e-12 to the squares of both lengths.
    """
    left, right = size * batch.anchors, size * batch.positives
    options = _options(batch, distance, power, 1.0)
    options["margin"] *= 1.0 if distance == "cosine" else size
    judge.agree(implementation, left, right, batch.labels, **options)


@judge.every_dtype
@VERY_FEW
@given(batch=embeddings(rows=st.sampled_from([257, 600]), widths=st.sampled_from([3, 16])), part=PARTS)
def test_agrees_on_large_batches(implementation: Implementation, batch: Batch, part: float) -> None:
    """Batches may be larger than a block: the last pairs count, and their sum still grows in low precision."""
    options = _options(batch, "cosine", 2, part)
    judge.agree(implementation, batch.anchors, batch.positives, batch.labels, **options)


@of_some_forms
@VERY_FEW
@given(batch=embeddings(rows=MANY), part=PARTS)
def test_memory_layout_does_not_matter(
    implementation: Implementation, batch: Batch, distance: Distance, power: int, part: float
) -> None:
    """Transposed, gapped and fused embeddings, and labels with gaps, cost what contiguous ones do."""
    for layout in LAYOUTS.values():
        judge.agree(
            implementation,
            layout(batch.anchors),
            layout(batch.positives),
            gapped(batch.labels),
            **_options(batch, distance, power, part),
        )


@A_FEW
@given(batch=embeddings(rows=MANY), part=PARTS)
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, batch: Batch, part: float) -> None:
    """What comes from above may lie in memory in any way, also in one number for all pairs: gradients are the same."""
    options = _options(batch, "cosine", 1, part, reduction="none")
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda x: f(x, batch.positives, batch.labels, **options), batch.anchors),
    )
