"""Mean reciprocal rank, an `evaluate` module: `evaluate.load(".../reciprocal_rank.py")`, or just `reciprocal_rank(...)`.

Voorhees, *The TREC-8 question answering track report*, 1999. 1 / r, with r the rank (from 1) of the first relevant
document; how many others there are, and where, does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import datasets
import evaluate


def reciprocal_rank(ranking: Sequence[str], relevant: Collection[str], k: int | None = None) -> float:
    """1 / rank of the first relevant id in `ranking` (best first), of its first `k` where given; 0 where none is there.

    Raises `ValueError` on k < 1 and repeated ids.
    """
    if k is not None and k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a ranking names each document once")
    wanted = set(relevant)
    return next((1 / rank for rank, identity in enumerate(ranking[:k], start=1) if identity in wanted), 0.0)


class MeanReciprocalRank(evaluate.Metric):  # type: ignore[misc]
    """Mean of `reciprocal_rank` over queries."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="mean reciprocal rank over queries",
            citation="Voorhees 1999",
            inputs_description="predictions: rankings (ids, best first); references: the relevant ids; k",
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[list[str]], k: int | None = None
    ) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        values = [reciprocal_rank(ranking, relevant, k) for ranking, relevant in pairs]
        return {"mrr" if k is None else f"mrr@{k}": math.fsum(values) / len(values)}
