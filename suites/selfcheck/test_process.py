"""What calls and laws set for the whole process is undone, and told where it would have stayed."""

from __future__ import annotations

import math
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from fixtures import limits
from fixtures.plugin.verdicts import classify
from fixtures.process import as_it_was, wholly_as_it_was
from fixtures.subject import ImplementationError, LeftChanged, Tally
from suites.selfcheck.subjects import attention, normal


def judged(call: Callable[..., Any]) -> Any:
    """What comes back through a subject in float32; `call` gets the value alone."""
    return attention(lambda query, key, value: call(value), "float32")(normal(2, 3), normal(2, 3), normal(2, 3))


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "folder": (lambda: os.chdir("/"), os.getcwd),
    "alarm": (
        lambda: signal.signal(signal.SIGALRM, lambda number, frame: None),
        lambda: signal.getsignal(signal.SIGALRM),
    ),
    "seed": (lambda: torch.manual_seed(5), lambda: torch.get_rng_state().tolist()),
    "drawing": (lambda: torch.rand(3), lambda: torch.get_rng_state().tolist()),
    "default device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "default dtype": (lambda: torch.set_default_dtype(torch.float16), torch.get_default_dtype),
    "gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), torch.get_num_threads),
    "precision": (lambda: torch.set_float32_matmul_precision("medium"), torch.get_float32_matmul_precision),
    "determinism": (lambda: torch.use_deterministic_algorithms(True), torch.are_deterministic_algorithms_enabled),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "anomalies": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "tiny numbers": (lambda: torch.set_flush_denormal(True), lambda: str(math.ulp(0.0) * 1.0)),
}
UNTOLD = ("alarm", "seed", "drawing")
"""Put back without a word: the limit's own, and what drawing changes."""
ONCE_A_LAW: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "Python's seed": (lambda: random.seed(5), random.getstate),
    "NumPy's seed": (lambda: numpy.random.seed(5), lambda: str(numpy.random.get_state())),
    "Ctrl-C": (lambda: signal.signal(signal.SIGINT, lambda *_: None), lambda: signal.getsignal(signal.SIGINT)),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_a_call_sets_for_the_process_is_undone(what: str) -> None:
    change, state = CHANGES[what]
    before = state()
    changed: list[Any] = []

    def call(value: Tensor) -> Tensor:
        change()
        changed.append(state())
        raise ValueError

    with pytest.raises(ImplementationError if what in UNTOLD else LeftChanged):
        judged(call)
    assert changed[0] != before, "the control: it would be seen"
    assert state() == before


def test_a_call_that_leaves_a_setting_changed_is_told_which() -> None:
    def call(value: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float16)
        return value

    with pytest.raises(
        LeftChanged, match=r"^left .*: torch's default dtype is torch.float16, was torch.float32$"
    ) as told:
        judged(call)
    assert classify(told.value, Tally())[0] == "fail"


@pytest.mark.parametrize("draw", [lambda: float(torch.rand(())), random.random, numpy.random.rand])
def test_every_call_draws_other_numbers_and_every_run_the_same(draw: Callable[[], float]) -> None:
    """What is done in one call of a thousand only, is done; what is done in all but one, is once not done."""

    def run() -> list[float]:
        drawn: list[float] = []

        def call(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            drawn.append(draw())
            return value

        subject = attention(call, "float32")
        for _ in range(8):
            subject(normal(2, 3), normal(2, 3), normal(2, 3))
        return drawn

    first = run()
    assert first == run()
    assert min(first) < 1e-3
    assert max(first) > 1 - 1e-3
    assert len(set(first)) == 6, "four of eight calls have a state of their own"


@pytest.mark.parametrize("what", [*ONCE_A_LAW, *CHANGES])
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_a_law_sets_for_the_process_is_undone(what: str) -> None:
    change, state = {**ONCE_A_LAW, **CHANGES}[what]
    before = state()
    with limits.call("law"), wholly_as_it_was():
        change()
        assert state() != before
    assert state() == before


def test_after_precisions_are_set_by_backend_the_rest_is_undone() -> None:
    """torch then refuses to say what the precision of all is."""
    code = (
        "import torch\nfrom fixtures.process import as_it_was\n"
        "with as_it_was():\n"
        "    torch.set_default_dtype(torch.float64)\n"
        "    torch.backends.cuda.matmul.fp32_precision = 'tf32'\n"
        "with as_it_was():\n    pass\n"
        "assert torch.get_default_dtype() == torch.float32\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_default_device_that_is_not_there_is_undone_too() -> None:
    with as_it_was():
        torch.set_default_device("cuda")
    assert torch.empty(0).device.type == "cpu"


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    os.chdir("inner")
    with as_it_was():
        (tmp_path / "inner").rmdir()
    os.chdir(tmp_path)
