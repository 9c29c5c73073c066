"""What a user or an author gets wrong is one message before any test, and costs no more than it must."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest

from fixtures.concepts import ROOT, Concept, concepts
from fixtures.plugin import flags
from suites.selfcheck.runs import LAWS, Finished, run

pytestmark = pytest.mark.xdist_group("runs")

BERT = "suites/conformance/architectures/test_bert.py"
LAW = f"{LAWS}::test_agrees_with_the_reference"


def said(done: Finished) -> str:
    """The one message of a run that was refused."""
    assert done.code == pytest.ExitCode.USAGE_ERROR, done.output
    assert [line for line in done.output.splitlines() if line.strip()] == [done.output.strip()], "one line"
    assert not done.records
    return done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--implementation", "attention.sdpa=mine.py:f"], "unknown concept 'attention.sdpa'; did you mean"),
        (["--only-implementation", "torch-spda"], "--only-implementation torch-spda: did you mean torch-sdpa"),
        (["--records", "pyproject.toml/inner"], "pyproject.toml is not a folder; write one"),
    ],
)
def test_a_mistake_in_a_flag_is_one_message_before_any_test(words: list[str], message: str, tmp_path: Path) -> None:
    assert message in said(run(tmp_path, LAWS, *words))


class Asked:
    """As much of a run's configuration as the checks look at."""

    def __init__(self, *args: str, **options: Any) -> None:
        self.args, self.options = args or [LAWS], options
        self.invocation_params = types.SimpleNamespace(dir=ROOT)
        self.assay_targets: list[dict[str, Any]] = [{"concept": "attention.scaled_dot_product", "name": "mine"}]

    def getoption(self, name: str, default: Any = None) -> Any:
        defaults = {"call_timeout": 20.0, "model": [], "only_implementation": []}
        return self.options.get(name, defaults.get(name, default))


def refused(asked: Asked) -> str:
    """What is said of these flags, or nothing."""
    try:
        flags.check(asked)  # type: ignore[arg-type]
        flags.check_names(asked)  # type: ignore[arg-type]
    except pytest.UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, ""),
        ({"controls": "first"}, ""),
        (
            {"controls": "full", "only_implementation": ["reference"]},
            "--controls and --only-implementation: --controls ju",
        ),
        (
            {"calibrate": 3, "implementation": ["layers.softmax=mine.py:f"]},
            "write one of the two, and choose among its",
        ),
        ({"model": ["a", " "]}, "--model '': write the directory of a model, or its id on the hub (owner/name)"),
        ({"call_timeout": 0.0}, "--call-timeout 0.0: write a number of seconds above 0"),
        ({"call_timeout": float("nan")}, "--call-timeout nan: write"),
        ({"records": ""}, "--records '': write a folder"),
        ({"records": "/dev/null"}, "--records /dev/null: /dev/null is not a folder; write one"),
        ({"records": "/dev/null/inner/deep"}, "--records /dev/null/inner/deep: /dev/null is not a folder; write one"),
        ({"records": "/dev/null", "collectonly": True}, ""),
        ({"records": "/proc/records"}, "nothing can be written in /proc (No such file or directory); write another"),
    ],
)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that nobody can write in")
def test_a_flag_that_asks_for_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    answer = refused(Asked(**options))
    assert message in answer and bool(message) == bool(answer)


@pytest.mark.parametrize(
    ("args", "names", "message"),
    [
        ([LAWS], ["reference", "torch-sdpa"], ""),
        ([LAWS], ["mine"], ""),
        ([LAWS], ["reference", "torch-spda"], "torch-spda: did you mean torch-sdpa"),
        ([LAWS], ["mien"], "mien: did you mean mine"),
        ([LAWS], ["attend"], " or mine?"),  # yours is named however far it is from what was written
        (
            [LAWS],
            ["tiktoken"],
            "and what is selected is attention.scaled_dot_product",
        ),
        ([BERT], ["torch-sdpa"], "and what is selected is architectures.bert; did you mean transformers-sdpa"),
        ([BERT], ["mine"], "mine is judged under attention.scaled_dot_product, and"),
        (["suites/conformance"], ["tiktoken", "torch-sdpa"], ""),
        ([f"{BERT}::test_bad_input", LAWS], ["torch-sdpa"], ""),
        (
            ["suites/throughput/test_gpt2.py"],
            ["torch-sdpa"],
            "and what is selected is architectures.gpt2; did you mean transformers-sdpa",
        ),
        (["suites/throughput"], ["transformers-eager"], ""),
        (["suites/throughput/test_tokenizers.py"], ["tiktoken"], ""),
        (["suites/accuracy"], ["torch-sdpa"], ""),
    ],
)
def test_who_is_asked_for_has_something_that_is_selected(args: list[str], names: list[str], message: str) -> None:
    answer = refused(Asked(*args, only_implementation=names))
    assert message in answer and bool(message) == bool(answer)


