"""Normalised discounted cumulative gain, an `evaluate` module: `evaluate.load(".../ndcg.py")`, or just `ndcg(...)`.

Järvelin and Kekäläinen, *Cumulated gain-based evaluation of IR techniques*, 2002, with the discount of Burges et al.
2005: a document of gain g at rank r (from 1) counts g / log2(r + 1), and the sum over the first k ranks is divided
by that of the best possible order of all relevant documents. 1 is perfect, 0 is nothing relevant among the first k.

Gains are those of the relevance judgements as they stand, as in BEIR and trec_eval; for the exponential ones of Burges
et al., give 2^g - 1. Equal scores rank by rising id; trec_eval has them by falling id.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import datasets
import evaluate


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Ids by falling score, equal scores by rising id: ties must not be decided by the order of the collection.

    (scikit-learn's ndcg_score averages over tied documents instead.) Raises `ValueError` on a score that is NaN.
    """
    if any(math.isnan(score) for score in scores.values()):
        raise ValueError("a score is NaN, which has no rank")
    return sorted(scores, key=lambda identity: (-scores[identity], identity))


def ndcg(ranking: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """nDCG@k of `ranking` (ids, best first). `gains`: id -> gain; ids not named gain nothing, nor do those below 0, which
    in trec_eval's files stand for "not judged".

    A query without relevant documents is worth 0. Raises `ValueError` on k < 1, gains not finite, and repeated ids.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if not all(map(math.isfinite, gains.values())):
        raise ValueError("expected finite gains")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a ranking names each document once")
    best = discounted(sorted(gains.values(), reverse=True)[:k])
    return discounted([gains.get(identity, 0.0) for identity in ranking[:k]]) / best if best else 0.0


def discounted(gains: Sequence[float]) -> float:
    """Sum of g / log2(r + 1) over ranks r = 1, 2, ..."""
    return math.fsum(max(gain, 0.0) / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


class Ndcg(evaluate.Metric):  # type: ignore[misc]
    """Mean of `ndcg` over queries, every relevant document gaining 1, or what `gains` says."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="mean nDCG@k over queries",
            citation="Järvelin and Kekäläinen 2002",
            inputs_description="predictions: rankings (ids, best first); references: the relevant ids; gains: of these; k",
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(
        self,
        predictions: list[list[str]],
        references: list[list[str]],
        gains: list[list[float]] | None = None,
        k: int = 10,
    ) -> dict[str, float]:
        gained = [[1.0] * len(relevant) for relevant in references] if gains is None else gains
        values = [
            ndcg(ranking, dict(zip(relevant, own, strict=True)), k)
            for ranking, relevant, own in zip(predictions, references, gained, strict=True)
        ]
        return {f"ndcg@{k}": math.fsum(values) / len(values)}
