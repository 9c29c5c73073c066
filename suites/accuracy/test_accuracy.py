"""The accuracy board: one test for each model on each task that can judge it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import pytest

from fixtures import devices
from suites.accuracy import board, harness, resuming
from suites.accuracy.lazy import Lazy

measures: Any = Lazy("suites.accuracy.measures")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Whoever brings data asks about them, and not for the whole board.
    data = metafunc.config.stash[board.DATA]
    built_in = [entry for task in data for entry in board.of_brought(task)] if data else board.BUILT_IN
    tasks = [task.name for task in data] or list(board.TASKS)
    entries = [*built_in, *board.users(metafunc.config.getoption("model"), tasks)]
    metafunc.parametrize("entry", entries, ids=[entry.id for entry in entries])


data = cache(harness.data_sha256)


@dataclass(frozen=True)
class Refusal:
    """Why an entry has no figures, and whether the run should be red for it."""

    verdict: str
    message: str
    red: bool

    def end(self, model: str) -> NoReturn:
        """End the test with one message."""
        if self.red:
            pytest.fail(f"{model}: {self.message}", pytrace=False)
        pytest.skip(f"{model}: {self.message}")


@cache
def outcome(entry: board.Entry, device: str) -> harness.Outcome:
    """The outcome of an entry, once a process: it is also what others must beat."""
    return harness.evaluate(entry.task, entry.build(device))


BROKEN: set[str] = set()
"""Models that no task can judge, and of which that was said."""


def evaluate(entry: board.Entry, device: str, earlier: resuming.Earlier | None = None) -> harness.Outcome | Refusal:
    """The outcome of an entry; whatever goes wrong with one model must not end the run of the others."""
    try:
        if earlier and (kept := earlier.outcome(entry.task, entry.model, entry.versions(), data(entry.task))):
            return kept
        return outcome(entry, device)
    except board.NoTask as error:
        # One message for the model, however many tasks there are: the first fails, the others only record.
        first = entry.model not in BROKEN
        BROKEN.add(entry.model)
        return Refusal(error.verdict, str(error), red=first)
    except ModuleNotFoundError as error:
        return Refusal("unsupported", f"{error.name} is not installed: python -m pip install '.[accuracy]'", red=False)
    except Exception as error:
        if verdict := getattr(error, "verdict", None):
            # What a user asked for and did not get is red, unless it is only that this task is for another kind.
            wanted = entry.asked and type(error).__name__ != "WrongKind"
            return Refusal(verdict, str(error), red=wanted or verdict == "error")
        return Refusal("error", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", red=True)


def test_accuracy(entry: board.Entry, record: Callable[..., None], pytestconfig: pytest.Config) -> None:
    """Evaluate, record every figure with its interval, and hold built-in models to the order that is known of them."""
    harness.offline()
    device = devices.selected(pytestconfig)
    facts: dict[str, Any] = {"kind": "accuracy", "task": entry.task, "model": entry.model, "versions": entry.versions()}
    if entry.asked:
        facts["replay"] = f"pytest suites/accuracy -k {entry.task} --model {shlex.quote(entry.model)}"
    started = time.perf_counter()
    result = evaluate(entry, device, pytestconfig.stash[board.EARLIER])
    facts["duration"] = time.perf_counter() - started
    if isinstance(result, Refusal):
        record(**facts, verdict=result.verdict, message=result.message)
        result.end(entry.model)

    floor = outcome(board.entry(entry.task, entry.beats), device).scores if entry.beats else [None] * len(result.scores)
    worse = []
    for score, lower in zip(result.scores, floor, strict=True):
        figures = {"metric": score.metric, "value": score.value, "low": score.low, "high": score.high, "n": score.n}
        below = lower is not None and not score.beats(lower)
        message = f"{score} is known to be better than {entry.beats}'s {lower}, intervals apart" if below else None
        worse += [message] if message else []
        record(
            **facts,
            **figures,
            unit=measures.UNITS.get(score.metric),
            better="lower" if score.metric in measures.LOWER else "higher",
            verdict="fail" if below else "pass",
            message=message,
            settings=result.settings,
            samples=result.samples if score is result.scores[0] else None,
        )
    if worse:
        pytest.fail("\n".join(worse), pytrace=False)
