"""Laws of resizing an embedding."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.rotary import A_FEW
from fixtures.subject import Subject as Implementation

SPREAD = 1e-3
"""So near the mean, in units of the old rows' spread, a new row must be."""

sizes = st.sampled_from([(1, 3), (2, 3), (5, 4), (9, 4), (17, 8), (33, 8), (3, 130)])
"""Rows and width: fewer rows than features and more."""
seeds = st.integers(0, 2**16)


def drawn(size: tuple[int, int], seed: int) -> Tensor:
    """A table whose rows have a mean that is not 0, as trained ones have."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(size, generator=generator, dtype=torch.float64)
    return rows + 2 * torch.randn(size[1], generator=generator, dtype=torch.float64)


@judge.every_dtype
@given(size=sizes, more=st.sampled_from([1, 2, 9]), seed=seeds)
def test_agrees_with_the_reference(implementation: Implementation, size, more, seed) -> None:
    """New rows are the mean of the old ones."""
    judge.agree(implementation, drawn(size, seed), size[0] + more)


@judge.every_dtype
@A_FEW
@given(size=sizes, rows=st.integers(1, 40), seed=seeds)
def test_old_rows_stay_to_the_last_bit(implementation: Implementation, size, rows, seed) -> None:
    """Pit: ids stay what they were. The first rows stand where they stood, none of them changed, and the last are cut off."""
    table = implementation.rounded(drawn(size, seed))
    found = implementation(table, rows)
    judge.exact(tuple(found.shape), (rows, size[1]), "shape")
    judge.exact(found[: size[0]].tolist(), table[:rows].tolist(), "rows that were there before")


@given(size=sizes, more=st.sampled_from([1, 7, 130]), seed=seeds, padded=st.booleans())
def test_new_rows_are_near_the_mean(implementation: Implementation, size, more, seed, padded) -> None:
    """Pit: rows drawn like untrained weights, or of zeros, are nowhere near; a little noise about the mean is allowed.

    A row of zeros, as that of padding is, counts as any other.

    Source: https://nlp.stanford.edu/~johnhew/vocab-expansion.html; transformers' `mean_resizing`, its default
    """
    table = drawn(size, seed)
    table[0] *= not padded
    found = implementation(table, size[0] + more)[size[0] :].double().cpu()
    mean = implementation.rounded(table).double().cpu().mean(0)
    rounding = torch.finfo(getattr(torch, implementation.dtype or "float64")).eps
    allowed = SPREAD * (table - mean).norm() / math.sqrt(size[0]) + 2 * rounding * mean.norm()
    farthest = (found - mean).norm(dim=-1).max()
    if not farthest <= allowed:
        raise judge.Rejected(f"a new row is {farthest:.3g} from the mean of the old ones, more than {allowed:.3g}")
    implementation.tally.judged += 1


@given(size=sizes, more=st.sampled_from([1, 5]), seed=seeds, loud=st.sampled_from([1.0, 6.0]))
def test_new_words_take_no_more_than_their_part(implementation: Implementation, size, more, seed, loud) -> None:
    """Pit: where trained words score far below 0, a row of about 0 takes all. k words of the mean take k of n + k at most.

    Source: https://nlp.stanford.edu/~johnhew/vocab-expansion.html
    """
    table = drawn(size, seed)
    hidden = loud * drawn((8, size[1]), seed + 1)
    hidden = torch.cat([hidden, -loud * table.mean(0, keepdim=True)])  # which the mean scores below 0 by
    grown = implementation(table, size[0] + more).double().cpu()
    growth = (hidden @ grown.mT).logsumexp(-1) - (hidden @ grown[: size[0]].mT).logsumexp(-1)
    allowed = math.log(1 + more / size[0]) + SPREAD * hidden.norm(dim=-1).max()
    if not bool((growth <= allowed).all()):
        raise judge.Rejected(f"new words take more than their part: {growth.max():.3g} nats, not {allowed:.3g} at most")
    implementation.tally.judged += 1


@judge.every_dtype
@pytest.mark.parametrize("n", [700, 3000, 6000])
def test_a_vocabulary_has_a_mean(implementation: Implementation, n: int) -> None:
    """Pit: in bfloat16 a sum of numbers of about 1 stands still at 256; the mean of thousands is still that of them all."""
    table = 1 + drawn((n, 2), n) / 8 + torch.linspace(0, 2, n, dtype=torch.float64)[:, None]
    found = implementation(table, n + 1)[n:]
    mean = implementation.rounded(table).double().mean(0, keepdim=True)
    rounding = torch.finfo(found.dtype).eps
    if not bool(((found.double() - mean).abs() <= 2 * rounding * mean.abs() + SPREAD).all()):
        raise judge.Rejected(f"the mean of {n} rows is {mean.tolist()}, got {found.tolist()}")
    implementation.tally.judged += 1


@A_FEW
@given(size=sizes, seed=seeds)
def test_as_many_rows_change_nothing(implementation: Implementation, size, seed) -> None:
    """A table of the right size is returned as it is."""
    table = implementation.rounded(drawn(size, seed))
    judge.exact(implementation(table, size[0]).tolist(), table.tolist(), "table")


@A_FEW
@given(size=sizes, more=st.integers(1, 5), seed=seeds)
def test_grown_and_cut_it_is_what_it_was(implementation: Implementation, size, more, seed) -> None:
    """Words that are added and taken away again leave no trace."""
    table = implementation.rounded(drawn(size, seed))
    back = implementation(implementation(table, size[0] + more), size[0])
    judge.exact(back.tolist(), table.tolist(), "table")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str) -> None:
    """Transposed, gapped and fused tables are cut and filled as contiguous ones."""
    table = drawn((6, 4), 0)
    same = implementation.rounded(table)
    judge.exact(implementation(LAYOUTS[layout](table), 4).tolist(), same[:4].tolist(), "first rows")
    judge.exact(implementation(LAYOUTS[layout](table), 8)[:6].tolist(), same.tolist(), "old rows")


@pytest.mark.parametrize("rows", [0, -1])
def test_no_rows_are_refused(implementation: Implementation, rows: int) -> None:
    """A table has a row at least."""
    judge.rejects(implementation, drawn((3, 2), 0), rows)


def test_a_table_without_rows_is_refused(implementation: Implementation) -> None:
    """Nothing has no mean."""
    judge.rejects(implementation, torch.zeros(0, 2, dtype=torch.float64), 2)
