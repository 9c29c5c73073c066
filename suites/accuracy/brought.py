"""`--data KIND=DIR`: a task of a kind on the user's own files.

| KIND | files | a line, or the layout |
|---|---|---|
| classification | `test.jsonl`, perhaps `train.jsonl` | `{"text": "...", "label": "..."}` |
| similarity | `test.jsonl` | `{"a": "...", "b": "...", "score": 3.5}` |
| retrieval | `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv` | BEIR's (Thakur et al. 2021) |
| questions | one `.json` file | SQuAD's, also 2.0 with questions that have no answer |
| preference | `test.jsonl` | `{"prompt": "...", "chosen": "...", "rejected": "..."}` |
| text | `*.txt` | each file is a document |

Everything is read and checked before the first test.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from suites.accuracy.lines import DataError, jsonl, table, text

Doc = dict[str, Any]


@dataclass(frozen=True)
class Brought:
    """A task on the user's data. `template`: the file in tasks/ that says how it is asked; `train`: (text, label)s."""

    kind: str
    folder: Path
    template: str
    documents: tuple[Doc, ...]
    train: tuple[tuple[str, str], ...] = ()
    generation: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the task: the folder's name and what is asked."""
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', self.folder.name).strip('-') or 'data'}_{self.kind}"


def read(given: str) -> Brought:
    """The task of `KIND=DIR`. Raises `DataError` with what to write instead, or the file and line that is wrong."""
    kind, equals, place = given.partition("=")
    if not equals or kind not in READERS:
        raise DataError(f"--data {given}: write KIND=DIR, KIND being {', '.join(READERS)}")
    folder = Path(place).expanduser()
    if not folder.is_dir():
        what = "is a file; name the folder that it stands in" if folder.exists() else "there is no such folder"
        raise DataError(f"--data {given}: {folder} {what}")
    return READERS[kind](folder.resolve())


def classification(folder: Path) -> Brought:
    """Classes of texts; classical models learn from `train.jsonl`."""
    fields: dict[str, Any] = {"text": str, "label": (str, int)}
    rows = jsonl(folder / "test.jsonl", fields)
    train = jsonl(folder / "train.jsonl", fields) if (folder / "train.jsonl").exists() else []
    known = {str(row["label"]) for row in train}
    for row in rows:
        if train and str(row["label"]) not in known:
            raise DataError(
                f"{folder / 'test.jsonl'}:{row['line']}: the label {row['label']!r} does not stand in train.jsonl "
                f"({', '.join(sorted(known))})"
            )
    classes = sorted(known | {str(row["label"]) for row in rows})
    if len(classes) < 2:
        raise DataError(f"{folder}: expected two labels at least, got {', '.join(classes)} only")
    documents = [
        {
            "text": row["text"],
            "prompt": f"Text: {row['text']}\nLabel:",
            "choices": classes,
            "label": classes.index(str(row["label"])),
        }
        for row in rows
    ]
    pairs = tuple((row["text"], str(row["label"])) for row in train)
    return Brought("classification", folder, "_classification", tuple(documents), train=pairs)


def similarity(folder: Path) -> Brought:
    """Pairs of texts with a score of how alike they are; only the order of the scores counts."""
    rows = jsonl(folder / "test.jsonl", {"a": str, "b": str, "score": (int, float)})
    for row in rows:
        if not math.isfinite(row["score"]):
            raise DataError(f"{folder / 'test.jsonl'}:{row['line']}: the score {row['score']} is not finite")
    if len({row["score"] for row in rows}) < 2:
        raise DataError(f"{folder / 'test.jsonl'}: all scores are {rows[0]['score']}: there is no order to find")
    documents = [{"a": row["a"], "b": row["b"], "score": float(row["score"])} for row in rows]
    return Brought("similarity", folder, "_similarity", tuple(documents))


