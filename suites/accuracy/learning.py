"""What classical models learn from: the training split of each task, as (input, answer) pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

TEXTS = 4000
"""Examples of a generated task, at most."""


Examples = tuple[tuple[str, str], ...]

BROUGHT: dict[str, Examples] = {}
"""The user's own training texts, by task."""


@cache
def examples(task: str) -> Examples:
    """(text, label) pairs of a classification task. Raises `KeyError` for a task that has none."""
    if task in BROUGHT:
        return BROUGHT[task]
    from fixtures.corpora import clinic, python_docstrings
    from fixtures.corpora.shop import prompts, reviews

    found: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "shop_sentiment": lambda: [(r.text, prompts.SENTIMENTS[r.positive]) for r in reviews.reviews("train", 2)],
        "clinic_triage": lambda: [(note.text, note.label) for note in clinic.notes("train", TEXTS)],
        "python_docs_module": lambda: [(doc.text, doc.module) for doc in python_docstrings.of("train")],
    }
    return tuple(found[task]()[:TEXTS])


@cache
def tagged() -> tuple[tuple[tuple[str, str], ...], ...]:
    """Sentences of (word, tag) pairs."""
    from fixtures.corpora.shop import sentences

    return tuple(one.tagged for one in sentences.sentences("train", TEXTS))


@cache
def texts(corpus: str) -> tuple[str, ...]:
    """Plain text to learn a language from: what the bits per byte of the same corpus are measured on the test split of."""
    from fixtures.corpora import clinic, python_docs
    from fixtures.corpora.shop import descriptions, reviews

    if corpus == "python_docs":
        return tuple(python_docs.training().values())
    if corpus == "clinic":
        notes = [note.text for note in clinic.notes("train", TEXTS)]
        return tuple("\n".join(notes[start : start + 10]) + "\n" for start in range(0, len(notes), 10))
    told = zip(descriptions.descriptions("train"), reviews.reviews("train"), strict=True)
    return tuple(f"{d.text}\n{r.text}\n" for d, r in told)


CORPORA = ("shop", "clinic", "python_docs")


def plain(task: str) -> tuple[str, ...] | None:
    """Texts to learn words from: the corpus of the task and its training texts; None if the user's data has neither."""
    known = BROUGHT.get(task)
    if task in BROUGHT:
        return tuple(text for text, _ in known) if known else None
    corpus = next(name for name in CORPORA if task.startswith(f"{name}_"))
    try:
        taught = examples(task)
    except KeyError:
        taught = ()
    return texts(corpus) + tuple(text for text, _ in taught)
