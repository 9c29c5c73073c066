"""Laws of the contrastive loss: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.gradients import gradients
from fixtures.strategies.embeddings import A_FEW_AS_DRAWN, TEMPERATURES, WIDE, Batch, opposed
from fixtures.strategies.labelled_logits import A_FEW, VERY_FEW
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

INNER = ("normal", "trained", "narrow", "ties")
"""Regimes for inner products, which grow with the lengths of vectors."""


@judge.every_dtype
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_agrees_with_the_reference(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Values are the reference's: in-batch negatives, cosines, one direction, the mean in nats."""
    judge.agree(implementation, batch.anchors, batch.positives, temperature=temperature)


@judge.every_dtype
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_agrees_with_hard_negatives(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Pit: every hard negative joins the denominator of every anchor, n times n + nk logits.

    Source: sentence-transformers' MultipleNegativesRankingLoss; Karpukhin et al. 2020, arXiv 2004.04906.
    """
    judge.agree(implementation, batch.anchors, batch.positives, negatives=batch.negatives, temperature=temperature)


@judge.every_dtype
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES, shared=st.sampled_from([1, 2, 7, 34]))
def test_agrees_with_shared_negatives(
    implementation: Implementation, batch: Batch, temperature: float, shared: int
) -> None:
    """Negatives may be any number of vectors that belong to no anchor."""
    others = torch.cat([-batch.positives, batch.negatives.flatten(0, 1)]).repeat(12, 1)[:shared]
    judge.agree(implementation, batch.anchors, batch.positives, negatives=others, temperature=temperature)


@judge.every_dtype
@A_FEW
@given(batch=opposed(regimes=INNER), part=st.sampled_from([1.0, 3.0]))
def test_agrees_with_inner_products(implementation: Implementation, batch: Batch, part: float) -> None:
    """With `similarity="dot"` lengths count."""
    temperature = part * batch.d**0.5
    judge.agree(implementation, batch.anchors, batch.positives, temperature=temperature, similarity="dot")


@judge.every_dtype
@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_agrees_in_both_directions(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """The symmetric loss is the mean of both directions, as CLIP's is (arXiv 2103.00020, figure 3)."""
    judge.agree(implementation, batch.anchors, batch.positives, temperature=temperature, symmetric=True)


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_hard_negatives_are_in_one_direction_only(
    implementation: Implementation, batch: Batch, temperature: float
) -> None:
    """Pit: a hard negative has no anchor to be asked for, so it does not take part in the way back."""
    judge.agree(
        implementation,
        batch.anchors,
        batch.positives,
        negatives=batch.negatives,
        temperature=temperature,
        symmetric=True,
    )


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES, few=st.sampled_from([1, 2, 5]))
def test_agrees_where_rows_share_labels(
    implementation: Implementation, batch: Batch, temperature: float, few: int
) -> None:
    """Rows of one label are no negatives of each other; a row's own positive and the hard negatives stay."""
    labels = 7 + torch.arange(batch.n) % few
    judge.agree(
        implementation,
        batch.anchors,
        batch.positives,
        negatives=batch.negatives,
        temperature=temperature,
        labels=labels,
    )


@A_FEW
@given(batch=opposed(regimes=INNER), part=st.sampled_from([1.0, 3.0]), few=st.sampled_from([1, 2, 5]))
def test_options_do_not_disturb_each_other(implementation: Implementation, batch: Batch, part: float, few: int) -> None:
    """Negatives, inner products, both directions and labels at once: each does what it does alone."""
    judge.agree(
        implementation,
        batch.anchors,
        batch.positives,
        negatives=batch.negatives,
        temperature=part * batch.d**0.5,
        similarity="dot",
        symmetric=True,
        labels=torch.arange(batch.n) % few,
    )


