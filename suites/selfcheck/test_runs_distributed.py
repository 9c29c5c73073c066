"""Workers change nothing but the time: the same records from any number of them, and little lost when one is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.concepts import ROOT
from reports.records import gather
from suites.selfcheck.runs import LAWS, Finished, alone, environment, finish, once, records, run, start, wait_until

pytest.importorskip("xdist")
pytestmark = [
    pytest.mark.xdist_group("runs"),
    pytest.mark.skipif(os.name != "posix", reason="ends processes by signals"),
]

CHOSEN = ["--only-implementation=reference", "--only-implementation=torch-sdpa-math"]
CHOSEN += [
    "-k",
    "test_agrees_under_a_mask or test_bad_input or test_causal_aligns or (test_gradients_agree and causal)",
]
OF_THE_RUN_ITSELF = {"run", "environment", "time", "duration"}

SLOW = """
import os, time, pytest

def pytest_configure(config):
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker:
        with open(os.path.join(os.path.dirname(__file__), worker + ".pid"), "w") as file:
            file.write(str(os.getpid()))

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    time.sleep(0.5)

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.when == "call" and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(os.path.join(os.path.dirname(__file__), "reported"), "a") as file:
            file.write(report.nodeid + os.linesep)
"""


def rows(finished: Finished) -> dict[str, dict[str, Any]]:
    """Node -> record, less what no two runs share."""
    found = {r["node"]: {k: v for k, v in r.items() if k not in OF_THE_RUN_ITSELF} for r in finished.records}
    assert len(found) == len(finished.records), "each law once"
    return found


@pytest.fixture(scope="module")
def without_workers(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return once(tmp_path_factory, "without-workers", lambda folder: run(folder, LAWS, *CHOSEN, "-p", "no:xdist"))


@contextlib.contextmanager
def socket_server(folder: Path) -> Iterator[str]:
    """A process that becomes a worker for whoever connects; gives its address on the loopback."""
    import execnet.script.socketserver

    folder.mkdir()
    command = [sys.executable, "-u", str(execnet.script.socketserver.__file__), "127.0.0.1:0"]
    server = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout is not None
        port = re.search(r"127\.0\.0\.1', (\d+)", server.stdout.readline())
        assert port, "the server tells its port"
        yield f"127.0.0.1:{port[1]}"
    finally:
        server.kill()
        server.communicate()


def again(folder: Path) -> Finished:
    return run(folder, LAWS, *CHOSEN, "-p", "no:xdist")


def two_workers(folder: Path) -> Finished:
    return run(folder, LAWS, *CHOSEN, "-n", "2", "--dist", "loadgroup")


def over_a_socket(folder: Path) -> Finished:
    """The worker gets a copy of the checkout, as on another machine."""
    with socket_server(folder.with_name("elsewhere")) as address:
        copied = [f"--rsyncdir={ROOT}", *(f"--rsyncignore={name}" for name in ("build", "runs", "latest", "published"))]
        worker = ["--dist", "load", "--tx", f"socket={address}//chdir=copy"]
        return run(folder, str(ROOT / LAWS), *CHOSEN, *worker, *copied)


@pytest.mark.parametrize("how", [again, two_workers, over_a_socket])
def test_the_records_are_the_same_however_they_are_made(
    how: Callable[[Path], Finished], without_workers: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = rows(without_workers)
    assert {r["verdict"] for r in expected.values()} == {"pass", "deviation"}, without_workers.output
    with alone(tmp_path_factory):
        done = how(tmp_path_factory.mktemp(how.__name__) / "run")
    assert rows(done) == expected, done.output
    assert done.code == pytest.ExitCode.OK


def pid_of(folder: Path, worker: str) -> int:
    path = folder / f"{worker}.pid"
    wait_until(lambda: path.exists() and path.read_text(), f"{worker} has started")
    return int(path.read_text())


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_a_killed_worker_loses_at_most_the_test_it_was_in(
    dist: str, without_workers: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with alone(tmp_path_factory):
        folder = tmp_path_factory.mktemp("killed-worker")
        process = start(folder, LAWS, *CHOSEN, "-n", "2", "--dist", dist, plugin=SLOW)
        victim = pid_of(folder, "gw1")
        wait_until(lambda: len(records(folder)) >= 4, "four laws are judged")
        os.kill(victim, signal.SIGKILL)
        done = finish(process, folder)
    expected, found = rows(without_workers), rows(done)
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert found.keys() == expected.keys(), f"even that one is on record\n{done.output}"
    crashed = {node for node, row in found.items() if row["verdict"] == "crash"}
    assert len(crashed) <= 1, "none, if the last report had just come"
    assert {node: row for node, row in found.items() if node not in crashed} == {
        node: row for node, row in expected.items() if node not in crashed
    }
    assert not crashed or "the process ended during this law" in done.output


DIES_BETWEEN_TWO_LAWS = """
import os, signal

started = 0

def pytest_runtest_logstart(nodeid, location):
    global started
    started += 1
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" and started == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_that_dies_between_two_laws_has_died_in_the_second(
    without_workers: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with alone(tmp_path_factory):
        folder = tmp_path_factory.mktemp("between")
        done = run(folder, LAWS, *CHOSEN, "-n", "2", "--dist", "load", plugin=DIES_BETWEEN_TWO_LAWS)
    assert rows(done).keys() == rows(without_workers).keys(), done.output
    assert [row["verdict"] for row in rows(done).values()].count("crash") == 1, done.output


def gone(pid: int) -> bool:
    """Whether the process has ended, or only waits for somebody to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_killed_controller_leaves_readable_records_and_no_workers(
    without_workers: Finished, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told: list[str] = []
    with alone(tmp_path_factory):
        folder = tmp_path_factory.mktemp("killed-controller")
        process = start(folder, LAWS, *CHOSEN, "-n", "1", plugin=SLOW)
        worker = pid_of(folder, "gw0")
        reported = folder / "reported"
        wait_until(lambda: reported.exists() and reported.read_text().count("\n") >= 3, "three laws are judged")
        process.kill()
        process.communicate()
        if Path("/proc/self/stat").exists():
            wait_until(lambda: gone(worker), "the worker has ended as well")
    (stored,) = gather([folder], told.append)
    expected = rows(without_workers)
    assert {record.node for record in stored.records} >= set(reported.read_text().splitlines()), (
        "nothing waits in memory"
    )
    assert 3 <= len(stored.records) < len(expected)
    assert not told, "no line is broken: each was written whole"
    assert stored.run.environment.versions["torch"]
    for record in stored.records:
        row = expected[str(record.node)]
        assert (record.verdict, record.noise, record.example) == (row["verdict"], row["noise"], row["example"])
