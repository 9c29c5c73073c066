"""Mutants of references: which there are, and what becomes of those that survive, are explained, hang or are no Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.concepts import Concept, concept
from fixtures.controls import mutants as own
from suites.selfcheck.runs import LAWS, Finished, once, run

pytest.importorskip("cosmic_ray")

SOURCE = '''"""1 + 1"""
from functools import cache

HALF: int | None = 1 / 2  # ∞


class Ünit:
    @cache
    def double(self, x: "1 + 1", *, twice: bool = True) -> int | None:
        """2 * x"""
        if x is None or not x > -1:
            raise ValueError(f"∞ {x + 1} of {x == 3}", 3) from None
        for _ in range(2 if twice else 1):
            x += x ** 2
        return x @ x

    @cache
    def half(self):
        try:
            return "∞" * 3
        except (ValueError, KeyError):
            return 4
'''


def unspaced(source: str) -> str:
    """Without empty lines, and without spaces but those that a line begins with."""
    return re.sub("(?<=[^ \n]) +", "", source.replace("\n\n", "\n"))


@pytest.fixture
def unit(tmp_path: Path) -> Concept:
    path = tmp_path / "ünit.py"
    path.write_text(SOURCE, encoding="utf-8")
    return Concept("made.unit", path)


def test_mutants_are_those_of_cosmic_ray(unit: Concept) -> None:
    """Less annotations and what is raised; of the bare * of a signature it makes a product."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    theirs = set()
    for name in operator_names():
        if not get_operator(name).arguments():
            number = 0
            while mutated := mutate_code(SOURCE, get_operator(name)(), number):
                theirs.add(unspaced(mutated))
                number += 1
    ours = {unspaced(mutant.source) for mutant in own.mutants_of(unit)}
    assert ours < theirs
    lines = {line for mutated in theirs - ours for line in mutated.splitlines()} - {*unspaced(SOURCE).splitlines()}
    assert all(line.strip().startswith(("def", "raise")) for line in lines)
    assert any("*,twice:bool=False" in mutated for mutated in ours)


def test_a_change_is_named_by_its_lines(unit: Concept) -> None:
    changes = {mutant.change for mutant in own.mutants_of(unit)}
    assert ("x += x ** 2", "x += x ** 3") in changes
    assert ("@cache def half(self):", "def half(self):") in changes
    assert ("for _ in range(2 if twice else 1):", "for _ in []:") in changes
    assert ("if x is None or not x > -1:", "if not x is None or not x > -1:") in changes
    assert ("except (ValueError, KeyError):", "except (ValueError, CosmicRayTestingException):") in changes
    assert len(changes) == len(own.mutants_of(unit))


def test_a_mutant_that_cannot_be_imported_is_incompetent(unit: Concept) -> None:
    wrong = own.Mutant(unit, "made up", (1, 0), 0, 0, "import nothing_of_this_name\n")
    with pytest.raises(own.Incompetent, match="ModuleNotFoundError: No module named 'nothing_of_this_name'"):
        wrong.load()


def test_a_mutant_is_made_beside_the_reference() -> None:
    attention = concept("attention.scaled_dot_product")
    doubled = next(
        m for m in own.mutants_of(attention) if m.change[1] == "scale = 2 / math.sqrt(d) if scale is None else scale"
    )
    assert doubled.load() is doubled.load() is not attention.load()


SURVIVES = (
    "scale = 1 / math.sqrt(d) if scale is None else scale",
    "scale = 2 / math.sqrt(d) if scale is None else scale",
)
LINE = concept("attention.scaled_dot_product").source.partition(SURVIVES[0])[0].count("\n") + 1
REJECTED = ("if key.shape[-1] != d:", "if key.shape[-1] == d:")
EXPLAINED = ("if causal:", "if not causal:")
CHANGES = f"""
import sys
import fixtures.controls as controls
from fixtures.controls import mutants as own

def pytest_configure(config):
    import fixtures.controls.attention.scaled_dot_product as attention

    every = own.mutants_of

    def with_odd_ones(concept):
        end = concept.source.index("    t, d = query.shape[-2:]")
        wanted = [m for m in every(concept) if m.change in ({SURVIVES!r}, {REJECTED!r}, {EXPLAINED!r})]
        return (
            *wanted,
            own.Mutant(concept, "no module", (1, 0), 0, 0, "import nothing_of_this_name\\n"),
            own.Mutant(concept, "endless", (74, 0), end, end, "    while True:\\n        pass\\n"),
        )

    own.mutants_of = controls.mutants_of = with_odd_ones
    attention.EQUIVALENT = {{
        {REJECTED!r}: "made up",
        ("return weights @ value", "return value"): "long gone",
        {EXPLAINED!r}: "no law here is causal",
    }}
"""


@pytest.fixture(scope="module")
def mutated(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A few mutants, under one law that knows nothing of scales and masks."""
    law = f"{LAWS}::test_no_keys_give_zero"
    wanted = ["-p", "no:xdist", "--controls=mutants", "--call-timeout=1"]
    return once(tmp_path_factory, "mutated", lambda folder: run(folder, law, *wanted, plugin=CHANGES))


def mutant(mutated: Finished, change: tuple[str, str]) -> dict[str, Any]:
    (record,) = (r for r in mutated.records if r["message"].endswith(f"\n- {change[0]}\n+ {change[1]}"))
    return record


@pytest.mark.xdist_group("runs")
def test_a_mutant_that_survives_turns_the_run_red(mutated: Finished) -> None:
    assert mutated.code == pytest.ExitCode.TESTS_FAILED, mutated.output
    record = mutant(mutated, SURVIVES)
    assert (record["role"], record["verdict"], record["rejected_by"]) == ("mutant", "fail", [])
    assert f"survived: line {LINE}\n    - {SURVIVES[0]}\n    + {SURVIVES[1]}\n" in mutated.output


@pytest.mark.xdist_group("runs")
def test_one_that_is_explained_does_not(mutated: Finished) -> None:
    record = mutant(mutated, EXPLAINED)
    assert (record["verdict"], record["rejected_by"], record["example"]) == ("deviation", [], "no law here is causal")


@pytest.mark.xdist_group("runs")
def test_explanations_are_strict(mutated: Finished) -> None:
    record = mutant(mutated, REJECTED)
    assert (record["verdict"], record["rejected_by"]) == ("fail", ["test_no_keys_give_zero"])
    assert "is explained as equivalent, but was rejected: delete its entry from EQUIVALENT (" in mutated.output
    gone = "no mutant changes a line so: delete these entries from EQUIVALENT\n    ('return weights @ value', 'return value')"
    assert gone in mutated.output


@pytest.mark.xdist_group("runs")
def test_one_that_hangs_is_rejected_and_one_that_is_no_python_does_not_count(mutated: Finished) -> None:
    found = {r["implementation"]: r for r in mutated.records}
    assert found["1:0 no module"]["verdict"] == "inconclusive"
    assert (found["74:0 endless"]["verdict"], found["74:0 endless"]["rejected_by"]) == (
        "pass",
        ["test_no_keys_give_zero"],
    )
    assert "a call took more than 1 s" in found["74:0 endless"]["example"]
    assert "attention.scaled_dot_product: 2 of 3 mutants rejected (66.7 %)" in mutated.output
    assert "1 that cannot be imported" in mutated.output
