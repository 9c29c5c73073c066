"""Laws of FlashAttention: the way back, which makes the weights again from the log-sum-exp."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.attention import Problem, problems
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.tiles import tiled
from fixtures.subject import Subject as Implementation
from reference.attention.scaled_dot_product import scaled_dot_product

HALF = settings(max_examples=settings().max_examples // 2)
THIRD = settings(max_examples=settings().max_examples // 3)
FEW = settings(max_examples=settings().max_examples // 4)
"""For laws that show on nearly any input."""


def _random(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(like)


def _gradient(result: Tensor, leaves: list[Tensor]) -> Tensor:
    """Of all leaves in one row, so that those that vanish are measured beside the others."""
    found = torch.autograd.grad(result, leaves, _random(result, 0))
    return torch.cat([gradient.flatten() for gradient in found])


@judge.every_dtype
@HALF
@given(problem=problems())
def test_gradients_agree(implementation: Implementation, problem: Problem) -> None:
    """Gradients under random cotangents of both results are the reference's."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value)


@judge.every_dtype
@THIRD
@given(problem=problems(lengths="equal"), scale=st.sampled_from([0.3, 2.0]))
def test_gradients_agree_under_all_options(implementation: Implementation, problem: Problem, scale: float) -> None:
    """Gradients are the reference's with causal and scale given at once."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=True, scale=scale)


@FEW
@given(problem=problems(lengths="fewer queries"))
def test_gradients_agree_with_a_cache(implementation: Implementation, problem: Problem) -> None:
    """With fewer queries than keys, causal gradients are the reference's: the tiles of the way back are aligned as well."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=True)


@FEW
@given(problem=problems(lengths="more queries"))
def test_gradients_of_queries_that_see_nothing_are_zero(implementation: Implementation, problem: Problem) -> None:
    """Pit: exp(-inf - -inf) is NaN. What comes from above for such queries, of their log-sum-exp too, goes nowhere."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=True)


@HALF
@given(case=tiled(), causal=st.booleans())
def test_gradients_agree_for_any_block_size(
    implementation: Implementation, case: tuple[Problem, int], causal: bool
) -> None:
    """Whatever the tiles, short ones and those on the diagonal included, gradients are the same."""
    problem, size = case
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=causal, block_size=size)


@judge.every_dtype
@THIRD
@given(problem=problems(), causal=st.booleans())
def test_gradients_of_the_result_are_those_of_softmax_attention(
    implementation: Implementation, problem: Problem, causal: bool
) -> None:
    """Of the result alone, gradients are what autograd makes of the softmax, which keeps all weights."""
    inputs = [implementation.rounded(x).detach() for x in (problem.query, problem.key, problem.value)]
    square = [inputs[0][..., : problem.s, :], *(x[..., : problem.t, :] for x in inputs[1:])] if causal else inputs
    options: Any = {"causal": True} if causal else {}
    wide = [x.double().requires_grad_() for x in square]
    expected = _gradient(scaled_dot_product(*wide, **options), wide)

    def experiment(f: Any) -> tuple[Tensor, Tensor]:
        leaves = [x.clone().requires_grad_() for x in square]
        return _gradient(f(*leaves, **options)[0], leaves), expected

    judge.holds(implementation, experiment)


@FEW
@given(problem=problems())
def test_gradients_of_the_log_sum_exp_are_the_weights(implementation: Implementation, problem: Problem) -> None:
    """Of the log-sum-exp alone, the gradient of a score is its weight. Pit: the kernel's way back leaves it out.

    Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/_higher_order_ops/flex_attention.py, where
    `grad_logsumexp` is subtracted from D.
    """
    query, key = (implementation.rounded(x).detach() for x in (problem.query, problem.key))
    wide = [x.double().requires_grad_() for x in (query, key)]
    right = torch.logsumexp(wide[0] @ wide[1].mT / math.sqrt(problem.d), dim=-1)
    expected = _gradient(right, wide)

    def experiment(f: Any) -> tuple[Tensor, Tensor]:
        leaves = [x.clone().requires_grad_() for x in (query, key)]
        return _gradient(f(*leaves, problem.value)[1], leaves), expected

    judge.holds(implementation, experiment)


def in_float64(law: Any) -> Any:
    """Mark a law whose finite differences only float64 is fine enough for."""
    law.__assay_dtypes__ = ("float64",)
    return law


@in_float64
@FEW
@given(case=tiled(lengths="equal"), causal=st.booleans())
def test_gradients_are_slopes(implementation: Implementation, case: tuple[Problem, int], causal: bool) -> None:
    """Along a random direction of all inputs, both results change as their gradients say (central differences)."""
    problem, _ = case
    inputs = [problem.query, problem.key, problem.value]
    directions = [_random(x, seed) for seed, x in enumerate(inputs)]
    options = {"causal": True} if causal else {}
    step = 1e-4

    def experiment(f: Any) -> tuple[Tensor, Tensor]:
        def along(distance: Any) -> Tensor:
            output, log_sum_exp = f(*(x + distance * way for x, way in zip(inputs, directions, strict=True)), **options)
            return (output * _random(output, 8)).sum() + (log_sum_exp * _random(log_sum_exp, 9)).sum()

        distance = torch.zeros((), dtype=torch.float64, device=implementation.device, requires_grad=True)
        (slope,) = torch.autograd.grad(along(distance), distance)
        with torch.no_grad():
            return slope, (along(step) - along(-step)) / (2 * step)

    judge.holds(implementation, experiment)


@FEW
@given(problem=problems())
def test_second_derivatives_are_right_or_refused(implementation: Implementation, problem: Problem) -> None:
    """A gradient that is differentiated again raises, or is right. Pit: the way back, itself no graph, counts as constant."""
    inputs = [implementation.rounded(x).detach() for x in (problem.query, problem.key, problem.value)]

    def curvature(f: Any, leaves: list[Tensor]) -> Tensor:
        result = f(*leaves)
        first = torch.autograd.grad(result, leaves, _random(result, 0), create_graph=True)
        return _gradient(torch.stack([(slope * _random(slope, 1)).sum() for slope in first]).sum(), leaves)

    expected = curvature(scaled_dot_product, [x.double().requires_grad_() for x in inputs])

    def experiment(f: Any) -> tuple[Tensor, Tensor]:
        try:
            return curvature(lambda *x: f(*x)[0], [x.clone().requires_grad_() for x in inputs]), expected
        except RuntimeError:
            return expected, expected

    judge.holds(implementation, experiment)


@FEW
@given(problem=problems())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, problem: Problem) -> None:
    """What comes from above may lie in memory in any way, and come again: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda value: f(problem.query, problem.key, value)[0], problem.value),
    )


@FEW
@given(problem=problems())
def test_layout_of_the_gradient_of_the_log_sum_exp_does_not_matter(
    implementation: Implementation, problem: Problem
) -> None:
    """So may what comes for the log-sum-exp."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda key: f(problem.query, key, problem.value)[1], problem.key),
    )


@FEW
@given(problem=problems())
def test_gradients_agree_in_any_layout(implementation: Implementation, problem: Problem) -> None:
    """Gradients of transposed, gapped and fused inputs are those of contiguous ones."""
    for layout in LAYOUTS.values():
        judge.agree_gradients(implementation, *(layout(x) for x in (problem.query, problem.key, problem.value)))
