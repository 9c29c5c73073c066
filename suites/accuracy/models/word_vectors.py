"""Word vectors, from what stands near a word: counted (PPMI and SVD), and predicted (word2vec).

A text is the mean of its words' vectors, each weighing a / (a + p), where p is its share of the training texts and a is
0.001, so that frequent words count less (Arora, Liang and Ma 2017, section 3.1; the common direction stays in).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from suites.accuracy.models.base import Ranker

WIDTH, WINDOW, FEWEST = 100, 5, 2
"""Numbers a vector, words on either side that count as near, and how often a word must occur to have a vector."""
RARE = 1e-3

Vectors = tuple[dict[str, int], np.ndarray[Any, Any]]
"""Word -> its row, and the rows: (words, width)."""


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def word2vec(texts: Sequence[list[str]]) -> Vectors:
    """Skip-grams with five negative samples (Mikolov et al. 2013, arXiv:1310.4546), by gensim; one thread, one seed."""
    from gensim.models import Word2Vec

    settings = {"vector_size": WIDTH, "window": WINDOW, "min_count": FEWEST, "sg": 1, "negative": 5, "epochs": 10}
    found = Word2Vec(texts, workers=1, seed=1, **settings).wv
    return dict(found.key_to_index), np.asarray(found.vectors)


def ppmi(texts: Sequence[list[str]]) -> tuple[dict[str, int], Any]:
    """Word -> its row, and the positive pointwise mutual information of every two words as a sparse matrix.

    max(0, log p(w, c) / (p(w) p'(c))), where p' is the share of the context's count to the power 0.75 (Levy, Goldberg
    and Dagan 2015, section 3.2).
    """
    from scipy.sparse import coo_array

    counts = Counter(word for text in texts for word in text)
    place = {word: row for row, word in enumerate(word for word, n in counts.most_common() if n >= FEWEST)}
    near: Counter[tuple[int, int]] = Counter()
    for text in texts:
        rows = [place[word] for word in text if word in place]
        for distance in range(1, WINDOW + 1):
            near.update(zip(rows, rows[distance:], strict=False))
    pairs = np.array(list(near), dtype=np.int64).reshape(-1, 2)
    times = np.array(list(near.values()), dtype=np.float64)
    table = coo_array((times, (pairs[:, 0], pairs[:, 1])), shape=(len(place), len(place))).tocsr()
    table = (table + table.T).tocoo()
    of_words = table.sum(axis=1)
    of_contexts = of_words**0.75 / (of_words**0.75).sum()
    own = np.log(table.data / (of_words[table.row] * of_contexts[table.col]))
    kept = own > 0
    return place, coo_array((own[kept], (table.row[kept], table.col[kept])), shape=table.shape).tocsr()


def ppmi_svd(texts: Sequence[list[str]]) -> Vectors:
    """The left singular vectors of the PPMI matrix, each times the root of its singular value."""
    from sklearn.utils.extmath import randomized_svd

    place, table = ppmi(texts)
    left, values, _ = randomized_svd(table, min(WIDTH, len(place)), random_state=0)
    return place, left * np.sqrt(values)


class MeanOfWords(Ranker):
    """Texts compared by the cosine of their vectors. Without texts to learn from it learns from the passages."""

    def __init__(self, learn: Callable[[Sequence[list[str]]], Vectors], texts: Sequence[str] | None) -> None:
        super().__init__()
        self.learn = learn
        if texts is not None:
            self._learn(texts)

    def _learn(self, texts: Sequence[str]) -> None:
        cut = [words(text) for text in texts]
        counts = Counter(word for text in cut for word in text)
        self.place, rows = self.learn(cut)
        shares = np.array([counts[word] for word in self.place]) / counts.total()
        self.rows = rows * (RARE / (RARE + shares))[:, None]

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Unit vectors, (texts, width); zeros where no word is known."""
        found = np.zeros((len(texts), self.rows.shape[1]))
        for row, text in zip(found, texts, strict=True):
            if known := [self.place[word] for word in words(text) if word in self.place]:
                row += self.rows[known].mean(0)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        if not hasattr(self, "rows"):
            self._learn(passages)
        return np.asarray(self.embed(queries) @ self.embed(passages).T)
