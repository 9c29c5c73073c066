"""How the models of the board are made: each from a task or a name, and the device. Libraries are imported when asked."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.model import LM

TAUGHT = 800
"""Training texts that a head on embeddings learns from: each costs a forward pass."""


@cache
def minilm(device: str) -> Any:
    from fixtures.zoo import minilm as weights
    from suites.accuracy.models import embeddings
    from suites.accuracy.models.base import NotEvaluated

    try:
        return embeddings.from_folder(weights.directory(), device)
    except weights.NotInstalled as error:
        raise NotEvaluated("unsupported", str(error)) from error


def minilm_head(task: str, device: str) -> LM:
    return head(minilm(device), task)


def head(encoder: Any, task: str) -> LM:
    """A classifier on an encoder's sentence embeddings, taught by the task's training texts."""
    from suites.accuracy import learning
    from suites.accuracy.models import classifiers

    taught = learning.examples(task)[:TAUGHT]
    return classifiers.on_embeddings(lambda texts: encoder.embed(texts).numpy(), taught)


def learnt(name: str, task: str, device: str) -> LM:
    """A classifier of suites.accuracy.models.classifiers, taught by the task's training texts."""
    from suites.accuracy import learning
    from suites.accuracy.models import classifiers

    return getattr(classifiers, name)(learning.examples(task))  # type: ignore[no-any-return]


@cache
def word_vectors(name: str, task: str, device: str) -> Any:
    """Vectors of words, learnt from the plain text of the task's corpus; of the user's own data, from what it has."""
    from suites.accuracy import learning
    from suites.accuracy.models import word_vectors as models

    return models.MeanOfWords(getattr(models, name), learning.plain(task))


def words_head(name: str, task: str, device: str) -> LM:
    """A classifier on the mean of a text's word vectors."""
    from suites.accuracy import learning
    from suites.accuracy.models import classifiers

    return classifiers.on_embeddings(word_vectors(name, task, device).embed, learning.examples(task))


def rules(name: str, otherwise: str, device: str) -> LM:
    from suites.accuracy.models import classifiers

    return classifiers.Rules(getattr(classifiers, name), otherwise)


def tagger(name: str, device: str) -> LM:
    from suites.accuracy import learning
    from suites.accuracy.models import taggers

    return getattr(taggers, name)(learning.tagged())  # type: ignore[no-any-return]


def patterns(device: str) -> LM:
    from suites.accuracy.models.readers import Patterns

    return Patterns()


def ranker(module: str, name: str, device: str) -> LM:
    found = importlib.import_module(f"suites.accuracy.models.{module}")
    return getattr(found, name)()  # type: ignore[no-any-return]


@cache
def shipped(name: str, device: str) -> Any:
    from fixtures.zoo import path
    from suites.accuracy.models import causal

    return causal.from_folder(path(name), device)


def untrained(name: str, device: str) -> LM:
    from fixtures.zoo import path
    from suites.accuracy.models import causal

    return causal.untrained_twin(path(name), device)


@cache
def ngrams(name: str, corpus: str, zoo: str, device: str) -> Any:
    """An n-gram model of a corpus, over the tokens of a shipped model."""
    from tokenizers import Tokenizer

    from fixtures.zoo import path
    from suites.accuracy import learning
    from suites.accuracy.models import lexical, ngrams

    tokenizer = Tokenizer.from_file(str(path(zoo) / "tokenizer.json"))
    kind = lexical.Unigram if name == "unigram" else ngrams.KneserNey
    return kind(tokenizer, learning.texts(corpus))
