"""Laws of token embedding: what the table learns, from the places below and from the head above."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.lookups import A_FEW, EXACT, SEVERAL, TEXTS, Lookup, lookups
from fixtures.subject import Subject as Implementation

RARE = lookups(vocabularies=st.sampled_from([100, 300]), patterns=("any", "every"))
"""A token stands at a few places at most: sums over many have a law of their own."""


def learned(f, drawn: Lookup, **options) -> tuple[Tensor, Tensor]:
    """The gradient of the table under random numbers from above, and these numbers, (places, d)."""
    table = drawn.table.clone().requires_grad_()
    vectors = f(table, drawn.ids, **options)
    above = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(vectors) + 1
    (gradient,) = torch.autograd.grad(vectors, table, above)
    return gradient, above.reshape(-1, drawn.d).to(gradient)


@judge.every_dtype
@given(drawn=RARE, scale=EXACT)
def test_gradients_agree(implementation: Implementation, drawn: Lookup, scale: float) -> None:
    """A row learns at each place where its token stands, times the factor."""
    judge.agree_gradients(implementation, *drawn.given, scale=scale)


@judge.every_dtype
@A_FEW
@given(drawn=RARE, first=st.booleans())
def test_gradients_agree_with_padding(implementation: Implementation, drawn: Lookup, first: bool) -> None:
    """All rows but that of `padding_id` learn, 0 being one as any other."""
    judge.agree_gradients(implementation, *drawn.given, padding_id=0 if first else drawn.asked)


@judge.every_dtype
@A_FEW
@given(drawn=RARE, scale=EXACT, padded=st.booleans())
def test_gradients_of_a_tied_table_agree(
    implementation: Implementation, drawn: Lookup, scale: float, padded: bool
) -> None:
    """What both ends teach the table adds up."""
    padding = {"padding_id": drawn.asked} if padded else {}
    judge.agree_gradients(implementation, *drawn.given, scale=scale, hidden=drawn.hidden, **padding)


@A_FEW
@given(drawn=lookups(), scale=EXACT)
def test_both_ends_teach_one_table(implementation: Implementation, drawn: Lookup, scale: float) -> None:
    """Pit: sums of both, with the factor below only; and what the head was given learns as from any matrix."""

    def experiment(f):
        table, hidden = (x.clone().requires_grad_() for x in (drawn.table, drawn.hidden))
        vectors, logits = f(table, drawn.ids, scale=scale, hidden=hidden)
        generator = torch.Generator().manual_seed(2)
        below, above = (torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x) for x in (vectors, logits))
        found = torch.autograd.grad([vectors, logits], [table, hidden], [below, above])
        below, above = below.to(drawn.table), above.to(drawn.table)
        sums = torch.zeros_like(drawn.table).index_add(0, drawn.ids.flatten(), scale * below.reshape(-1, drawn.d))
        rows, scores = drawn.hidden.reshape(-1, drawn.d), above.reshape(-1, drawn.vocabulary)
        return found, (sums + scores.mT @ rows, above @ drawn.table)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=lookups(), scale=EXACT)
def test_a_row_learns_as_often_as_it_is_asked_for(implementation: Implementation, drawn: Lookup, scale: float) -> None:
    """Pit: the same token at several places learns the sum, neither their mean nor the last."""

    def experiment(f):
        gradient, above = learned(f, drawn, scale=scale)
        return gradient, torch.zeros_like(gradient).index_add(0, drawn.ids.flatten(), scale * above)

    judge.holds(implementation, experiment)


@judge.every_dtype
@A_FEW
@given(times=st.sampled_from([300, 700, 5000]), seed=st.integers(0, 2**16))
def test_a_frequent_token_learns_from_every_place(implementation: Implementation, times: int, seed: int) -> None:
    """Pit: in bfloat16 a sum of numbers of about 1 stops at 256, so most places of a frequent token would be lost."""
    drawn = Lookup(vocabulary=3, d=3, shape=(times,), rows=(), pattern="few", seed=seed)
    above = torch.rand(times, drawn.d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5

    def experiment(f):
        table = drawn.table.clone().requires_grad_()
        vectors = f(table, drawn.ids)
        rounded = above.to(vectors)
        (gradient,) = torch.autograd.grad(vectors, table, rounded)
        return gradient, torch.zeros_like(gradient).index_add(0, drawn.ids, rounded.to(gradient))

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=lookups(shapes=TEXTS, vocabularies=SEVERAL, patterns=("any", "few")))
def test_a_row_that_nobody_asks_for_learns_nothing(implementation: Implementation, drawn: Lookup) -> None:
    """The gradient of absent tokens is exactly 0."""
    gradient, _ = learned(implementation, drawn)
    judge.zero(implementation, gradient[drawn.counts.to(gradient.device) == 0])


@A_FEW
@given(drawn=lookups(shapes=TEXTS, vocabularies=SEVERAL), first=st.booleans())
def test_padding_learns_nothing(implementation: Implementation, drawn: Lookup, first: bool) -> None:
    """Pit: the row of `padding_id` has a gradient of exactly 0, also where the id is 0, and others keep theirs."""
    padding = 0 if first else drawn.asked
    gradient, _ = learned(implementation, drawn, padding_id=padding)
    judge.zero(implementation, gradient[padding])


@A_FEW
@given(drawn=lookups(shapes=TEXTS, vocabularies=SEVERAL))
def test_the_head_teaches_padding(implementation: Implementation, drawn: Lookup) -> None:
    """Pit: a tied head asks no ids. The row of `padding_id` learns from it as all rows do."""

    def experiment(f):
        table = drawn.table.clone().requires_grad_()
        _, logits = f(table, drawn.ids, padding_id=drawn.asked, hidden=drawn.hidden)
        above = torch.randn(logits.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(logits)
        (found,) = torch.autograd.grad(logits, table, above)
        scores = above.to(found).reshape(-1, drawn.vocabulary)
        return found, scores.mT @ drawn.hidden.reshape(-1, drawn.d)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=RARE)
def test_gradients_do_not_depend_on_the_layout(implementation: Implementation, drawn: Lookup) -> None:
    """What comes from above may lie in memory as it likes, that of a sum as a single number."""
    judge.holds(implementation, lambda f: gradients_by_layout(lambda table: f(table, drawn.ids), drawn.table))
