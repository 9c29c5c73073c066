"""Writes the hash of every task's documents into its YAML: `python -m suites.accuracy.tasks.pin [--check]`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from suites.accuracy import harness

HERE = Path(__file__).parent


def pinned(path: Path) -> str:
    """The YAML of a task as it should be."""
    harness.offline()
    from lm_eval.tasks._yaml_loader import load_yaml

    from suites.accuracy.tasks import kinds

    found = kinds.digest(load_yaml(path)["custom_dataset"]()["test"])
    return re.sub(r"data_sha256: .*", f"data_sha256: {found}", path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    stale = {path: text for path in sorted(HERE.glob("*.yaml")) if (text := pinned(path)) != path.read_text("utf-8")}
    if "--check" in sys.argv:
        sys.exit(f"documents changed: {', '.join(path.stem for path in stale)}" if stale else 0)
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.name}: changed. Changed documents need a new version of the task.")
