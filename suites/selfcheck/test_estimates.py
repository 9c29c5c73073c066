"""Intervals keep what they promise: how often they cover the truth, and what they let us see."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures import timing
from fixtures.estimates import (
    MARGIN,
    PATIENCE,
    Comparison,
    Estimate,
    compared,
    correlation_time,
    estimate,
    growth,
    interval,
    serial_interval,
    slope,
)
from fixtures.timing import Policy, race
from suites.selfcheck.fake_machine import ONCE, Machine, Restless, covers


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of races with torch in memory would spend their time on collecting garbage."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def test_the_interval_covers_the_median_95_times_in_100() -> None:
    draw = random.Random(0)
    for n in (6, 10, 25, 60):
        hits = sum(covers(*interval([draw.lognormvariate(0, 0.3) for _ in range(n)]), 1.0) for _ in range(2000))
        assert 0.94 <= hits / 2000 <= 0.99, n


def test_it_still_covers_when_repetition_stops_at_a_narrow_interval() -> None:
    hits, trials = 0, 300
    for seed in range(trials):
        machine = Machine(seed, noise=0.04)
        result = race({"a": machine.work(0.01)}, policy=Policy(budget=100), stopwatch=machine.watch)
        measured = result.seconds("a")
        assert measured.converged
        hits += covers(measured.low, measured.high, 0.01)
    assert 0.91 <= hits / trials <= 0.99


def wandering(draw: random.Random, n: int, memory: float) -> list[float]:
    """Samples about 1 that hang together: an autoregression with that coefficient."""
    level, found = draw.gauss(0, 1), []
    for _ in range(n):
        level = memory * level + math.sqrt(1 - memory**2) * draw.gauss(0, 1)
        found.append(math.exp(0.03 * level))
    return found


def bursty(draw: random.Random, n: int, _: float) -> list[float]:
    """Calm about 1; every now and then, and for a while, a sixth more or less."""
    found: list[float] = []
    while len(found) < n:
        found += [math.exp(draw.gauss(0, 0.02)) for _ in range(round(draw.expovariate(1 / 15)))]
        side = draw.choice([-0.15, 0.15])
        found += [math.exp(side + draw.gauss(0, 0.02)) for _ in range(1 + round(draw.expovariate(1 / 4)))]
    return found[:n]


@pytest.mark.parametrize(
    ("series", "memory", "least", "plain"),
    [(wandering, 0.0, 0.95, 1.0), (wandering, 0.3, 0.93, 0.92), (wandering, 0.6, 0.9, 0.8), (bursty, 0.0, 0.93, 0.85)],
)
def test_an_interval_of_what_hangs_together_is_wide_enough(
    series: Callable[[random.Random, int, float], list[float]], memory: float, least: float, plain: float
) -> None:
    """The share that it covers, and at most that of the interval for independent samples, which is too narrow."""
    draw, trials = random.Random(1), 300
    for n in (60, 200):
        found = [series(draw, n, memory) for _ in range(trials)]
        assert sum(covers(*serial_interval(samples), 1.0) for samples in found) >= least * trials, n
        assert sum(covers(*interval(samples), 1.0) for samples in found) <= plain * trials, n


def test_independent_samples_lose_little_by_it() -> None:
    draw = random.Random(2)
    widths = []
    for _ in range(200):
        samples = [draw.gauss(1, 0.03) for _ in range(100)]
        (low, high), (least, most) = serial_interval(samples), interval(samples)
        widths.append((high - low) / (most - least))
    assert 1 <= sum(widths) / len(widths) < 1.2


def test_few_samples_that_hang_together_are_as_wide_as_they_get() -> None:
    rising = [1 + i / 100 for i in range(4 * PATIENCE)]
    assert correlation_time(rising) > 10
    assert serial_interval(rising) == (rising[0], rising[-1])
    assert serial_interval(rising[:6]) == (rising[0], rising[5])
    assert serial_interval(rising[:5]) == (-math.inf, math.inf)
    assert correlation_time([1.0] * 20) == 1 and serial_interval([1.0] * 20) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.98, 1.02, "SAME"),
        (0.97, 1.02, "AMBIGUOUS"),
        (0.98, 1.03, "AMBIGUOUS"),
        (1.01, 1.02, "SAME"),
        (1.02, 1.2, "AMBIGUOUS"),
        (1 + MARGIN, 1.2, "FASTER"),
        (0.5, 1 / (1 + MARGIN), "SLOWER"),
        (0.5, 0.98, "AMBIGUOUS"),
        (0.5, 2.0, "AMBIGUOUS"),
        (-math.inf, math.inf, "AMBIGUOUS"),
    ],
)
def test_a_ratio_is_told_by_its_whole_interval(low: float, high: float, word: Comparison) -> None:
    assert compared(Estimate(1.0, low, high, True, ())) == word


def test_the_margin_is_as_far_from_the_same_as_from_5_percent() -> None:
    assert math.log(1.05 / (1 + MARGIN)) == pytest.approx(math.log(1 + MARGIN), rel=0.03)


@pytest.mark.parametrize(("slowdown", "word"), [(1.0, "SAME"), (1.05, "SLOWER"), (1 / 1.05, "FASTER")])
def test_words_on_a_restless_machine(slowdown: float, word: Comparison) -> None:
    """Drift, bursts and noise that hangs together: the right word nearly always, the opposite never."""
    words = []
    for seed in range(60):
        machine = Restless(seed)
        competitors = {"ours": machine.work(0.01 * slowdown), "theirs": machine.work(0.01)}
        result = race(competitors, policy=Policy(budget=20), stopwatch=machine.watch, baseline="theirs")
        words.append(compared(result.ratio("ours", "theirs")))
    assert words.count(word) >= 57, words
    assert set(words) <= {word, "AMBIGUOUS"}


def test_rounds_go_on_until_the_ratio_is_told() -> None:
    """Intervals of the medians that are narrow enough tell nothing yet; the budget ends it all the same."""
    told, rounds = [], []
    for baseline, budget in ((None, 100.0), ("theirs", 100.0), ("theirs", 1.0)):
        machine = Machine(0, noise=0.05)
        competitors = {"ours": machine.work(0.01), "theirs": machine.work(0.01)}
        policy = Policy(budget=budget, target=0.5)
        result = race(competitors, policy=policy, stopwatch=machine.watch, baseline=baseline)
        told.append(compared(result.ratio("ours", "theirs")))
        rounds.append(len(result.orders))
    assert told == ["AMBIGUOUS", "SAME", told[2]] and rounds[0] < rounds[1]
    assert rounds[2] < 50


@pytest.mark.parametrize(("serial", "least", "most"), [(True, 0.78, 1.0), (False, 0.0, 0.55)])
def test_a_rate_on_a_machine_whose_speed_wanders(
    serial: bool, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By 5 %, remembered for 0.2 s: taken for independent, rounds would seem to know the median after half a second."""
    plain = timing.estimate
    monkeypatch.setattr(timing, "estimate", lambda samples, **options: plain(samples, **options | {"serial": serial}))
    hits, trials = 0, 200
    for seed in range(trials):
        machine = Restless(seed)
        machine.BURST, machine.DRIFT = 1.0, 0.0  # type: ignore[misc]
        competitors = {name: machine.work(0.01) for name in ("ours", "theirs")}
        result = race(competitors, policy=Policy(budget=6), stopwatch=machine.watch, baseline="theirs")
        measured = result.seconds("ours")
        hits += covers(measured.low, measured.high, 0.01)
    assert least * trials <= hits <= most * trials


