"""Laws of grouped-query attention with a past: a cache changes nothing but the time it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.attention import A_FEW
from fixtures.strategies.grouped_heads import Grouped, grouped
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@A_FEW
@given(problem=grouped(past=True, equal=True))
def test_agrees_with_a_past(implementation: Implementation, problem: Grouped) -> None:
    """Values are the reference's with keys and values of before, causal and not."""
    judge.agree(implementation, problem.query, *problem.new, past=problem.old)
    judge.agree(implementation, problem.query, *problem.new, past=problem.old, causal=True)


@A_FEW
@given(problem=grouped(past=True).filter(lambda problem: problem.t <= problem.s))
def test_the_last_query_is_aligned_with_the_last_key(implementation: Implementation, problem: Grouped) -> None:
    """When causal, the last query sees all keys, also where queries and new keys are not as many. Pit: top-left alignment.

    Source: torch's `is_causal` is documented as `tril(diagonal=0)`; https://github.com/Dao-AILab/flash-attention says
    of its version 2.1 that the alignment became bottom-right.
    """
    judge.agree(implementation, problem.query, *problem.new, past=problem.old, causal=True)


@A_FEW
@given(problem=grouped(past=True, options=True, equal=True), softcap=st.sampled_from([None, 2.0]))
def test_a_past_and_all_options(implementation: Implementation, problem: Grouped, softcap: float | None) -> None:
    """Mask and bias are about all keys, the past ones first; with every option at once each does what it does alone."""
    options: dict[str, Any] = {"mask": problem.mask, "bias": problem.bias, "causal": True, "scale": 0.7}
    if softcap is not None:
        options["softcap"] = softcap
    judge.agree(implementation, problem.query, *problem.new, past=problem.old, **options)


@A_FEW
@given(problem=grouped(past=True, options=True), causal=st.booleans())
def test_a_cache_is_no_cache(implementation: Implementation, problem: Grouped, causal: bool) -> None:
    """Keys given as a past and as new ones are the same keys."""
    options = {"mask": problem.mask, "causal": causal}
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, *problem.new, past=problem.old, **options),
            f(problem.query, problem.key, problem.value, **options),
        ),
    )


@A_FEW
@given(problem=grouped(equal=True), size=st.sampled_from([1, 2, 5]))
def test_chunks_with_a_past_are_one_pass(implementation: Implementation, problem: Grouped, size: int) -> None:
    """A causal text token by token, or in chunks of which the last may be shorter, gives what it gives in one pass."""
    query, key, value = problem.query, problem.key, problem.value

    def in_chunks(f: Callable[..., Tensor]) -> Tensor:
        results = []
        for start in range(0, problem.t, size):
            before, now = slice(0, start), slice(start, start + size)
            past = (key[..., before, :], value[..., before, :]) if start else None
            new = query[..., now, :], key[..., now, :], value[..., now, :]
            results.append(f(*new, causal=True, past=past))
        return torch.cat(results, dim=-2)

    judge.holds(implementation, lambda f: (in_chunks(f), f(query, key, value, causal=True)))


@A_FEW
@given(problem=grouped(past=True), padding=st.sampled_from([1, 3, 8]))
def test_padding_of_a_past_stays_hidden(implementation: Implementation, problem: Grouped, padding: int) -> None:
    """A past that began with padding, masked still, is a past without. Pit: a mask of the new tokens only."""
    old = tuple(torch.nn.functional.pad(x, (0, 0, padding, 0), value=5.0) for x in problem.old)
    mask = (torch.arange(padding + problem.s) >= padding)[None, :]
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, *problem.new, past=old, mask=mask),
            f(problem.query, *problem.new, past=problem.old),
        ),
    )


@A_FEW
@given(problem=grouped(equal=True))
def test_an_empty_past_is_none(implementation: Implementation, problem: Grouped) -> None:
    """A past of no tokens changes nothing, and a past with no new tokens is all there is to attend to."""
    query, key, value = problem.query, problem.key, problem.value
    nothing = (key[..., :0, :], value[..., :0, :])
    judge.holds(
        implementation,
        lambda f: (
            [f(query, key, value, past=nothing, causal=True), f(query, *nothing, past=(key, value))],
            [f(query, key, value, causal=True), f(query, key, value)],
        ),
    )


@A_FEW
@given(problem=grouped(past=True, equal=True))
def test_gradients_flow_into_the_past(implementation: Implementation, problem: Grouped) -> None:
    """Gradients of keys and values are the same whether these are a past or new ones, and agree with the reference's."""
    judge.agree_gradients(implementation, problem.query, *problem.new, past=problem.old, causal=True)
    above = torch.randn(
        *problem.query.shape[:-1], problem.v, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )

    def gradients(f: Callable[..., Tensor], past: int) -> list[Tensor]:
        key, value = (x.clone().requires_grad_() for x in (problem.key, problem.value))
        old, new = ((key[..., side, :], value[..., side, :]) for side in (slice(0, past), slice(past, None)))
        result = f(problem.query, *new, causal=True, past=old if past else None)
        return list(torch.autograd.grad(result, (key, value), above.to(result)))

    judge.holds(implementation, lambda f: (gradients(f, problem.past), gradients(f, 0)))


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(problem=grouped(past=True))
def test_layout_of_the_past_does_not_matter(implementation: Implementation, layout: str, problem: Grouped) -> None:
    """A past may be transposed, gapped, or the middle of a longer buffer."""
    old = tuple(LAYOUTS[layout](x) for x in problem.old)
    judge.agree(implementation, problem.query, *problem.new, past=old)


WRONG: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "another number of heads": ((4, 6, 4), (4, 6, 2)),
    "another width of keys": ((2, 6, 3), (2, 6, 2)),
    "another width of values": ((2, 6, 4), (2, 6, 3)),
    "keys longer than values": ((2, 6, 4), (2, 5, 2)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_past_that_does_not_fit_raises(implementation: Implementation, wrong: str) -> None:
    """A past of other heads, widths or lengths raises instead of giving some result."""
    query, key, value = (torch.ones(shape, dtype=torch.float64) for shape in ((4, 3, 4), (2, 3, 4), (2, 3, 2)))
    old = tuple(torch.ones(shape, dtype=torch.float64) for shape in WRONG[wrong])
    judge.rejects(implementation, query, key, value, past=old)
