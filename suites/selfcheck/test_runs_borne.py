"""Runs without workers: an implementation that ends their process is on record, and whoever started them is told."""

from __future__ import annotations

import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from fixtures.plugin import flight
from suites.selfcheck.runs import ATTENTION, LAWS, Finished, alone, finish, records, run, start, wait_until

pytestmark = [
    pytest.mark.xdist_group("runs"),
    pytest.mark.skipif(os.name != "posix", reason="ends processes by signals"),
]

LAW = "test_agrees_with_the_reference"
USERS = """
import ctypes, os, time
from reference.attention.scaled_dot_product import scaled_dot_product

def says_all_is_well(*_, **__):
    os._exit(0)

def kills(*_, **__):
    os.kill(os.getpid(), 9)

def holds_the_interpreter(*_, **__):
    lock = ctypes.create_string_buffer(128)
    for _ in range(2):  # the second waits for ever, and no signal handler runs meanwhile
        ctypes.PyDLL(None).pthread_mutex_lock(lock)

def is_slow(query, key, value, *, mask=None, causal=False, scale=None):
    time.sleep(0.02)
    return scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale)

def swallows(query, key, value, *, mask=None, causal=False, scale=None):
    try:
        time.sleep(0.02)
    except KeyboardInterrupt:
        pass
    return scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale)

def puts_its_own_error(query, key, value, *, mask=None, causal=False, scale=None):
    try:
        time.sleep(0.02)
    except KeyboardInterrupt:
        assert False
    return scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale)
"""


def words(folder: Path, name: str, *more: str) -> list[str]:
    """Flags of a run without workers that judges the reference, and then the user's implementation of that name."""
    (folder / "users.py").write_text(USERS)
    (folder / "tmp").mkdir()
    flags = ["-p", "no:xdist", "--dtype=float64", f"--implementation={ATTENTION}={folder / 'users.py'}:{name}"]
    return [LAWS, *flags, f"--only-implementation={name}", *more]


def ended(folder: Path, name: str, *more: str) -> Finished:
    return run(folder, *words(folder, name, *more), TMPDIR=str(folder / "tmp"))


def left_behind(folder: Path) -> list[Path]:
    return list((folder / "tmp").glob(f"{flight.PREFIX}*"))


@pytest.mark.parametrize(
    ("name", "how", "verdict", "message"),
    [
        ("says_all_is_well", "exit status 0", "crash", "the process ended during this law (exit status 0)"),
        ("kills", "signal 9, SIGKILL", "crash", "the process ended during this law (signal 9, SIGKILL)"),
        ("holds_the_interpreter", "exit status 1", "timeout", "a call hung, and the process was ended after 8 s"),
    ],
)
def test_an_implementation_that_ends_the_process_is_on_record(
    name: str, how: str, verdict: str, message: str, tmp_path: Path
) -> None:
    done = ended(tmp_path, name, "--only-implementation=reference", "-k", LAW, "--call-timeout", "1")
    assert done.code == pytest.ExitCode.TESTS_FAILED, "whatever status it ended the process with"
    assert done.verdicts("reference") == {LAW: "pass"}, "what was recorded before, in the same run"
    record = done.record(name, LAW)
    assert (record["verdict"], record["message"]) == (verdict, message)
    assert f"assay: the process of this run ended ({how}), and the run with it" in done.output
    assert f"assay: {verdict} of {name} in {record['node']}" in done.output
    assert record["replay"] in done.output and "leave out `-p no:xdist`" in done.output
    again = shlex.split(record["replay"])
    assert again[:2] == ["pytest", record["node"]] and again[-2:] == ["--call-timeout", "1"]
    assert not left_behind(tmp_path)


def test_one_that_does_so_at_once_is_on_record_too(tmp_path: Path) -> None:
    done = ended(tmp_path, "says_all_is_well", "-k", LAW)
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert done.verdicts("says_all_is_well") == {LAW: "crash"}
    assert done.records[0]["run"] and "Traceback" not in done.output, done.output


