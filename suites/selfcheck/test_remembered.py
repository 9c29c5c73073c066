"""What careful functions gave is computed once for the same inputs, and never taken for what others would give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import remembered as memory
from fixtures.remembered import fingerprint, remembered


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", type(memory._kept)())
    monkeypatch.setattr(memory, "_bytes", 0)


class Counted:
    """Doubles its input, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * 2

    def ask(self, x: Any) -> Any:
        return remembered((self,), fingerprint(x), lambda: self(x))


def test_equal_inputs_are_computed_once_and_results_are_nobody_elses() -> None:
    twice = Counted()
    first = twice.ask(torch.ones(3))
    first.zero_()
    assert twice.ask(torch.ones(3)).tolist() == [2, 2, 2] and twice.calls == 1
    other = Counted()
    assert other.ask(torch.ones(3)).tolist() == [2, 2, 2] and other.calls == 1


ODD = {
    "another value": torch.tensor([1.0, 1.0, 2.0]),
    "minus zero": torch.tensor([1.0, 1.0, -0.0]),
    "another dtype": torch.ones(3, dtype=torch.float64),
    "another shape": torch.ones(3, 1),
    "another layout": torch.ones(6)[::2],
    "repeats": torch.ones(1).expand(3),
    "whole numbers": torch.ones(3, dtype=torch.int32),
    "nothing": torch.ones(0),
    "no axis": torch.ones(()),
}


def test_whatever_differs_has_another_fingerprint() -> None:
    plain = [torch.ones(3), torch.tensor([1.0, 1.0, 0.0]), *ODD.values()]
    assert len({fingerprint(one) for one in plain}) == len(plain)
    kinds = [1, 1.0, True, "1", None, (1,), {"1": 1}, {"1": None}, ("1", "1"), (("1",), "1"), ("1", ("1",))]
    assert len({fingerprint(one) for one in kinds}) == len(kinds)


@given(left=st.lists(st.text()), right=st.lists(st.text()))
def test_texts_do_not_run_together(left: list[str], right: list[str]) -> None:
    assert (fingerprint(tuple(left)) == fingerprint(tuple(right))) == (left == right)


@pytest.mark.parametrize("name", ["bfloat16", "complex, seen as its conjugate", "bool", "one row apart"])
def test_any_tensor_has_one(name: str) -> None:
    tensors = {
        "bfloat16": torch.ones(2, 3, dtype=torch.bfloat16).mT,
        "complex, seen as its conjugate": torch.ones(3, dtype=torch.complex64).conj(),
        "bool": torch.ones(3, dtype=torch.bool),
        "one row apart": torch.zeros(1, 8)[:, ::8],
    }
    assert fingerprint(tensors[name]) is not None


def test_what_may_change_or_learns_is_computed_again() -> None:
    """A list is filled by whoever gets it, and a result with a gradient is more than its values."""
    for what in ([torch.ones(1)], {"cache": []}, torch.ones(1, requires_grad=True), object()):
        assert fingerprint(what) is None


def test_results_that_are_not_tensors_are_not_kept() -> None:
    calls: list[int] = []
    for _ in range(2):
        remembered(("objects",), fingerprint(1), lambda: calls.append(1))
    assert len(calls) == 2


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LIMIT", 8 * 30)
    twice = Counted()

    def asked(value: int) -> int:
        before = twice.calls
        twice.ask(torch.full((3,), value))
        return twice.calls - before

    assert [asked(value) for value in range(11)] == [1] * 11
    assert asked(10) == 0 and asked(0) == 1, "the oldest is gone"
    assert memory._bytes <= memory.LIMIT and memory._bytes == sum(x.numel() * 8 for x in memory._kept.values())


def test_large_results_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LIMIT", 8 * 8)
    twice = Counted()
    big: Tensor = torch.ones(9, dtype=torch.int8)
    assert [twice.ask(big).tolist() for _ in range(2)] == [[2] * 9] * 2 and twice.calls == 2
