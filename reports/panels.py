"""The picture of the rules: what each lets through against what it wrongly rejects, a panel a dtype."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.power import Rule, Rules


@dataclass(frozen=True)
class Point:
    """A rule in the picture, and where its label stands; in the units of the drawing."""

    rule: Rule
    x: float
    y: float
    label: float


@dataclass(frozen=True)
class Panel:
    """One dtype: across, what is right and rejected; up, what is wrong and let through."""

    dtype: str
    across: float
    up: float
    """where the axes end, as shares"""
    points: list[Point]

    LEFT, RIGHT, TOP, BOTTOM = 42.0, 188.0, 14.0, 226.0
    PITCH = 15.0
    """between labels"""

    @property
    def ticks(self) -> list[tuple[float, float, float]]:
        """Part of the axis, and where that is across and up."""
        return [(part, *self.place(part * self.across, part * self.up)) for part in (0.0, 1 / 10, 2 / 5, 1.0)]

    def place(self, across: float, up: float) -> tuple[float, float]:
        """Where a pair of shares stands. Axes grow with the square root: most of what matters is small."""
        x = self.LEFT + math.sqrt(across / self.across) * (self.RIGHT - self.LEFT)
        y = self.BOTTOM - math.sqrt(up / self.up) * (self.BOTTOM - self.TOP)
        return round(x, 1), round(y, 1)


def panels(table: Rules) -> list[Panel]:
    """A panel for each dtype in which both shares are known of some rule; all have the same axes."""
    rates = [rate for rule in table.rules for rate in rule.rates.values() if rate.through and rate.wronged]
    across = _end(rate.wronged.k / rate.wronged.n for rate in rates if rate.wronged)
    up = _end(rate.through.k / rate.through.n for rate in rates if rate.through)
    found = []
    for dtype in table.dtypes:
        panel = Panel(dtype, across, up, [])
        places = []
        for rule in table.rules:
            rate = rule.rates[dtype]
            if rate.through and rate.wronged:
                x, y = panel.place(rate.wronged.k / rate.wronged.n, rate.through.k / rate.through.n)
                places.append((y, -x, rule))
        # Labels stand in a column of their own, in the order of the points, so that none covers another.
        places.sort(key=lambda place: place[:2])
        labels = spread([y for y, _, _ in places], Panel.PITCH, Panel.TOP, Panel.BOTTOM)
        panel.points.extend(
            Point(rule, -x, y, round(label, 1)) for (y, x, rule), label in zip(places, labels, strict=True)
        )
        if panel.points:
            found.append(panel)
    return found


def _end(shares: Iterable[float]) -> float:
    most = max(shares, default=0.0)
    return next(end for end in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0) if most <= end)


def spread(wanted: list[float], pitch: float, top: float, bottom: float) -> list[float]:
    """The same places, in order and at least a pitch apart, between top and bottom if they fit."""
    found: list[float] = []
    for place in wanted:
        found.append(max(place, found[-1] + pitch) if found else max(place, top))
    ceiling = max(bottom, top + pitch * (len(found) - 1))
    for index in range(len(found) - 1, -1, -1):
        found[index] = min(found[index], ceiling)
        ceiling = found[index] - pitch
    return found