def test_five_samples_have_no_95_percent_interval() -> None:
    assert interval([1.0, 1.0, 1.0, 1.0, 1.0]) == (-math.inf, math.inf)
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)


def test_an_outlier_moves_neither_median_nor_interval() -> None:
    samples = [1.0 + i / 1000 for i in range(30)]
    calm, disturbed = (estimate(s, target=0.02, fewest=10) for s in (samples, [*samples[:-1], 50.0]))
    assert (calm.median, calm.low, calm.high) == (disturbed.median, disturbed.low, disturbed.high)


def test_converged_is_half_the_interval_within_the_target() -> None:
    samples = [1 + i / 1000 for i in range(-20, 21)]
    low, high = interval(samples)
    half = (high - low) / 2
    assert estimate(samples, target=1.01 * half, fewest=41).converged
    assert not estimate(samples, target=0.99 * half, fewest=41).converged
    assert not estimate(samples, target=1.01 * half, fewest=42).converged


def test_no_time_at_all_is_no_finite_rate() -> None:
    """The slope of noisy times may be 0 or negative: the rate's interval is open then, not turned inside out."""
    for least in (0.0, -0.1):
        rate = estimate([least] * 3 + [1.0] * 5 + [2.0] * 3, target=1, fewest=1).per_second()
        assert (rate.low, rate.median, rate.high) == (0.5, 1.0, math.inf)


