"""The same report for other readers: Markdown, CSV and Parquet."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from reports import text
from reports.boards import Board, Entry, boards
from reports.collection import Collection
from reports.records import Tell
from reports.schema import Record
from reports.tables import Report, Tally

_FIELDS = tuple(Record.model_fields)
COLUMNS = (*_FIELDS, "superseded")
"""A superseded row has a newer one of the same kind in the collection."""


def _flat(collection: Collection) -> list[dict[str, Any]]:
    """Every record of every run; dictionaries and lists as JSON."""
    shown = {id(record) for record in collection.records}
    rows = []
    for record in collection.everything:
        row = {name: getattr(record, name) for name in _FIELDS}
        for name, value in row.items():
            if isinstance(value, dict | list):
                row[name] = json.dumps(value, ensure_ascii=False, sort_keys=isinstance(value, dict))
        rows.append({**row, "superseded": id(record) not in shown})
    return rows


def write_csv(collection: Collection, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in _flat(collection):
            writer.writerow(
                {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
            )


def write_parquet(collection: Collection, path: Path, tell: Tell) -> bool:
    """Whether it was written: pyarrow is no part of the core dependencies."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        tell("pyarrow is not installed, so there is no Parquet file; `python -m pip install pyarrow` brings one.")
        return False
    kinds = {
        bool: pyarrow.bool_(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    columns = [(name, kinds.get(_plain_type(name), pyarrow.string())) for name in _FIELDS]
    schema = pyarrow.schema([*columns, ("superseded", pyarrow.bool_())])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_flat(collection), schema=schema), path)
    return True


def _plain_type(name: str) -> type:
    annotation = Record.model_fields[name].annotation
    if name == "schema_version":
        return int
    for plain in (bool, int, float, datetime):
        if annotation is plain or plain in get_args(annotation):
            return plain
    return str


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the cells must be escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def leaderboard(report: Report) -> str:
    """leaderboard.md: what the overview shows."""
    parts = ["# Leaderboards\n\n"]
    if not report.rows:
        parts.append("This collection holds no records.\n")
    areas = report.matrix()
    if areas:
        parts.append("## Conformance\n\nEach cell: passed / judged / applicable. Judged leaves out unsupported and ")
        parts.append("inconclusive; applicable adds the inconclusive ones.\n\n")
    for area in areas:
        rows = []
        for concept in area.concepts:
            cells = [_cell(area.cells.get((concept, name))) for name in area.implementations]
            rows.append([text.markdown(concept), *cells])
        parts.append(table(["concept", *map(text.markdown, area.implementations)], rows))
    for kind in ("accuracy", "throughput"):
        found = boards(report, kind)
        if found:
            parts.append(
                f"## {kind.capitalize()}\n\nIntervals are 95 %; rows whose intervals overlap share a rank.\n\n"
            )
        parts += [_board(board) for board in found]
    controls = report.controls()
    if controls:
        head = ["concept", "faults rejected", "variants accepted"]
        rows = [
            [text.markdown(one.concept), f"{one.rejected} / {len(one.faults)}", f"{one.accepted} / {len(one.variants)}"]
            for one in controls
        ]
        parts.append("## Controls\n\n" + table(head, rows))
    claims = report.kind("claim")
    if claims:
        rows = [[text.markdown(row.what or "–"), text.markdown(row.subject), row.record.verdict] for row in claims]
        parts.append("## Claims\n\n" + table(["claim", "about", "verdict"], rows))
    parts.append("## Environments\n\n")
    for id, one in report.environments.items():
        hardware = ", ".join(one.gpus) or one.cpu
        line = (
            f"{report.tags[id]}: {hardware}, {one.cores} cores, Python {one.python}, commit {one.commit or 'unknown'}"
        )
        parts.append(f"- {text.markdown(line)}\n")
    parts += [f"- Not read: {text.markdown(note)}\n" for note in report.collection.notes]
    return "".join(parts)


def _cell(tally: Tally | None) -> str:
    if tally is None:
        return ""
    deviations = f", {tally['deviation']} deviations" if tally["deviation"] else ""
    return f"{tally.passed} / {tally.judged} / {tally.applicable}{deviations}"


def _board(board: Board) -> str:
    def line(entry: Entry) -> list[str]:
        record = entry.row.record
        rank = (
            f"{entry.rank}{' =' if entry.shared else ''}"
            if entry.rank
            else "contended"
            if record.contended
            else record.verdict
        )
        name = " ".join([entry.row.name, *(entry.row.where if board.apart else [])])
        interval = text.span(record.low, record.high, record.unit)
        value = text.quantity(record.value, record.unit)
        return [rank, text.markdown(name), text.markdown(value), interval, "–" if record.n is None else str(record.n)]

    title = " · ".join([board.subject, board.metric, *board.tags])
    entries = [line(entry) for entry in board.entries]
    return f"### {text.markdown(title)}\n\n{board.direction.capitalize()} is better.\n\n" + table(
        ["rank", "of", "value", "95 % interval", "n"], entries
    )