def test_a_folder_for_records_is_made_only_when_there_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    chosen = ["-p", "no:xdist", f"--records={folder}", "--dtype=float64", "--only-implementation=reference"]
    done = run(tmp_path, LAW, *chosen, "-k", "nothing")
    assert done.code == pytest.ExitCode.NO_TESTS_COLLECTED and not folder.parent.exists(), done.output
    done = run(tmp_path, LAW, *chosen)
    assert done.code == pytest.ExitCode.OK and len(list(folder.glob("*/records.jsonl"))) == 1, done.output


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("def bert(:\n", ":1: no Python yet: invalid syntax"),
        ("x = 1\nif x:\n", ":2: no Python yet: expected an indented block"),
        (
            "def brt():\n    ...\ndef _half(): ...\n",
            ":1: no contract: expected a function or class named like the file",
        ),
        ("def brt(): ...\ndef _half(): ...\n", "(bert, case and underscores aside), found brt"),
        ("", "found none"),
        ("\0", ": no Python yet: "),
        ("class Bert: ...\n", ""),
    ],
)
def test_what_is_wrong_with_a_reference_is_said_in_a_line(source: str, mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "bert.py"
    path.write_text(source)
    found = Concept("architectures.bert", path).mistake
    assert found is None if not mistake else found and str(path) in found and mistake in found and "\n" not in found


def test_no_reference_is_broken() -> None:
    assert not [own.mistake for own in concepts().values() if own.mistake]


BREAKS = """
import pytest
from pathlib import Path

@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    from fixtures.concepts import Concept, concepts
    path = Path(__file__).with_name("bert.py")
    path.write_text("import torch\\n\\ndef bert(weights\\n")
    concepts()["architectures.bert"] = Concept("architectures.bert", path)
"""


@pytest.mark.parametrize("more", [[], ["--only-implementation=reference"]])
def test_a_half_written_reference_costs_other_concepts_nothing(more: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, LAW, "-p", "no:xdist", "--dtype=float64", "-k", "reference", *more, plugin=BREAKS)
    assert done.code == pytest.ExitCode.OK, done.output
    assert done.verdicts("reference") == {"test_agrees_with_the_reference": "pass"}
    (described,) = tmp_path.glob("*/run.json")
    pages = {page["id"] for page in json.loads(described.read_text())["concepts"]}
    assert pages == set(concepts()) - {"architectures.bert"}


@pytest.mark.parametrize("workers", [["-p", "no:xdist"], ["-n", "1"]])
def test_laws_of_a_half_written_reference_are_one_message(workers: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, BERT, *workers, plugin=BREAKS)
    assert done.code in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED), done.output
    message = f"the reference cannot be used: {tmp_path / 'bert.py'}:3: no Python yet: '(' was never closed"
    assert message in done.output
    assert "INTERNALERROR" not in done.output and "Traceback" not in done.output


def test_an_implementation_of_a_half_written_reference_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, LAWS, "--implementation", "architectures.bert=mine.py:bert", plugin=BREAKS)
    assert "the reference of architectures.bert cannot be used: " in said(done)
    assert "bert.py:3: no Python yet" in done.output


def test_laws_that_are_no_python_cost_other_concepts_nothing(tmp_path: Path) -> None:
    suite = tmp_path / "test_half.py"
    suite.write_text("def test_half(:\n")

    class Half(Concept):
        @property
        def suites(self) -> list[Path]:
            return [suite]

    assert Half("half", tmp_path / "half.py").laws == {}
