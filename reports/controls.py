"""The suite's own controls as tables: what had to fall, what had to stand, and what a person should look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.tables import Report, Row, Tally, grouped

ROLES = ("fault", "variant", "null", "mutant")
FALL = frozenset({"fault", "null", "mutant"})
"""Roles that some law must reject; all laws must accept a variant."""


@dataclass(frozen=True)
class Share:
    """`k` of `n`."""

    k: int
    n: int

    @property
    def whole(self) -> bool:
        return self.k == self.n

    def __add__(self, other: Share) -> Share:
        return Share(self.k + other.k, self.n + other.n)

    def __str__(self) -> str:
        return f"{self.k} / {self.n}"


@dataclass(frozen=True)
class Control:
    """A control with everything that was recorded about it."""

    name: str
    role: str
    rows: list[Row]

    @property
    def tally(self) -> Tally:
        return Tally.of(self.rows)

    @property
    def kept(self) -> bool:
        """Rejected as it must be, or accepted as a variant must be."""
        tally = self.tally
        return tally.passed > 0 and (self.role == "fault" or tally.bad == 0)

    @property
    def laws(self) -> list[str]:
        found = {
            law: None
            for row in self.rows
            for law in row.record.rejected_by or ([row.record.law] if row.record.law else [])
        }
        return list(found)

    @property
    def outcome(self) -> tuple[str, str]:
        """In words, and the verdict whose colour it has."""
        tally = self.tally
        if self.kept:
            return ("accepted" if self.role == "variant" else "rejected"), "pass"
        if tally.bad and self.role == "mutant" and self.laws:
            return "explained, but rejected", "fail"
        if tally.bad or (tally.judged and self.role != "mutant"):
            return ("rejected" if self.role == "variant" else "survived"), "fail"
        if self.role == "mutant":
            return ("equivalent", "deviation") if tally["deviation"] else ("cannot be imported", "inconclusive")
        return tally.words, "inconclusive"

    @property
    def reason(self) -> str | None:
        """Of a mutant: why it is as right as the reference, or why it cannot be imported."""
        return self.first("example") if self.role == "mutant" and self.outcome[1] not in ("pass", "fail") else None

    def first(self, name: str) -> str | None:
        return next((getattr(row.record, name) for row in self.rows if getattr(row.record, name)), None)


@dataclass(frozen=True)
class Controls:
    """The controls of one concept. Those that a reader must see come first."""

    concept: str
    of: dict[str, list[Control]] = field(default_factory=dict)
    """role -> its controls"""

    def mutants(self, outcome: str) -> list[Control]:
        return [control for control in self.of.get("mutant", []) if control.outcome[0] == outcome]

    def share(self, role: str) -> Share | None:
        """How many are as they must be, of those that count; None where there are none. Mutants that are explained as
        equivalent and those that cannot be imported do not count."""
        found = self.of.get(role, [])
        if role == "mutant":
            apart = ("equivalent", "cannot be imported")
            judged = [control for control in found if control.outcome[0] not in apart]
            return Share(sum(bool(control.laws) for control in judged), len(judged)) if found else None
        return Share(sum(control.kept for control in found), len(found)) if found else None

    @property
    def shares(self) -> list[tuple[str, Share]]:
        """What to print: `faults rejected` and how many, for every role that there is."""
        words = {role: f"{role}s {'accepted' if role == 'variant' else 'rejected'}" for role in ROLES}
        return [(words[role], share) for role in ROLES if (share := self.share(role)) is not None]

    @property
    def whole(self) -> bool:
        """Whether nothing asks for a person."""
        return all(control.outcome[1] != "fail" for found in self.of.values() for control in found)


def controls(report: Report, concept: str | None = None) -> list[Controls]:
    """By concept."""
    tables = []
    chosen = [row for row in report.kind("control") if concept in (None, row.subject)]
    for subject, rows in sorted(grouped(chosen, lambda row: row.subject).items()):
        found = [Control(name, role, same) for (role, name), same in grouped(rows, _role_and_name).items()]
        found.sort(key=lambda control: ("fail", "inconclusive", "deviation", "pass").index(control.outcome[1]))
        by_role = grouped(found, lambda control: control.role)
        tables.append(Controls(subject, {role: by_role[role] for role in ROLES if role in by_role}))
    return tables


def _role_and_name(row: Row) -> tuple[str, str]:
    return row.record.role or "fault", row.name
