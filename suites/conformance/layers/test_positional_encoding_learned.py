"""Laws of positional encoding: a table with a row for each place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.implementations import Unsupported
from fixtures.strategies.places import A_FEW, Placing, placings
from fixtures.subject import Subject as Implementation

TEXTS = st.sampled_from([(1,), (3,), (2, 3)])
NEAR = st.sampled_from([0, 1, 7, 30])


@judge.every_dtype
@given(drawn=placings(pasts=NEAR))
def test_learned_places_agree(implementation: Implementation, drawn: Placing) -> None:
    """Values are the reference's: the first rows of the table, or those after a past."""
    judge.agree(implementation, drawn.x, drawn.table, past=drawn.past)


@judge.every_dtype
@given(drawn=placings(pasts=NEAR, widths=st.sampled_from([1, 3, 8, 64, 300])))
def test_learned_places_with_an_offset_agree(implementation: Implementation, drawn: Placing) -> None:
    """Pit: place 0 has row 2 in BART and OPT, or row `padding_idx + 1` in RoBERTa, whatever came before.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/bart/modeling_bart.py
    """
    judge.agree(implementation, drawn.x, drawn.table, past=drawn.past, offset=drawn.offset)


@judge.every_dtype
@A_FEW
@given(drawn=placings(pasts=NEAR), several=st.booleans())
def test_learned_places_that_are_given_agree(implementation: Implementation, drawn: Placing, several: bool) -> None:
    """Rows of the table in any order and again, for all texts or for each its own; the offset is theirs too."""
    positions = drawn.positions.abs() % (drawn.t + drawn.past + 3)
    if not several:
        positions = positions.reshape(-1, drawn.t)[0]
    judge.agree(implementation, drawn.x, drawn.table, positions, offset=drawn.offset)


@judge.every_dtype
@A_FEW
@given(drawn=placings(pasts=st.just(0), batches=TEXTS))
def test_padding_has_the_row_before_the_first(implementation: Implementation, drawn: Placing) -> None:
    """Pit: padding is not counted, and its own row is that before the row of place 0."""
    judge.agree(implementation, drawn.x, drawn.table, mask=drawn.mask, offset=drawn.offset)


@A_FEW
@given(drawn=placings(pasts=st.sampled_from([1, 7, 30]), batches=TEXTS, sides=("left", "both", "holes")))
def test_learned_places_do_not_count_padding_in_the_past(implementation: Implementation, drawn: Placing) -> None:
    """Pit: a cache that holds padding on the left is longer than its text.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/opt/modeling_opt.py
    """
    mask = drawn.mask.clone()
    mask[..., 0], mask[..., -1] = False, True
    judge.agree(implementation, drawn.x, drawn.table, mask=mask, past=drawn.past, offset=drawn.offset)


@judge.every_dtype
@A_FEW
@given(drawn=placings(pasts=NEAR))
def test_gradients_of_the_table_agree(implementation: Implementation, drawn: Placing) -> None:
    """A row learns from the vector of its place in each text, and so does the vector."""
    judge.agree_gradients(implementation, drawn.x, drawn.table, past=drawn.past, offset=drawn.offset)


@A_FEW
@given(drawn=placings(pasts=NEAR, batches=TEXTS))
def test_a_row_learns_from_all_that_have_its_place(implementation: Implementation, drawn: Placing) -> None:
    """Rows of places that are not there learn nothing, others the sum of what comes from above in all texts."""

    def experiment(f):
        table = drawn.table.clone().requires_grad_()
        found = f(drawn.x, table, past=drawn.past, offset=drawn.offset)
        above = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(found)
        (gradient,) = torch.autograd.grad(found, table, above)
        first, sums = drawn.past + drawn.offset, torch.zeros_like(table)
        sums[first : first + drawn.t] = above.to(sums).reshape(-1, drawn.t, drawn.d).sum(0)
        return gradient, sums.detach()

    judge.holds(implementation, experiment)


@judge.every_dtype
@pytest.mark.parametrize("counted", ["by a mask", "without"])
@A_FEW
@given(texts=st.sampled_from([300, 2000]), seed=st.integers(0, 2**16))
def test_a_row_learns_from_many_texts(implementation: Implementation, counted: str, texts: int, seed: int) -> None:
    """Pit: in bfloat16 a sum of numbers of about 1 stops at 256, so a large batch would teach a place no more than that."""
    drawn = Placing(batch=(texts,), t=2, d=3, past=0, side="none", seed=seed)
    masked: dict[str, Any] = {"mask": drawn.mask, "offset": 2} if counted == "by a mask" else {"offset": 2}
    generator = torch.Generator().manual_seed(seed)
    above = torch.rand(texts, 2, 3, generator=generator, dtype=torch.float64) + 0.5

    def experiment(f):
        table = drawn.table.clone().requires_grad_()
        found = f(drawn.x, table, **masked)
        rounded = above.to(found)
        (gradient,) = torch.autograd.grad(found, table, rounded)
        return gradient[2:4], rounded.to(gradient).sum(0)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=placings(pasts=st.just(0), batches=TEXTS, sides=("left", "right", "holes", "all")))
