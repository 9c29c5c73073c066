"""Recall among the first k, an `evaluate` module: `evaluate.load(".../recall.py")`, or just `recall(...)`.

The share of the relevant documents that stand among the first k of a ranking.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import datasets
import evaluate


def recall(ranking: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Recall@k of `ranking` (ids, best first), in [0, 1]. A query without relevant documents is worth 0.

    Raises `ValueError` on k < 1 and repeated ids.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a ranking names each document once")
    wanted = set(relevant)
    return len(wanted & set(ranking[:k])) / len(wanted) if wanted else 0.0


class Recall(evaluate.Metric):  # type: ignore[misc]
    """Mean of `recall` over queries."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="mean recall@k over queries",
            citation="",
            inputs_description="predictions: rankings (ids, best first); references: the relevant ids; k",
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]], k: int = 10) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        values = [recall(ranking, relevant, k) for ranking, relevant in pairs]
        return {f"recall@{k}": math.fsum(values) / len(values)}
