"""No speed without the right answer: contests with implementations that are wrong, each in its own way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures import judge, limits, throughput, timing
from fixtures.concepts import concept
from fixtures.implementations import Implementation
from fixtures.subject import Subject
from fixtures.throughput import Contest, Outcome, Witnesses, contest, prepared
from fixtures.timing import Work
from reference.attention.scaled_dot_product import scaled_dot_product

CONCEPT = "attention.scaled_dot_product"
FEW = 0.3
"""Seconds for each competitor: enough for some dozen rounds of something so small."""

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def compete(*, device: str = "cpu", **functions: Attention) -> Contest:
    """A contest of functions in float32, on inputs drawn anew for each call."""
    own = concept(CONCEPT)
    generator = torch.Generator().manual_seed(0)

    def works(subject: Subject) -> Work:
        function = subject.load()

        def work(size: int) -> tuple[list[Tensor], Tensor]:
            inputs = [torch.randn(8, 4, generator=generator) for _ in range(3)]
            return inputs, function(*inputs)

        return work

    def certify(subject: Subject, witness: Any) -> None:
        inputs, result = witness
        replay = replace(subject.implementation, load=lambda: lambda *args: result)
        judge.agree(Subject(own, replay, "float32", device, subject.tally), *inputs)

    subjects = [
        Subject(own, Implementation(name, CONCEPT, load=lambda f=function: f), "float32", device)  # type: ignore[misc]
        for name, function in functions.items()
    ]
    with torch.no_grad():
        return contest(subjects, works, certify, device=device, seconds=FEW, tokens=8)


def right(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product(query, key, value)


def right_until(calls: int, otherwise: Callable[[Tensor], Tensor]) -> Attention:
    """Right in its first calls."""
    count = itertools.count()

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        result = right(query, key, value)
        return result if next(count) < calls else otherwise(result)

    return attention


def unranked(outcome: Outcome) -> bool:
    return outcome.rate is None and outcome.ratio is None


def test_right_ones_get_rates_and_ratios() -> None:
    def slow(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        time.sleep(0.002)
        return right(query, key, value)

    result = compete(first=right, slow=slow)
    first, last = result.outcomes["first"], result.outcomes["slow"]
    assert first.verdict == last.verdict == "pass" and result.baseline == "first"
    assert first.rate is not None and last.rate is not None and last.ratio is not None and first.ratio is None
    assert last.rate.median < first.rate.median and last.rate.median < 8 / 0.002
    assert last.ratio.high < 1
    assert first.noise == 1.0, "the reference itself"


def test_a_fast_wrong_one_is_not_timed() -> None:
    calls = itertools.count()

    def zeros(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        next(calls)
        return torch.zeros_like(value)

    result = compete(right=right, zeros=zeros)
    assert result.outcomes["zeros"].verdict == "fail" and unranked(result.outcomes["zeros"])
    assert "units of noise" in (result.outcomes["zeros"].message or "")
    assert next(calls) == 1, "called beyond its certificate"
    assert result.outcomes["right"].rate is not None


def test_garbage_after_the_first_call_is_found() -> None:
    result = compete(right=right, lazy=right_until(1, torch.zeros_like))
    assert result.outcomes["lazy"].verdict == "fail" and unranked(result.outcomes["lazy"])
    assert "in the timed loop" in (result.outcomes["lazy"].message or "")


def test_an_old_answer_to_a_new_question_is_found() -> None:
    answers: list[Tensor] = []

    def remembers(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not answers:
            answers.append(right(query, key, value))
        return answers[0]

    assert compete(right=right, remembers=remembers).outcomes["remembers"].verdict == "fail"


def test_garbage_after_the_timed_loop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here right until the race is over; the call after it, on fresh inputs, tells."""
    over = []

    def race(*args: Any, **kwargs: Any) -> Any:
        result = timing.race(*args, **kwargs)
        over.append(True)
        return result

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return torch.zeros_like(value) if over else right(query, key, value)

    monkeypatch.setattr(throughput, "race", race)
    outcome = compete(right=right, turncoat=attention).outcomes["turncoat"]
    assert outcome.verdict == "fail" and unranked(outcome)
    assert "after the timed loop" in (outcome.message or "")


@pytest.mark.parametrize("calls", [0, 1, 100])
def test_one_that_raises_leaves_the_others_their_figures(calls: int) -> None:
    def explode(result: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    result = compete(broken=right_until(calls, explode), right=right, other=right)
    assert result.outcomes["broken"].verdict == "error" and unranked(result.outcomes["broken"])
    assert "RuntimeError: out of memory" in (result.outcomes["broken"].message or "")
    assert result.outcomes["right"].rate is not None


@pytest.mark.parametrize("calls", [0, 100])
def test_one_that_hangs_is_a_timeout(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.5)

    def hang(result: Tensor) -> Tensor:
        time.sleep(60)
        return result

    result = compete(right=right, hangs=right_until(calls, hang))
    assert result.outcomes["hangs"].verdict == "timeout" and unranked(result.outcomes["hangs"])
    assert result.outcomes["right"].rate is not None


@pytest.mark.parametrize("calls", [0, 100])
def test_one_that_exits_is_an_error(calls: int) -> None:
    def leave(result: Tensor) -> Tensor:
        raise SystemExit(3)

    result = compete(right=right, leaves=right_until(calls, leave))
    assert result.outcomes["leaves"].verdict == "error"
    assert result.outcomes["right"].rate is not None


def test_nobody_right_is_no_contest() -> None:
    result = compete(zeros=lambda query, key, value: torch.zeros_like(value))
    assert result.outcomes["zeros"].verdict == "fail" and result.baseline is None


def test_what_a_device_lacks_is_unsupported() -> None:
    own = concept(CONCEPT)
    lacking = Subject(own, Implementation("lacking", CONCEPT, lambda: right, dtypes=("float64",)), "float32", "cpu")
    result = contest([lacking], lambda subject: lambda size: None, lambda subject, witness: None, device="cpu")
    assert result.outcomes["lacking"].verdict == "unsupported"
    assert "not in float32" in (result.outcomes["lacking"].message or "")


def test_witnesses_come_from_the_whole_loop() -> None:
    """Each of 40 results is kept in a twentieth of all trials, the first and the last alike."""
    counts = dict.fromkeys(range(40), 0)
    witnesses = Witnesses()
    for _ in range(4000):
        witnesses.kept.clear()
        witnesses.seen.clear()
        for round_ in range(40):
            witnesses("a", 1, round_)
        for kept in witnesses.kept["a"]:
            counts[kept] += 1  # type: ignore[index]
    assert sum(counts.values()) == 8000
    assert all(130 < count < 280 for count in counts.values())


def test_weights_are_put_in_place_once_where_that_is_offered() -> None:
    def plain(weights: dict[str, int], x: int, *, scale: int) -> int:
        return weights["w"] * x * scale

    assert prepared(Implementation("plain", CONCEPT, lambda: plain), {"w": 2}, scale=5)(3) == 30

    class Offering:
        def __call__(self, weights: dict[str, int], x: int, *, scale: int) -> int:
            raise AssertionError("called with the weights though it can have them put in place")

        def prepare(self, weights: dict[str, int], *, scale: int) -> Callable[[int], int]:
            return lambda x: weights["w"] * x * scale

    assert prepared(Implementation("offering", CONCEPT, Offering), {"w": 2}, scale=5)(3) == 30
