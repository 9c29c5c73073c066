"""How right the measuring is: trials with two copies of the same code, and with one that is slowed down, and their goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from reports.intervals import wilson
from reports.tables import Report, Row, grouped

COPIES, SLOWED = "audit: two copies", "audit: one slowed by 5 %"
"""Metrics of records of kind power, one record a trial."""

TIMING = "audit: ", "timer: ", "peak: "
"""What the metrics of kind power begin with that stand on the page of timing."""

GOALS = (
    (COPIES, "told to be the same", ("SAME",), "at least", 0.95),
    (COPIES, "told to be faster or slower", ("FASTER", "SLOWER"), "at most", 0.01),
    (SLOWED, "told to be slower", ("SLOWER",), "at least", 0.95),
)


@dataclass(frozen=True)
class Finding:
    """How many trials ended in words that they should, or should not, end in."""

    metric: str
    what: str
    k: int
    n: int
    low: float
    high: float
    """of the share; Wilson's interval, 95 %"""
    bound: str
    goal: float

    @property
    def met(self) -> bool:
        share = self.k / self.n
        return share >= self.goal if self.bound == "at least" else share <= self.goal

    def __str__(self) -> str:
        named = self.metric.removeprefix("audit: ")
        return f"{named}: {self.k} of {self.n} {self.what} ({self.bound} {100 * self.goal:g} %)"


def findings(words: Iterable[tuple[str, str | None]]) -> list[Finding]:
    """What comes of trials, each a metric and the word that it ended in; of metrics without a trial nothing."""
    told = grouped(words, lambda pair: pair[0])
    found = []
    for metric, what, wanted, bound, goal in GOALS:
        if n := len(told.get(metric, ())):
            k = sum(word in wanted for _, word in told[metric])
            found.append(Finding(metric, what, k, n, *wilson(k, n)[1:], bound, goal))
    return found


@dataclass(frozen=True)
class Whisker:
    """A trial in the picture: places in the units of the drawing, and the class that colours it."""

    x: float
    top: float
    bottom: float
    y: float
    tone: str


@dataclass(frozen=True)
class Panel:
    """The ratios of one kind of trials, smallest first."""

    metric: str
    whiskers: list[Whisker]
    ticks: list[tuple[float, float]]
    """where on the axis, and the ratio"""
    band: tuple[float, float]
    """what counts as the same"""

    LEFT, RIGHT, TOP, BOTTOM = 46.0, 388.0, 14.0, 176.0


@dataclass(frozen=True)
class Audit:
    """All trials of one run on one device."""

    where: list[str]
    rows: list[Row]

    @property
    def findings(self) -> list[Finding]:
        return findings((row.record.metric or "", row.record.comparison) for row in self.rows)

    @property
    def met(self) -> bool:
        return all(one.met for one in self.findings)

    @property
    def contended(self) -> int:
        return sum(row.record.contended for row in self.rows)

    @property
    def seconds(self) -> float:
        """Median of a trial."""
        return statistics.median(row.record.duration or 0.0 for row in self.rows)

    @property
    def rounds(self) -> float:
        return statistics.median(row.record.n or 0 for row in self.rows)

    @property
    def margin(self) -> float:
        return next((row.record.margin for row in self.rows if row.record.margin is not None), 0.0)

    @property
    def panels(self) -> list[Panel]:
        of = grouped(self.rows, _metric)
        return [_panel(metric, of[metric], self.margin) for metric in (COPIES, SLOWED) if metric in of]


def audits(report: Report) -> list[Audit]:
    """Of each machine, device and dtype the newest."""

    def place(row: Row) -> tuple[str, ...]:
        return report.tags[row.record.environment], row.record.device, row.record.dtype or ""

    rows = [row for row in report.kind("power") if row.record.metric in (COPIES, SLOWED)]
    found = []
    for same in grouped(rows, place).values():
        newest = max(same, key=lambda row: row.record.time.timestamp()).record.run
        own = [row for row in same if row.record.run == newest]
        found.append(
            Audit([own[0].record.device, *(part for part in own[0].where if part != own[0].record.device)], own)
        )
    return found


