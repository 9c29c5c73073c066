"""Laws of scaled dot-product attention whose scores are biased or capped."""

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
from fixtures.strategies.attention import A_FEW, Problem, problems
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

CAPS = st.sampled_from([0.3, 2.0, 30.0])


def _tensors(problem: Problem) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Query, key, value, bias and a mask; the first key is seen by all, so that no row is empty when causal."""
    assert problem.bias is not None and problem.mask is not None
    mask = problem.mask | (torch.arange(problem.s) == 0)
    return problem.query, problem.key, problem.value, problem.bias, mask


def _empty(problem: Problem, row: int) -> Tensor:
    """The problem's mask, but for one query that may attend to nothing."""
    assert problem.mask is not None
    return problem.mask & (torch.arange(problem.t) != row)[:, None]


@judge.every_dtype
@given(problem=problems(biased=True))
def test_agrees_with_a_bias(implementation: Implementation, problem: Problem) -> None:
    """Values are the reference's where a bias is added to the scores: once, after they are scaled."""
    judge.agree(implementation, problem.query, problem.key, problem.value, bias=problem.bias)


@judge.every_dtype
@given(problem=problems(), softcap=CAPS)
def test_agrees_with_a_softcap(implementation: Implementation, problem: Problem, softcap: float) -> None:
    """Values are the reference's where a soft cap holds the scaled scores: a tanh, not a clamp."""
    judge.agree(implementation, problem.query, problem.key, problem.value, softcap=softcap)


@given(problem=problems(masked=True, biased=True, lengths="equal"), scale=st.sampled_from([0.3, 2.0]))
def test_a_bias_and_all_masks_apply_together(implementation: Implementation, problem: Problem, scale: float) -> None:
    """With bias, mask, causal and scale given at once, each does what it does alone; the scale is not the bias's."""
    query, key, value, bias, mask = _tensors(problem)
    judge.agree(implementation, query, key, value, mask=mask, causal=True, scale=scale, bias=bias)


@A_FEW
@given(problem=problems(masked=True, biased=True, lengths="fewer queries"))
def test_a_bias_and_causal_apply_with_a_cache(implementation: Implementation, problem: Problem) -> None:
    """With fewer queries than keys the bias is that of all keys, and the last query is aligned with the last key."""
    query, key, value, bias, mask = _tensors(problem)
    judge.agree(implementation, query, key, value, bias=bias, causal=True)
    judge.agree(implementation, query, key, value, bias=bias, mask=mask, causal=True)


@given(problem=problems(masked=True, biased=True, lengths="equal"), softcap=CAPS, scale=st.sampled_from([0.3, 2.0]))
def test_all_options_at_once(implementation: Implementation, problem: Problem, softcap: float, scale: float) -> None:
    """With every option given at once, each does what it does alone."""
    query, key, value, bias, mask = _tensors(problem)
    options: dict[str, Any] = {"mask": mask, "causal": True, "scale": scale, "bias": bias, "softcap": softcap}
    judge.agree(implementation, query, key, value, **options)


@A_FEW
@given(problem=problems(masked=True, biased=True))
def test_gradients_agree_with_a_bias(implementation: Implementation, problem: Problem) -> None:
    """Gradients of queries, keys and values are the reference's with a bias, alone and under a mask."""
    query, key, value, bias, mask = _tensors(problem)
    judge.agree_gradients(implementation, query, key, value, bias=bias)
    judge.agree_gradients(implementation, query, key, value, bias=bias, mask=mask)


@A_FEW
@given(problem=problems(masked=True, biased=True, lengths="equal"), softcap=CAPS)
def test_gradients_agree_with_a_softcap(implementation: Implementation, problem: Problem, softcap: float) -> None:
    """Gradients are the reference's under a cap, alone and with every other option: the tanh has a slope below 1."""
    query, key, value, bias, mask = _tensors(problem)
    judge.agree_gradients(implementation, query, key, value, softcap=softcap)
    options: dict[str, Any] = {"mask": mask, "causal": True, "scale": 0.7, "bias": bias, "softcap": softcap}
    judge.agree_gradients(implementation, query, key, value, **options)


