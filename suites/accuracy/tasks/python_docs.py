"""The documents of the python_docs tasks: topics of the documentation, and docstrings of the standard library."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from fixtures.corpora import python_docs, python_docstrings
from suites.accuracy.tasks import kinds

if TYPE_CHECKING:
    import datasets

DATA = Path(__file__).parent / "python_docs"


@cache
def checked(name: str) -> str:
    """Text of a data file; raises `ValueError` where it is not the one that the task's version means."""
    expected = [line.split() for line in (DATA / "SHA256SUMS").read_text().splitlines()]
    raw = (DATA / name).read_bytes()
    if [found := hashlib.sha256(raw).hexdigest(), name] not in expected:
        raise ValueError(f"{DATA / name} has SHA-256 {found}, not the one in SHA256SUMS: restore it, or build it anew")
    return raw.decode()


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in checked(name).splitlines()]


def passages() -> dict[str, str]:
    """Id -> text of every passage: what is searched."""
    return {row["id"]: row["text"] for row in rows("passages.jsonl")}


def search(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """A sentence, and the passage that it was taken from."""
    searched = kinds.digest([passages()])
    return kinds.dataset([row | {"collection": searched} for row in rows("queries.jsonl")], data_sha256)


def held_out(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """The topics on which language models are judged."""
    told = python_docs.held_out().items()
    return kinds.dataset([{"topic": topic, "text": text} for topic, text in told], data_sha256)


def modules(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """In which module does a docstring stand?"""
    docs = [
        {
            "text": doc.text,
            "prompt": f"Docstring: {doc.text}\nModule:",
            "choices": list(python_docstrings.MODULES),
            "label": python_docstrings.MODULES.index(doc.module),
        }
        for doc in python_docstrings.of("test")
    ]
    return kinds.dataset(docs, data_sha256)
