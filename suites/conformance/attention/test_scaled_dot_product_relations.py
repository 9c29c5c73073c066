"""Laws of scaled dot-product attention: how its results on one input relate to those on another."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.attention import A_FEW, Problem, problems
from fixtures.subject import Subject as Implementation


@given(problem=problems(lengths="equal", least_keys=2), at=st.integers(0, 40))
def test_no_query_sees_its_future(implementation: Implementation, problem: Problem, at: int) -> None:
    """When causal, changing keys and values from position i on changes no row before i."""
    cut = 1 + at % (problem.s - 1)
    later = (torch.arange(problem.s) >= cut)[:, None]
    key, value = problem.key.where(~later, problem.key + 2), problem.value.where(~later, -problem.value - 5)
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, key, value, causal=True)[..., :cut, :],
            f(problem.query, problem.key, problem.value, causal=True)[..., :cut, :],
        ),
    )


@given(problem=problems(masked=True, least_keys=2), size=st.sampled_from([1.0, 1e3, 1e15]))
def test_masked_keys_do_not_matter(implementation: Implementation, problem: Problem, size: float) -> None:
    """Keys and values that no query may attend to can hold anything, however large."""
    assert problem.mask is not None
    hidden = torch.arange(problem.s) % 2 == 1
    mask = (problem.mask & ~hidden) | (torch.arange(problem.s) == 0)
    size = size if implementation.dtype != "float16" else min(size, 1e3)
    key = problem.key.where(~hidden[:, None], size)
    value = problem.value.where(~hidden[:, None], -size)
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, key, value, mask=mask),
            f(problem.query, problem.key, problem.value, mask=mask),
        ),
    )


@A_FEW
@given(problem=problems(masked=True, least_keys=2), seed=st.integers(0, 99))
def test_keys_and_values_permute_together(implementation: Implementation, problem: Problem, seed: int) -> None:
    """The order of the keys does not matter, if values and mask follow it."""
    assert problem.mask is not None
    order = torch.randperm(problem.s, generator=torch.Generator().manual_seed(seed))
    mask = problem.mask
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, problem.key[..., order, :], problem.value[..., order, :], mask=mask[..., order]),
            f(problem.query, problem.key, problem.value, mask=mask),
        ),
    )


@A_FEW
@given(problem=problems(masked=True), more=st.sampled_from([1, 3, 64]), before=st.booleans())
def test_hidden_keys_around_do_not_matter(
    implementation: Implementation, problem: Problem, more: int, before: bool
) -> None:
    """Keys that nobody may attend to, put before or after all others, change nothing. Pit: results by the size of blocks."""
    mask, sides = problem.mask, (more, 0) if before else (0, more)
    assert mask is not None
    key, value = (torch.nn.functional.pad(x, (0, 0, *sides), value=2.0) for x in (problem.key, problem.value))
    wider = torch.nn.functional.pad(mask, sides)
    judge.holds(
        implementation,
        lambda f: (f(problem.query, key, value, mask=wider), f(problem.query, problem.key, problem.value, mask=mask)),
    )


@A_FEW
@given(problem=problems())
def test_queries_do_not_see_each_other(implementation: Implementation, problem: Problem) -> None:
    """Each query's result is the same when it is asked alone."""
    judge.holds(
        implementation,
        lambda f: (
            torch.cat(
                [f(problem.query[..., i : i + 1, :], problem.key, problem.value) for i in range(problem.t)], dim=-2
            ),
            f(problem.query, problem.key, problem.value),
        ),
    )


@A_FEW
@given(problem=problems(batches=st.just((3,))))
def test_batch_elements_do_not_see_each_other(implementation: Implementation, problem: Problem) -> None:
    """Each element of a batch gives what it gives alone."""
    judge.holds(
        implementation,
        lambda f: (
            torch.stack([f(problem.query[i], problem.key[i], problem.value[i]) for i in range(3)]),
            f(problem.query, problem.key, problem.value),
        ),
    )


@A_FEW
@given(problem=problems(masked=True))
def test_weights_sum_to_one(implementation: Implementation, problem: Problem) -> None:
    """Where all values are the same, the result is that value: the weights sum to one. Pit: dropout of weights, left on."""
    assert problem.mask is not None
    value = torch.full_like(problem.value, 1.75)
    expected = torch.full((*problem.batch, problem.t, problem.v), 1.75, dtype=torch.float64)
    mask = problem.mask
    judge.holds(implementation, lambda f: (f(problem.query, problem.key, value, mask=mask), expected))


@A_FEW
@given(problem=problems(), factor=st.sampled_from([-2.0, 0.5, 3.0]))
def test_linear_in_the_values(implementation: Implementation, problem: Problem, factor: float) -> None:
    """The result is linear in the values: the weights do not depend on them."""
    other = problem.value.flip(-2) + 1
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, problem.key, problem.value * factor + other),
            f(problem.query, problem.key, problem.value) * factor + f(problem.query, problem.key, other),
        ),
    )


@A_FEW
@given(problem=problems(), shift=st.sampled_from([-3.0, 1.0]))
def test_a_shift_of_all_keys_changes_nothing(implementation: Implementation, problem: Problem, shift: float) -> None:
    """The same vector added to every key shifts a query's scores equally: a bias of the keys has no effect."""
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, problem.key + shift, problem.value),
            f(problem.query, problem.key, problem.value),
        ),
    )


@A_FEW
@given(problem=problems())
def test_the_scale_is_one_over_the_root_of_the_width(implementation: Implementation, problem: Problem) -> None:
    """Without a scale the result is that of the explicit scale 1/sqrt(d), d being the width of the keys, not the values'."""
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, problem.key, problem.value),
            f(problem.query, problem.key, problem.value, scale=1 / math.sqrt(problem.d)),
        ),
    )
