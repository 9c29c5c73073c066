"""BM25 (Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework*), as Lucene scores it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from suites.accuracy.models.base import Ranker


class Index:
    """Weights of the passages' terms, ready to be summed for a query.

    weight(t, d) = ln(1 + (n - df + 0.5) / (df + 0.5)) · tf / (tf + k1 (1 - b + b |d| / mean |d|)). The idf is above 0
    also for a term that most passages have. Terms are lower-cased words of one letter or more; a term that the query
    repeats counts as often.
    """

    def __init__(self, passages: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self.counter = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
        counts = self.counter.fit_transform(passages).astype(float).tocsr()
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((len(lengths) - df + 0.5) / (df + 0.5))
        rows = np.repeat(np.arange(len(lengths)), np.diff(counts.indptr))
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        counts.data = idf[counts.indices] * counts.data / (counts.data + norm[rows])
        self.weights = counts

    def scores(self, query: str) -> np.ndarray[Any, Any]:
        """(passages,) scores of one query."""
        return np.asarray((self.weights @ self.counter.transform([query]).T).toarray()).ravel()


class Bm25(Ranker):
    """The ranking to beat since the nineties."""

    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        index = Index(passages)
        return np.stack([index.scores(query) for query in queries])
