"""The documents of the ward's tasks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from fixtures.corpora import clinic
from suites.accuracy.tasks import kinds

if TYPE_CHECKING:
    import datasets


def triage(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """How urgent is the case of a note?"""
    docs = [
        {
            "text": note.text,
            "prompt": f"Note: {note.text}\nTriage:",
            "choices": list(clinic.CLASSES),
            "label": clinic.CLASSES.index(note.label),
        }
        for note in clinic.notes("test", 500)
    ]
    return kinds.dataset(docs, data_sha256)


def texts(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Ten notes each."""
    notes = [note.text for note in clinic.notes("test", 500)]
    docs = [{"text": "\n".join(notes[start : start + 10]) + "\n"} for start in range(0, 500, 10)]
    return kinds.dataset(docs, data_sha256)
