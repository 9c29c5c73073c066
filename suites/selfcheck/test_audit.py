"""The audit of the measuring: passed by the timer that there is, failed by timers that are wrong, each in its own way."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fixtures import audit, estimates, timing
from fixtures.estimates import Estimate
from fixtures.timing import Policy, Race, Stopwatch, Work, race, rotated
from reports.__main__ import main
from reports.audits import COPIES, SLOWED, findings
from suites.selfcheck.fake_machine import Restless
from suites.selfcheck.reports_synthetic import built, record, text
from suites.selfcheck.runs import finish, records, run, start, wait_until

TRIALS = 60


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of races with torch in memory would spend their time on collecting garbage."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def missed(timer: Callable[..., Race] = race, *, noise: float = 0.04) -> list[str]:
    """The goals that the timer does not reach on a restless machine, on which a call takes half a millisecond."""
    words = []
    for seed in range(TRIALS):
        for slowed in (False, True):
            machine = Restless(2 * seed + slowed, noise)
            copies = partial(_copy, machine)
            words.append((SLOWED if slowed else COPIES, audit.trial(slowed, copies, machine.watch, timer=timer).word))
    return [f"{one.metric}, {one.what}" for one in findings(words) if not one.met]


def _copy(machine: Restless, calls: int) -> Work:
    return machine.work(calls * 0.0005)


SAME, WRONG, SLOWER = (
    f"{COPIES}, told to be the same",
    f"{COPIES}, told to be faster or slower",
    f"{SLOWED}, told to be slower",
)


def test_the_timer_passes() -> None:
    assert not missed()


def test_a_timer_that_takes_one_after_the_other_fails() -> None:
    """While the second runs the machine is not what it was when the first did."""

    def uninterleaved(competitors: dict[str, Work], *, policy: Policy, stopwatch: Stopwatch, baseline: str) -> Race:
        alone = [race({name: work}, policy=policy, stopwatch=stopwatch) for name, work in competitors.items()]
        rounds = min(len(one.orders) for one in alone)
        whole = alone[0]
        for one in alone[1:]:
            whole.blocks |= one.blocks
            whole.samples |= one.samples
            whole.warm_ups |= one.warm_ups
        whole.samples = {name: samples[:rounds] for name, samples in whole.samples.items()}
        whole.blocks = {name: {1: by[1][:rounds]} for name, by in whole.blocks.items()}
        return whole

    assert {SAME, SLOWER} <= set(missed(uninterleaved))


@pytest.mark.parametrize(("turned", "wrong"), [(True, 0), (False, TRIALS)])
def test_a_timer_that_always_begins_with_the_same_one_fails(
    turned: bool, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here whoever is second in a round is slower by 6 %. Only where they take turns does that fall out."""
    order: list[Any] = []

    def noted(items: list[Any], number: int) -> list[Any]:
        found = rotated(items, number if turned else 0)
        order[:] = found if isinstance(found[0], str) else order
        return found

    monkeypatch.setattr(timing, "rotated", noted)
    words = []
    for seed in range(TRIALS):
        machine, names = Restless(seed), iter((audit.OURS, audit.THEIRS))

        def copy(calls: int, machine: Restless = machine, names: Iterator[str] = names) -> Work:
            name = next(names)
            return machine.work(lambda _: calls * 0.0005 * (1.06 if order[-1:] == [name] else 1))

        words.append(audit.trial(False, copy, machine.watch).word)
    assert words.count("FASTER") + words.count("SLOWER") == wrong


def test_intervals_that_are_too_narrow_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(samples: Any, **options: Any) -> Estimate:
        found = estimates.estimate(samples, **options)
        return replace(found, low=found.median, high=found.median, converged=len(samples) >= 10)

    monkeypatch.setattr(timing, "estimate", narrow)
    assert {SAME, WRONG} <= set(missed(noise=0.1))


