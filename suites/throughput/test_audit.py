"""The audit, by `--audit TRIALS`: so many trials with two copies of the same code, so many with one that is 5 % slower.

At least 95 % of the copies must be told to be the same, and at most 1 % faster or slower; at least 95 % of what is
slowed down must be told to be slower. Trials of both kinds take turns, and each leaves a record at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

import pytest

from fixtures import devices

Words = list[tuple[str, str | None]]
Crowded = list[bool]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "slowed" in metafunc.fixturenames:
        trials = metafunc.config.getoption("audit") or 1
        cases = [(number, slowed) for number in range(trials) for slowed in (False, True)]
        ids = [f"{'slowed' if slowed else 'copies'}-{number}" for number, slowed in cases]
        metafunc.parametrize(("number", "slowed"), cases, ids=ids)


@pytest.fixture(scope="module")
def words() -> Words:
    """Metric and word of each trial of this run."""
    return []


@pytest.fixture(scope="module")
def crowds() -> Crowded:
    """Of each trial, whether others used the machine meanwhile."""
    return []


def test_trial(
    request: pytest.FixtureRequest,
    record: Callable[..., None],
    words: Words,
    crowds: Crowded,
    number: int,
    slowed: bool,
) -> None:
    """One contest; what it says is judged with all others, by the test below."""
    import torch

    from fixtures import contention
    from fixtures.audit import CALLS, forward_passes, trial
    from fixtures.estimates import MARGIN
    from fixtures.plugin import replay
    from fixtures.throughput import unchecked
    from fixtures.timing import stopwatch
    from fixtures.trials import teller
    from reports.audits import COPIES, SLOWED

    device = devices.selected(request.config)
    with contention.exclusive(contention.identity(device), say=teller(request.config)), unchecked():
        neighbours = contention.Neighbours()
        found = trial(slowed, partial(forward_passes, device), stopwatch(device), device=device)
        load = neighbours.load()
    crowded = load is not None and load > neighbours.limit
    notes = [f"other processes used {load:.2f} cores meanwhile"] if crowded else []
    notes += [] if found.settled else ["a rate was not steady when the warm-up had to end"]
    metric, ratio = SLOWED if slowed else COPIES, found.ratio
    words.append((metric, found.word))
    crowds.append(crowded)
    trials = request.config.getoption("audit")
    record(
        kind="power",
        concept="architectures.gpt2",
        implementation="assay",
        metric=metric,
        value=ratio.median,
        unit="x the other copy",
        low=ratio.low,
        high=ratio.high,
        n=found.rounds,
        comparison=found.word,
        margin=MARGIN,
        dtype="float32",
        verdict=found.verdict,
        message="; ".join(notes) or None,
        contended=crowded,
        duration=found.seconds,
        settings={"trial": number, "calls": CALLS, "threads": torch.get_num_threads()},
        replay=shlex.join(
            ["pytest", "suites/throughput", "--audit", str(trials), "-p", "no:xdist", *replay.options(request.config)]
        ),
    )


def test_the_measuring_is_right(words: Words, crowds: Crowded) -> None:
    """The goals, over all trials of the run."""
    from reports.audits import findings

    if not words:
        pytest.skip("no trial was run")
    missed = [str(one) for one in findings(words) if not one.met]
    if missed and any(crowds):
        missed.append(
            f"others used the machine in {sum(crowds)} of {len(crowds)} trials: run it again when it is quiet"
        )
    if missed:
        pytest.fail("\n".join(missed), pytrace=False)
