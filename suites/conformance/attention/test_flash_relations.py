"""Laws of FlashAttention: parts put together, tiles of any size, shifts and orders of keys, and how much memory it takes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.memory import allocated
from fixtures.strategies.attention import Problem, problems
from fixtures.strategies.tiles import tiled
from fixtures.subject import Subject as Implementation

HALF = settings(max_examples=settings().max_examples // 2)
FEW = settings(max_examples=settings().max_examples // 4)
"""For laws that show on nearly any input."""

Both = tuple[Tensor, Tensor]


@HALF
@given(case=tiled(), causal=st.booleans())
def test_agrees_for_any_block_size(implementation: Implementation, case: tuple[Problem, int], causal: bool) -> None:
    """From tiles of one query by one key to one tile larger than all: result and log-sum-exp are the reference's."""
    problem, size = case
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=causal, block_size=size)


@FEW
@given(case=tiled(lengths="more queries"))
def test_blocks_that_see_nothing_leave_nothing(implementation: Implementation, case: tuple[Problem, int]) -> None:
    """Whole tiles of minus infinity, before the first key a query sees, count for nothing. Pit: -inf - -inf is NaN."""
    problem, size = case
    early = problem.t - problem.s
    output, log_sum_exp = implementation(problem.query, problem.key, problem.value, causal=True, block_size=size)
    judge.finite(implementation, output)
    judge.zero(implementation, output[..., :early, :])
    judge.exact(log_sum_exp[..., :early].unique().tolist(), [-math.inf], "log-sum-exp of nothing")
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True, block_size=size)


@FEW
@given(case=tiled(), causal=st.booleans())
def test_block_size_does_not_matter(implementation: Implementation, case: tuple[Problem, int], causal: bool) -> None:
    """A20: the result of any block size is that of a single block."""
    problem, size = case
    inputs = problem.query, problem.key, problem.value
    judge.holds(
        implementation,
        lambda f: (
            f(*inputs, causal=causal, block_size=size)[0],
            f(*inputs, causal=causal, block_size=1000)[0],
        ),
    )


def _together(first: Both, second: Both) -> Both:
    """Attention over two parts of the keys from attention over each: means, weighted by the exponentials of their sums."""
    log_sum_exp = torch.logaddexp(first[1], second[1])
    weigh = [(part[1] - log_sum_exp).exp()[..., None] * part[0] for part in (first, second)]
    return weigh[0] + weigh[1], log_sum_exp


def _in_parts(f: Any, query: Tensor, key: Tensor, value: Tensor, cut: int) -> Both:
    first = f(query, key[..., :cut, :], value[..., :cut, :])
    return _together(first, f(query, key[..., cut:, :], value[..., cut:, :]))


@FEW
@given(problem=problems(least_keys=2), at=st.integers(0, 200))
def test_parts_of_the_keys_are_put_together(implementation: Implementation, problem: Problem, at: int) -> None:
    """Attention over the keys in two parts, put together by their log-sum-exps, is attention over all.

    Source: flash decoding, and ring attention (Liu, Zaharia, Abbeel 2023, arXiv 2310.01889).
    """
    inputs, cut = (problem.query, problem.key, problem.value), 1 + at % (problem.s - 1)
    judge.holds(implementation, lambda f: (_in_parts(f, *inputs, cut), f(*inputs)))


@FEW
@given(problem=problems(least_keys=2), at=st.integers(0, 200))
def test_gradients_flow_through_parts_put_together(implementation: Implementation, problem: Problem, at: int) -> None:
    """So are its gradients: part of them flows through the log-sum-exps. Pit: a log-sum-exp that is cut off."""
    cut = 1 + at % (problem.s - 1)

    def gradients(call: Any) -> Tensor:
        leaves: Any = [x.clone().requires_grad_() for x in (problem.query, problem.key, problem.value)]
        output = call(*leaves)[0]
        above = torch.randn(output.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        found = torch.autograd.grad(output, leaves, above.to(output))
        return torch.cat([gradient.flatten() for gradient in found])

    judge.holds(implementation, lambda f: (gradients(lambda q, k, v: _in_parts(f, q, k, v, cut)), gradients(f)))


@FEW
@given(problem=problems())
def test_keys_that_come_twice_add_ln_2(implementation: Implementation, problem: Problem) -> None:
    """Every key and value twice: the result stays, and the log-sum-exp grows by ln 2. Pit: a logarithm to another base."""

    def experiment(f: Any) -> tuple[Both, Both]:
        output, log_sum_exp = f(problem.query, problem.key, problem.value)
        twice = f(problem.query, *(torch.cat([x, x], dim=-2) for x in (problem.key, problem.value)))
        return twice, (output, log_sum_exp + math.log(2))

    judge.holds(implementation, experiment)


@FEW
@given(problem=problems(), shift=st.sampled_from([-3.0, 1.0]))
def test_a_shift_of_all_keys_shifts_the_log_sum_exp(
    implementation: Implementation, problem: Problem, shift: float
) -> None:
    """The same vector added to every key: the result stays, the log-sum-exp moves by that vector's score."""
    query = implementation.rounded(problem.query).double()
    moved = shift * query.sum(-1) / math.sqrt(problem.d)

    def experiment(f: Any) -> tuple[Both, Both]:
        output, log_sum_exp = f(problem.query, problem.key, problem.value)
        return f(problem.query, problem.key + shift, problem.value), (output, log_sum_exp + moved)

    judge.holds(implementation, experiment)


@FEW
@given(problem=problems(least_keys=2), seed=st.integers(0, 99))
def test_keys_and_values_permute_together(implementation: Implementation, problem: Problem, seed: int) -> None:
    """The order of the keys does not matter, so neither does the block that the largest score falls into."""
    order = torch.randperm(problem.s, generator=torch.Generator().manual_seed(seed))
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, problem.key[..., order, :], problem.value[..., order, :]),
            f(problem.query, problem.key, problem.value),
        ),
    )