def test_intervals_that_are_too_wide_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are never wrong, and tell nothing."""

    def wide(samples: Any, **options: Any) -> Estimate:
        found = estimates.estimate(samples, **options)
        return replace(found, low=min(samples), high=max(samples))

    monkeypatch.setattr(timing, "estimate", wide)
    assert missed() == [SAME, SLOWER]


def test_the_slow_one_does_5_percent_more_of_the_same() -> None:
    counts: list[int] = []
    machine = Restless()

    def copies(calls: int) -> Work:
        counts.append(calls)
        return _copy(machine, calls)

    for slowed in (True, False):
        audit.trial(slowed, copies, machine.watch)
    assert counts == [21, 20, 20, 20] and counts[0] / counts[1] == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("same", "wrong", "slower", "unmet"),
    [
        (95, 1, 95, []),
        (94, 1, 95, ["told to be the same"]),
        (95, 2, 95, ["told to be faster or slower"]),
        (95, 0, 94, ["told to be slower"]),
    ],
)
def test_the_goals(same: int, wrong: int, slower: int, unmet: list[str]) -> None:
    copies = ["SAME"] * same + ["FASTER"] * wrong + ["AMBIGUOUS"] * (100 - same - wrong)
    slowed = ["SLOWER"] * slower + ["AMBIGUOUS"] * (100 - slower)
    words = [(COPIES, word) for word in copies] + [(SLOWED, word) for word in slowed]
    assert [one.what for one in findings(words) if not one.met] == unmet
    assert all(one.low <= one.k / one.n <= one.high for one in findings(words))
    assert findings([]) == []


def trials(**fields: Any) -> list[Any]:
    """Records of an audit: 20 trials of either kind, of which one each is not told."""
    plain: dict[str, Any] = {"kind": "power", "implementation": "assay", "unit": "x the other copy", "margin": 0.025}
    told = [("AMBIGUOUS", "inconclusive") if number == 7 else ("", "pass") for number in range(20)]
    return [
        record(
            None,
            **plain | fields,
            metric=metric,
            value=value,
            low=value - 0.01,
            high=value + 0.01,
            comparison=word or right,
            verdict=verdict,
            settings={"trial": number},
            n=50,
            duration=1.2,
        )
        for metric, value, right in ((COPIES, 1.0, "SAME"), (SLOWED, 0.95, "SLOWER"))
        for number, (word, verdict) in enumerate(told)
    ]


def test_the_page_of_timing(tmp_path: Path) -> None:
    site = built(tmp_path, trials(contended=True))
    page = text(site / "timing.html")
    assert page.count("19 / 20 95.0 %") == 2 and "0 / 20 0 % 0 – 16.11 %" in page
    assert "40 of 40 trials were contended" in page and "1.2 s and 50 rounds" in page
    assert (site / "timing.html").read_text().count('class="trial unclear"') == 4, "a line and a dot each"
    assert "attention.scaled_dot_product" not in text(site / "power.html"), "a trial is no power of a concept's laws"


def test_an_audit_that_was_never_run_says_how(tmp_path: Path) -> None:
    assert "pytest suites/throughput --audit 100" in text(built(tmp_path, [record()]) / "timing.html")


# Whole runs


def test_an_audit_runs_and_one_without_a_slowdown_fails(tmp_path: Path) -> None:
    """What was to be slower is not: its trials cannot be told to be."""
    plugin = "import fixtures.audit\nfixtures.audit.EXTRA = 0\nfixtures.audit.SECONDS = 0.5\n"
    done = run(tmp_path / "planted", "suites/throughput", "--audit", "2", "-q", "-p", "no:xdist", plugin=plugin)
    assert done.code == 1 and "one slowed by 5 %: 0 of 2 told to be slower (at least 95 %)" in done.output
    kinds = [(r["metric"], r["settings"]["trial"]) for r in done.records]
    assert kinds == [(COPIES, 0), (SLOWED, 0), (COPIES, 1), (SLOWED, 1)]
    assert all(r["comparison"] and r["n"] and r["low"] <= r["value"] <= r["high"] for r in done.records)


def test_a_killed_audit_keeps_what_it_had(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = start(folder, "suites/throughput", "--audit", "500", "-q", "-p", "no:xdist")
    try:
        wait_until(lambda: len(records(folder)) >= 2, "two trials were on record", 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    finish(process, folder)
    assert main(["build", str(folder), "--to", str(tmp_path / "site")]) == 0
    assert "two copies told to be the same" in text(tmp_path / "site" / "timing.html")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--audit", "0"], "write a number of trials"),
        (["--audit", "2", "--controls"], "write one at a time"),
        (["--audit", "2", "-n", "2"], "write -p no:xdist"),
    ],
)
def test_an_audit_that_cannot_be_is_one_message(words: list[str], message: str, tmp_path: Path) -> None:
    done = run(tmp_path, "suites/throughput", "-q", *words)
    assert done.code == 4 and message in done.output and not done.records


def test_without_the_option_there_is_no_trial(tmp_path: Path) -> None:
    done = run(tmp_path, "suites/throughput/test_audit.py", "-q", "-p", "no:xdist", "--collect-only")
    assert "test_trial" not in done.output