def test_a_run_that_ends_well_has_the_same_status_and_messages(tmp_path: Path) -> None:
    done = ended(tmp_path, "is_slow", "-k", LAW)
    assert done.code == pytest.ExitCode.OK and done.verdicts("is_slow") == {LAW: "pass"}, done.output
    assert "the process of this run ended" not in done.output and not left_behind(tmp_path)
    (tmp_path / "empty").mkdir()
    done = ended(tmp_path / "empty", "is_slow", "-k", "no_such_law")
    assert done.code == pytest.ExitCode.NO_TESTS_COLLECTED, done.output


def test_a_mistake_in_a_flag_is_said_once(tmp_path: Path) -> None:
    done = ended(tmp_path, "is_slow", "--device", "cuda", "--only-implementation", "nobody")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert done.output.count("ERROR: ") == 1 and not left_behind(tmp_path)


def is_free(lock: Path) -> bool:
    """Whether every process that held it has ended."""
    import fcntl

    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize(
    ("name", "number", "group", "code"),
    [
        ("is_slow", signal.SIGINT, True, pytest.ExitCode.INTERRUPTED),  # as a terminal sends it
        ("swallows", signal.SIGINT, True, pytest.ExitCode.INTERRUPTED),
        ("puts_its_own_error", signal.SIGINT, True, pytest.ExitCode.INTERRUPTED),
        ("is_slow", signal.SIGTERM, False, -signal.SIGTERM),
        ("is_slow", signal.SIGKILL, False, -signal.SIGKILL),
    ],
)
def test_who_ends_the_run_ends_it_and_no_verdict_comes_of_it(
    name: str, number: signal.Signals, group: bool, code: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with alone(tmp_path_factory):
        folder = tmp_path_factory.mktemp("ended")
        process = start(folder, *words(folder, name), TMPDIR=str(folder / "tmp"))
        wait_until(lambda: len(records(folder)) >= 2, "two laws are judged")
        (os.killpg if group else os.kill)(process.pid, number)
        done = finish(process, folder)
    assert done.code == code, done.output
    assert {record["verdict"] for record in done.records} == {"pass"}
    assert ("KeyboardInterrupt" in done.output) == (number == signal.SIGINT)
    assert "the process of this run ended" not in done.output
    if number == signal.SIGKILL:  # nobody was left to clean up
        (lock,) = (folder / "tmp").glob(f"{flight.PREFIX}*/{flight.LOCK}")
        wait_until(lambda: is_free(lock), "all have ended")
    else:
        assert not left_behind(folder)


GPT2 = """
import os

def ends_its_process(weights, input_ids, **scalars):
    os._exit(0)
"""


def test_before_speeds_are_timed_a_worker_tries_each_once(tmp_path: Path) -> None:
    """So this process lives on, and the others are timed."""
    (tmp_path / "mine.py").write_text(GPT2)
    flags = [f"--implementation=architectures.gpt2={tmp_path / 'mine.py'}:ends_its_process", "--dtype=float32"]
    done = run(tmp_path, "suites/throughput", "-p", "no:xdist", "-k", "users_implementation", *flags)
    assert done.code == pytest.ExitCode.TESTS_FAILED and "the process of this run ended" not in done.output, done.output
    (record,) = done.records
    known = {"kind": "throughput", "implementation": "ends_its_process", "metric": "prefill", "verdict": "crash"}
    assert {key: record[key] for key in known} == known
    assert shlex.split(record["replay"])[2:6] == ["--implementation", flags[0].partition("=")[2], "--dtype", "float32"]
    assert "crash: prefill in float32: the process ended" in done.output


def test_what_killed_runs_left_is_removed_and_what_others_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed, new, used = (tmp_path / f"{flight.PREFIX}{name}" for name in ("killed", "new", "used"))
    for folder in (killed, new, used):
        folder.mkdir()
        (folder / "gw0.json").write_text("{}")
        (folder / flight.LOCK).touch()
    for folder in (killed, used):
        os.utime(folder / flight.LOCK, (time.time() - 60, time.time() - 60))
    lock = flight._locked(used / flight.LOCK)
    flight._sweep()
    assert not killed.exists()
    assert new.exists(), "it may not have been locked yet"
    assert used.exists()
    assert lock is not None
    lock.close()
    os.utime(used / flight.LOCK, (0, 0))
    flight._sweep()
    assert not used.exists()
