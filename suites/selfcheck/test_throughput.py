"""No speed without the right answer: contests with implementations that are wrong, each in its own way."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor

from fixtures import contention, judge, limits, throughput, timing
from fixtures.concepts import concept
from fixtures.contests import over_lengths
from fixtures.estimates import compared
from fixtures.implementations import Implementation
from fixtures.subject import Subject
from fixtures.throughput import Contest, Outcome, Witnesses, contest, prepared
from fixtures.timing import Policy, Race, Stopwatch, Work
from reference.attention.scaled_dot_product import scaled_dot_product
from suites.selfcheck.fake_machine import Machine

CONCEPT = "attention.scaled_dot_product"

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Time passes only in `right`; the limit on calls is the real one, the lock one of our own."""
    fake = Machine(noise=0.02)
    monkeypatch.setattr(f"{__name__}.spend", fake.spend)
    monkeypatch.setattr(throughput, "stopwatch", lambda device, guard: Stopwatch(fake.clock, guard=guard))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return fake


def spend(seconds: float) -> None:
    pytest.fail("time passes only on the machine that the fixture puts in this function's place")


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
        return contest(subjects, works, certify, device=device, seconds=1, tokens=8)


def right(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    spend(0.01)
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
        spend(0.01)
        return right(query, key, value)

    result = compete(first=right, slow=slow)
    first, last = result.outcomes["first"], result.outcomes["slow"]
    assert first.verdict == last.verdict == "pass" and result.baseline == "first"
    assert first.rate is not None and last.rate is not None and last.ratio is not None and first.ratio is None
    assert first.rate.median == pytest.approx(8 / 0.01, rel=0.05)
    assert last.rate.median == pytest.approx(8 / 0.02, rel=0.05)
    assert last.ratio.median == pytest.approx(0.5, rel=0.05)
    assert first.noise is not None and first.noise <= 1, "the reference itself"


def test_the_ratio_to_the_baseline_is_told() -> None:
    """Rounds go on for it."""

    def slower(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        spend(0.0005)
        return right(query, key, value)

    result = compete(first=right, slower=slower, other=right)
    assert result.race is not None and result.race.told("first")
    words = {name: [compared(o.ratio) for o in [outcome] if o.ratio] for name, outcome in result.outcomes.items()}
    assert words == {"first": [], "slower": ["SLOWER"], "other": ["SAME"]}


def test_a_ratio_is_recorded_with_its_word() -> None:
    """Of a contest over lengths, that of the greatest."""
    times = {"ours": {1: [1.0] * 8, 4: [4.0] * 8}, "theirs": {1: [2.0] * 8, 4: [4.0, 4.01] * 4}}
    samples = {name: blocks[4] for name, blocks in times.items()}
    lengths = Race(Policy(), blocks=times, samples=samples)
    rate = lengths.seconds("ours").per_second()
    result = Contest({}, "theirs", False, (), lengths)
    facts = {"implementation": "ours", "metric": "forward", "unit": "tokens/s", "settings": {}, "better": "higher"}
    rows = over_lengths(facts, result, Outcome("pass", rate=rate, ratio=rate), lengths=[1, 4], setting="tokens")
    told = [row for row in rows if row["metric"] == "forward ratio"]
    assert [(row["unit"], row["comparison"], row["margin"], row["n"]) for row in told] == [
        ("x theirs", "SAME", 0.025, 8)
    ]
    assert not any("comparison" in row for row in rows if row not in told)


def test_a_fast_wrong_one_is_not_timed() -> None:
    calls = itertools.count()

    def zeros(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        next(calls)
        spend(0.001)
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
        spend(0.001)
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


@pytest.mark.parametrize("calls", [0, 1, 15])
def test_one_that_raises_leaves_the_others_their_figures(calls: int) -> None:
    def explode(result: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    result = compete(broken=right_until(calls, explode), right=right, other=right)
    assert result.outcomes["broken"].verdict == "error" and unranked(result.outcomes["broken"])
    assert "RuntimeError: out of memory" in (result.outcomes["broken"].message or "")
    assert result.outcomes["right"].rate is not None


@pytest.mark.parametrize("calls", [0, 15])
def test_one_that_hangs_is_a_timeout(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.5)

    def hang(result: Tensor) -> Tensor:
        time.sleep(60)
        return result

    result = compete(right=right, hangs=right_until(calls, hang))
    assert result.outcomes["hangs"].verdict == "timeout" and unranked(result.outcomes["hangs"])
    assert result.outcomes["right"].rate is not None


class Mute(Exception):
    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize("calls", [0, 15])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(3), "raised SystemExit: 3"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (Mute(), "raised Mute: <Mute whose __str__ raises LookupError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_that_exits_is_an_error(
    error: BaseException, message: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "asked_to_stop", lambda: False)

    def leave(result: Tensor) -> Tensor:
        raise error

    result = compete(right=right, leaves=right_until(calls, leave))
    assert (result.outcomes["leaves"].verdict, result.outcomes["leaves"].message) == ("error", message)
    assert result.outcomes["right"].rate is not None


def test_nobody_right_is_no_contest() -> None:
    result = compete(zeros=lambda query, key, value: torch.zeros_like(value))
    assert result.outcomes["zeros"].verdict == "fail" and result.baseline is None


def test_too_few_rounds_are_no_figure() -> None:
    def slow(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        spend(0.5)
        return right(query, key, value)

    result = compete(slow=slow, slower=slow)
    assert result.outcomes["slow"].verdict == "inconclusive" and unranked(result.outcomes["slow"])
    assert "no interval: " in (result.outcomes["slow"].message or "")


def test_a_contest_has_its_device_to_itself() -> None:
    tried: list[bool] = []

    def curious(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not tried:
            tried.append(True)
            with contention.exclusive("cpu", patience=0.01, say=lambda message: None):
                pass
        return right(query, key, value)

    result = compete(curious=curious)
    assert result.outcomes["curious"].verdict == "error" and tried
    assert "DeviceBusy" in (result.outcomes["curious"].message or "")


@pytest.mark.parametrize(("load", "contended"), [(0.3, True), (0.2, False), (None, False)])
def test_other_load_is_marked(load: float | None, contended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention.Neighbours, "load", lambda self: load)
    monkeypatch.setattr(contention.Neighbours, "limit", 0.25)
    result = compete(right=right)
    assert result.contended is contended
    assert result.notes == (("other processes used 0.30 cores meanwhile",) if contended else ())


def test_checks_of_shapes_are_not_timed() -> None:
    """They would cost the reference more than a quarter of its speed in decoding, where calls are short."""
    states: list[bool] = []

    def watching(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        states.append(jaxtyping.config.jaxtyping_disable)
        return right(query, key, value)

    compete(watching=watching)
    assert states[0] is False and states[-1] is False, "certificates are given with them"
    assert all(states[1:-1]) and len(states) > 10
    assert jaxtyping.config.jaxtyping_disable is False


def test_what_a_device_lacks_is_unsupported() -> None:
    own = concept(CONCEPT)
    lacking = Subject(own, Implementation("lacking", CONCEPT, lambda: right, dtypes=("float64",)), "float32", "cpu")
    try:
        result = contest([lacking], lambda subject: lambda size: None, lambda subject, witness: None, device="cpu")
    except pytest.skip.Exception:
        pytest.fail("the whole contest was skipped")
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
