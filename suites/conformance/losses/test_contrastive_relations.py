"""Laws of the contrastive loss: how it relates to itself on other batches, and its gradient."""

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
from fixtures.strategies.embeddings import COSINE, MANY, TEMPERATURES, WIDE, Batch, directions, opposed
from fixtures.strategies.labelled_logits import A_FEW
from fixtures.subject import Subject as Implementation

ways = pytest.mark.parametrize("ways", [{}, {"symmetric": True}], ids=["one way", "both ways"])
Loss = Callable[..., Tensor]


@A_FEW
@given(batch=opposed(rows=MANY), temperature=TEMPERATURES)
def test_each_anchor_is_asked_alone(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """The loss is the mean over anchors, each asked with the other positives as its hard negatives."""

    def alone(f: Loss, i: int) -> Tensor:
        others = torch.cat([batch.positives[:i], batch.positives[i + 1 :]])
        return f(batch.anchors[i, None], batch.positives[i, None], negatives=others, temperature=temperature)

    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors, batch.positives, temperature=temperature),
            torch.stack([alone(f, i) for i in range(batch.n)]).mean(),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES, seed=st.integers(0, 99))
def test_pairs_may_be_reordered(implementation: Implementation, batch: Batch, temperature: float, seed: int) -> None:
    """The order of the pairs does not matter."""
    order = torch.randperm(batch.n, generator=torch.Generator().manual_seed(seed))
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors[order], batch.positives[order], temperature=temperature),
            f(batch.anchors, batch.positives, temperature=temperature),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES, seed=st.integers(0, 99))
