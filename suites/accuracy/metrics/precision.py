"""Precision among the first k, an `evaluate` module: `evaluate.load(".../precision.py")`, or just `precision(...)`.

The share of the first k ranks at which a relevant document stands. A ranking of fewer than k documents has empty ranks,
as in trec_eval: who finds one right document and nothing else has precision@10 of 0.1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import datasets
import evaluate


def precision(ranking: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Precision@k of `ranking` (ids, best first), in [0, 1]. A query without relevant documents is worth 0.

    Raises `ValueError` on k < 1 and repeated ids.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a ranking names each document once")
    return len(set(relevant) & set(ranking[:k])) / k


class Precision(evaluate.Metric):  # type: ignore[misc]
    """Mean of `precision` over queries."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="mean precision@k over queries",
            citation="",
            inputs_description="predictions: rankings (ids, best first); references: the relevant ids; k",
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]], k: int = 10) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        values = [precision(ranking, relevant, k) for ranking, relevant in pairs]
        return {f"precision@{k}": math.fsum(values) / len(values)}
