"""Models without a network: the floor that the others have to beat."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from suites.accuracy.models.base import Adapter, Ranker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lm_eval.api.instance import Instance
    from tokenizers import Tokenizer


class Random(Ranker):
    """Uniform scores; they hang on the seed and the query alone, not on the order of the queries."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        return np.stack(
            [np.random.default_rng([self.seed, zlib.crc32(q.encode())]).random(len(passages)) for q in queries]
        )


class TfIdf(Ranker):
    """Cosine of scikit-learn's TF-IDF vectors with its defaults, ln((1 + n) / (1 + df)) + 1, fit on the passages."""

    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer()
        vectors = vectorizer.fit_transform(passages)
        return np.asarray((vectorizer.transform(queries) @ vectors.T).toarray())


class Unigram(Adapter):
    """Tokens drawn independently, by their frequency in the training texts with one added to every count."""

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str]) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        counts = Counter(i for text in texts for i in tokenizer.encode(text).ids)
        size = tokenizer.get_vocab_size()
        self.log_probabilities = [math.log((counts[i] + 1) / (counts.total() + size)) for i in range(size)]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        encoded = (self.tokenizer.encode(request.args[0]).ids for request in requests)
        return [math.fsum(self.log_probabilities[i] for i in ids) for ids in encoded]
