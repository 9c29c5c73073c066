"""`--resume RUN`: what a run that was cut short had finished is taken over, and only the rest is evaluated.

A model's figures on a task are taken over where everything that they hang on is the same: the machine, the versions of
the libraries, the commit of this checkout, the task's documents and, of a model that was asked for, its files.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import records as stored
from reports import samples
from reports.schema import Record

if TYPE_CHECKING:
    from suites.accuracy.harness import Outcome

MODEL = "model"
"""Among the versions of a model that was asked for: what its files are."""


def fingerprint(folder: Path) -> str:
    """A hash of a model's files: names, sizes and times of change. (The content of many gigabytes would cost minutes.)"""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    facts = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


class Earlier:
    """The finished results of a run, or of the newest run below a folder. Raises `ReportError` where there is none."""

    def __init__(self, place: str | Path, environment: str) -> None:
        run = stored.gather([place])[-1]
        self.folder, self.id = run.folder, run.run.id
        self.results: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self.elsewhere = run.run.environment.id != environment
        for record in run.records:
            if record.kind == "accuracy" and record.task and record.model and not self.elsewhere:
                self.results[record.task, record.model].append(record)

    def outcome(self, task: str, model: str, versions: dict[str, str], data: str) -> Outcome | None:
        """What the run found of a model on a task, if it finished it and nothing has changed since."""
        from suites.accuracy.harness import Outcome
        from suites.accuracy.measures import Score

        found = self.results.get((task, model), [])
        if not found or any(not _whole(one) or one.versions != versions for one in found):
            return None
        if any(one.settings.get("data_sha256") != data for one in found):
            return None
        answers = samples.rows(self.folder, task, model)
        if not answers or len(found) != len(answers[0]) - len(samples.FIXED):
            return None  # cut off between the records of one model
        scores = [Score(str(one.metric), *_figures(one), int(one.n or 0)) for one in found]
        return Outcome(tuple(scores), dict(found[0].settings), answers)


def _whole(record: Record) -> bool:
    return record.verdict in ("pass", "fail") and None not in (record.metric, record.value, record.low, record.high)


def _figures(record: Record) -> tuple[Any, Any, Any]:
    return record.value, record.low, record.high
