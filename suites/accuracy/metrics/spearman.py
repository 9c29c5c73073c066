"""Spearman's rank correlation, an `evaluate` module: `evaluate.load(".../spearman.py")`, or just `spearman(...)`.

Spearman, *The proof and measurement of association between two things*, 1904. Pearson's correlation of the ranks, equal
values all having the mean of the ranks that they take up. (1 - 6 sum d^2 / (n^3 - n) is the same only without ties.)
"""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np


def spearman(predictions: Sequence[float], references: Sequence[float]) -> float:
    """Correlation in [-1, 1]. 0 for predictions that are all the same: they order nothing (scipy has NaN there).

    Raises `ValueError` on other lengths, values that are not finite, and references that are all the same, to which
    every order is as right.
    """
    rows = np.array([predictions, references], dtype=float).T if len(predictions) == len(references) else np.empty(0)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"expected finite numbers, as many predictions ({len(predictions)}) as references")
    if len(set(references)) < 2:
        raise ValueError("expected references of at least two different values")
    return float(of_counts(rows, np.ones((1, len(rows))))[0])


def of_counts(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Correlations of resamples: pairs m × 2, times that each of them occurs b × m -> b. For `intervals.bootstrap`.

    0 where all predictions, or all references, are the same.
    """
    centred = [midranks(column, counts) - (counts.sum(axis=1, keepdims=True) + 1) / 2 for column in rows.T]
    covariance, one, other = (
        (counts * a * b).sum(axis=1)
        for a, b in zip((centred[0], centred[0], centred[1]), (centred[1], centred[0], centred[1]), strict=True)
    )
    size = np.sqrt(one * other)
    return np.clip(np.divide(covariance, size, out=np.zeros_like(size), where=size > 0), -1.0, 1.0)


def midranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rank of each of m values among themselves, each of them occurring `counts` times (b × m): b × m."""
    distinct, place = np.unique(values, return_inverse=True)
    times = np.zeros((len(distinct), len(counts)))
    np.add.at(times, place, counts.T)
    return (np.cumsum(times, axis=0) - (times - 1) / 2)[place].T


class Spearman(evaluate.Metric):  # type: ignore[misc]
    """`spearman` of two sequences of numbers."""

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description="Spearman's rank correlation",
            citation="Spearman 1904",
            inputs_description="predictions, references: numbers",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        return {"spearman": spearman(predictions, references)}
