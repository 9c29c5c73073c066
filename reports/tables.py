"""What the tables of a report say, before anybody draws them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from reports import samples
from reports.collection import Collection, file_name, parameters
from reports.schema import VERDICTS, ConceptPage, Environment, Record, Verdict

BAD: frozenset[Verdict] = frozenset({"fail", "error", "crash", "timeout"})
UNJUDGED: frozenset[Verdict] = frozenset({"unsupported", "inconclusive"})
_Item = TypeVar("_Item")


def grouped(items: Iterable[_Item], by: Callable[[_Item], Any]) -> dict[Any, list[_Item]]:
    """In order of first appearance."""
    groups: dict[Any, list[_Item]] = defaultdict(list)
    for item in items:
        groups[by(item)].append(item)
    return dict(groups)


@dataclass(frozen=True)
class Row:
    """A record with the name it has on the pages."""

    anchor: str
    record: Record
    place: str
    """Tag of its environment, empty where all rows share one."""
    several_devices: bool = False

    @property
    def subject(self) -> str:
        return self.record.concept or self.record.task or "–"

    @property
    def name(self) -> str:
        return self.record.implementation or self.record.model or "–"

    @property
    def what(self) -> str | None:
        return self.record.law or self.record.metric

    @property
    def where(self) -> list[str]:
        """What tells it apart from other rows of the same name."""
        device = self.record.device if self.several_devices or self.record.device != "cpu" else None
        return [part for part in (self.record.dtype, device, self.place) if part]

    @property
    def parameters(self) -> str:
        """Of a parametrized law, the part of the pytest id that the row's other columns do not say already."""
        text = parameters(self.record)
        for known in (self.name, self.record.dtype, self.record.device):
            text = text.replace(known, "", 1) if known else text
        return text.strip("-: ")


@dataclass(frozen=True)
class Tally:
    """Verdicts counted. judged leaves out `unsupported` and `inconclusive`; applicable leaves out `unsupported`."""

    counts: Counter[Verdict]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Tally:
        return cls(Counter(row.record.verdict for row in rows))

    def __getitem__(self, verdict: Verdict) -> int:
        return self.counts[verdict]

    @property
    def passed(self) -> int:
        return self.counts["pass"]

    @property
    def bad(self) -> int:
        return sum(self.counts[verdict] for verdict in BAD)

    @property
    def judged(self) -> int:
        return sum(count for verdict, count in self.counts.items() if verdict not in UNJUDGED)

    @property
    def applicable(self) -> int:
        return self.judged + self.counts["inconclusive"]

    @property
    def tone(self) -> str:
        """The verdict that colours the cell: the worst one that counts."""
        if self.bad:
            return "fail"
        if not self.judged:
            return "inconclusive" if self.applicable else "unsupported"
        return "deviation" if self.counts["deviation"] else "pass"

    @property
    def words(self) -> str:
        return (
            ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in VERDICTS if self.counts[verdict]) or "nothing"
        )


@dataclass(frozen=True)
class Area:
    """Concepts of one area against the implementations that were judged on them."""

    name: str
    concepts: list[str]
    implementations: list[str]
    cells: dict[tuple[str, str], Tally] = field(default_factory=dict)
    suspects: set[tuple[str, str]] = field(default_factory=set)
    """Cells in which another library agrees with the implementation against the reference."""


@dataclass(frozen=True)
class Suspicion:
    """Implementations that agree with each other and not with the reference."""

    concept: str
    names: list[str]
    laws: list[str]
    anchor: str


