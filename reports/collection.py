"""Several runs as one: the newest record of each row, and folders that hold more than one run."""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reports import samples
from reports.records import PACKED, RECORDS, RUN, ReportError, StoredRun, Tell, find, gather, to_stderr
from reports.schema import ConceptPage, Environment, Record, Run

Key = tuple[str | None, ...]


def key(record: Record, machine: str | None) -> Key:
    """What makes two records the same row; without a machine it does not matter where they were made."""
    # A control is one row whichever law happened to reject it first.
    law = None if record.kind == "control" and record.rejected_by is not None else record.law
    return (
        record.kind,
        record.concept or record.task,
        record.implementation or record.model,
        law,
        record.metric,
        record.role,
        record.device,
        record.dtype,
        json.dumps(record.settings, sort_keys=True),
        parameters(record),
        machine,
    )


def parameters(record: Record) -> str:
    """The bracket of the pytest id: the cases of a parametrized law are rows of their own."""
    found = re.search(r"\[(.*)\]", record.node or "", re.DOTALL)
    return found[1] if found else ""


def newest(records: Iterable[Record], machines: Mapping[str, str] | None = None) -> dict[Key, Record]:
    """The newest record of every row, of two equally old ones the later; without machines, wherever they were made."""
    kept: dict[Key, Record] = {}
    for record in records:
        row = key(record, None if machines is None else machines.get(record.environment, record.environment))
        if row not in kept or record.time.timestamp() >= kept[row].time.timestamp():
            kept[row] = record
    return kept


def machines(environments: Iterable[Environment]) -> dict[str, str]:
    """Environment -> the first one like it. A new commit of this checkout does not make a new machine: what it
    measures there takes the place of what the last one measured."""
    first: dict[str, str] = {}
    return {one.id: first.setdefault(one.model_dump_json(exclude={"id", "commit"}), one.id) for one in environments}


@dataclass(frozen=True)
class Collection:
    """What a report is about."""

    stored: list[StoredRun]
    records: list[Record]
    notes: list[str]

    @property
    def runs(self) -> list[Run]:
        return [one.run for one in self.stored]

    @property
    def everything(self) -> list[Record]:
        return [record for one in self.stored for record in one.records]

    @property
    def environments(self) -> dict[str, Environment]:
        return {run.environment.id: run.environment for run in self.runs}

    @property
    def machines(self) -> dict[str, str]:
        return machines(self.environments.values())

    @property
    def concepts(self) -> dict[str, ConceptPage]:
        """The pages as the newest run tells them."""
        return {page.id: page for run in self.runs for page in run.concepts}


def collect(paths: Sequence[str | Path], tell: Tell = to_stderr) -> Collection:
    """Errors: `ReportError` where nothing can be read."""
    notes: list[str] = []

    def note(message: str) -> None:
        notes.append(message)
        tell(message)

    stored = gather(paths, note)
    places = machines(one.run.environment for one in stored)
    return Collection(
        stored, list(newest((record for one in stored for record in one.records), places).values()), notes
    )


def newest_entry(runs: Path) -> Path:
    """The folder in `runs` (a run, or a collection of runs) that holds the run started last."""
    entries = [entry for entry in _folders(runs) if find([entry])]
    if not entries:
        raise ReportError(
            f"No run in {runs} yet: run the suite first, e.g. `pytest suites/conformance`, or give a path."
        )
    return max(entries, key=lambda entry: (_newest_start(entry), entry.name))


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."] if path.is_dir() else []


def _newest_start(folder: Path) -> float:
    """Seconds since 1970; the folder's own time where no run in it can be read."""
    starts = []
    for run in find([folder]):
        try:
            starts.append(Run.model_validate_json((run / RUN).read_bytes()).started.timestamp())
        except (OSError, ValueError):
            continue
    return max(starts, default=folder.stat().st_mtime)


def file_name(name: str) -> str:
    """A name that no file system and no URL mistakes for anything else."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"
    return safe[:100]


def copy_run(one: StoredRun, into: Path, *, pack: bool = False) -> None:
    """The files as they are, damaged lines included; with `pack` the records compressed, the same bytes each time."""
    target = into / file_name(one.run.id)
    target.mkdir(parents=True)
    for name in (RUN, RECORDS, PACKED):
        if not (one.folder / name).is_file():
            continue
        if pack and name == RECORDS:
            (target / PACKED).write_bytes(gzip.compress((one.folder / name).read_bytes(), mtime=0))
        else:
            shutil.copyfile(one.folder / name, target / name)
    if (one.folder / samples.FOLDER).is_dir():
        shutil.copytree(one.folder / samples.FOLDER, target / samples.FOLDER)


def merge(paths: Sequence[str | Path], to: Path, tell: Tell = to_stderr, *, pack: bool = False) -> list[StoredRun]:
    """One folder `to` with a copy of every run. Errors: `ReportError` for a conflict, or where `to` is in use."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ReportError(
            f"{to} is not empty; give another --to, or move it aside with `python -m reports shelve {to}`."
        )
    stored = gather(paths, tell, strict=True)
    for one in stored:
        if to.resolve().is_relative_to(one.folder.resolve()):
            raise ReportError(f"{to} lies inside the run {one.folder}, and a run holds no other: give another --to.")
    to.parent.mkdir(parents=True, exist_ok=True)
    building = to.parent / f".{to.name}-building-{secrets.token_hex(4)}"
    try:
        for one in stored:
            copy_run(one, building, pack=pack)
        if to.exists():
            to.rmdir()
        building.rename(to)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return stored


def shelve(folder: Path) -> Path | None:
    """Moves the collection aside, named after its newest run; None where there is nothing to move."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    if not find([folder]):
        raise ReportError(f"{folder} holds no run, so it is not a collection of results; it stays where it is.")
    stamp = f"{datetime.fromtimestamp(_newest_start(folder), UTC):%Y%m%dT%H%M%SZ}"
    resting = folder.with_name(f"{folder.name}-{stamp}")
    count = 1
    while resting.exists():
        count += 1
        resting = folder.with_name(f"{folder.name}-{stamp}-{count}")
    os.rename(folder, resting)
    return resting
