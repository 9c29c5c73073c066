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


class Restless(Machine):
    """A machine as others use it too: it slows down bit by bit, its speed wanders, and somebody works beside in bursts."""

    DRIFT, WANDER, MEMORY = 0.01, 0.05, 0.2
    """part that each second makes it slower; how far its speed wanders, and for how many seconds it remembers"""
    BURST, EVERY, LASTS = 1.6, 0.5, 0.03
    """how much slower it is while somebody works beside, and the mean seconds until that and until its end"""

    def __init__(self, seed: int = 0, noise: float = 0.02) -> None:
        super().__init__(seed, noise=noise)
        self.level, self.busy, self.until = 0.0, False, 0.0

    def spend(self, seconds: float) -> None:
        stays = math.exp(-seconds / self.MEMORY)
        self.level = stays * self.level + math.sqrt(1 - stays**2) * self.random.gauss(0, self.WANDER)
        while self.now >= self.until:
            self.busy = not self.busy
            self.until += self.random.expovariate(1 / (self.LASTS if self.busy else self.EVERY))
        super().spend(seconds * math.exp(self.level + self.DRIFT * self.now) * (self.BURST if self.busy else 1))


ONCE = Policy(block=0.0, fewest=10)
"""A block is a single call."""


def covers(low: float, high: float, value: float) -> bool:
    return low <= value <= high