def retrieval(folder: Path) -> Brought:
    """A collection, queries, and which documents are relevant to which."""
    ids = set(passages(folder / "corpus.jsonl"))
    queries = {row["_id"]: row for row in jsonl(folder / "queries.jsonl", {"_id": str, "text": str})}
    judged: dict[str, dict[str, float]] = {}
    path = folder / "qrels" / "test.tsv"
    for number, (query, document, score) in table(path, 3):
        if number == 1 and not re.fullmatch(r"-?\d+(\.\d+)?", score):
            continue  # the header
        for identity, where, known in ((query, "queries.jsonl", queries), (document, "corpus.jsonl", ids)):
            if identity not in known:
                raise DataError(f"{path}:{number}: {identity!r} does not stand in {where}")
        try:
            judged.setdefault(query, {})[document] = float(score)
        except ValueError:
            raise DataError(f"{path}:{number}: expected a number as score, got {score!r}") from None
    # As trec_eval does: a query without any relevant document has no score to be averaged.
    asked = {query: gains for query, gains in judged.items() if any(gain > 0 for gain in gains.values())}
    if not asked:
        raise DataError(f"{path}: no query has a relevant document")
    documents = [
        {
            "query": queries[query]["text"],
            "relevant": sorted(document for document, gain in gains.items() if gain > 0),
            "gains": [gains[document] for document in sorted(gains) if gains[document] > 0],
        }
        for query, gains in asked.items()
    ]
    searched = {"until": [], "collection": str(folder / "corpus.jsonl"), "top": 100}
    return Brought("retrieval", folder, "_search", tuple(documents), generation=searched)


@cache
def passages(path: Path) -> dict[str, str]:
    """Id -> title and text of a collection in BEIR's layout. Raises `DataError`."""
    found: dict[str, str] = {}
    for row in jsonl(path, {"_id": str, "text": str}):
        if row["_id"] in found:
            raise DataError(f"{path}:{row['line']}: the id {row['_id']!r} stands twice")
        found[row["_id"]] = f"{row.get('title') or ''} {row['text']}".strip()
    return found


def questions(folder: Path) -> Brought:
    """Questions on paragraphs, with all answers that count as right."""
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        named = ", ".join(file.name for file in files) or "none"
        raise DataError(f"{folder}: expected one .json file in SQuAD's layout, got {named}")
    try:
        content = json.loads(text(files[0]))
        documents = [
            {
                "prompt": f"{paragraph['context']}\nQuestion: {asked['question']}\nAnswer:",
                "context": paragraph["context"],
                "question": asked["question"],
                "answers": list(dict.fromkeys(str(answer["text"]) for answer in asked["answers"])),
            }
            for article in content["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    except ValueError as error:
        raise DataError(f"{files[0]}: is no JSON ({error})") from None
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{files[0]}: is not in SQuAD's layout, data > paragraphs > qas > answers ({error!r})"
        ) from None
    if not documents:
        raise DataError(f"{files[0]}: has no questions")
    return Brought("questions", folder, "_answers", tuple(documents))


def preference(folder: Path) -> Brought:
    """Two answers, of which people preferred one: does the model find it likelier?"""
    documents = []
    for row in jsonl(folder / "test.jsonl", {"prompt": str, "chosen": str, "rejected": str}):
        if row["chosen"] == row["rejected"]:
            raise DataError(f"{folder / 'test.jsonl'}:{row['line']}: 'chosen' and 'rejected' are the same")
        # By the text, so that the place of an answer tells nothing.
        choices = sorted((row["chosen"], row["rejected"]), key=lambda one: hashlib.sha256(one.encode()).digest())
        documents.append({"prompt": row["prompt"], "choices": choices, "label": choices.index(row["chosen"])})
    return Brought("preference", folder, "_preference", tuple(documents))


def plain(folder: Path) -> Brought:
    """Documents of plain text."""
    files = sorted(folder.glob("*.txt"))
    documents = [{"text": content} for file in files if (content := text(file)).strip()]
    if not documents:
        raise DataError(f"{folder}: expected .txt files with text, got {', '.join(f.name for f in files) or 'none'}")
    return Brought("text", folder, "_bits_per_byte", tuple(documents))


READERS: dict[str, Callable[[Path], Brought]] = {
    "classification": classification,
    "similarity": similarity,
    "retrieval": retrieval,
    "questions": questions,
    "preference": preference,
    "text": plain,
}
