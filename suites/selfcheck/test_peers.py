"""Other timers beside ours, on a machine whose speed is known: who is sound agrees, and who is not is told why."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures import peers, timing
from fixtures.peers import Beside, Peer, Reading, beside, plain_loop, torch_benchmark
from suites.selfcheck.fake_machine import Machine
from suites.selfcheck.reports_synthetic import built, record, text


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda: 0)


def timed(machine: Machine, **more: Peer) -> dict[str, Beside]:
    """Calls of 10 ms, of which the first of each that is made takes 100."""

    def make() -> Callable[[], object]:
        calls: list[None] = []

        def call() -> None:
            machine.spend(0.01 if calls else 0.1)
            calls.append(None)

        return call

    found = {"torch": torch_benchmark(machine.clock), "loop": plain_loop(machine.watch)} | more
    return beside(make, found, machine.watch)


def test_a_sound_timer_agrees_and_a_plain_loop_counts_the_cold_calls() -> None:
    found = timed(Machine(noise=0.01))
    assert found["torch"].ratio.median == pytest.approx(1, rel=0.02) and found["torch"].agrees
    assert found["loop"].ratio.median == pytest.approx(1.9, rel=0.03) and not found["loop"].agrees
    assert found["assay"].seconds.median == pytest.approx(0.01, rel=0.02)
    first, rest = re.findall(r"took (\S+) times .* give (\S+) times our figure", found["loop"].why)[0]
    assert float(first) == pytest.approx(10, rel=0.03) and float(rest) == pytest.approx(1, rel=0.03)


def test_if_ours_were_wrong_a_sound_timer_would_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here our clock is read while work is still queued, so to say: each block seems a fifth shorter."""
    honest = timing.Stopwatch.time

    def short(watch: Any, work: Any, size: int, repeats: int) -> tuple[float, object]:
        seconds, result = honest(watch, work, size, repeats)
        return 0.8 * seconds, result

    monkeypatch.setattr(timing.Stopwatch, "time", short)
    found = timed(Machine(noise=0.01))["torch"]
    assert not found.agrees and found.ratio.low > 1.2


def test_cold_calls_that_we_counted_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(work: Any, size: int, *rest: Any) -> timing.WarmUp:
        return timing.WarmUp(calls=0, seconds=0.0, steady=True, call=1.0)

    monkeypatch.setattr(timing, "warm_up", at_once)
    monkeypatch.setattr(peers, "SPAN", 0.0)
    assert not timed(Machine())["torch"].agrees


def test_doubt_is_no_disagreement() -> None:
    own = [Reading(1.0)] * 6
    unclear = [Reading(value) for value in (0.5, 1.05, 1.3, 1.4, 1.5, 1.6)]
    peer = Peer(lambda call: Reading(1.0), "differs")
    assert Beside("a", peer, unclear, own).agrees
    assert not Beside("a", peer, [replace(one, seconds=one.seconds + 1) for one in unclear], own).agrees
    assert Beside("a", peer, unclear, own).why == "differs"


def test_everybody_takes_every_turn_on_work_of_their_own() -> None:
    turns: list[tuple[str, object]] = []

    def peer(name: str) -> Peer:
        def time(call: Callable[[], object]) -> Reading:
            turns.append((name, call))
            return Reading(1.0)

        return Peer(time, "")

    found = timed(Machine(), one=peer("one"), other=peer("other"))
    assert [len(found[name].readings) for name in ("one", "other")] == [6, 6]
    assert len({id(call) for _, call in turns}) == 12
    assert {name for name, _ in turns[::2]} == {"one", "other"}, "nobody always goes first"


def test_the_page_shows_them_side_by_side(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"kind": "power", "dtype": "float32"}

    def timer(name: str, seconds: float | None, ratio: float | None, **fields: Any) -> list[Any]:
        made = [
            record(None, **plain | fields, implementation=name, metric="timer: seconds a call", value=seconds, unit="s")
        ]
        if ratio:
            told: dict[str, Any] = {
                "low": ratio - 0.01,
                "high": ratio + 0.01,
                "comparison": "SLOWER" if ratio > 1.1 else "SAME",
            }
            made.append(
                record(None, **plain, implementation=name, metric="timer: ratio", value=ratio, unit="x", **told)
            )
        return made

    rows = [
        *timer("assay", 0.010, None),
        *timer("torch.utils.benchmark", 0.010, 1.0),
        *timer("plain loop", 0.019, 1.9, message="it counts the cold calls"),
        *timer("pytest-benchmark", None, None, verdict="unsupported", message="not installed"),
    ]
    site = built(tmp_path, rows)
    page = text(site / "timing.html")
    assert "plain loop 19 ms 1.9 1.89 – 1.91 SLOWER it counts the cold calls" in page
    assert "torch.utils.benchmark 10 ms 1 0.99 – 1.01 SAME" in page
    assert "pytest-benchmark unsupported not installed" in page
    assert "attention.scaled_dot_product" not in text(site / "power.html")