def test_padding_teaches_its_row_nothing(implementation: Implementation, drawn: Placing) -> None:
    """Pit: the gradient of the row of padding is exactly 0, whatever comes from above."""
    mask = drawn.mask.clone()
    mask[..., 0] = False

    def gradient(f):
        table = drawn.table.clone().requires_grad_()
        found = f(drawn.x, table, mask=mask, offset=drawn.offset)
        return torch.autograd.grad(found, table, torch.ones_like(found))[0]

    judge.zero(implementation, gradient(implementation)[drawn.offset - 1])
    if mask.any():
        judge.holds(implementation, lambda f: (gradient(f).sum(0), mask.sum() * torch.ones(drawn.d).double()))


@A_FEW
@given(drawn=placings(pasts=NEAR), more=st.sampled_from([1, 2, 5]))
def test_rows_behind_the_text_do_not_matter(implementation: Implementation, drawn: Placing, more: int) -> None:
    """A longer table gives the same as the part of it that is asked for."""
    rows = drawn.past + drawn.t + drawn.offset
    options: dict[str, Any] = {"past": drawn.past, "offset": drawn.offset}
    longer = torch.cat([drawn.table[:rows], torch.full((more, drawn.d), torch.inf, dtype=torch.float64)])
    judge.holds(implementation, lambda f: (f(drawn.x, drawn.table[:rows], **options), f(drawn.x, longer, **options)))


@A_FEW
@given(drawn=placings(pasts=st.sampled_from([1, 7, 30]), batches=TEXTS))
def test_places_are_what_is_counted(implementation: Implementation, drawn: Placing) -> None:
    """Positions that are given as they would be counted change nothing."""
    positions = torch.arange(drawn.past, drawn.past + drawn.t)

    def experiment(f):
        counted = f(drawn.x, drawn.table, past=drawn.past, offset=drawn.offset)
        return counted, f(drawn.x, drawn.table, positions, offset=drawn.offset)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "uint8"])
def test_learned_positions_of_any_width(implementation: Implementation, name: str) -> None:
    """Pit: an offset does not run over the end of 8 bits, and bytes are no mask."""
    dtype = getattr(torch, name)
    table = torch.arange(600.0, dtype=torch.float64).reshape(300, 2).sin()
    positions = torch.tensor([0, 1, min(torch.iinfo(dtype).max, 255)], dtype=dtype)
    judge.agree(implementation, torch.ones(1, 3, 2, dtype=torch.float64), table, positions, offset=3)


def _on_cpu(implementation: Implementation) -> None:
    if implementation.device != "cpu":
        raise Unsupported("on a GPU an assertion of the kernel catches it, after which the process has no GPU any more")


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("past", [0, 3, 6])
@pytest.mark.parametrize("t", [1, 2, 5])
def test_a_text_beyond_the_table_raises(implementation: Implementation, t: int, past: int, offset: int) -> None:
    """Pit: a table that ends too soon is not stretched: a slice of it may be one row, added to all places, or none.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/whisper/modeling_whisper.py
    """
    _on_cpu(implementation)
    table = torch.ones(past + t + offset - 1, 8, dtype=torch.float64)
    judge.rejects(implementation, torch.ones(2, t, 8, dtype=torch.float64), table, past=past, offset=offset)


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("what", ["just before", "before", "behind"])
def test_a_place_without_a_row_raises(implementation: Implementation, what: str, offset: int) -> None:
    """A place below 0, counted from the end of the table, would have the row of another."""
    _on_cpu(implementation)
    positions = torch.tensor([1, 0, {"just before": -1 - offset, "before": -9, "behind": 4}[what]])
    table = torch.ones(4 + offset, 8, dtype=torch.float64)
    judge.rejects(implementation, torch.ones(1, 3, 8, dtype=torch.float64), table, positions, offset=offset)


@pytest.mark.parametrize("width", [1, 4, 9])
def test_a_table_of_another_width_raises(implementation: Implementation, width: int) -> None:
    """Rows are as wide as the vectors; 1 number is not spread over all."""
    judge.rejects(implementation, torch.ones(1, 3, 8, dtype=torch.float64), torch.ones(6, width, dtype=torch.float64))


@pytest.mark.parametrize("offset", [0, -1])
def test_padding_without_a_row_raises(implementation: Implementation, offset: int) -> None:
    """A mask asks for a row before that of place 0, which an offset of 0 does not leave."""
    options: dict[str, Any] = {"mask": torch.tensor([[False, True, True]]), "offset": offset}
    judge.rejects(
        implementation, torch.ones(1, 3, 8, dtype=torch.float64), torch.ones(6, 8, dtype=torch.float64), **options
    )


def test_a_table_beside_a_layout_raises(implementation: Implementation) -> None:
    """Places are learned or sinusoids, not both."""
    x, table = torch.ones(1, 3, 8, dtype=torch.float64), torch.ones(6, 8, dtype=torch.float64)
    judge.rejects(implementation, x, table, layout="halves", endpoint=True)
