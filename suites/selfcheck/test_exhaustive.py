"""Tests of the comparison on every 16-bit number: the rules it states, each seen to accept and to reject."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fixtures import exhaustive
from fixtures.judge import Rejected
from suites.selfcheck.subjects import toy

DTYPES = ("bfloat16", "float16")


def double(x: Tensor) -> Tensor:
    return 2 * x


def judged(call: Callable[[Tensor], Tensor], dtype: str, reference: Callable[[Tensor], Tensor] = double):
    subject = toy(call, reference, dtype=dtype)
    exhaustive.agree(subject)
    return subject.tally


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_is_there_once(dtype: str) -> None:
    bits = exhaustive.numbers(dtype).view(torch.int16).tolist()
    assert sorted(bits) == list(range(-(2**15), 2**15))


@pytest.mark.parametrize("dtype", DTYPES)
def test_spacing_is_the_distance_to_the_next_number(dtype: str) -> None:
    x = exhaustive.numbers(dtype)
    x = x[(x >= 0) & (x < torch.finfo(x.dtype).max)]
    after = torch.nextafter(x, torch.full_like(x, math.inf))
    assert torch.equal(exhaustive.spacing(x.double(), dtype), after.double() - x.double())


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_right_function_is_exact_and_counted(dtype: str) -> None:
    tally = judged(lambda x: x + x, dtype)
    assert (tally.value, tally.unit, tally.judged) == (0.0, "ulp", 2**16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_error_is_in_units_in_the_last_place(dtype: str) -> None:
    def two_off(x: Tensor) -> Tensor:
        return torch.where(x == 1.5, 3 + 4 * torch.finfo(x.dtype).eps, 2 * x)  # at 3 a unit is two epsilons

    assert judged(two_off, dtype).value == 2.0


WRONG = {
    "one number in 65,536": lambda x: torch.where(x == 1.5, 3.25, 2 * x),
    "NaN swallowed": lambda x: (2 * x).nan_to_num(0.0, math.inf, -math.inf),
    "NaN of a number": lambda x: (2 * x).masked_fill(x == 0.75, math.nan),
    "infinity made finite": lambda x: (2 * x).nan_to_num(math.nan),
    "infinity of a number": lambda x: (2 * x).masked_fill(x == 7, math.inf),
    "the other infinity": lambda x: torch.where(x.isinf(), -x, 2 * x),
    "another shape": lambda x: 2 * x[:-1],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_breaks_a_rule_is_rejected(wrong: str, dtype: str) -> None:
    with pytest.raises(Rejected):
        judged(WRONG[wrong], dtype)


def test_only_bfloat16_may_flush_subnormal_results() -> None:
    def flushed(x: Tensor) -> Tensor:
        return (2 * x).masked_fill((2 * x).abs() < torch.finfo(x.dtype).smallest_normal, 0)

    judged(flushed, "bfloat16")
    with pytest.raises(Rejected):
        judged(flushed, "float16")


def test_the_undefined_is_not_judged() -> None:
    def reference(x: Tensor) -> Tensor:
        return x.where(~x.isinf(), math.nan)

    assert judged(lambda x: x, "float16", reference).judged == 2**16 - 2


def test_careful_ones_set_the_limit_where_they_lose_and_nowhere_else() -> None:
    def coarse(x: Tensor) -> Tensor:
        return torch.where((x >= 1) & (x < 2), 2.5, 2 * x)

    subject = toy(coarse, double, coarse, dtype="float16")
    subject._loaded = lambda x: coarse(x)  # another function than the variant, that does the same
    exhaustive.agree(subject)
    subject._loaded = lambda x: torch.where((x >= 4) & (x < 8), 10.0, 2 * x)
    with pytest.raises(Rejected):
        exhaustive.agree(subject)
