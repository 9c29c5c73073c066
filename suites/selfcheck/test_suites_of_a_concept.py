"""The laws of one concept in several files: who owns a file, what runs when one is named, and what is asked of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures import concepts as own
from suites.selfcheck.runs import ATTENTION, Finished, run

AREA = own.CONFORMANCE / "layers"
NAMES = ("layers.layer", "layers.layer_norm", "layers.softmax", "losses.softmax_loss", "layers.deep.layer")


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concepts whose names begin alike."""
    known = {name: own.Concept(name, Path(f"{name.rpartition('.')[2]}.py")) for name in NAMES}
    monkeypatch.setattr(own, "concepts", lambda: known)


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("file", "concept"),
    [
        ("layers/test_layer.py", "layers.layer"),
        ("layers/test_layer_inputs.py", "layers.layer"),
        ("layers/test_layer_norm.py", "layers.layer_norm"),
        ("layers/test_layer_norm_bad_input.py", "layers.layer_norm"),
        ("layers/test_layer_normal.py", "layers.layer"),
        ("layers/test_layers.py", None),
        ("layers/deep/test_layer_norm.py", "layers.deep.layer"),
        ("layers/test_softmax_loss.py", "layers.softmax"),
        ("losses/test_softmax_loss.py", "losses.softmax_loss"),
        ("losses/test_softmax.py", None),
        ("layers/softmax.py", None),
        ("test_softmax.py", None),
        ("../accuracy/layers/test_softmax.py", None),
    ],
)
def test_a_file_is_about_the_concept_of_the_longest_name(file: str, concept: str | None) -> None:
    found = own.concept_of_suite(own.CONFORMANCE / file)
    assert (found and found.id) == concept


HEAD = """
import torch
from hypothesis import given
from fixtures import judge
from fixtures.strategies.attention import problems
"""
PLAIN = f'''{HEAD}
@judge.every_dtype
@given(problem=problems())
def test_agrees(implementation, problem):
    """Values are the reference's."""
    judge.agree(implementation, problem.query, problem.key, problem.value)
'''
CAUSAL = f'''{HEAD}
@judge.every_dtype
@given(problem=problems(lengths="equal"))
def test_agrees_when_causal(implementation, problem):
    """Values are the reference's when no query sees a later key."""
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)
'''
FILES = {"test_scaled_dot_product.py": PLAIN, "test_scaled_dot_product_causality.py": CAUSAL}
ELSEWHERE = """
from pathlib import Path
import fixtures.concepts

fixtures.concepts.CONFORMANCE = Path(__file__).parent / "conformance"
"""
ALONE = ["-p", "no:xdist", "--dtype=float64"]


def made(folder: Path, files: dict[str, str]) -> list[str]:
    """Files of laws in `folder`, in the place of those of `suites/conformance`."""
    where = folder / "conformance" / "attention"
    where.mkdir(parents=True)
    for name, source in files.items():
        (where / name).write_text(source, encoding="utf-8")
    return [str(where / name) for name in files]


def judged(folder: Path, *words: str) -> Finished:
    """A run of this suite on files of laws in `folder`."""
    return run(folder, "-c", "pyproject.toml", f"--rootdir={folder}", "-p", "conftest", *words, plugin=ELSEWHERE)


def named(folder: Path, *words: str, topic_only: bool = True) -> Finished:
    """A run with `words`, of which the second of two files is named alone, or of both, the second one first."""
    paths = made(folder, FILES)[::-1]
    return judged(folder, *paths[: 1 if topic_only else 2], *words)


pytestmark = pytest.mark.xdist_group("runs")


def test_one_file_alone_runs_its_own_laws(tmp_path: Path) -> None:
    done = named(tmp_path, *ALONE, "--only-implementation=reference")
    assert done.code == 0 and done.verdicts("reference") == {"test_agrees_when_causal": "pass"}, done.output
    (described,) = done.folder.glob("*/run.json")
    (page,) = (page for page in json.loads(described.read_text())["concepts"] if page["id"] == ATTENTION)
    assert list(page["laws"]) == ["test_agrees", "test_agrees_when_causal"], "the page tells all, in the order of files"


PLAIN_FAULT, CAUSAL_FAULT = "softmax over the queries", "causal mask lets one future key through"
CHOSEN = ["-k", "softmax_over_the_queries or causal_mask_lets_one or null-zeros"]


