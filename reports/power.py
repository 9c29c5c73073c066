"""What the suite is worth: per concept what its laws reject and accept, and what its judge tells apart, beside others'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from reports.audits import of_timing
from reports.controls import ROLES, Controls, Share, controls
from reports.intervals import wilson
from reports.tables import Report, Row, grouped

_Number = TypeVar("_Number", int, float)
OURS = "assay"
FAULTS, VARIANTS, FLAKES = "faults rejected", "variants rejected", "flake rate"
"""Metrics of records of kind power."""

DTYPES = ("float64", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Flakes:
    """How often laws that draw inputs reject what is right, over many seeds."""

    bound: float
    """the largest upper bound of any law"""
    law: str
    """that law"""
    laws: int
    runs: int
    """of the law that was run least"""
    seen: int
    """in the runs of all laws"""
    total: int
    """these runs"""

    @property
    def together(self) -> float:
        """Upper bound of the rate of all laws, as one."""
        return wilson(self.seen, self.total)[2]


@dataclass(frozen=True)
class Power:
    """A row of the power page; None where nothing was run."""

    concept: str
    laws: int | None
    controls: Controls | None
    flakes: Flakes | None
    inputs: int | None
    seconds: float | None
    verdicts: int
    """of laws on implementations that can be judged by them"""

    @property
    def pace(self) -> float | None:
        """Seconds a verdict."""
        return None if self.seconds is None or not self.verdicts else self.seconds / self.verdicts

    def share(self, role: str) -> Share | None:
        return self.controls.share(role) if self.controls else None

    def mutants(self, outcome: str) -> int:
        return len(self.controls.mutants(outcome)) if self.controls else 0


@dataclass(frozen=True)
class Calibration:
    """Our judge on one concept in one dtype."""

    where: list[str]
    faults: Row | None
    variants: Row | None

    @property
    def rows(self) -> list[tuple[str, Row]]:
        return [(role, row) for role, row in (("faults", self.faults), ("variants", self.variants)) if row]


@dataclass(frozen=True)
class Rates:
    """What one rule does in one dtype."""

    through: Share | None
    """faults that it lets through, of the pairs of a fault and an input that count"""
    wronged: Share | None
    """right ones that it rejects"""


@dataclass(frozen=True)
class Rule:
    name: str
    link: str | None
    rates: dict[str, Rates]

    @property
    def ours(self) -> bool:
        return self.name == OURS


@dataclass(frozen=True)
class Rules:
    """Our judge and the rules of others, on the same faults and variants. Ours comes first."""

    concept: str | None
    """None: over all concepts"""
    dtypes: list[str]
    rules: list[Rule]


def power(report: Report) -> list[Power]:
    """A row for each concept of which anything is known."""
    tables = {table.concept: table for table in controls(report)}
    flakes = grouped(_counted(report, FLAKES), lambda row: row.subject)
    judged = grouped(report.kind("conformance"), lambda row: row.subject)
    seen = {*tables, *flakes, *judged, *(row.subject for row in report.kind("power") if not of_timing(row))}
    return [
        Power(
            id,
            _laws(report, id, judged.get(id, [])),
            tables.get(id),
            _flakes(flakes.get(id, [])),
            _total(row.record.n for row in judged.get(id, [])),
            _total(row.record.duration for row in judged.get(id, [])),
            sum(row.record.verdict != "unsupported" for row in judged.get(id, [])),
        )
        for id in sorted(seen)
    ]


def total(rows: list[Power]) -> dict[str, Share | None]:
    """role -> its share over all concepts."""
    found: dict[str, Share | None] = {}
    for role in ROLES:
        shares = [share for row in rows if (share := row.share(role)) is not None]
        found[role] = sum(shares, Share(0, 0)) if shares else None
    return found


def calibrations(report: Report) -> dict[str, list[Calibration]]:
    """Of our judge, by concept."""
    found: dict[str, list[Calibration]] = {}
    rows = [row for row in newest_draw(report) if row.name == OURS]
    for (concept, where), same in grouped(rows, lambda row: (row.subject, tuple(row.where))).items():
        by = {row.record.metric: row for row in same}
        found.setdefault(concept, []).append(Calibration(list(where), by.get(FAULTS), by.get(VARIANTS)))
    for lines in found.values():
        lines.sort(key=lambda line: _order(line.rows[0][1].record.dtype))
    return dict(sorted(found.items()))


def newest_draw(report: Report) -> list[Row]:
    """Faults and variants put to the judges: of each concept, dtype and machine those of the newest run alone, for
    rules are compared on the same inputs, and what was drawn twice must not count twice."""
    rows = _counted(report, FAULTS, VARIANTS)

    def place(row: Row) -> tuple[str | None, ...]:
        record = row.record
        return row.subject, record.metric, record.dtype, record.device, report.tags[record.environment]

    kept: list[Row] = []
    for same in grouped(rows, place).values():
        newest = _newest(same).record
        last = [row for row in same if (row.record.run, row.record.settings) == (newest.run, newest.settings)]
        kept += last
    return kept


def rules(report: Report) -> list[Rules]:
    """Over all concepts first, where there are several, then each concept."""
    rows = newest_draw(report)
    by = grouped(rows, lambda row: row.subject)
    tables = [_rules(None, rows)] if len(by) > 1 else []
    return tables + [_rules(concept, by[concept]) for concept in sorted(by)]


def _rules(concept: str | None, rows: list[Row]) -> Rules:
    dtypes = sorted({row.record.dtype or "–" for row in rows}, key=_order)
    found = []
    for name, same in grouped(rows, lambda row: row.name).items():
        cells = grouped(same, lambda row: (row.record.dtype or "–", row.record.metric))
        rates = {
            dtype: Rates(_share(cells.get((dtype, FAULTS), []), missed=True), _share(cells.get((dtype, VARIANTS), [])))
            for dtype in dtypes
        }
        found.append(Rule(name, next((row.record.link for row in same if row.record.link), None), rates))
    return Rules(concept, dtypes, sorted(found, key=lambda rule: not rule.ours))


def _share(rows: list[Row], *, missed: bool = False) -> Share | None:
    """Pairs that were rejected, or with `missed` those that were not, of all that count."""
    n = sum(row.record.n or 0 for row in rows)
    k = sum(round((row.record.value or 0.0) * (row.record.n or 0)) for row in rows)
    return Share(n - k if missed else k, n) if n else None


def _counted(report: Report, *metrics: str) -> list[Row]:
    return [row for row in report.kind("power") if row.record.metric in metrics]


def _newest(rows: list[Row]) -> Row:
    return max(rows, key=lambda row: row.record.time.timestamp())


def _order(dtype: str | None) -> tuple[int, str]:
    return DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES), dtype or ""


def _laws(report: Report, id: str, rows: list[Row]) -> int | None:
    """Those that were judged, or more where the concept's page names more."""
    page = report.pages.get(id)
    judged = {(row.record.law or "").rsplit("::", 1)[-1].split("[")[0] for row in rows} - {""}
    return max(len(judged), len(page.laws) if page else 0) or None


def _flakes(rows: list[Row]) -> Flakes | None:
    last = list(map(_newest, grouped(rows, lambda row: (row.record.law, row.parameters, *row.where)).values()))
    bounded = [row for row in last if row.record.high is not None and row.record.n]
    if not bounded:
        return None
    worst = max(bounded, key=lambda row: row.record.high or 0.0)
    return Flakes(
        bound=worst.record.high or 0.0,
        law=worst.record.law or "–",
        laws=len({row.record.law for row in bounded}),
        runs=min(row.record.n or 0 for row in bounded),
        seen=sum(round((row.record.value or 0.0) * (row.record.n or 0)) for row in bounded),
        total=sum(row.record.n or 0 for row in bounded),
    )


def _total(values: Iterable[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None