def test_negatives_belong_to_nobody(
    implementation: Implementation, batch: Batch, temperature: float, seed: int
) -> None:
    """Hard negatives may change anchors, and come in one list: all anchors see all of them."""
    flat = batch.negatives.flatten(0, 1)
    flat = flat[torch.randperm(len(flat), generator=torch.Generator().manual_seed(seed))]
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors, batch.positives, negatives=flat, temperature=temperature),
            f(batch.anchors, batch.positives, negatives=batch.negatives, temperature=temperature),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_symmetric_is_the_mean_of_both_ways(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """The symmetric loss is the mean of anchors asking for positives and positives asking for anchors."""
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors, batch.positives, temperature=temperature, symmetric=True),
            (
                f(batch.anchors, batch.positives, temperature=temperature, symmetric=False)
                + f(batch.positives, batch.anchors, temperature=temperature, symmetric=False)
            )
            / 2,
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_symmetric_swaps_its_arguments(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """For the symmetric loss of pairs it does not matter which side is called the anchor."""
    judge.holds(
        implementation,
        lambda f: (
            f(batch.positives, batch.anchors, temperature=temperature, symmetric=True),
            f(batch.anchors, batch.positives, temperature=temperature, symmetric=True),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_cosines_do_not_see_lengths(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Every vector may be of another length, and nothing changes."""
    lengths = 2.0 ** (torch.arange(batch.n)[:, None] % 7 - 3)
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors * lengths, batch.positives / 3, temperature=temperature),
            f(batch.anchors, batch.positives, temperature=temperature),
        ),
    )


@A_FEW
@given(batch=opposed(widths=WIDE), temperature=TEMPERATURES)
def test_cosines_are_inner_products_ofdirections(
    implementation: Implementation, batch: Batch, temperature: float
) -> None:
    """Cosine is the inner product of vectors of length 1, for the gradients of all three inputs too."""
    inputs = batch.anchors, batch.positives, batch.negatives

    def by_cosine(f: Loss) -> list[Tensor]:
        return gradients(lambda a, p, h: f(a, p, negatives=h, temperature=temperature, similarity=COSINE), *inputs)

    def by_hand(f: Loss) -> list[Tensor]:
        def loss(*given: Tensor) -> Tensor:
            a, p, h = map(directions, given)
            return f(a, p, negatives=h, temperature=temperature, similarity="dot")

        return gradients(loss, *inputs)

    judge.holds(implementation, lambda f: (by_cosine(f), by_hand(f)))


@A_FEW
@given(batch=opposed(widths=WIDE), temperature=TEMPERATURES)
def test_gradients_turn_vectors_only(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Cosines do not see lengths, so the gradient of a vector stands upright on it."""

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        inputs = batch.anchors, batch.positives
        found = gradients(lambda a, p: f(a, p, temperature=temperature), *inputs)
        upright = [
            g - (g * directions(x)).sum(-1, keepdim=True) * directions(x) for g, x in zip(found, inputs, strict=True)
        ]
        return found, upright

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=opposed(regimes=("normal", "trained", "narrow")), part=st.sampled_from([1.0, 3.0]))
def test_gradient_is_what_was_expected_less_what_is_right(
    implementation: Implementation, batch: Batch, part: float
) -> None:
    """With inner products an anchor is pulled from the mean of all candidates, under the softmax, to its positive.

    Of a candidate the gradient is the sum of the anchors under what they expect of it, less its own anchor.
    """
    temperature = part * batch.d**0.5

    def experiment(f: Loss) -> tuple[list[Tensor], list[Tensor]]:
        found = gradients(
            lambda a, p, h: f(a, p, negatives=h, temperature=temperature, similarity="dot"),
            batch.anchors,
            batch.positives,
            batch.negatives,
        )
        candidates = torch.cat([batch.positives, batch.negatives.flatten(0, 1)])
        expected = torch.softmax(batch.anchors @ candidates.T / temperature, -1)
        excess = (expected - torch.eye(batch.n, len(candidates), dtype=torch.float64)) / (batch.n * temperature)
        pulled = excess.T @ batch.anchors
        right = [excess @ candidates, pulled[: batch.n], pulled[batch.n :].reshape(batch.negatives.shape)]
        return found, [r.to(g) for r, g in zip(right, found, strict=True)]

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("factor", [20.0, 0.3])
@A_FEW
@given(batch=opposed(regimes=("normal", "trained", "narrow")))
def test_a_temperature_is_a_scale(implementation: Implementation, batch: Batch, factor: float) -> None:
    """Pit: scores are divided by the temperature. A `scale` of 20 is a temperature of 0.05.

    Source: sentence-transformers' MultipleNegativesRankingLoss.
    """
    temperature = batch.d**0.5
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors, batch.positives, temperature=temperature / factor, similarity="dot"),
            f(batch.anchors * factor, batch.positives, temperature=temperature, similarity="dot"),
        ),
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_duplicates_are_false_negatives(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Pit: a batch in which each pair stands twice costs ln 2 more, however good its vectors are."""
    judge.holds(
        implementation,
        lambda f: (
            f(batch.anchors.repeat(2, 1), batch.positives.repeat(2, 1), temperature=temperature),
            f(batch.anchors, batch.positives, temperature=temperature) + math.log(2),
        ),
    )


@ways
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_pairs_of_one_label_are_no_negatives_of_each_other(
    implementation: Implementation, batch: Batch, temperature: float, ways: dict[str, bool]
) -> None:
    """If labels say that all pairs are the same, each has the given negatives alone, as though it stood by itself."""
    negatives = batch.negatives.flatten(0, -2)
    options: dict[str, Any] = {"negatives": negatives, "temperature": temperature, **ways}

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        alone = [f(a[None], p[None], **options) for a, p in zip(batch.anchors, batch.positives, strict=True)]
        labels = torch.full((batch.n,), -3)
        return f(batch.anchors, batch.positives, labels=labels, **options), torch.stack(alone).mean()

    judge.holds(implementation, experiment)


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_a_negative_never_lowers_the_loss(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """With one more negative the loss is what it was or more."""

    def experiment(f: Loss) -> tuple[Tensor, Tensor]:
        without = f(batch.anchors, batch.positives, temperature=temperature)
        one_more = f(batch.anchors, batch.positives, negatives=batch.negatives[0, :1], temperature=temperature)
        return torch.minimum(without, one_more), without

    judge.holds(implementation, experiment)
