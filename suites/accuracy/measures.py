"""The figures of the board: their units, and the interval that fits each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports import intervals
from reports.intervals import Interval

UNITS: dict[str, str | None] = {"bits_per_byte": "bits/byte"}
"""Units of the metrics that have one; the others are shares of 1, or correlations."""

LOWER = {"bits_per_byte"}
"""Metrics of which less is better."""


@dataclass(frozen=True)
class Score:
    """A figure with its 95 % interval; `n` is the number of queries or documents that were drawn."""

    metric: str
    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def beats(self, other: Score) -> bool:
        """Better, and so far that the intervals do not overlap."""
        return self.high < other.low if self.metric in LOWER else self.low > other.high


def bits(values: Sequence[tuple[float, int]]) -> Interval:
    """Of (nats, bytes) pairs."""
    return intervals.of_ratio([-nats / math.log(2) for nats, _ in values], [size for _, size in values])


def ratio(values: Sequence[tuple[float, float]]) -> Interval:
    """Of (part, whole) pairs: the words of one sentence are drawn together."""
    return intervals.of_ratio([part for part, _ in values], [whole for _, whole in values])


def macro_f1(values: Sequence[tuple[int, int]]) -> Interval:
    """Of (label, answer) pairs."""
    from suites.accuracy.metrics import f1

    labels = [label for label, _ in values]
    classes = sorted(set(labels))
    rows = f1.counts([answer for _, answer in values], labels, classes)
    shape = rows.shape[1:]
    return intervals.of_sums(rows.reshape(len(rows), -1), lambda s: f1.of_sums(s.reshape(-1, *shape)).mean(axis=-1))


def spearman(values: Sequence[tuple[float, float]]) -> Interval:
    """Of (similarity, gold) pairs."""
    from suites.accuracy.metrics import spearman as ranks

    return intervals.bootstrap(np.asarray(values, dtype=float), ranks.of_counts)


INTERVALS: dict[str, Callable[[Sequence[Any]], Interval]] = {
    "bits_per_byte": bits,
    "tag_accuracy": ratio,
    "macro_f1": macro_f1,
    "spearman": spearman,
}
"""Metrics that are no mean over examples."""


def score(metric: str, values: Sequence[Any]) -> Score:
    """The figure and its interval, from what the task's scoring function gave for each document."""
    return Score(metric, *INTERVALS.get(metric, intervals.of_scores)(values), len(values))


def marks(metric: str, values: Sequence[Any]) -> list[float | None]:
    """Each document's own figure, for comparing models on the same documents; their mean is the score.

    None where a document has none: macro F1 and rank correlation belong to all documents together.
    """
    if metric == "bits_per_byte":
        parts, wholes = [-nats / math.log(2) for nats, _ in values], [size for _, size in values]
    elif metric == "tag_accuracy":
        parts, wholes = [part for part, _ in values], [whole for _, whole in values]
    else:
        return [None if metric in INTERVALS else float(value) for value in values]
    mean = math.fsum(wholes) / len(wholes)
    return [part / mean for part in parts]
