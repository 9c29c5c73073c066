"""Two timings never share a device, and the load of others does not go unseen."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.concepts import ROOT
from fixtures.contention import DeviceBusy, Neighbours, exclusive, processor_seconds

pytest.importorskip("fcntl", reason="locks need POSIX")

HOLDER = """
import sys, time
from pathlib import Path
from fixtures.contention import exclusive
with exclusive("cpu", folder=Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that has the lock when this returns."""
    command = [sys.executable, "-c", HOLDER, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_process_waits_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    with holder(tmp_path, 0.5) as other:
        with exclusive("cpu", folder=tmp_path, say=said.append) as waited:
            assert other.wait(10) == 0, "the lock was given while it was held"
        assert waited > 0.1
    assert len(said) == 1 and "waiting for cpu" in said[0]


def test_a_free_device_is_had_at_once(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with exclusive("cpu", folder=tmp_path, say=said.append) as waited:
            assert waited < 0.5
    assert not said


def test_devices_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with exclusive("gpu-1", folder=tmp_path), exclusive("gpu-2", folder=tmp_path, patience=0.1):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path, 60) as other:
        other.kill()
        with exclusive("cpu", folder=tmp_path, patience=10):
            pass


def test_patience_ends(tmp_path: Path) -> None:
    impatient = exclusive("cpu", folder=tmp_path, patience=0.1, say=lambda message: None)
    busy = pytest.raises(DeviceBusy, match=r"being timed by another process for 0\.1 s")
    with exclusive("cpu", folder=tmp_path), busy, impatient:
        pass


def neighbours(busy: float, own: float, cores: int = 2) -> Neighbours:
    """Ten seconds in which the machine used `busy` seconds of processor time and we ourselves `own`."""
    readings, clock = iter([(100.0, 7.0), (100.0 + busy, 7.0 + own)]), iter([50.0, 60.0])
    return Neighbours(read=lambda: next(readings), clock=lambda: next(clock), cores=cores)


@pytest.mark.parametrize(
    ("busy", "own", "load"), [(10.0, 10.0, 0.0), (13.0, 10.0, 0.3), (20.0, 4.0, 1.6), (9.9, 10.0, 0.0)]
)
def test_load_is_what_is_not_ours(busy: float, own: float, load: float) -> None:
    assert neighbours(busy, own).load() == pytest.approx(load)


def test_a_large_machine_may_have_a_little_more() -> None:
    assert neighbours(0, 0, cores=2).limit == 0.25
    assert neighbours(0, 0, cores=64).limit == pytest.approx(1.28)


def test_a_system_that_does_not_tell_is_unknown() -> None:
    assert Neighbours(read=lambda: None).load() is None


@pytest.mark.skipif(processor_seconds() is None, reason="no /proc/stat")
def test_a_busy_process_is_seen_and_we_are_not() -> None:
    watching = Neighbours()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        time.sleep(1.5)
        busy.kill()
    load = watching.load()
    assert load is not None and load > 0.25
