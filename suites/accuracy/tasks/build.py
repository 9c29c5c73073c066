"""Builds the data of the python_docs tasks from the frozen topics: `python -m suites.accuracy.tasks.build [--check]`.

Passages: every topic is cut at its underlined headings and at its entries (a line at the margin over an indented
block); paragraphs of one piece are gathered into passages of at most `LONGEST` words. Tables and paragraphs that an
earlier passage already has are left out, for topics repeat one another.

Queries: the inverse cloze task (Lee, Chang, Toutanova 2019, arXiv 1906.00300, section 4). The first sentence of a
passage is taken out of it and becomes the query; the rest, in which it no longer stands, is the one relevant passage.
Only whole sentences of prose that stand nowhere else are taken, and only where enough is left to recognise. Every
passage that allows it gives a query; the others stay whole, as something to be told apart from.

Bits per byte: the held-out topics as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fixtures.corpora import python_docs

HERE = Path(__file__).with_name("python_docs")
LONGEST = 120
SHORTEST = 12
LEFT = 20
"""Words that must be left of a passage when its first sentence has gone."""


def pieces(text: str) -> Iterator[list[str]]:
    """Runs of paragraphs between headings and entries; an entry's signature is its first paragraph."""
    current: list[str] = []
    for paragraph in python_docs.paragraphs(text):
        lines = paragraph.split("\n")
        heading = len(lines) == 2 and re.fullmatch(r"([*=\-~])\1+", lines[1].strip()) is not None
        entry = len(lines) == 1 and not lines[0].startswith(" ") and not lines[0].endswith((".", ":"))
        if heading or entry:
            if current:
                yield current
            current = [] if heading else [paragraph]
        elif not re.search(r"^\s*[+|]|={5}|::=", paragraph, re.MULTILINE):
            current.append(paragraph)
    if current:
        yield current


def fold(paragraph: str) -> str:
    """The paragraph on one line; a term that hangs over its indented definition is followed by a colon."""
    lines = paragraph.split("\n")
    hangs = len(lines) > 1 and re.match(r"\s*[\w\"]", lines[0]) and indent(lines[0]) < min(map(indent, lines[1:]))
    if hangs and lines[0][-1] not in ".,:;":
        lines[0] += ":"
    return " ".join(" ".join(lines).split())


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def passages() -> list[str]:
    """All passages, whole, in order of their topics; whitespace is folded."""
    found: list[str] = []
    seen: set[str] = set()
    for text in python_docs.topics().values():
        for piece in pieces(text):
            gathered: list[str] = []
            for paragraph in [*map(fold, piece), ""]:
                if paragraph in seen:
                    continue
                words = sum(len(p.split()) for p in gathered)
                if not paragraph or words + len(paragraph.split()) > LONGEST:
                    if words >= SHORTEST:
                        found.append(" ".join(gathered))
                    gathered = []
                if paragraph:
                    seen.add(paragraph)
                    gathered.append(paragraph)
    return found


def first_sentence(passage: str) -> tuple[str, str] | None:
    """(sentence, what is left) if the passage has a first sentence of prose that may be taken out, else None."""
    match = re.match(r"(.{0,60}?)\b([A-Z][a-z]+ [^.:]{20,240}\.)(?= [A-Z\"*])", passage)
    if match is None or not 6 <= len(match[2].split()) <= 35:
        return None
    if match[1] and not re.fullmatch(r"\S+ ?(\([^.]*\) ?)?|[\w.]+\(.*\) |[^.:]+: ", match[1]):
        return None  # something other than a signature stands before it: not the first sentence
    left = f"{match[1]}{passage[match.end() :].strip()}"
    return (match[2], left) if len(left.split()) >= LEFT else None


def line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def build() -> dict[str, str]:
    """File name -> its content."""
    corpus: list[dict[str, Any]] = []
    queries: list[dict[str, Any]] = []
    whole = passages()
    for passage in whole:
        taken = first_sentence(passage)
        if taken and sum(taken[0] in other for other in whole) == 1:
            identity = f"p{len(corpus):04d}"
            queries.append({"id": f"q{len(queries):03d}", "query": taken[0], "relevant": [identity]})
            passage = taken[1]
        corpus.append({"id": f"p{len(corpus):04d}", "text": passage})
    held_out = [{"topic": topic, "text": text} for topic, text in python_docs.held_out().items()]
    files = {"passages.jsonl": corpus, "queries.jsonl": queries, "held_out.jsonl": held_out}
    content = {name: "".join(map(line, rows)) for name, rows in files.items()}
    content["SHA256SUMS"] = "".join(f"{digest(text)}  {name}\n" for name, text in content.items())
    return content


if __name__ == "__main__":
    files = build()
    stale = [name for name in files if not (HERE / name).exists() or (HERE / name).read_text("utf-8") != files[name]]
    if "--check" in sys.argv:
        sys.exit(f"differ from what the topics give: {', '.join(stale)}" if stale else 0)
    for name, text in files.items():
        (HERE / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{HERE}: written; changed: {', '.join(stale) or 'nothing'}. A change needs a new task version.")
