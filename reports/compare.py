"""Two collections side by side: what changed, and what fails now that did not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reports import text
from reports.collection import Collection, Key, newest, parameters
from reports.exports import table
from reports.ranks import interval, overlap
from reports.schema import Record
from reports.tables import BAD

ACCEPTED = frozenset({"pass", "deviation"})


@dataclass(frozen=True)
class Pair:
    """The same row before and after."""

    before: Record
    after: Record

    @property
    def broken(self) -> bool:
        """Accepted before (passed, or deviated on record), and wrong now."""
        return self.before.verdict in ACCEPTED and self.after.verdict in BAD

    @property
    def ratio(self) -> float | None:
        """After to before; None where the figures have none."""
        old, new = self.before.value, self.after.value
        if not old or new is None or not math.isfinite(old) or not math.isfinite(new):
            return None
        return new / old

    @property
    def overlaps(self) -> bool | None:
        """Whether the intervals overlap; None where either row has no interval."""
        ends = (self.before.low, self.before.high, self.after.low, self.after.high)
        one, other = interval(self.before), interval(self.after)
        if one is None or other is None or None in ends:
            return None
        return overlap(one, other)

    @property
    def measured(self) -> bool:
        return self.before.value is not None and self.after.value is not None


@dataclass(frozen=True)
class Comparison:
    broken: list[Pair]
    changed: list[Pair]
    figures: list[Pair]
    appeared: list[Record]
    missing: list[Record]
    lost: list[Record]
    """of the missing rows those that were accepted: nobody knows whether they still would be"""
    environments: list[tuple[str, str, str]]
    same: int
    partial: bool = False
    """The second was meant to be a part of the first, so nothing is lost."""

    @property
    def exit_code(self) -> int:
        return 1 if self.broken or (self.lost and not self.partial) else 0


def compare(before: Collection, after: Collection, *, partial: bool = False) -> Comparison:
    """Rows are matched wherever they ran: machines are what one wants to compare."""
    old, new = newest(before.everything), newest(after.everything)
    pairs = [Pair(old[row], new[row]) for row in old if row in new]
    changed = [pair for pair in pairs if pair.before.verdict != pair.after.verdict]

    def only(one: dict[Key, Record], other: dict[Key, Record]) -> list[Record]:
        return [record for row, record in one.items() if row not in other]

    missing = only(old, new)
    return Comparison(
        broken=[pair for pair in changed if pair.broken],
        changed=[pair for pair in changed if not pair.broken],
        figures=[pair for pair in pairs if pair.measured],
        appeared=only(new, old),
        missing=missing,
        # Mutants are named by the lines of the reference, which move.
        lost=[record for record in missing if record.verdict in ACCEPTED and record.role != "mutant"],
        environments=_environments(before, after),
        same=len(pairs) - len(changed),
        partial=partial,
    )


def _environments(before: Collection, after: Collection) -> list[tuple[str, str, str]]:
    def facts(collection: Collection) -> dict[str, str]:
        found: dict[str, dict[str, None]] = {}
        for environment in collection.environments.values():
            plain = environment.model_dump(exclude={"id", "versions", "flags", "gpus"})
            lines = {
                **plain,
                **environment.versions,
                **environment.flags,
                "gpus": ", ".join(environment.gpus) or "none",
            }
            for name, value in lines.items():
                found.setdefault(name, {})["–" if value is None else str(value)] = None
        return {name: " | ".join(values) for name, values in found.items()}

    old, new = facts(before), facts(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [(name, old.get(name, "–"), new.get(name, "–")) for name in names]


def name(record: Record) -> str:
    """One row in words."""
    of = record.implementation or record.model or "–"
    what = text.law_name(record.law) if record.law else record.metric or record.role or record.kind
    settings = [f"{key}={value}" for key, value in sorted(record.settings.items())]
    # The id's bracket tells the cases of a parametrized law apart; alone with the name and the dtype it repeats them.
    case = parameters(record) if record.kind == "conformance" and record.law else ""
    for known in (of, record.dtype, record.device):
        case = case.replace(known, "", 1) if known else case
    where = [record.dtype, record.device if record.device != "cpu" else None, *settings, case.strip("-: ")]
    return " · ".join([record.concept or record.task or "–", of, what, *(part for part in where if part)])


def render(comparison: Comparison, *, markdown: bool) -> str:
    """The comparison as Markdown, or as a table for the terminal."""
    draw = _markdown if markdown else _terminal
    parts = []

    def section(title: str, head: list[str], rows: list[list[str]]) -> None:
        if rows:
            parts.append(draw(f"{title} ({len(rows)})", head, rows))

    def verdicts(pairs: list[Pair]) -> list[list[str]]:
        return [[name(pair.after), pair.before.verdict, pair.after.verdict, pair.after.message or ""] for pair in pairs]

    section("Accepted before, wrong now", ["row", "before", "after", "message"], verdicts(comparison.broken))
    section("Other changes of verdict", ["row", "before", "after", "message"], verdicts(comparison.changed))
    figures = sorted(comparison.figures, key=lambda pair: (pair.overlaps is not False, name(pair.after)))
    section("Figures", ["row", "before", "after", "ratio", "intervals"], [_figure(pair) for pair in figures])
    section(
        "Only in the second", ["row", "verdict"], [[name(record), record.verdict] for record in comparison.appeared]
    )
    section("Only in the first", ["row", "verdict"], [[name(record), record.verdict] for record in comparison.missing])
    section("Environments", ["", "before", "after"], [list(line) for line in comparison.environments])
    parts.append(f"{comparison.same} {'row has' if comparison.same == 1 else 'rows have'} the same verdict in both.")
    parts += _why(comparison)
    return "\n".join(parts)


def _why(comparison: Comparison) -> list[str]:
    """The exit code, and what it comes from; nothing where nothing is wrong."""
    lost = text.count(len(comparison.lost), "row")
    told = []
    if comparison.broken:
        told.append(f"{text.count(len(comparison.broken), 'row')} accepted before, wrong now: exit code 1.")
    if comparison.lost and comparison.partial:
        told.append(f"{lost} accepted before, missing now: not counted (--partial).")
    elif comparison.lost:
        told.append(f"{lost} accepted before, missing now: exit code 1. With --partial they do not count.")
    return told


def _figure(pair: Pair) -> list[str]:
    apart = {True: "overlap", False: "apart", None: "unknown"}[pair.overlaps]
    if pair.before.contended or pair.after.contended:
        apart += ", contended"
    unit = pair.after.unit
    before = text.quantity(pair.before.value, pair.before.unit)
    ratio = "–" if pair.ratio is None else f"{pair.ratio:.3f}"
    return [name(pair.after), before, text.quantity(pair.after.value, unit), ratio, apart]


def _markdown(title: str, head: list[str], rows: list[list[str]]) -> str:
    return f"### {title}\n\n" + table(head, [[text.markdown(cell) for cell in row] for row in rows])


def _terminal(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [head, *([text.one_line(cell, 100) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    show: Callable[[list[str]], str] = lambda line: "  ".join(  # noqa: E731
        cell.ljust(width) for cell, width in zip(line, widths, strict=True)
    ).rstrip()
    return "\n".join([title, *(f"  {show(line)}" for line in lines), ""])
