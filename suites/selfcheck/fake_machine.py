"""A machine whose speed is known: its clock moves only when work is done."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from fixtures.timing import Policy, Stopwatch, Work


class Machine:
    """Seconds pass when `spend` is called, and a very little at each look at the clock, which shows whole ticks."""

    def __init__(self, seed: int = 0, tick: float = 1e-9, noise: float = 0.0) -> None:
        self.now, self.tick, self.noise, self.random = 0.0, tick, noise, random.Random(seed)
        self.log: list[str] = []

    def clock(self) -> float:
        self.now += 1e-9
        return math.floor(self.now / self.tick) * self.tick

    def spend(self, seconds: float) -> None:
        self.now += seconds * math.exp(self.random.gauss(0, self.noise))

    def work(self, seconds: float | Callable[[int], float], name: str = "") -> Work:
        """Work that takes `seconds`, or as many as a function of its size says."""

        def run(size: int) -> None:
            self.log.append(name)
            self.spend(seconds(size) if callable(seconds) else seconds)

        return run

    @property
    def watch(self) -> Stopwatch:
        return Stopwatch(self.clock)


ONCE = Policy(block=0.0, fewest=10)
"""A block is a single call."""


def covers(low: float, high: float, value: float) -> bool:
    return low <= value <= high