@dataclass(frozen=True)
class Clock:
    """Another timer on the same work, and its figure over ours."""

    seconds: Row
    ratio: Row | None


@dataclass(frozen=True)
class Clocks:
    """All timers on one work on one machine, ours first."""

    where: list[str]
    clocks: list[Clock]


def clocks(report: Report) -> list[Clocks]:
    """Of each work on each machine."""

    def place(row: Row) -> tuple[str, ...]:
        settings = (f"{name.replace('_', ' ')} {value}" for name, value in sorted(row.record.settings.items()))
        return (*row.where, *settings)

    rows = [row for row in report.kind("power") if _metric(row).startswith("timer: ")]
    found = []
    for where, same in grouped(rows, place).items():
        ratios = {row.name: row for row in same if row.record.metric == "timer: ratio"}
        own = [Clock(row, ratios.get(row.name)) for row in same if row.record.metric != "timer: ratio"]
        own.sort(key=lambda clock: (clock.seconds.record.value is None, clock.seconds.name != "assay"))
        found.append(Clocks(list(where), own))
    return found


def peaks(report: Report) -> list[Row]:
    """What devices reached: products by dtype, copies."""
    return sorted(
        (row for row in report.kind("power") if _metric(row).startswith("peak: ")),
        key=lambda row: (*row.where[1:], _metric(row), row.record.dtype or ""),
    )


@dataclass(frozen=True)
class Timed:
    """A rate of a concept: on what sizes it was measured, and how many implementations have a figure."""

    subject: str
    metric: str
    sizes: list[str]
    dtypes: list[str]
    figures: int
    left_out: list[str]
    """why sizes were not run"""


def timed(report: Report) -> list[Timed]:
    """What was run, of all kinds of rates."""
    rows = [row for row in report.kind("throughput") if (row.record.unit or "").endswith("/s")]
    found = []
    for (subject, metric), same in sorted(grouped(rows, lambda row: (row.subject, _metric(row))).items()):
        sizes = grouped(same, lambda row: _size(row))
        out = {row.record.message or "" for row in same if row.record.value is None}
        found.append(
            Timed(
                subject,
                metric,
                [size for size, own in sizes.items() if any(row.record.value is not None for row in own)],
                sorted({row.record.dtype for row in same if row.record.dtype}),
                len({row.name for row in same if row.record.value is not None}),
                sorted(message for message in out if message.startswith("not timed: it needs")),
            )
        )
    return found


def _size(row: Row) -> str:
    settings = sorted((name, value) for name, value in row.record.settings.items() if name != "threads")
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings)


def of_timing(row: Row) -> bool:
    """Whether a row of kind power is about the measuring of speeds."""
    return _metric(row).startswith(TIMING)


def _metric(row: Row) -> str:
    return row.record.metric or ""


def _panel(metric: str, rows: list[Row], margin: float) -> Panel:
    low, high = 0.88, 1.06

    def up(ratio: float) -> float:
        inside = min(high, max(low, ratio))
        return round(Panel.BOTTOM - (inside - low) / (high - low) * (Panel.BOTTOM - Panel.TOP), 1)

    ordered = sorted(rows, key=lambda row: row.record.value or 0.0)
    pitch = (Panel.RIGHT - Panel.LEFT) / (len(ordered) + 1)
    tones = {"pass": "right", "fail": "wrong"}
    whiskers = [
        Whisker(
            round(Panel.LEFT + pitch * place, 1),
            up(row.record.high if row.record.high is not None else high),
            up(row.record.low if row.record.low is not None else low),
            up(row.record.value or 0.0),
            tones.get(row.record.verdict, "unclear"),
        )
        for place, row in enumerate(ordered, 1)
    ]
    ticks = [(up(ratio), ratio) for ratio in (0.9, 0.95, 1.0, 1.05)]
    return Panel(metric, whiskers, ticks, (up(1 + margin), up(1 / (1 + margin))))