@pytest.mark.parametrize("slowdown", [1.0, 1.05])
def test_a_slowdown_of_5_percent_is_seen(slowdown: float) -> None:
    found, trials = 0, 100
    for seed in range(trials):
        machine = Machine(seed, noise=0.04)
        competitors = {"ours": machine.work(0.01 * slowdown), "theirs": machine.work(0.01)}
        result = race(competitors, policy=Policy(budget=20), stopwatch=machine.watch, baseline="theirs")
        ratio = result.ratio("ours", "theirs")
        found += not covers(ratio.low, ratio.high, 1.0)
        assert ratio.median == pytest.approx(1 / slowdown, rel=0.05)
    assert found >= 95 if slowdown > 1 else found <= 12


def test_a_rate_keeps_its_interval_the_right_way_round() -> None:
    measured = estimate([0.5 + i / 100 for i in range(11)], target=1, fewest=1).per_second(100)
    assert measured.low < measured.median < measured.high
    assert measured.median == pytest.approx(100 / 0.55)


def test_slope_of_one_point_is_time_over_size() -> None:
    assert slope([(4, 2.0)]) == 0.5
    assert slope([(1, 3.0), (2, 5.0), (3, 7.0)]) == pytest.approx(2)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.1, 2.0])
def test_the_exponent_of_growth(power: float) -> None:
    """Its interval covers the truth nearly always; of 1.1 or more it leaves out 1."""
    assert growth([(n, 3.0 * n**power) for n in (10, 50, 700)]) == pytest.approx(power)
    found, linear, sizes = 0, 0, (2000, 8000, 64000)
    for seed in range(100):
        work = Machine(seed, noise=0.05)
        policy = Policy(budget=0, least=15, block=0)
        result = race({"a": work.work(lambda n: 1e-7 * n**power)}, sizes=sizes, policy=policy, stopwatch=work.watch)
        measured = result.growth("a")
        assert 10 <= measured.n <= 15
        found += covers(measured.low, measured.high, power)
        linear += covers(measured.low, measured.high, 1.0)
    assert found >= 90 and (power == 1.0 or linear == 0)


def test_the_first_rounds_do_not_ask_for_the_budget() -> None:
    machine = Machine()
    for least in (1, 6):
        policy = replace(ONCE, budget=0.1, least=least)
        assert race({"a": machine.work(1.0)}, policy=policy, stopwatch=machine.watch).seconds("a").n == least


def test_figures_of_one_size() -> None:
    """Of several sizes each has its own seconds and ratio, beside those of the slope."""
    machine = Machine()
    competitors = {"a": machine.work(lambda n: 1.0 + n), "b": machine.work(lambda n: 4.0 * n)}
    result = race(competitors, sizes=(1, 3), policy=ONCE, stopwatch=machine.watch)
    assert [result.seconds("a", n).median for n in (1, 3)] == pytest.approx([2.0, 4.0], rel=1e-6)
    assert result.ratio("a", "b", 1).median == pytest.approx(2.0, rel=1e-6)
    assert result.seconds("a").median == pytest.approx(1.0, rel=1e-6)
