"""Which of two figures is better, and when nobody can tell."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from reports.schema import Record

Better = Literal["higher", "lower"]
Interval = tuple[float, float]

_LOWER_UNITS = {
    "s",
    "ms",
    "us",
    "µs",
    "ns",
    "seconds",
    "milliseconds",
    "bytes",
    "b",
    "kib",
    "mib",
    "gib",
    "mb",
    "gb",
    "joule",
}
_LOWER_METRICS = re.compile(
    r"bits_per_byte|bits/byte|\bbpb\b|perplexity|\bppl\b|loss|error|latency|memory|duration|\bwer\b|\bcer\b|\bter\b",
    re.IGNORECASE,
)


def better(record: Record) -> Better:
    """The end that the record names; without one, times, sizes, losses and errors are better when small."""
    if record.better:
        return record.better
    lower = (record.unit or "").strip().lower() in _LOWER_UNITS or _LOWER_METRICS.search(record.metric or "")
    return "lower" if lower else "higher"


def interval(record: Record) -> Interval | None:
    """The 95 % interval; the bare value where none was measured; None where there is no finite value to rank."""
    if record.value is None or not math.isfinite(record.value):
        return None
    ends = [end for end in (record.low, record.value, record.high) if end is not None and not math.isnan(end)]
    return min(ends), max(ends)


def overlap(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def shared_ranks(intervals: Sequence[Interval], direction: Better) -> list[int]:
    """Rank of each row, 1 the best. Rows whose intervals overlap share one, also through a chain of overlaps;
    the next rank counts the rows before it (1 1 3)."""
    sign = -1.0 if direction == "higher" else 1.0
    spans = [tuple(sorted((sign * low, sign * high))) for low, high in intervals]
    ranks = [0] * len(spans)
    reach, rank = -math.inf, 0
    for place, index in enumerate(sorted(range(len(spans)), key=lambda index: spans[index]), 1):
        start, end = spans[index]
        if rank == 0 or start > reach:
            rank = place
        reach = max(reach, end)
        ranks[index] = rank
    return ranks
