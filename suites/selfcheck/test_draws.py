"""What laws draw: the same again from what a failure says, alone or among others, with workers or without."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from fixtures.strategies.bart_inputs import Bart
from fixtures.strategies.llama_inputs import Llama
from fixtures.strategies.mamba_inputs import Mamba
from fixtures.strategies.t5_inputs import T5
from fixtures.strategies.weights import Bert, Gpt2
from suites.selfcheck.runs import ATTENTION, LAWS, Finished, again, alone, run

WRONG_AT_TIMES = """
from reference.attention.scaled_dot_product import scaled_dot_product

def at_times(query, key, value, *, mask=None, causal=False, scale=None):
    result = scaled_dot_product(query, key, value, mask=mask, causal=causal, scale=scale)
    wrong = int(query.abs().sum() * 1e6) % 20 == 0  # shrinking leads elsewhere from each input
    return result * 2 if wrong else result
"""
SAME = ("verdict", "message", "example", "noise", "n", "node", "replay")


def judged(folder: Path, *flags: str) -> Finished:
    folder.mkdir()
    (folder / "mine.py").write_text(WRONG_AT_TIMES)
    mine = f"--implementation={ATTENTION}={folder / 'mine.py'}:at_times"
    chosen = ["--only-implementation=at_times", "--dtype=float64", "-k", "test_agrees_with_the_reference"]
    return run(folder, LAWS, mine, *chosen, *flags)


@pytest.mark.xdist_group("runs")
def test_a_random_profile_tells_its_seed_and_fails_again_with_the_same_example(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seeds = set()
    for name, flags in {"alone": ["-p", "no:xdist"], "with a worker": ["-n", "1"]}.items():
        with alone(tmp_path_factory):
            first = judged(tmp_path / name, "--profile=thorough", *flags)
            (record,) = first.records
            (repeated,) = again(record, tmp_path / f"{name}, again").records
        assert record["verdict"] == "fail", first.output
        assert f"run again: {record['replay']}\n" in first.output
        *_, option, seed = shlex.split(record["replay"])
        assert f"assay: inputs drawn from {option} {seed}\n" in first.output
        assert {key: repeated[key] for key in SAME} == {key: record[key] for key in SAME}
        seeds.add((option, seed))
    assert len(seeds) == 2, "another one each time"


def drawn() -> list[int]:
    seen: list[int] = []

    @settings(max_examples=200, derandomize=True, database=None)
    @given(st.integers())
    def law(n: int) -> None:
        seen.append(n)

    law()
    return seen


def test_inputs_do_not_depend_on_the_modules_that_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a law alone would draw other inputs than in the whole run: Hypothesis likes the numbers of local modules."""
    before = drawn()
    path = tmp_path / "local.py"
    path.write_text(f"NUMBERS = {[7919 * i for i in range(1, 40)]}")
    spec = importlib.util.spec_from_file_location("local", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "local", module)
    spec.loader.exec_module(module)
    assert drawn() == before


@pytest.mark.parametrize("kind", [Bart, Bert, Gpt2, Llama, Mamba, T5])
def test_a_model_is_printed_as_the_call_that_builds_it_again(kind: type) -> None:
    sizes = {"d": 4, "expand": 2, "states": 3, "width": 4, "rank": 2} if kind is Mamba else {}
    sizes = sizes or {"heads": 2, "d_head": 3, "inner": 7, "positions": 9}
    model = kind(seed=1, layers=1, vocabulary=11, epsilon=1e-5, **sizes)
    assert eval(pretty(model), {kind.__name__: kind}) == model
