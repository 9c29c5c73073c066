"""Mean average precision, an `evaluate` module: `evaluate.load(".../average_precision.py")`, or just call the function.

Buckley and Voorhees, *Evaluating evaluation measure stability*, 2000. The mean over all relevant documents of the
precision at the rank where each stands, and of 0 for those that the ranking does not have. Cut at k, as trec_eval has
it, those below k count 0 too. (sentence-transformers divides by min(k, relevant documents) instead.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import datasets
import evaluate


def average_precision(ranking: Sequence[str], relevant: Collection[str], k: int | None = None) -> float:
    """Average precision of `ranking` (ids, best first), in [0, 1]. A query without relevant documents is worth 0.

    Raises `ValueError` on k < 1 and repeated ids.
    """
    if k is not None and k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a ranking names each document once")
    wanted = set(relevant)
    ranks = [rank for rank, identity in enumerate(ranking[:k], start=1) if identity in wanted]
    return math.fsum(found / rank for found, rank in enumerate(ranks, start=1)) / len(wanted) if wanted else 0.0


class MeanAveragePrecision(evaluate.Metric):  # type: ignore[misc]
    """Mean of `average_precision` over queries."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="mean average precision over queries",
            citation="Buckley and Voorhees 2000",
            inputs_description="predictions: rankings (ids, best first); references: the relevant ids; k",
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[list[str]], k: int | None = None
    ) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        values = [average_precision(ranking, relevant, k) for ranking, relevant in pairs]
        return {"map" if k is None else f"map@{k}": math.fsum(values) / len(values)}
