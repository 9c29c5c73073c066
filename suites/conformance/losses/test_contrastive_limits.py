"""Laws of the contrastive loss: closed forms, bounds and limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.bounds import near, rounding
from fixtures.strategies.embeddings import TEMPERATURES, Batch, directions, opposed
from fixtures.strategies.labelled_logits import A_FEW
from fixtures.subject import Subject as Implementation

ways = pytest.mark.parametrize("ways", [{}, {"symmetric": True}], ids=["one way", "both ways"])
WARM = st.sampled_from([0.2, 0.5, 1.0, 3.0])
"""Temperatures at which a positive at its best costs more than rounding."""


def rounded_away(implementation: Implementation, n: int, d: int, score: float) -> float:
    """By how much a right loss may be off where a score is computed twice, in two orders; none is larger than `score`.

    A cosine is three inner products of d numbers, two roots and two divisions, and one more for the temperature; the sum
    of n exponentials has n additions, a maximum and a logarithm. Sums are in float32 at least.
    """
    operations = 2 * (3 * 2 * d + 5) + n + 2
    return rounding(operations, score + math.log(n), "double" if implementation.dtype == "float64" else "single")


@ways
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_vectors_that_are_all_alike_cost_the_logarithm_of_their_number(
    implementation: Implementation, batch: Batch, temperature: float, ways: dict[str, bool]
) -> None:
    """If all vectors are one the loss is ln n, whatever the temperature: that is where training starts."""
    same = batch.positives[:1].expand(batch.n, -1).clone()
    judge.holds(
        implementation,
        lambda f: (
            (loss := f(same, same, temperature=temperature, **ways)),
            torch.full_like(loss, math.log(batch.n)),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_hard_negatives_that_are_all_alike_are_counted(
    implementation: Implementation, batch: Batch, temperature: float
) -> None:
    """If all vectors are one, and each anchor has k hard negatives, the loss is ln(n + nk)."""
    same = batch.positives[:1].expand(batch.n, -1).clone()
    negatives = same[:, None].expand(-1, batch.k, -1).clone()
    judge.holds(
        implementation,
        lambda f: (
            (loss := f(same, same, negatives=negatives, temperature=temperature)),
            torch.full_like(loss, math.log(batch.n * (1 + batch.k))),
        ),
    )


@ways
@A_FEW
@given(n=st.sampled_from([2, 3, 8, 33]), temperature=WARM)
def test_one_text_twice_has_similarity_one(
    implementation: Implementation, n: int, temperature: float, ways: dict[str, bool]
) -> None:
    """Pit: without dropout both sides of a SimCSE pair are one vector; its cosine is exactly 1, and others still count.

    Of texts that have nothing in common the loss is ln(1 + (n - 1) exp(-1 / temperature)). Source: arXiv 2104.08821.
    """
    texts = 3 * torch.eye(n, dtype=torch.float64)
    right = math.log1p((n - 1) * math.exp(-1 / temperature))
    judge.holds(
        implementation,
        lambda f: (
            (loss := f(texts, texts, temperature=temperature, **ways)),
            torch.full_like(loss, right),
        ),
    )


@ways
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_the_loss_is_within_its_bounds(
    implementation: Implementation, batch: Batch, temperature: float, ways: dict[str, bool]
) -> None:
    """It is not negative, and at most ln n + 2 / temperature: cosines differ by 2 at most."""
    loss = implementation(batch.anchors, batch.positives, temperature=temperature, **ways)
    least = -rounded_away(implementation, batch.n, batch.d, 1 / temperature)
    most = (math.log(batch.n) + 2 / temperature) * (1 + 1e-3)
    inside = bool((loss >= least).all() and (loss <= most).all())
    judge.exact(inside, True, f"between {least} and {most}", subject=implementation)


@A_FEW
@given(batch=opposed())
def test_heat_makes_all_candidates_alike(implementation: Implementation, batch: Batch) -> None:
    """As the temperature grows the loss goes to the logarithm of the number of candidates."""
    judge.holds(
        implementation,
        lambda f: (
            (loss := f(batch.anchors, batch.positives, temperature=1e20)),
            torch.full_like(loss, math.log(batch.n)),
        ),
    )


@A_FEW
@given(batch=opposed(regimes=("normal", "lengths"), widths=st.sampled_from([2, 3, 8, 33])))
def test_cold_leaves_the_nearest_only(implementation: Implementation, batch: Batch) -> None:
    """As the temperature goes to 0, loss times temperature goes to how much nearer than its own the nearest candidate is."""
    cosines = directions(batch.anchors) @ directions(batch.positives).T
    behind = (cosines.amax(-1) - cosines.diagonal()).mean()
    judge.holds(
        implementation,
        lambda f: (
            (loss := f(batch.anchors, batch.positives, temperature=1e-20)) * 1e-20,
            behind.to(loss),
        ),
    )


@pytest.mark.parametrize("options", [{}, {"similarity": "dot"}, {"symmetric": True}], ids=["alone", "dot", "both ways"])
@given(size=st.sampled_from([1e-3, 1.0, 30.0]))
def test_a_batch_of_one_costs_nothing(implementation: Implementation, size: float, options: dict[str, Any]) -> None:
    """One pair alone has nothing to be told from: 0, or what rounding leaves where its score is computed twice."""
    pair = size * torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)
    loss = implementation(pair, pair.flip(-1), temperature=0.5, **options)
    score = 1.0 if "similarity" not in options else float((pair * pair.flip(-1)).abs().sum())
    near(float(loss), 0.0, rounded_away(implementation, 1, 3, score / 0.5), "the loss of one pair")


@given(angle=st.sampled_from([0.1, 1.0, 1.6, 3.0]), temperature=WARM)
def test_one_negative_costs_the_softplus_of_the_difference(
    implementation: Implementation, angle: float, temperature: float
) -> None:
    """One anchor, one positive and one negative cost ln(1 + exp((negative - positive) / temperature))."""
    anchor, positive = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.0, 0.5]]).double()
    negative = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    right = torch.nn.functional.softplus(torch.tensor(math.cos(angle) / temperature, dtype=torch.float64))
    judge.holds(
        implementation,
        lambda f: ((loss := f(anchor, positive, negatives=negative, temperature=temperature)), right.to(loss)),
    )
