"""What is timed in which grid, and what a device has no memory for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.grids import COPIES, GRIDS, READING, STEP, TRAINING, Size, lengthened
from suites.selfcheck.runs import run

TINY = Size("tiny", layers=2, heads=2, d_head=4, inner=10, vocabulary=13, batch=3, tokens=300)


@pytest.mark.parametrize("sizes", [READING, TRAINING])
def test_the_full_grid_goes_on_from_the_small_one(sizes: dict[str, tuple[Size, ...]]) -> None:
    assert set(sizes) == set(GRIDS)
    assert sizes["full"][: len(sizes["small"])] == sizes["small"] and len(sizes["full"]) > len(sizes["small"])
    assert len({size.name for size in sizes["full"]}) == len(sizes["full"])
    assert max(size.needs for size in sizes["small"]) < 2**30


def test_a_size_needs_its_weights_its_logits_and_its_scores() -> None:
    model = TINY.model()
    matrices = sum(math.prod(shape) for name, shape in model.shapes().items() if len(shape) == 2 and "wpe" not in name)
    assert TINY.needs == COPIES * (matrices + 3 * 300 * 13 + 3 * 2 * 300**2)
    assert (model.layers, model.heads, model.d, model.vocabulary, model.positions) == (2, 2, 8, 13, 300)


def test_models_are_kept_one_at_a_time_whatever_is_read() -> None:
    assert TINY.model() is replace(TINY, batch=5, name="other").model()
    assert TINY.model() is not STEP.model()


def test_what_needs_more_than_half_of_the_memory_is_not_run() -> None:
    assert TINY.too_large(2.01 * TINY.needs) is None
    assert "not timed: it needs about" in (TINY.too_large(1.99 * TINY.needs) or "")


def test_lengths_go_on_by_doubling() -> None:
    assert lengthened((64, 128), 4) == (64, 128, 256, 512)
    assert lengthened((64, 128), 1) == (64, 128)


def test_what_is_left_out_is_on_record(tmp_path: Path) -> None:
    plugin = "import fixtures.grids\nfixtures.grids.memory = lambda device: 2e9\n"
    words = [
        "suites/throughput/test_gpt2.py",
        "--throughput-grid",
        "full",
        "--dtype",
        "float32",
        "-k",
        "gpt2-xl-prefill",
    ]
    done = run(tmp_path, *words, "-p", "no:xdist", plugin=plugin)
    (record,) = done.records
    assert record["verdict"] == "unsupported" and record["settings"]["layers"] == 48
    assert record["message"].startswith("not timed: it needs about") and "2 GiB here" in record["message"]
    assert "--throughput-grid full" in record["replay"]


def test_a_grid_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    done = run(tmp_path, "suites/throughput", "--throughput-grid", "huge")
    assert done.code == pytest.ExitCode.USAGE_ERROR and "small" in done.output and "full" in done.output


def test_the_small_one_is_what_runs_by_itself(tmp_path: Path) -> None:
    done = run(tmp_path, "suites/throughput", "-p", "no:xdist", "--collect-only", "-q")
    assert "[prefill-float32]" in done.output and "gpt2-medium" not in done.output
