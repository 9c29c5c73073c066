"""Runs made up for the tests of the reports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from reports.__main__ import main
from reports.records import RunWriter
from reports.schema import ConceptPage, Environment, Record, Run

START = datetime(2025, 11, 20, 12, 0, tzinfo=UTC)
ATTENTION = "attention.scaled_dot_product"


def environment(**fields: Any) -> Environment:
    plain = dict(id="e1", python="3.11.7", platform="Linux", cpu="a processor", cores=2, memory_bytes=2**33, threads=1)
    return Environment.model_validate({**plain, **fields})


def page(**fields: Any) -> ConceptPage:
    plain = dict(id=ATTENTION, path="reference/attention/scaled_dot_product.py", contract="def f(x)", doc="A mean.")
    return ConceptPage.model_validate({**plain, **fields})


def run(id: str = "r1", *, minutes: float = 0, **fields: Any) -> Run:
    plain = dict(id=id, started=START + timedelta(minutes=minutes), command="pytest", environment=environment())
    return Run.model_validate({**plain, **fields})


def record(law: str | None = "test_agrees", *, minutes: float = 0, **fields: Any) -> Record:
    """A passing verdict of an attention function, unless `fields` say otherwise."""
    plain: dict[str, Any] = dict(run="r1", environment="e1", kind="conformance", verdict="pass", law=law)
    if "task" not in fields:
        plain["concept"] = ATTENTION
    if "model" not in fields:
        plain["implementation"] = "torch-sdpa"
    return Record.model_validate({**plain, "time": START + timedelta(minutes=minutes), **fields})


def score(model: str, value: float | None, spread: float | None = 0.01, **fields: Any) -> Record:
    """A figure of a task; `spread` is half the interval."""
    plain: dict[str, Any] = dict(kind="accuracy", task="search", model=model, metric="ndcg@10", value=value, n=100)
    return record(None, **{**plain, **_ends(value, spread), **fields})


def timing(implementation: str, value: float | None, spread: float | None = 1.0, **fields: Any) -> Record:
    """Tokens a second; `spread` is half the interval."""
    plain: dict[str, Any] = dict(kind="throughput", implementation=implementation, metric="decode", value=value)
    return record(None, **{"dtype": "float32", "unit": "tokens/s", **plain, **_ends(value, spread), **fields})


def control(name: str, role: str, *rejected_by: str, **fields: Any) -> Record:
    """A control that is as it should be, unless `fields` say otherwise."""
    plain: dict[str, Any] = dict(kind="control", role=role, implementation=name, rejected_by=list(rejected_by))
    return record(next(iter(rejected_by), None), **{**plain, **fields})


def judged(rule: str, role: str, rejected: int, n: int, **fields: Any) -> Record:
    """How many of `n` pairs of a control and an input a rule rejected."""
    plain: dict[str, Any] = dict(kind="power", implementation=rule, metric=f"{role}s rejected", dtype="float32")
    share = dict(value=rejected / n if n else None, unit="share", n=n, settings={"seeds": 8})
    return record(None, **{**plain, **share, **fields})


def _ends(value: float | None, spread: float | None) -> dict[str, float]:
    return {} if value is None or spread is None else dict(low=value - spread, high=value + spread)


def write(folder: Path, records: Iterable[Record] = (), of: Run | None = None) -> Path:
    with RunWriter(folder, of or run(folder.name)) as writer:
        for one in records:
            writer.append(one)
    return folder


def built(tmp_path: Path, records: list[Record], of: Run | None = None) -> Path:
    """The site of one run of these records."""
    write(tmp_path / "runs" / "r1", records, of or run())
    assert main(["build", str(tmp_path / "runs"), "--to", str(tmp_path / "site")]) == 0
    return tmp_path / "site"


def text(path: Path) -> str:
    """What a reader sees, on one line."""
    found = re.sub(r"<wbr>|<(style|script)>.*?</\1>", "", path.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


class Page(HTMLParser):
    """Elements, addresses and ids of a page; the end tags must fit the start tags."""

    VOID = frozenset({"meta", "input", "br", "wbr", "col", "line", "rect"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(path.read_text())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on") and name != "style", f"{name} on {tag}"
            if name in ("href", "src"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag
