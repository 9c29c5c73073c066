"""Classifiers before transformers: they learn from a task's training texts and answer by their own scores.

lm-eval asks for the log-likelihood of each choice after a prompt; a classifier looks at the document's text instead, and
gives each choice its score. Only the order of the scores counts.
"""

from __future__ import annotations

import re
import zlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from suites.accuracy.models.base import Adapter, NotEvaluated, WrongKind

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    Examples = Sequence[tuple[str, str]]
    """(text, label) pairs to learn from."""


class Classifier(Adapter):
    """Answers classification tasks; `labels` are the classes that it knows, in the order of its scores."""

    labels: Sequence[str]

    @abstractmethod
    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        """(texts, labels), higher is likelier."""

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        if any("text" not in request.doc or "choices" not in request.doc for request in requests):
            raise WrongKind("a classifier answers tasks that ask for the class of a text")
        texts = list(dict.fromkeys(request.doc["text"] for request in requests))
        table = dict(zip(texts, self.scores(texts), strict=True))
        place = {label: index for index, label in enumerate(self.labels)}
        answers = []
        for request in requests:
            choice = request.doc["choices"][request.idx]
            if choice not in place:
                known = ", ".join(map(str, self.labels))
                raise NotEvaluated("error", f"the class {choice!r} does not stand in the training texts ({known})")
            row = table[request.doc["text"]]
            answers.append((float(row[place[choice]]), bool(row[place[choice]] == row.max())))
        return answers


class Random(Classifier):
    """A class drawn at random, by the text alone."""

    def __init__(self, examples: Examples, seed: int = 0) -> None:
        super().__init__()
        self.labels, self.seed = sorted({label for _, label in examples}), seed

    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        draws = (np.random.default_rng([self.seed, zlib.crc32(text.encode())]) for text in texts)
        return np.stack([draw.random(len(self.labels)) for draw in draws])


class Majority(Classifier):
    """The most frequent class of the training texts, whatever is asked."""

    def __init__(self, examples: Examples) -> None:
        super().__init__()
        counts = Counter(label for _, label in examples)
        self.labels = sorted(counts)
        self.row = np.array([float(counts[label]) for label in self.labels])
        # Of classes that are equally frequent the first of the alphabet: one has to be chosen.
        self.row -= np.arange(len(self.row)) / (2 * len(self.row))

    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        return np.tile(self.row, (len(texts), 1))


class Linear(Classifier):
    """An estimator of scikit-learn over a vectorizer of it."""

    def __init__(self, vectorizer: Any, estimator: Any, examples: Examples) -> None:
        super().__init__()
        self.vectorizer, self.estimator = vectorizer, estimator
        texts, labels = zip(*examples, strict=True)
        self.estimator.fit(self.vectorizer.fit_transform(texts), labels)
        self.labels = [str(label) for label in self.estimator.classes_]

    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        vectors = self.vectorizer.transform(texts)
        if hasattr(self.estimator, "decision_function"):
            found = np.asarray(self.estimator.decision_function(vectors))
            return np.stack([-found, found], axis=1) if found.ndim == 1 else found
        return np.asarray(self.estimator.predict_log_proba(vectors))


def naive_bayes(examples: Examples) -> Linear:
    """Multinomial Naive Bayes over counts of words, one added to each (McCallum and Nigam 1998)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    return Linear(CountVectorizer(), MultinomialNB(alpha=1.0), examples)


def linear_svm(examples: Examples) -> Linear:
    """A linear support vector machine over TF-IDF of words and pairs of words (Joachims 1998; Wang and Manning 2012)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    return Linear(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(random_state=0), examples)


class Embedded:
    """A vectorizer by `embed`, texts -> (texts, width), that has nothing to learn."""

    def __init__(self, embed: Any) -> None:
        self.embed = embed

    def fit_transform(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        return self.transform(texts)

    def transform(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        return np.asarray(self.embed(list(texts)))


def on_embeddings(embed: Any, examples: Examples) -> Linear:
    """Logistic regression on sentence embeddings: what a frozen encoder knows of a class."""
    from sklearn.linear_model import LogisticRegression

    return Linear(Embedded(embed), LogisticRegression(max_iter=1000, C=10.0), examples)


class Rules(Classifier):
    """Patterns written by hand: the first that is found decides; the last class is for texts where none is."""

    def __init__(self, patterns: Sequence[tuple[str, str]], otherwise: str) -> None:
        super().__init__()
        self.patterns = [(re.compile(pattern, re.IGNORECASE), label) for pattern, label in patterns]
        self.otherwise = otherwise
        self.labels = list(dict.fromkeys([label for _, label in patterns] + [otherwise]))

    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        table = np.zeros((len(texts), len(self.labels)))
        for row, text in zip(table, texts, strict=True):
            found = (label for pattern, label in self.patterns if pattern.search(text))
            row[self.labels.index(next(found, self.otherwise))] = 1.0
        return table


SENTIMENT = (
    (r"could not be less|not (at all )?content|does not do|never again|\bworst\b", "negative"),
    (r"\bnot regret|could not be happier|\bbest\b|\bcontent\b|again|does what", "positive"),
    (r"\bregret\b|awful|flimsy|terrible|dreadful", "negative"),
)
"""What somebody writes down after reading some dozens of training reviews."""

TRIAGE = (
    (r"c/o [^.]*(\bCP\b|SOB|dyspnea|breath|droop|slurred|weakness|chest)", "immediate"),
    (r"c/o [^.]*(abd|RLQ|epigastric|\blac\b|fx|deformity|bear wt)", "urgent"),
    (r"c/o [^.]*(rash|hives|back|LBP|lumbar|ear|otalgia)", "routine"),
)
