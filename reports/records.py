"""Runs on disk: written by one process a line at a time, read back even when something broke them."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reports.schema import SCHEMA_VERSION, Record, Run

RUN, RECORDS, SITE = "run.json", "records.jsonl", "site.json"
PACKED = f"{RECORDS}.gz"
"""The records of a run that is kept: nobody appends to it any more."""
Tell = Callable[[str], None]


class ReportError(Exception):
    """Something a person has to decide or mend; its text is the whole message."""


@dataclass(frozen=True)
class StoredRun:
    """A run as it was found in `folder`."""

    folder: Path
    run: Run
    records: list[Record]


def to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def new_run_id(now: datetime | None = None) -> str:
    """Time and a random suffix: sorts by time, and two runs started in the same second still differ."""
    return f"{(now or datetime.now(UTC)).astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of either."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


class RunWriter:
    """The only writer of a run: makes the folder `directory`, then appends a line for every record.

    Errors: `FileExistsError` where `directory` already holds a run.
    """

    def __init__(self, directory: str | Path, run: Run) -> None:
        self.folder, self.run = Path(directory), run
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / RUN).exists():
            raise FileExistsError(f"{self.folder} already holds a run; a new run needs a folder of its own")
        self.describe(run)
        # Unbuffered: what was written survives the death of this process.
        self._lines = (self.folder / RECORDS).open("xb", buffering=0)
        self._torn = False

    def describe(self, run: Run) -> None:
        """Writes run.json anew, for what is only known after collection."""
        if run.id != self.run.id:
            raise ValueError(f"expected the run {self.run.id}, got {run.id}")
        self.run = run
        write_atomically(self.folder / RUN, run.model_dump_json(indent=1) + "\n")

    def append(self, record: Record) -> None:
        line = record.model_dump_json().encode() + b"\n"
        # After a line that a full disk cut short, a fresh line keeps the damage to that one record.
        rest = memoryview(b"\n" + line if self._torn else line)
        self._torn = True
        while rest:
            rest = rest[self._lines.write(rest) or 0 :]
        self._torn = False

    def close(self) -> None:
        self._lines.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_site(folder: Path) -> bool:
    """Whether `reports build` made this folder."""
    try:
        return "assay_site" in json.loads((folder / SITE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def find(paths: Iterable[str | Path], tell: Tell = to_stderr) -> list[Path]:
    """Folders of runs, at or anywhere below each path; copies inside a site only where the path itself is the site."""
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.name in (RUN, RECORDS, PACKED) and path.is_file():
            path = path.parent
        if not path.is_dir():
            tell(f"{path}: no such folder; give a run's folder or any folder above it.")
            continue
        for root, folders, files in os.walk(path):
            here = Path(root)
            if here != path and is_site(here):
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if {RUN, RECORDS, PACKED} & set(files):
                found[here.resolve()] = None
    return list(found)


def read(folder: Path, tell: Tell = to_stderr) -> StoredRun | None:
    """The run in `folder`, less the lines that cannot be read; None without run.json. Damage is told once a file."""
    path = folder / RUN
    try:
        described = json.loads(path.read_bytes().decode("utf-8-sig"))
        newer = _newer(described)
        if newer:
            tell(f"{path}: {newer} This run is left out, the others are not affected.")
            return None
        run = Run.model_validate_json(json.dumps(described))
    except FileNotFoundError:
        tell(f"{path}: missing, so nobody knows what was run. Restore it from a copy; till then the run is left out.")
        return None
    except (OSError, ValueError, RecursionError) as error:
        tell(f"{path}: not readable ({_first(error)}). Restore it from a copy; till then the run is left out.")
        return None
    return StoredRun(folder, run, _read_records(folder, tell))


def _read_records(folder: Path, tell: Tell) -> list[Record]:
    plain, packed = folder / RECORDS, folder / PACKED
    path = plain if plain.exists() or not packed.exists() else packed
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path == packed else content).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        tell(f"{path}: not readable ({_first(error)}); the run counts as one without records.")
        return []
    records: list[Record] = []
    damaged: list[tuple[int, str]] = []
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(Record.model_validate_json(line.decode("utf-8-sig")))
        except (ValueError, RecursionError) as error:
            damaged.append((number, _why(line, error)))
    if not damaged:
        return records
    cut = damaged[-1][0] == last and "newer" not in damaged[-1][1]
    middle = damaged[:-1] if cut else damaged
    told = []
    if middle:
        places = ", ".join(f"{path}:{number}" for number, _ in middle[:5]) + (", ..." if len(middle) > 5 else "")
        count = "1 damaged line" if len(middle) == 1 else f"{len(middle)} damaged lines"
        told.append(f"{places}: skipped {count} ({middle[0][1]}).")
    if cut:
        told.append(f"{path}:{last}: the last line is broken, as a killed run leaves it; skipped.")
    told.append(f"The other {len(records)} records are used; to fill the gap, run the suite again.")
    tell(" ".join(told))
    return records


def _newer(described: Any) -> str | None:
    version = described.get("schema_version", 1) if isinstance(described, dict) else 1
    if not isinstance(version, int) or version <= SCHEMA_VERSION:
        return None
    return f"of schema version {version}, newer than this checkout reads ({SCHEMA_VERSION}): update the checkout."


def _why(line: bytes, error: Exception) -> str:
    try:
        return _newer(json.loads(line)) or _first(error)
    except (ValueError, RecursionError):
        return _first(error)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error) or type(error).__name__


def distinct(stored: Iterable[StoredRun], tell: Tell = to_stderr, *, strict: bool = False) -> list[StoredRun]:
    """Each run once. A copy taken while the run still wrote is part of it; any other difference is a conflict."""
    kept: dict[str, StoredRun] = {}
    for new in stored:
        old = kept.setdefault(new.run.id, new)
        shorter, longer = sorted((old, new), key=lambda one: len(one.records))
        if old is not new and shorter.records != longer.records[: len(shorter.records)]:
            message = f"{old.folder} and {new.folder} both call themselves run {new.run.id}, but their records differ"
            if strict:
                raise ReportError(f"{message}; remove the one that is not the original.")
            tell(f"{message}; {old.folder} is used.")
        elif len(new.records) > len(old.records):
            kept[new.run.id] = new
    return sorted(kept.values(), key=lambda one: (one.run.started.timestamp(), one.run.id))


def gather(paths: Iterable[str | Path], tell: Tell = to_stderr, *, strict: bool = False) -> list[StoredRun]:
    """Every readable run at or below the paths, oldest first. Errors: `ReportError` where there is none."""
    paths = list(paths)
    stored = [run for folder in find(paths, tell) if (run := read(folder, tell)) is not None]
    if not stored:
        raise ReportError(
            f"No readable run in {', '.join(map(str, paths)) or 'nothing'}. "
            f"A run is a folder with {RUN} and {RECORDS}; the suite makes one under reports/runs each time it runs."
        )
    return distinct(stored, tell, strict=strict)


def load(paths: Iterable[str | Path], tell: Tell = to_stderr) -> list[tuple[Run, list[Record]]]:
    """As `gather`, without the folders."""
    return [(one.run, one.records) for one in gather(paths, tell)]
