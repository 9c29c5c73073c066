"""The measuring core, on a machine whose speed is known."""

from __future__ import annotations

import gc
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fixtures.timing import Policy, Race, Stopwatch, Work, calibrate, race, rotated, warm_up
from suites.selfcheck.fake_machine import ONCE, Machine


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A hundred races with torch in memory would spend their time on collecting garbage."""
    if "garbage" not in request.node.name:
        monkeypatch.setattr(gc, "collect", lambda: 0)


# Warm-up


def test_warm_up_lasts_until_the_rate_is_steady() -> None:
    machine, calls = Machine(), itertools.count()
    cooling = machine.work(lambda _: 0.001 * (1 + 20 * math.exp(-next(calls) / 15)))
    result = warm_up(cooling, 1, machine.watch, ONCE, block=0.0, allowance=10)
    assert result.steady
    assert 0.001 * (1 + 20 * math.exp(-result.calls / 15)) < 1.05 * 0.001


def test_warm_up_of_a_steady_rate_is_short() -> None:
    machine = Machine(noise=0.01)
    result = warm_up(machine.work(0.001), 1, machine.watch, ONCE, block=0.0, allowance=10)
    assert result.steady and result.calls <= 4 * ONCE.window


def test_warm_up_is_bounded_when_the_rate_never_settles() -> None:
    machine, calls = Machine(), itertools.count()
    slower = machine.work(lambda _: 0.001 * 1.02 ** next(calls))
    result = warm_up(slower, 1, machine.watch, ONCE, block=0.0, allowance=0.5)
    assert not result.steady
    assert 0.5 <= result.seconds < 0.6


def test_the_budget_bounds_all_warm_ups_together() -> None:
    machine, calls = Machine(), itertools.count()
    restless = {name: machine.work(lambda _: 0.001 * (1 + next(calls) % 50)) for name in "abcd"}
    result = race(restless, policy=Policy(budget=4, warm_up=0.25, block=0.0, steady=0.0), stopwatch=machine.watch)
    assert sum(warm.seconds for warm in result.warm_ups.values()) <= 1 + 4 * 0.05


# Blocks


@pytest.mark.parametrize("cost", [3e-7, 1e-4, 0.02])
@pytest.mark.parametrize("tick", [1e-9, 1e-5])
def test_blocks_are_long_enough_for_the_clock(cost: float, tick: float) -> None:
    machine = Machine(tick=tick)
    result = race({"a": machine.work(cost)}, policy=Policy(budget=1), stopwatch=machine.watch)
    length = result.repeats["a"][1] * cost
    assert length >= 0.999 * max(Policy().block, 1000 * tick)
    assert length <= max(10 * Policy().block, 2000 * tick, cost), "longer than the clock needs"
    assert result.seconds("a").median == pytest.approx(cost, rel=2e-3)


def test_calibration_ends_on_a_clock_that_stands_still() -> None:
    assert calibrate(lambda size: None, 1, Stopwatch(lambda: 0.0), 0.005) == (1_000_000, 0.0)


def test_work_that_is_only_queued_is_waited_for() -> None:
    machine, queue = Machine(), [0.0]

    def launch(size: int) -> None:
        queue[0] += 0.01

    def drain() -> None:
        machine.spend(queue[0])
        queue[0] = 0.0

    result = race({"a": launch}, policy=ONCE, stopwatch=Stopwatch(machine.clock, drain))
    assert result.seconds("a").median == pytest.approx(0.01, rel=1e-3)


def test_a_backlog_from_before_is_not_charged() -> None:
    machine = Machine()
    backlog = [0.5]
    watch = Stopwatch(machine.clock, lambda: machine.spend(backlog.pop()) if backlog else None)
    assert watch.time(machine.work(0.01), 1, 1)[0] == pytest.approx(0.01, rel=1e-3)


# Rounds


def test_competitors_are_interleaved_and_nobody_is_always_first() -> None:
    machine, names = Machine(), "abc"
    result = race({name: machine.work(0.01, name) for name in names}, policy=Policy(most=12), stopwatch=machine.watch)
    assert all(sorted(order) == list(names) for order in result.orders)
    rounds = len(result.orders)
    assert "".join(machine.log).endswith("".join("".join(order) for order in result.orders))
    assert rounds == 10
    for place in range(3):
        assert max(Counter(order[place] for order in result.orders).values()) <= rounds / 3 + 1


def test_sizes_are_interleaved_too() -> None:
    """A slow spell that outlasts one block meets the same size of everybody."""
    machine = Machine()
    competitors = {name: machine.work(lambda size: 0.01 * size, name) for name in "ab"}
    result = race(competitors, sizes=(1, 2, 4), policy=Policy(most=1), stopwatch=machine.watch)
    assert "".join(machine.log).endswith("".join(result.orders[0]) * 3)


def test_everybody_follows_everybody() -> None:
    follows = Counter(pair for number in range(6) for pair in itertools.pairwise(rotated("abc", number)))
    assert len(follows) == 6 and set(follows.values()) == {2}


def test_a_slow_spell_does_not_change_the_ratio() -> None:
    """The machine is half as fast in every other second: the rates suffer, their ratio does not."""
    machine = Machine(noise=0.01)
    spell = lambda seconds: lambda _: seconds * (2 if int(machine.now) % 2 else 1)  # noqa: E731
    competitors = {"a": machine.work(spell(0.010)), "b": machine.work(spell(0.020))}
    result = race(competitors, policy=Policy(budget=30, target=0.001), stopwatch=machine.watch)
    assert result.ratio("b", "a").median == pytest.approx(0.5, rel=0.01)
    blocks = result.blocks["a"][1]
    assert max(blocks) > 1.8 * min(blocks), "the machine was meant to change its speed"


# When it ends


def test_repetition_ends_when_every_interval_is_narrow() -> None:
    machine = Machine(noise=0.03)
    competitors = {"a": machine.work(0.01), "b": machine.work(0.02)}
    result = race(competitors, policy=Policy(budget=1000, target=0.02), stopwatch=machine.watch)
    for name in competitors:
        measured = result.seconds(name)
        assert measured.converged and measured.high - measured.low <= 0.04 * measured.median
    assert result.elapsed < 100


def test_the_budget_ends_what_does_not_converge() -> None:
    machine = Machine(noise=0.5)
    result = race({"a": machine.work(0.01), "b": machine.work(0.02)}, policy=Policy(budget=3), stopwatch=machine.watch)
    assert not result.seconds("a").converged
    assert 2.5 < result.elapsed <= 3.1


def test_a_round_that_would_not_fit_is_not_begun() -> None:
    machine = Machine()
    result = race({"a": machine.work(0.4)}, policy=Policy(budget=1.9), stopwatch=machine.watch)
    assert 1.1 < result.elapsed <= 1.9


def test_slow_work_is_called_no_more_than_it_must() -> None:
    """One call to warm up and one round: where a single call outlasts the budget, each further one is a nuisance."""
    machine = Machine()
    race(
        {"a": machine.work(lambda size: 2.0 * size)}, sizes=(2, 8, 16), policy=Policy(budget=1), stopwatch=machine.watch
    )
    assert len(machine.log) == 1 + 3


def test_the_guard_is_around_every_timing() -> None:
    machine, depth = Machine(), [0]

    @contextmanager
    def guard(guarded: Work) -> Iterator[None]:
        assert guarded is work
        depth[0] += 1
        yield
        depth[0] -= 1

    def work(size: int) -> None:
        machine.spend(0.01)
        assert depth[0] == 1

    assert not race({"a": work}, policy=ONCE, stopwatch=Stopwatch(machine.clock, guard=guard)).lost


def test_work_longer_than_the_budget_is_still_timed_once() -> None:
    machine = Machine()
    result = race({"a": machine.work(60.0)}, policy=Policy(budget=1), stopwatch=machine.watch)
    measured = result.seconds("a")
    assert (measured.n, measured.median) == (1, pytest.approx(60))
    assert not measured.converged and measured.high == math.inf
    assert measured.per_second().low == 0


# What comes out


def test_all_samples_are_kept() -> None:
    machine = Machine(noise=0.3)
    result = race({"a": machine.work(0.01), "b": machine.work(0.02)}, policy=Policy(budget=2), stopwatch=machine.watch)
    a, b = result.seconds("a"), result.seconds("b")
    assert a.n == b.n == len(result.orders) > 20
    assert a.samples == tuple(result.blocks["a"][1])
    assert result.ratio("b", "a").samples == tuple(x / y for x, y in zip(a.samples, b.samples, strict=True))
    assert a.per_second(128).samples == tuple(128 / sample for sample in a.samples)


def test_the_slope_leaves_out_what_does_not_grow() -> None:
    machine = Machine(noise=0.001)
    competitors = {
        "short prompt": machine.work(lambda tokens: 0.01 + 0.002 * tokens),
        "long prompt": machine.work(lambda tokens: 0.10 + 0.002 * tokens),
    }
    result = race(competitors, sizes=(4, 12, 24), stopwatch=machine.watch)
    for name in competitors:
        assert result.seconds(name).median == pytest.approx(0.002, rel=0.02)
        assert all(len(readings) == result.seconds(name).n for readings in result.blocks[name].values())


def test_looking_at_results_is_not_timed() -> None:
    machine = Machine()
    seen: list[tuple[str, int, object]] = []

    def inspect(name: str, size: int, result: object) -> None:
        machine.spend(0.1)
        seen.append((name, size, result))

    def work(size: int) -> int:
        machine.spend(0.01)
        return size * 7

    result = race({"a": work}, sizes=(3,), policy=ONCE, stopwatch=machine.watch, inspect=inspect)
    assert result.seconds("a").median == pytest.approx(0.01 / 3, rel=1e-3)
    assert seen == [("a", 3, 21)] * len(result.orders)


@pytest.mark.parametrize("after", [0, 30])
def test_a_competitor_that_raises_leaves_the_race_to_the_others(after: int) -> None:
    machine, calls = Machine(noise=0.1), itertools.count()

    def broken(size: int) -> None:
        machine.spend(0.01)
        if next(calls) >= after:
            raise RuntimeError("out of memory")

    competitors: dict[str, Work] = {"a": broken, "b": machine.work(0.01)}
    result: Race = race(competitors, policy=Policy(budget=2, steady=1, block=0), stopwatch=machine.watch)
    assert str(result.lost["a"]) == "out of memory"
    assert result.seconds("b").n > 30


@pytest.mark.parametrize("after", [0, 25])
def test_one_that_hangs_does_not_cost_the_others_their_time(after: int) -> None:
    machine, calls = Machine(noise=0.3), itertools.count()

    def hangs(size: int) -> None:
        machine.spend(0.01)
        if next(calls) >= after:
            machine.now += 1000
            raise TimeoutError

    competitors: dict[str, Work] = {"a": hangs, "b": machine.work(0.01)}
    result = race(competitors, policy=Policy(budget=2, steady=1, block=0), stopwatch=machine.watch)
    assert isinstance(result.lost["a"], TimeoutError)
    assert result.seconds("b").n > 100
    assert result.elapsed < 1003


def test_garbage_is_collected_before_and_after_but_not_inside() -> None:
    machine, states = Machine(), set[bool]()

    def seconds(_: int) -> float:
        states.add(gc.isenabled())
        return 0.01

    inside = machine.work(seconds)
    assert gc.isenabled()
    race({"a": inside}, policy=ONCE, stopwatch=machine.watch)
    assert states == {False} and gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        race({"a": _interrupted}, stopwatch=machine.watch)
    assert gc.isenabled()


def _interrupted(size: int) -> None:
    raise KeyboardInterrupt


def test_nobody_to_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected competitors and positive sizes"):
        race({})
    with pytest.raises(ValueError, match="positive sizes"):
        race({"a": lambda size: None}, sizes=(0, 4))
