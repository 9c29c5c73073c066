"""Whole runs of the suite in processes of their own, one at a time and each made once, also when workers share them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.concepts import ROOT

LAWS = "suites/conformance/attention/test_scaled_dot_product.py"
ATTENTION = "attention.scaled_dot_product"
SECONDS = 240


@dataclass(frozen=True)
class Finished:
    """What a run left in `folder`."""

    folder: Path
    code: int
    output: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return records(self.folder)

    def verdicts(self, implementation: str) -> dict[str, str]:
        """Law -> verdict of one implementation."""
        return {r["law"]: r["verdict"] for r in self.records if r["implementation"] == implementation}

    def record(self, implementation: str, law: str) -> dict[str, Any]:
        found = [r for r in self.records if (r["implementation"], r["law"]) == (implementation, law)]
        assert len(found) == 1, f"{len(found)} records of {implementation} under {law}\n{self.output}"
        return found[0]


def records(folder: Path) -> list[dict[str, Any]]:
    """The complete lines of the one run whose records are in `folder`, which the run may be writing to."""
    lines = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in folder.glob("*/records.jsonl")]
    assert len(lines) <= 1, f"{len(lines)} runs in {folder}"
    return [json.loads(line) for line in (lines[0] if lines else []) if line.endswith("\n")]


def environment(**more: str) -> dict[str, str]:
    """Ours, less what tells pytest that it is a worker, or is inside a test, of a run around it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return {**ours, "OMP_NUM_THREADS": "1", **more}


def start(folder: Path, *args: str, plugin: str = "", **env: str) -> subprocess.Popen[str]:
    """A run that writes its records to `folder`; `plugin` is the source of a pytest plugin that changes something."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["pytest", "-p", "no:cacheprovider", "--profile", "quick", f"--records={folder}"]
    if plugin:
        (folder / "changes.py").write_text(plugin, encoding="utf-8")
        words += ["-p", "changes"]
        env["PYTHONPATH"] = str(folder)
    return _started([*words, *args], env)


def _started(words: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # What a shell started in the background ignores it, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str], folder: Path) -> Finished:
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with its workers, which hold the other end of the pipe
        output, _ = process.communicate()
        pytest.fail(f"the run took more than {SECONDS} s\n{output}")
    return Finished(folder, process.returncode, output)


def run(folder: Path, *args: str, plugin: str = "", **env: str) -> Finished:
    return finish(start(folder, *args, plugin=plugin, **env), folder)


def again(record: dict[str, Any], folder: Path) -> Finished:
    """What a record says to run again, without workers."""
    words = shlex.split(record["replay"])
    assert words[0] == "pytest"
    options = shlex.join([f"--records={folder}", "-p", "no:cacheprovider", "-p", "no:xdist"])
    return finish(_started(words, {"PYTEST_ADDOPTS": options}), folder)


def wait_until(happened: Callable[[], Any], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds} s until {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def alone(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all workers share, while no other of them is here: two runs at once would fight for the cores."""
    import fcntl

    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Finished]) -> Finished:
    """The run of that name; whoever asks first makes it."""
    with alone(factory) as shared:
        folder, kept = shared / f"run-{name}", shared / f"run-{name}.json"
        if not kept.exists():
            done = make(folder)
            kept.write_text(json.dumps([done.code, done.output]), encoding="utf-8")
        code, output = json.loads(kept.read_text(encoding="utf-8"))
        return Finished(folder, code, output)