@FEW
@given(problem=problems(lengths="equal", least_keys=2), at=st.integers(0, 200))
def test_no_query_sees_its_future(implementation: Implementation, problem: Problem, at: int) -> None:
    """When causal, keys and values from position i on change neither result nor log-sum-exp of any query before i."""
    cut = 1 + at % (problem.s - 1)
    later = (torch.arange(problem.s) >= cut)[:, None]
    key, value = problem.key.where(~later, problem.key + 2), problem.value.where(~later, -problem.value - 5)

    def earlier(both: Both) -> Both:
        return both[0][..., :cut, :], both[1][..., :cut]

    judge.holds(
        implementation,
        lambda f: (
            earlier(f(problem.query, key, value, causal=True)),
            earlier(f(problem.query, problem.key, problem.value, causal=True)),
        ),
    )


@FEW
@given(problem=problems())
def test_queries_do_not_see_each_other(implementation: Implementation, problem: Problem) -> None:
    """Each query's result and log-sum-exp are the same when it is asked alone, in another place of its tile."""
    some = [0, problem.t // 2, problem.t - 1]
    judge.holds(
        implementation,
        lambda f: (
            [f(problem.query[..., i : i + 1, :], problem.key, problem.value) for i in some],
            [
                (output[..., i : i + 1, :], log_sum_exp[..., i : i + 1])
                for output, log_sum_exp in [f(problem.query, problem.key, problem.value)]
                for i in some
            ],
        ),
    )


@FEW
@given(problem=problems(batches=st.just((3,))))
def test_batch_elements_do_not_see_each_other(implementation: Implementation, problem: Problem) -> None:
    """Each element of a batch gives what it gives alone."""
    judge.holds(
        implementation,
        lambda f: (
            [torch.stack(parts) for parts in zip(*(f(*x) for x in _elements(problem)), strict=True)],
            f(problem.query, problem.key, problem.value),
        ),
    )


def _elements(problem: Problem) -> list[tuple[Tensor, Tensor, Tensor]]:
    return [(problem.query[i], problem.key[i], problem.value[i]) for i in range(problem.batch[0])]


@FEW
@given(problem=problems(), factor=st.sampled_from([-2.0, 0.5, 3.0]))
def test_linear_in_the_values(implementation: Implementation, problem: Problem, factor: float) -> None:
    """The result is linear in the values, and the log-sum-exp does not notice them."""
    query, key, other = problem.query, problem.key, problem.value.flip(-2) + 1

    def experiment(f: Any) -> tuple[Both, Both]:
        (one, log_sum_exp), (two, _) = f(query, key, problem.value), f(query, key, other)
        return f(query, key, problem.value * factor + other), (one * factor + two, log_sum_exp)

    judge.holds(implementation, experiment)


GROWTH = 2.2
"""Twice the length may take this many times the memory: 2 if it is linear, 4 if it is quadratic."""


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_with_the_length(implementation: Implementation, causal: bool) -> None:
    """Twice as many queries and keys take twice the memory, there and back. Pit: all weights at once, or a whole mask.

    Counted is what torch's allocator has given out at once, a fused kernel's own scratch included, whatever the process
    held before. The record says how many bytes there are for each query and key at the most.
    """
    options = {"causal": True} if causal else {}

    def held(n: int) -> int:
        problem = Problem((), t=n, s=n, d=2, v=2, regime="normal", seed=0)
        inputs = [implementation.rounded(x).requires_grad_() for x in (problem.query, problem.key, problem.value)]

        def there_and_back() -> Any:
            output, log_sum_exp = implementation(*inputs, **options)
            return output, log_sum_exp, torch.autograd.grad(output.sum() + log_sum_exp.sum(), inputs)

        return allocated(there_and_back, implementation.device)

    n = 800  # torch's kernel on CPU has larger tiles from 768 queries on
    short, long = held(n), held(2 * n)
    implementation.tally.value, implementation.tally.unit = long / (2 * n) ** 2, "bytes a pair"
    if long > GROWTH * short:
        message = f"{short} bytes at length {n} become {long} at {2 * n}, {long / short:.3g} times as many"
        raise judge.Rejected(f"memory must grow with the length, not with its square: {message}")
    implementation.tally.judged += 1
