"""Every answer of every model with its marks, in Parquet beside a run's records: `samples/TASK--MODEL.parquet`.

Columns: `doc` (number of the document in its task), `answer` (what the model said), and one column a metric with the
document's own figure, null where the metric has none for a single document.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = "samples"
SUFFIX = ".parquet"
FIXED = ("doc", "answer")


def path(run: Path, task: str, model: str) -> Path:
    """Where the answers of a model to a task are. Models are named by paths too, so a name is made of it."""
    name = re.sub(r"[^\w.-]+", "_", model)
    if name != model:
        name = f"{name[-60:]}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    return run / FOLDER / f"{task}--{name}{SUFFIX}"


def write(run: Path, task: str, model: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write the answers of a model to a task, whole or not at all."""
    import pyarrow
    import pyarrow.parquet

    target = path(run, task, model)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".part")
    table = pyarrow.Table.from_pylist([dict(row) for row in rows])
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({"task": task, "model": model}), beside, compression="zstd"
    )
    beside.replace(target)
    return target


def rows(run: Path, task: str, model: str) -> list[dict[str, Any]]:
    """The answers of a model to a task as they were written; empty where the run has none."""
    import pyarrow.parquet

    source = path(run, task, model)
    return pyarrow.parquet.read_table(source).to_pylist() if source.exists() else []


def marks(run: Path, task: str, model: str) -> dict[str, dict[int, float]]:
    """Metric -> document -> the document's own figure; empty where the run has no answers of this model."""
    found = rows(run, task, model)
    metrics = [name for name in (found[0] if found else {}) if name not in FIXED]
    return {name: {row["doc"]: row[name] for row in found if row[name] is not None} for name in metrics}
