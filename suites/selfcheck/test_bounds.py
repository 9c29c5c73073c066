"""Tests of the judge: numbers that may differ by what rounding allows, and no more."""

from __future__ import annotations

import math
import random

import pytest

from fixtures.bounds import near, rounding
from fixtures.judge import Rejected


@pytest.mark.parametrize("seed", range(20))
def test_sums_in_any_order_are_near(seed: int):
    """Right sums stay within the bound, also where terms cancel."""
    terms = [random.Random(seed).uniform(-9, 9) for _ in range(50)]
    near(sum(terms), math.fsum(terms), rounding(len(terms), sum(map(abs, terms))))
    near(sum(sorted(terms)), math.fsum(terms), rounding(len(terms), sum(map(abs, terms))))


@pytest.mark.parametrize("wrong", [3.001, math.nan, math.inf, "3", None, [3.0, 3.0], []], ids=str)
def test_anything_else_is_rejected(wrong):
    """A little more than the limit, no number, and not as many numbers."""
    with pytest.raises(Rejected):
        near(wrong, 3.0, rounding(10, 10.0, "single"))


def test_tells_which_number_is_off():
    """Of a row the place is told."""
    with pytest.raises(Rejected, match=r"scores at index 1: expected 2\.0"):
        near([1.0, 2.5], [1.0, 2.0], 0.25, "scores")