def _with_its_gradient(f: Callable[[Tensor], Tensor], bias: Tensor) -> list[Tensor]:
    """What `f` makes of the bias, and the bias's gradient under a random cotangent."""
    bias = bias.detach().clone().requires_grad_()
    result = f(bias)
    above = torch.randn(result.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(result)
    return [result.detach(), torch.autograd.grad(result, bias, above)[0]]


@pytest.mark.parametrize("kept", ["all", "per query", "per key", "one number"])
@A_FEW
@given(problem=problems(biased=True))
def test_a_bias_is_as_good_as_more_features(implementation: Implementation, kept: str, problem: Problem) -> None:
    """Values, and gradients of the bias, are those of further features whose products are the bias; it broadcasts.

    The query gets its row of the bias, each key a feature of its own that is 1, so that their product is the bias.
    """
    assert problem.bias is not None
    bias = problem.bias[(0,) * len(problem.batch)]  # shared by the batch: its gradients add up
    bias = {"all": bias, "per query": bias[:, :1], "per key": bias[0], "one number": bias[0, 0]}[kept]
    whole, scale = (*problem.batch, problem.t, problem.s), 0.5
    own = torch.eye(problem.s, dtype=torch.float64).expand(*problem.batch, problem.s, problem.s)

    def as_features(f: Callable[..., Tensor], bias: Tensor) -> Tensor:
        query = torch.cat([problem.query, bias.expand(whole) / scale], dim=-1)
        return f(query, torch.cat([problem.key, own], dim=-1), problem.value, scale=scale)

    judge.holds(
        implementation,
        lambda f: (
            _with_its_gradient(lambda b: f(problem.query, problem.key, problem.value, scale=scale, bias=b), bias),
            _with_its_gradient(lambda b: as_features(f, b), bias),
        ),
    )


@A_FEW
@given(problem=problems(masked=True, biased=True), shift=st.sampled_from([-3.0, 20.0, -(2.0**14)]))
def test_a_constant_bias_changes_nothing(implementation: Implementation, problem: Problem, shift: float) -> None:
    """What is added to all scores of a query alike has no effect, whether it is one number or one for each query, also
    one so far below zero that it might be taken for a mask."""
    query, key, value, bias, mask = _tensors(problem)
    judge.holds(
        implementation,
        lambda f: (
            [f(query, key, value, mask=mask, bias=bias[..., :1] + shift), f(query, key, value, bias=bias + shift)],
            [f(query, key, value, mask=mask), f(query, key, value, bias=bias)],
        ),
    )


@A_FEW
@given(problem=problems(masked=True, biased=True), empty=st.integers(0, 40))
def test_minus_infinity_in_the_bias_is_a_mask(implementation: Implementation, problem: Problem, empty: int) -> None:
    """A key of bias minus infinity is not attended to: the same as under a mask, in a row that sees nothing as well."""
    query, key, value, bias, _ = _tensors(problem)
    mask = _empty(problem, empty % problem.t)
    hidden = bias.masked_fill(~mask, -math.inf)
    result = implementation(query, key, value, bias=hidden)
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., empty % problem.t, :])
    if problem.t > 1:
        judge.holds(
            implementation, lambda f: (f(query, key, value, bias=hidden), f(query, key, value, mask=mask, bias=bias))
        )


@A_FEW
@given(problem=problems(masked=True, biased=True).filter(lambda problem: problem.t > 1))
def test_gradients_where_the_bias_hides(implementation: Implementation, problem: Problem) -> None:
    """Pit: minus infinity in a bias makes NaN of the gradient of a row that sees nothing, where the values are right."""
    query, key, value, bias, _ = _tensors(problem)
    judge.agree_gradients(implementation, query, key, value, bias=bias.masked_fill(~_empty(problem, 0), -math.inf))


@judge.every_dtype
@A_FEW
@given(problem=problems(masked=True, biased=True, least_keys=2).filter(lambda problem: problem.t > 1))
def test_a_row_that_sees_nothing_has_a_bias(implementation: Implementation, problem: Problem) -> None:
    """A fully masked row stays 0 with a bias below 0. Pit: finfo.min and a bias add up to -inf in half precision, so to NaN.

    Source: masks of transformers are finfo.min; x-transformers halves its masks where two may meet.
    """
    query, key, value, bias, _ = _tensors(problem)
    mask, bias = _empty(problem, 0), bias - 40
    result = implementation(query, key, value, mask=mask, bias=bias)
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., 0, :])
    judge.agree(implementation, query, key, value, mask=mask, bias=bias)


