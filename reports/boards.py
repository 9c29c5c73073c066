"""Leaderboards: which rows may be ranked together, in what order, and where their bars stand."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reports.comparisons import shared_ranks_paired, smallest_detectable
from reports.growth import is_point
from reports.ranks import Better, Interval, better, interval, shared_ranks
from reports.tables import BAD, UNJUDGED, Report, Row, grouped


@dataclass(frozen=True)
class Bar:
    """Places on the axis in percent."""

    start: float
    end: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Entry:
    """A row of a leaderboard; without a rank where it cannot or must not be ranked."""

    row: Row
    rank: int | None = None
    bar: Bar | None = None
    shared: bool = False
    shares: tuple[tuple[str, Row], ...] = ()
    """what it is of the possible: of what, and the row that says so"""


@dataclass(frozen=True)
class Board:
    """Rows that may be compared: same subject, metric and settings, and for timings the same machine and dtype."""

    subject: str
    metric: str
    unit: str | None
    direction: Better
    tags: list[str]
    apart: bool
    """Whether dtype, device or machine differ from row to row; where they do not, the tags have them."""
    ranked: list[Entry]
    contended: list[Entry]
    unranked: list[Entry]
    paired: float | None = None
    """Where the rows are compared document by document: the least difference that would be seen four times out of five."""

    @property
    def entries(self) -> list[Entry]:
        return self.ranked + self.contended + self.unranked


SHARES = ("MFU", "bandwidth use")
"""What the metrics end in that say how much of the possible a rate is: they stand beside the rate, on no board of theirs."""


def is_share(row: Row) -> bool:
    return row.record.kind == "throughput" and (row.record.metric or "").endswith(tuple(f" {what}" for what in SHARES))


def boards(report: Report, kind: str, subject: str | None = None) -> list[Board]:
    """Timings of different machines or dtypes are never ranked together; scores are, and say where they come from."""
    timing = kind == "throughput"

    def comparable(row: Row) -> tuple[Any, ...]:
        record = row.record
        settings = tuple(sorted((name, str(value)) for name, value in record.settings.items()))
        same = (row.subject, record.metric or record.law or "–", record.unit or "", settings)
        return (*same, record.dtype or "", record.device, report.tags[record.environment]) if timing else same

    rows = [row for row in report.kind(kind) if subject in (None, row.subject) and not is_point(row)]
    parts = [row for row in rows if is_share(row)]
    rows = [row for row in rows if not is_share(row)]
    measured = grouped((row for row in rows if not _refused(row)), comparable)
    found = dict(measured)
    for key, refused in grouped((row for row in rows if _refused(row)), comparable).items():
        # Whoever could not even be asked has no metric: a line among those who could be.
        homes = [home for home in measured if home[0] == key[0] and home[4:] in (key[4:], ())]
        for home in homes or [key]:
            found[home] = [*found.get(home, []), *refused]
    drawn = [_board(report, group, timing) for _, group in sorted(found.items())]
    return [_beside(board, parts) for board in drawn] if parts else drawn


def _beside(board: Board, parts: list[Row]) -> Board:
    """Each row with its shares of the possible."""

    def known(row: Row, metric: str) -> tuple[Any, ...]:
        record = row.record
        same = tuple(sorted((name, str(value)) for name, value in record.settings.items()))
        return row.subject, row.name, metric, record.dtype, record.device, record.environment, record.run, same

    found = {known(row, row.record.metric or ""): row for row in parts}

    def whole(entries: list[Entry]) -> list[Entry]:
        beside = [
            [(what, part) for what in SHARES if (part := found.get(known(entry.row, f"{board.metric} {what}")))]
            for entry in entries
        ]
        return [replace(entry, shares=tuple(shares)) for entry, shares in zip(entries, beside, strict=True)]

    return replace(board, ranked=whole(board.ranked), contended=whole(board.contended), unranked=whole(board.unranked))


def _refused(row: Row) -> bool:
    return row.record.metric is None and row.record.law is None and row.record.value is None


def _board(report: Report, rows: list[Row], timing: bool) -> Board:
    # Rows without a figure come last: they know least about the board.
    rows = sorted(rows, key=lambda row: row.record.value is None)
    first = rows[0].record
    direction = better(first)
    tags = [f"{name.replace('_', ' ')} {value}" for name, value in sorted(first.settings.items()) if value is not None]
    apart = len({tuple(row.where) for row in rows if row.record.value is not None}) > 1
    if timing or not apart:
        device = first.device if timing or first.device != "cpu" else None
        tags = [*(part for part in (first.dtype, device, rows[0].place) if part), *tags]
    spans = {
        row.anchor: found
        for row in rows
        if row.record.verdict not in BAD | UNJUDGED and (found := interval(row.record)) is not None
    }
    bars = _bars([row for row in rows if row.anchor in spans], spans)

    def place(row: Row) -> float:
        value = row.record.value or 0.0
        return -value if direction == "higher" else value

    fit = sorted((row for row in rows if row.anchor in spans), key=place)
    calm = [row for row in fit if not (timing and row.record.contended)]
    paired = _paired(report, calm)
    if paired:
        places = shared_ranks_paired(paired, direction)
        ranks = [places[row.anchor] for row in calm]
    else:
        ranks = shared_ranks([spans[row.anchor] for row in calm], direction)
    counts = Counter(ranks)
    ranked = [Entry(row, rank, bars[row.anchor], counts[rank] > 1) for row, rank in zip(calm, ranks, strict=True)]
    return Board(
        subject=rows[0].subject,
        metric=first.metric or first.law or "–",
        unit=first.unit,
        direction=direction,
        tags=tags,
        apart=apart,
        ranked=sorted(ranked, key=lambda entry: (entry.rank or 0, place(entry.row))),
        contended=[Entry(row, bar=bars[row.anchor]) for row in fit if timing and row.record.contended],
        unranked=[Entry(row) for row in rows if row.anchor not in spans],
        paired=_tells_apart(paired),
    )


def _paired(report: Report, rows: list[Row]) -> dict[str, list[float]]:
    """Row -> its figures on the documents, in one order; empty unless all rows answered the same documents."""
    marks = {row.anchor: report.marks(row.record) for row in rows if row.record.kind == "accuracy"}
    documents = [sorted(own) for own in marks.values()]
    if len(marks) < max(2, len(rows)) or not documents[0] or any(own != documents[0] for own in documents):
        return {}
    return {anchor: [own[document] for document in documents[0]] for anchor, own in marks.items()}


def _tells_apart(paired: dict[str, list[float]]) -> float | None:
    """The least difference that so many documents show, for the two rows that differ most from document to document."""
    if not paired:
        return None
    pairs = itertools.combinations(paired.values(), 2)
    deviation = max(float(np.std(np.subtract(one, other))) for one, other in pairs)
    return smallest_detectable(deviation, len(next(iter(paired.values()))))


def _bars(rows: Sequence[Row], spans: dict[str, Interval]) -> dict[str, Bar]:
    """On one axis that begins at 0. Ends that are infinite or past the axis stop at its edge."""
    ends = [end for row in rows for end in (*spans[row.anchor], row.record.value or 0.0) if math.isfinite(end)]
    least, most = min([0.0, *ends]), max([0.0, *ends])
    width = most - least

    def percent(value: float) -> float:
        if not 0 < width < math.inf:
            return 0.0
        return round(100 * min(1.0, max(0.0, (value - least) / width)), 2)

    bars = {}
    for row in rows:
        low, high = spans[row.anchor]
        start, end = sorted((percent(0.0), percent(row.record.value or 0.0)))
        certain = low == high
        bars[row.anchor] = Bar(start, end, None if certain else percent(low), None if certain else percent(high))
    return bars
