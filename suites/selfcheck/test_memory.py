"""The memory of a computation is its own: not what was there before, nor what goes meanwhile."""

from __future__ import annotations

import gc

import pytest
import torch

from fixtures.memory import allocated

COUNT = 1000


class Ring:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.own, self.kept = self, torch.ones(1000 * COUNT)


def made() -> torch.Tensor:
    """`COUNT` numbers of 4 bytes, made while the collector runs."""
    gc.collect()
    return torch.ones(COUNT)


def test_what_an_earlier_call_left_behind_is_not_taken_off() -> None:
    assert allocated(Ring) >= 4000 * COUNT
    assert allocated(made) == pytest.approx(4 * COUNT, abs=64)


def test_what_was_there_before_costs_nothing() -> None:
    kept = torch.ones(1000 * COUNT)
    assert allocated(made) == pytest.approx(4 * COUNT, abs=64)
    assert len(kept) == 1000 * COUNT
