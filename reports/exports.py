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
from reports.controls import ROLES
from reports.power import power, rules
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
    for suspicion in report.suspicions():
        laws = ", ".join(map(text.law_name, suspicion.laws))
        line = f"The reference is the suspect: {text.together(suspicion.names)} agree against it ({laws})."
        parts.append(f"- **{text.markdown(suspicion.concept)}**: {text.markdown(line)}\n\n")
    for kind in ("accuracy", "throughput"):
        found = boards(report, kind)
        if found:
            parts.append(
                f"## {kind.capitalize()}\n\nIntervals are 95 %; rows that the data do not tell apart share a rank.\n\n"
            )
        parts += [_board(board) for board in found]
    parts += _power(report)
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


def _power(report: Report) -> list[str]:
    """What the power page and the page of rules show."""
    if not power(report):
        return []
    head = ["concept", "laws", "faults rejected", "variants accepted", "nulls rejected", "mutants rejected"]
    rows = []
    for one in power(report):
        shares = [str(one.share(role) or "–") for role in ROLES]
        apart = [f"{one.mutants(kind)} {kind}" for kind in ("equivalent", "cannot be imported") if one.mutants(kind)]
        shares[-1] += f" ({', '.join(apart)})" if apart else ""
        flakes = (
            f"≤ {text.figure(one.flakes.bound)} ({text.count(one.flakes.runs, 'run')} a law)" if one.flakes else "–"
        )
        inputs = "–" if one.inputs is None else f"{one.inputs:,}"
        seconds = "–" if one.seconds is None else f"{one.seconds:.1f}"
        laws = "–" if one.laws is None else str(one.laws)
        rows.append([text.markdown(one.concept), laws, *shares, flakes, inputs, seconds, text.seconds(one.pace)])
    parts = ["## Power\n\nWhat the suite rejects and accepts of its own controls; – was not run.\n\n"]
    parts.append(table([*head, "flake bound", "inputs drawn", "seconds", "a verdict"], rows))
    tables = rules(report)
    if tables:
        parts.append("## What each rule would have let through\n\nFaults let through, right ones rejected.\n\n")
    for compared in tables:
        lines = []
        for rule in compared.rules:
            shares = [
                ", ".join(f"{text.percent(s.k, s.n)} of {s.n}" if s else "–" for s in (rate.through, rate.wronged))
                for rate in rule.rates.values()
            ]
            lines.append([text.markdown(rule.name), *shares])
        title = text.markdown(compared.concept or "All concepts")
        parts.append(f"### {title}\n\n" + table(["rule", *map(text.markdown, compared.dtypes)], lines))
    return parts


def power_rows(report: Report) -> list[dict[str, Any]]:
    """power.csv: a row for each concept; empty where nothing was run."""
    words = {"fault": "faults_rejected", "variant": "variants_accepted", "null": "nulls_rejected"}
    words["mutant"] = "mutants_rejected"
    rows = []
    for one in power(report):
        row: dict[str, Any] = {"concept": one.concept, "laws": one.laws}
        for role, column in words.items():
            share = one.share(role)
            row |= {column: share.k if share else None, f"{role}s": share.n if share else None}
        known = row["mutants"] is not None
        row["mutants_equivalent"] = one.mutants("equivalent") if known else None
        row["mutants_not_imported"] = one.mutants("cannot be imported") if known else None
        flakes = one.flakes
        row |= {"flake_bound": flakes.bound if flakes else None, "flake_law": flakes.law if flakes else None}
        row |= {"flake_laws": flakes.laws if flakes else None, "flake_runs": flakes.runs if flakes else None}
        rows.append(row | {"inputs": one.inputs, "seconds": one.seconds, "verdicts": one.verdicts})
    return rows


def rule_rows(report: Report) -> list[dict[str, Any]]:
    """rules.csv: a row for each rule and dtype, over all concepts and for each."""
    return [
        {
            "concept": one.concept or "all",
            "rule": rule.name,
            "source": rule.link,
            "dtype": dtype,
            "faults_let_through": rate.through.k if rate.through else None,
            "faults": rate.through.n if rate.through else None,
            "right_ones_rejected": rate.wronged.k if rate.wronged else None,
            "right_ones": rate.wronged.n if rate.wronged else None,
        }
        for one in rules(report)
        for rule in one.rules
        for dtype, rate in rule.rates.items()
    ]


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def _cell(tally: Tally | None) -> str:
    if tally is None:
        return ""
    deviations = f", {text.count(tally['deviation'], 'deviation')}" if tally["deviation"] else ""
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
        value = ", ".join(filter(None, [text.quantity(record.value, record.unit), record.comparison]))
        cells = [rank, text.markdown(name), text.markdown(value), interval, "–" if record.n is None else str(record.n)]
        shares = [f"{what} {text.figure(100 * (part.record.value or 0))} %" for what, part in entry.shares]
        return [*cells, ", ".join(shares) or "–"] if possible else cells

    possible = any(entry.shares for entry in board.entries)
    head = ["rank", "of", "value", "95 % interval", "n", *(["of the possible"] if possible else [])]
    title = " · ".join([board.subject, board.metric, *board.tags])
    entries = [line(entry) for entry in board.entries]
    return f"### {text.markdown(title)}\n\n{board.direction.capitalize()} is better.\n\n" + table(head, entries)