@judge.every_dtype
@A_FEW_AS_DRAWN
@given(batch=opposed(widths=WIDE), temperature=TEMPERATURES)
def test_gradients_agree(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Gradients of anchors and positives are the reference's."""
    judge.agree_gradients(implementation, batch.anchors, batch.positives, temperature=temperature)


@A_FEW
@given(batch=opposed(widths=WIDE), temperature=TEMPERATURES)
def test_gradients_agree_with_hard_negatives(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Gradients of anchors and positives are the reference's where there are hard negatives."""
    judge.agree_gradients(
        implementation, batch.anchors, batch.positives, negatives=batch.negatives, temperature=temperature
    )


@A_FEW
@given(batch=opposed(widths=WIDE), temperature=TEMPERATURES)
def test_gradients_agree_in_both_directions(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Gradients of anchors and positives are the reference's for the symmetric loss."""
    judge.agree_gradients(implementation, batch.anchors, batch.positives, temperature=temperature, symmetric=True)


@A_FEW
@given(batch=opposed(regimes=INNER), part=st.sampled_from([1.0, 3.0]))
def test_gradients_agree_with_inner_products(implementation: Implementation, batch: Batch, part: float) -> None:
    """Gradients of anchors and positives are the reference's where lengths count."""
    temperature = part * batch.d**0.5
    judge.agree_gradients(implementation, batch.anchors, batch.positives, temperature=temperature, similarity="dot")


@pytest.mark.parametrize("temperature", [0.01, 1e-3, 1e-6])
@A_FEW
@given(batch=opposed(regimes=("normal", "lengths")))
def test_low_temperatures_stay_exact(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """A temperature of 0.01, where CLIP's is clipped, and far lower ones cost what they should. Pit: an exponential overflows.

    Source: Radford et al. 2021, arXiv 2103.00020, section 2.5: the scale is kept at 100 or less.
    """
    judge.agree(implementation, batch.anchors, batch.positives, temperature=temperature)


@A_FEW
@given(batch=opposed(regimes=("normal", "lengths")), size=st.sampled_from([1e2, 1e4]))
def test_huge_similarities_stay_finite(implementation: Implementation, batch: Batch, size: float) -> None:
    """Inner products of 1e8 cost what they should. Pit: the logarithm of a softmax that has underflown."""
    anchors, positives = batch.anchors * size, batch.positives * size
    judge.agree(implementation, anchors, positives, temperature=1.0, similarity="dot")


@judge.every_dtype
@A_FEW
@given(batch=opposed(rows=st.sampled_from([2, 3, 8])), temperature=TEMPERATURES)
def test_the_cosine_of_zeros_is_zero(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Pit: 0/0 is NaN. A vector of zeros is as far from all directions as from none: its cosines are 0."""
    anchors = batch.anchors.where(torch.arange(batch.n)[:, None] > 0, 0)
    positives = batch.positives.where(torch.arange(batch.n)[:, None] < batch.n - 1, 0)
    judge.agree(implementation, anchors, positives, temperature=temperature)


@A_FEW
@given(batch=opposed(rows=st.sampled_from([2, 3, 8])), temperature=TEMPERATURES)
def test_gradients_at_zeros_are_finite(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Pit: the length of a vector of zeros has no slope, and what is divided by it is NaN in the gradient of all."""
    zero = batch.anchors.where(torch.arange(batch.n)[:, None] > 0, 0)
    found = gradients(
        lambda *pair: implementation(*pair, temperature=temperature), zero, implementation.rounded(batch.positives)
    )
    judge.finite(implementation, found)


@judge.every_dtype
@VERY_FEW
@given(batch=opposed(rows=st.sampled_from([3, 8]), widths=st.sampled_from([3, 16])), seed=st.integers(0, 99))
def test_many_candidates_add_up(implementation: Implementation, batch: Batch, seed: int) -> None:
    """A thousand candidates count, up to the last. Pit: in bfloat16 a running sum of them stands still at 256."""
    generator = torch.Generator().manual_seed(seed)
    others = torch.randn(1001, batch.d, generator=generator, dtype=torch.float64)
    judge.agree(implementation, batch.anchors, batch.positives, negatives=others, temperature=3.0)


@VERY_FEW
@given(batch=opposed(rows=st.sampled_from([65, 130]), widths=st.sampled_from([3, 16])), temperature=TEMPERATURES)
def test_agrees_on_large_batches(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Batches may be larger than a block: the last rows and the last candidates count."""
    judge.agree(implementation, batch.anchors, batch.positives, temperature=temperature)


@VERY_FEW
@given(batch=opposed(rows=st.just(257), negatives=st.just(1), widths=st.sampled_from([3, 16])))
def test_agrees_on_large_batches_with_hard_negatives(implementation: Implementation, batch: Batch) -> None:
    """The last anchors and the last hard negatives count too, in both directions."""
    judge.agree(
        implementation, batch.anchors, batch.positives, negatives=batch.negatives, temperature=0.5, symmetric=True
    )


@VERY_FEW
@given(batch=opposed(rows=st.sampled_from([3, 8]), widths=st.sampled_from([384, 768, 1025])))
def test_agrees_on_wide_embeddings(implementation: Implementation, batch: Batch) -> None:
    """Embeddings may be as wide as those of models: 384, 768, and more."""
    judge.agree(implementation, batch.anchors, batch.positives, negatives=batch.negatives, temperature=0.05)


@A_FEW
@given(batch=opposed(), temperature=TEMPERATURES)
def test_memory_layout_does_not_matter(implementation: Implementation, batch: Batch, temperature: float) -> None:
    """Transposed, gapped and fused embeddings cost what contiguous ones do."""
    for layout in LAYOUTS.values():
        judge.agree(implementation, layout(batch.anchors), layout(batch.positives), temperature=temperature)


def _some(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


WRONG: dict[str, tuple[Tensor, Tensor, dict[str, Any]]] = {
    "too few positives": (_some(4, 3), _some(3, 3), {}),
    "too many positives": (_some(4, 3), _some(5, 3), {}),
    "positives of another width": (_some(4, 3), _some(4, 2), {}),
    "negatives of another width": (_some(4, 3), _some(4, 3), {"negatives": _some(4, 2, 2)}),
    "negatives for too few anchors": (_some(4, 3), _some(4, 3), {"negatives": _some(3, 2, 3)}),
    "negatives for too many anchors": (_some(4, 3), _some(4, 3), {"negatives": _some(5, 2, 3)}),
    "negatives of one axis": (_some(4, 3), _some(4, 3), {"negatives": _some(3)}),
    "negatives of four axes": (_some(4, 3), _some(4, 3), {"negatives": _some(4, 2, 1, 3)}),
    "an unknown similarity": (_some(4, 3), _some(4, 3), {"similarity": "euclidean"}),
    "too few labels": (_some(4, 3), _some(4, 3), {"labels": torch.arange(3)}),
    "one label for all": (_some(4, 3), _some(4, 3), {"labels": torch.zeros(1, dtype=torch.long)}),
    "labels with an axis too many": (_some(4, 3), _some(4, 3), {"labels": torch.arange(4)[:, None]}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_raises(implementation: Implementation, wrong: str) -> None:
    """Numbers, widths and names that do not fit together raise; nothing is cut, repeated or put in their place."""
    anchors, positives, options = WRONG[wrong]
    judge.rejects(implementation, anchors, positives, temperature=0.5, **options)


@pytest.mark.parametrize("temperature", [0.0, -0.1, -1.0])
def test_temperatures_are_positive(implementation: Implementation, temperature: float) -> None:
    """A temperature of 0 divides by nothing, and below 0 the worst partner would be the best: that raises."""
    judge.rejects(implementation, _some(4, 3), _some(4, 3), temperature=temperature)