@judge.every_dtype
@A_FEW
@given(problem=problems(masked=True, biased=True))
def test_the_least_number_hides_as_well(implementation: Implementation, problem: Problem) -> None:
    """Where another key is seen, a bias of finfo.min hides one, under a mask and below a negative score too."""
    query, key, value, bias, mask = _tensors(problem)
    least = torch.finfo(getattr(torch, implementation.dtype or "float64")).min
    hidden = (torch.arange(problem.s) % 3 == 1) | ~mask
    judge.agree(implementation, query, key, value, bias=bias.masked_fill(hidden, least), mask=mask)


@given(problem=problems(masked=True, biased=True, least_keys=2), softcap=st.sampled_from([0.1, 1.0]))
def test_the_cap_comes_before_the_mask(implementation: Implementation, problem: Problem, softcap: float) -> None:
    """What is masked stays hidden under a cap, however large it is. Pit: a capped -inf is -c, and seen again.

    Source: https://github.com/onnx/onnx/issues/7865, the Attention operator as it was defined at first.
    """
    query, key, value, _, mask = _tensors(problem)
    hidden = torch.arange(problem.s) % 2 == 1
    mask, size = mask & ~hidden, 1e3
    other_key, other_value = key.where(~hidden[:, None], size), value.where(~hidden[:, None], -size)
    judge.holds(
        implementation,
        lambda f: (
            f(query, other_key, other_value, mask=mask, softcap=softcap),
            f(query, key, value, mask=mask, softcap=softcap),
        ),
    )


@A_FEW
@given(problem=problems(masked=True, biased=True, least_keys=2), softcap=st.sampled_from([0.1, 1.0]))
def test_the_cap_comes_before_the_bias(implementation: Implementation, problem: Problem, softcap: float) -> None:
    """A bias is not capped: it may be far above the cap, and minus infinity still hides."""
    query, key, value, bias, mask = _tensors(problem)
    judge.agree(implementation, query, key, value, bias=5 * bias, softcap=softcap)
    judge.agree(implementation, query, key, value, bias=bias.masked_fill(~mask, -math.inf), softcap=softcap)


@A_FEW
@given(problem=problems(least_keys=2), softcap=CAPS)
def test_no_score_exceeds_the_cap(implementation: Implementation, problem: Problem, softcap: float) -> None:
    """Scores of thousands end at plus or minus the cap. Pit: a tanh written with exp overflows to NaN."""
    query, key = problem.query.sign() * 100, problem.key.sign() * 100
    judge.agree(implementation, query, key, problem.value, softcap=softcap)


@A_FEW
@given(problem=problems())
def test_a_wide_cap_is_none(implementation: Implementation, problem: Problem) -> None:
    """A cap far above all scores leaves them as they are."""
    query, key, value = problem.query, problem.key, problem.value
    judge.holds(implementation, lambda f: (f(query, key, value, softcap=1e9), f(query, key, value)))


@A_FEW
@given(problem=problems(biased=True))
def test_layout_of_the_bias_does_not_matter(implementation: Implementation, problem: Problem) -> None:
    """A bias may be transposed, gapped, a part of a wider one, or the same memory for a whole batch."""
    assert problem.bias is not None
    shared = problem.bias[(0,) * len(problem.batch)].expand(problem.bias.shape)
    for bias in [shared, *(layout(problem.bias) for layout in LAYOUTS.values())]:
        judge.agree(implementation, problem.query, problem.key, problem.value, bias=bias)


@pytest.mark.parametrize("shape", [(3, 4), (4, 5)])
def test_a_bias_that_does_not_fit_raises(implementation: Implementation, shape: tuple[int, ...]) -> None:
    """A bias that cannot be broadcast to queries by keys raises."""
    query, key, value = (torch.ones(shape, dtype=torch.float64) for shape in ((3, 4), (5, 4), (5, 2)))
    judge.rejects(implementation, query, key, value, bias=torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("softcap", [0.0, -1.0])
def test_a_cap_that_is_not_positive_raises(implementation: Implementation, softcap: float) -> None:
    """A cap of 0 would leave no score, a negative one is none: both raise. Pit: 0 for "no cap", as flash-attn has it."""
    query, key, value = (torch.ones(shape, dtype=torch.float64) for shape in ((3, 4), (5, 4), (5, 2)))
    judge.rejects(implementation, query, key, value, softcap=softcap)
