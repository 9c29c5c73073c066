"""The pictures of growth: time or memory over length, a line an implementation. Both axes are logarithmic: slopes are powers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports import text
from reports.panels import spread
from reports.ranks import Interval, interval
from reports.tables import BAD, UNJUDGED, Report, Row, grouped

LENGTHS = ("bytes", "tokens")
"""Settings that are a length."""

POINTS = {"s": (" time", " growth"), "B": (" memory", " memory growth")}
"""By the unit of a point: what its metric ends in, and that of the exponent."""


def is_point(row: Row) -> bool:
    """Whether the row is a point of a line: it stands in the picture, and on no leaderboard."""
    record = row.record
    suffix, _ = POINTS.get(record.unit or "", (None, None))
    return suffix is not None and (record.metric or "").endswith(suffix) and any(n in record.settings for n in LENGTHS)


def _length(row: Row) -> int:
    return next(int(row.record.settings[name] or 0) for name in LENGTHS if name in row.record.settings)


def _task(row: Row) -> str:
    """The metric that the points are about."""
    return (row.record.metric or "").removesuffix(POINTS[row.record.unit or ""][0])


@dataclass(frozen=True)
class Line:
    """An implementation; places in the units of the drawing."""

    name: str
    points: list[tuple[float, float, float, float]]
    """across, up, and the ends of the interval"""
    exponent: str
    label: float
    best: bool
    """the quickest at the greatest length"""

    @property
    def path(self) -> str:
        return " ".join(f"{x},{y}" for x, y, _, _ in self.points)


@dataclass(frozen=True)
class Tick:
    place: float
    words: str


@dataclass(frozen=True)
class Picture:
    """One task of one concept on one machine."""

    subject: str
    metric: str
    what: str
    """time or memory"""
    tags: list[str]
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    linear: tuple[tuple[float, float], tuple[float, float]]
    """from where to where a line of slope 1 leads"""

    LEFT, RIGHT, TOP, BOTTOM, PITCH = 50.0, 280.0, 14.0, 226.0, 15.0


def pictures(report: Report, subject: str | None = None) -> list[Picture]:
    """Of each task that was timed at several lengths; of rows that were run again the newest."""
    rows = [row for row in report.kind("throughput") if is_point(row) and subject in (None, row.subject)]
    fit = [row for row in rows if row.record.verdict not in BAD | UNJUDGED and _figure(row)]
    tasks = grouped(
        fit,
        lambda row: (
            row.subject,
            _task(row),
            ["s", "B"].index(row.record.unit or ""),  # time before memory
            report.tags[row.record.environment],
            _rest(row),
        ),
    )
    found = [_picture(report, rows) for _, rows in sorted(tasks.items())]
    return [picture for picture in found if picture]


def _rest(row: Row) -> tuple[str, ...]:
    settings = sorted((name, str(value)) for name, value in row.record.settings.items() if name not in LENGTHS)
    return (row.record.device, *(value for _, value in settings))


def _figure(row: Row) -> Interval | None:
    ends = interval(row.record)
    return ends if ends and ends[0] > 0 and math.isfinite(ends[1]) else None


def _picture(report: Report, rows: list[Row]) -> Picture | None:
    first = rows[0].record
    unit, counted = first.unit or "", next(name for name in LENGTHS if name in first.settings)
    newest: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda row: row.record.time.timestamp()):
        newest[row.name, _length(row)] = row
    lengths = sorted({length for _, length in newest})
    if len(lengths) < 2:
        return None
    ends = [end for row in newest.values() for end in _figure(row) or ()]
    low, high = _padded(min(ends), max(ends))

    def across(length: float) -> float:
        share = math.log(length / lengths[0]) / math.log(lengths[-1] / lengths[0])
        return round(Picture.LEFT + 10 + share * (Picture.RIGHT - Picture.LEFT - 10), 1)

    def up(figure: float) -> float:
        share = math.log(figure / low) / math.log(high / low)
        return round(Picture.BOTTOM - share * (Picture.BOTTOM - Picture.TOP), 1)

    drawn = []
    for name, same in grouped(newest.items(), lambda item: item[0][0]).items():
        points = []
        for (_, length), row in sorted(same, key=lambda item: item[0][1]):
            least, most = _figure(row) or (low, high)
            points.append((across(length), up(row.record.value or low), up(most), up(least)))
        drawn.append((points[-1][1], name, points))
    drawn.sort(key=lambda line: line[0])
    labels = spread([end for end, _, _ in drawn], Picture.PITCH, Picture.TOP, Picture.BOTTOM)
    exponents = _exponents(report, rows[0])
    lines = [
        Line(name, points, exponents.get(name, ""), round(label, 1), index == len(drawn) - 1)
        for index, ((_, name, points), label) in enumerate(zip(drawn, labels, strict=True))
    ]
    begin = math.sqrt(low * high) / math.sqrt(lengths[-1] / lengths[0])
    top = min(begin * lengths[-1] / lengths[0], high)
    return Picture(
        rows[0].subject,
        _task(rows[0]),
        POINTS[unit][0].strip(),
        [str(value) for name, value in sorted(first.settings.items()) if name != counted]
        + [rows[0].place] * bool(rows[0].place),
        lines,
        [Tick(across(length), _counted(length, counted)) for length in lengths],
        [
            Tick(up(10.0**power), (_time if unit == "s" else _memory)(10.0**power))
            for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        ],
        ((across(lengths[0]), up(max(begin, low))), (across(lengths[-1]), up(top))),
    )


def _padded(low: float, high: float) -> Interval:
    """A little room at both ends, and no less than a decade."""
    middle, half = math.sqrt(low * high), max(math.sqrt(high / low) * 1.15, math.sqrt(10))
    return middle / half, middle * half


def _exponents(report: Report, point: Row) -> dict[str, str]:
    metric = _task(point) + POINTS[point.record.unit or ""][1]
    rows = [row for row in report.kind("throughput") if (row.subject, row.record.metric) == (point.subject, metric)]
    found = {}
    for row in sorted(rows, key=lambda row: row.record.time.timestamp()):
        value, ends = row.record.value, interval(row.record)
        if value is not None and ends is not None:
            span = f" ({ends[0]:.2f} – {ends[1]:.2f})" if ends[0] < ends[1] else ""  # memory is no matter of chance
            found[row.name] = f"{value:.2f}{span}"
    return found


def _counted(length: int, what: str) -> str:
    if what != "bytes":
        return f"{length:,}"
    return f"{text.figure(length / 1000)} kB" if length >= 1000 else f"{length} B"


def _time(seconds: float) -> str:
    scale, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns")) if seconds >= s * 0.999)
    return f"{seconds / (scale or 1e-9):.0f} {unit}"


def _memory(size: float) -> str:
    scale, unit = next((s, u) for s, u in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")) if size >= s * 0.999)
    return f"{size / scale:.0f} {unit}"