class Report:
    """A collection, seen as tables."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.environments: dict[str, Environment] = collection.environments
        self.machines = {
            **{record.environment: record.environment for record in collection.records},
            **collection.machines,
        }
        self._marks: dict[tuple[Path, str, str], dict[str, dict[int, float]]] = {}
        self.folders = {one.run.id: one.folder for one in collection.stored}
        numbers = {machine: f"E{number}" for number, machine in enumerate(dict.fromkeys(self.machines.values()), 1)}
        self.tags = {environment: numbers[machine] for environment, machine in self.machines.items()}
        several = len({self.tags[record.environment] for record in collection.records}) > 1
        devices = len({record.device for record in collection.records}) > 1
        self.rows = [
            Row(f"r{number}", record, self.tags[record.environment] if several else "", devices)
            for number, record in enumerate(
                sorted(
                    collection.records,
                    key=lambda record: (record.concept or record.task or "", record.time.timestamp()),
                ),
                1,
            )
        ]

    def marks(self, record: Record) -> dict[int, float]:
        """Document -> its own figure under the record's metric; empty where the run kept no answers."""
        folder = self.folders.get(record.run)
        if folder is None or not (record.task and record.model and record.metric):
            return {}
        key = (folder, record.task, record.model)
        if key not in self._marks:
            self._marks[key] = samples.marks(*key)
        return self._marks[key].get(record.metric, {})

    def kind(self, *kinds: str) -> list[Row]:
        return [row for row in self.rows if row.record.kind in kinds]

    @cached_property
    def pages(self) -> dict[str, ConceptPage | None]:
        """Every concept that has a page: described by a run, or named by a record."""
        described = self.collection.concepts
        named = {row.record.concept for row in self.rows if row.record.concept}
        return {id: described.get(id) for id in sorted(named | set(described))}

    @cached_property
    def files(self) -> dict[str, str]:
        """File name of each concept's page; ids that would share one, or are no file name, get a number."""
        files: dict[str, str] = {}
        taken: set[str] = set()
        for number, id in enumerate(self.pages):
            name = file_name(id)
            if name != id or name.lower() in taken:
                name = f"{name}-{number}"
            taken.add(name.lower())
            files[id] = f"{name}.html"
        return files

    def matrix(self, rows: Iterable[Row] | None = None) -> list[Area]:
        """Area by area; the implementations that were judged on most concepts stand first."""
        judged = self.kind("conformance") if rows is None else list(rows)
        areas = []
        for area, inside in sorted(grouped(judged, lambda row: row.subject.split(".")[0]).items()):
            cells = {
                place: Tally.of(found) for place, found in grouped(inside, lambda row: (row.subject, row.name)).items()
            }
            breadth = Counter(name for _, name in cells)
            names = sorted(breadth, key=lambda name: (-breadth[name], name))
            suspects = {(row.subject, row.name) for row in inside if _suspects(row)}
            areas.append(Area(area, sorted({subject for subject, _ in cells}), names, cells, suspects))
        return areas

    def suspicions(self, concept: str | None = None) -> list[Suspicion]:
        """Where implementations of several libraries agree against the reference, those that agree together."""
        rows = [row for row in self.rows if _suspects(row) and concept in (None, row.subject)]
        found = [
            (subject, law, camp)
            for (subject, law), same in grouped(rows, lambda row: (row.subject, row.what or "–")).items()
            for camp in _camps(same)
        ]
        camps = grouped(found, lambda one: (one[0], frozenset(one[2])))
        return [
            Suspicion(subject, sorted(names), sorted({law for _, law, _ in same}), next(iter(same[0][2].values())))
            for (subject, names), same in camps.items()
        ]

    def failures(self) -> dict[str, list[Row]]:
        """Rows that did not pass: what is wrong, what is known, what nobody could tell, what does not exist.

        A mutant that is explained or cannot be imported is as it should be: the tables of controls have it.
        """
        mutants = {row.anchor for row in self.rows if row.record.role == "mutant" and row.record.verdict not in BAD}
        shown = [row for row in self.rows if row.record.verdict != "pass" and row.anchor not in mutants]
        return {
            "fail": [row for row in shown if row.record.verdict in BAD],
            "deviation": [row for row in shown if row.record.verdict == "deviation"],
            "inconclusive": [row for row in shown if row.record.verdict == "inconclusive"],
            "unsupported": [row for row in shown if row.record.verdict == "unsupported"],
        }


def _camps(rows: list[Row]) -> list[dict[str, str]]:
    """Those that agree with each other under one law, each with the anchor of a row that says so."""
    camps: list[dict[str, str]] = []
    for row in rows:
        camp = dict.fromkeys((row.name, *(row.record.agrees_with or ())), row.anchor)
        apart = [other for other in camps if not other.keys() & camp.keys()]
        for other in camps:
            if other not in apart:
                camp = other | camp
        camps = [*apart, camp]
    return camps


def _suspects(row: Row) -> bool:
    return bool(row.record.agrees_with) and row.record.verdict in BAD | {"deviation"}