@pytest.mark.parametrize(
    ("words", "topic_only"),
    [(ALONE, True), (ALONE, False), (["-n", "1", "--dtype=float64"], True)],
    ids=["one", "both", "worker"],
)
def test_controls_are_put_to_the_laws_of_all_files_once(words: list[str], topic_only: bool, tmp_path: Path) -> None:
    words = [*words, "--controls=full", *CHOSEN]
    done = named(tmp_path, *words, topic_only=topic_only)
    assert done.code == 0, done.output
    rejected = {record["implementation"]: record["rejected_by"] for record in done.records}
    assert len(rejected) == len(done.records) == 3, done.output
    assert rejected[PLAIN_FAULT] == ["test_agrees", "test_agrees_when_causal"]
    assert rejected[CAUSAL_FAULT] == ["test_agrees_when_causal"]
    for record in done.records:
        assert record["node"].startswith("conformance/attention/test_scaled_dot_product.py::"), (
            "whichever is named, a control has one id"
        )
        assert [Path(word).name for word in record["replay"].split()[1:3]] == list(FILES)


def test_one_law_by_name_is_all_that_a_control_is_put_to(tmp_path: Path) -> None:
    plain, _ = made(tmp_path, FILES)
    done = judged(tmp_path, f"{plain}::test_agrees", *ALONE, "--controls=full", *CHOSEN)
    assert {r["implementation"]: r["verdict"] for r in done.records}[CAUSAL_FAULT] == "fail", done.output
    assert {law for r in done.records for law in r["rejected_by"]} == {"test_agrees"}


def test_the_judge_is_calibrated_on_the_laws_of_all_files(tmp_path: Path) -> None:
    done = named(tmp_path, *ALONE, "--calibrate=12")
    assert done.code == 0, done.output
    rows = [r for r in done.records if r["implementation"] == "assay"]
    assert sorted(r["metric"] for r in rows) == ["faults rejected", "variants rejected"], "once a concept"
    (faults,) = (r for r in rows if r["metric"] == "faults rejected")
    assert CAUSAL_FAULT not in faults["message"] and "no effect above the noise" in faults["message"]


def test_the_flakes_of_a_file_are_those_of_its_laws(tmp_path: Path) -> None:
    done = named(tmp_path, *ALONE, "--flakes=1")
    assert done.code == 0 and [r["law"] for r in done.records] == ["test_agrees_when_causal"], done.output
    assert "test_scaled_dot_product_causality.py --flakes 1 -k " in done.records[0]["replay"]


@pytest.mark.parametrize("flag", [[], ["--controls"], ["--flakes=1"], ["--calibrate=1"]])
def test_laws_of_no_concept_are_an_error(flag: list[str], tmp_path: Path) -> None:
    paths = made(tmp_path, {"test_dot_product.py": PLAIN, **FILES})
    done = judged(tmp_path, *paths, *ALONE, *flag)
    assert done.code == pytest.ExitCode.INTERRUPTED and "Traceback" not in done.output, done.output
    wanted = "expected test_<concept>.py or test_<concept>_<topic>.py for a concept of reference/attention"
    assert f"test_dot_product.py has laws of no concept: {wanted}" in done.output
    assert "; did you mean test_scaled_dot_product.py (of attention.scaled_dot_product)?" in done.output


@pytest.mark.parametrize("flag", [[], ["--controls"]])
def test_two_laws_of_one_name_are_one_error(flag: list[str], tmp_path: Path) -> None:
    paths = made(tmp_path, {**FILES, "test_scaled_dot_product_others.py": PLAIN})
    done = judged(tmp_path, *paths, *ALONE, *flag)
    assert done.code == pytest.ExitCode.INTERRUPTED and "Traceback" not in done.output, done.output
    line = PLAIN.partition("def test")[0].count("\n") + 1
    message = f"test_scaled_dot_product_others.py:{line}: test_agrees stands in test_scaled_dot_product.py too"
    assert done.output.count(message) == 1 and "1 error in" in done.output, done.output


def test_no_two_laws_of_a_concept_share_a_name_here() -> None:
    files = sorted(own.CONFORMANCE.rglob("test_*.py"))
    assert len(files) >= len(own.concepts()) and not [
        own.mistake_of_suite(path) for path in files if own.mistake_of_suite(path)
    ]
