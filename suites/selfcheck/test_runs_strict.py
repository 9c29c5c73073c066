"""What must turn a run red: a deviation that went away, a fault that survives, a variant that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from suites.selfcheck.runs import LAWS, Finished, once, run

pytestmark = pytest.mark.xdist_group("runs")

AGREES, ALIGNS = "test_agrees_with_the_reference", "test_causal_aligns_the_last_query_with_the_last_key"

DEVIATIONS = f'''
def pytest_configure(config):
    from fixtures.implementations import Deviation, torch
    for implementation, law, match in (
        ("reference", "{AGREES}", None),
        ("torch-sdpa-math", "{ALIGNS}", "another failure"),
    ):
        torch.DEVIATIONS.insert(
            0, Deviation("attention.scaled_dot_product", implementation, law, "made up", "https://x.org", match=match)
        )
'''


@pytest.fixture(scope="module")
def deviating(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    only = [word for name in ("reference", "torch-sdpa", "torch-sdpa-math") for word in ("--only-implementation", name)]
    wanted = ["-p", "no:xdist", "--dtype", "float64", "-k", f"{AGREES} or {ALIGNS}"]
    return once(tmp_path_factory, "deviating", lambda folder: run(folder, LAWS, *only, *wanted, plugin=DEVIATIONS))


def test_a_deviation_that_no_longer_deviates_turns_the_run_red(deviating: Finished) -> None:
    assert deviating.code == pytest.ExitCode.TESTS_FAILED, deviating.output
    record = deviating.record("reference", AGREES)
    assert record["verdict"] == "fail"
    assert record["message"].startswith(
        f"no longer deviates: delete the entry for 'reference' and '{AGREES}' (made up)"
    )
    assert record["message"] in deviating.output


def test_a_known_deviation_is_a_verdict_of_its_own_and_turns_nothing_red(deviating: Finished) -> None:
    record = deviating.record("torch-sdpa", ALIGNS)
    assert record["verdict"] == "deviation"
    assert record["message"].startswith("is_causal aligns the first query with the first key [")
    assert record["link"].startswith("https://docs.pytorch.org/")
    assert "2 failed, 3 passed, " in deviating.output
    assert " 1 xfailed" in deviating.output


def test_another_failure_than_the_recorded_one_is_new(deviating: Finished) -> None:
    record = deviating.record("torch-sdpa-math", ALIGNS)
    assert record["verdict"] == "fail"
    assert record["message"].endswith("(a deviation is recorded for this law, but another one: made up)")


CONTROLS = """
def pytest_configure(config):
    from fixtures.controls import Fault, variant
    import fixtures.controls.attention.scaled_dot_product as attention

    def harmless(*args, **options):
        return attention.by_logarithms(*args, **options)

    attention.FAULTS += [
        Fault("brackets", old="return weights @ value", new="return (weights @ value)", misconception="They matter."),
        Fault("a function that is right", call=harmless),
        Fault("nowhere to be found", old="return weights @ values", new="return weights"),
        Fault("no Python", old="return weights @ value", new="return weights @"),
    ]

    @variant
    def slightly_off(query, key, value, *, mask=None, causal=False, scale=None):
        "Not quite the same."
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        return attention.by_logarithms(query, key, value, mask=mask, causal=causal, scale=scale * 1.0001)

    attention.slightly_off = slightly_off
"""
GOOD_FAULT = "causal mask lets one future key through"


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    laws = [f"{LAWS}::{law}" for law in (AGREES, "test_agrees_when_causal")]
    names = [
        "brackets",
        "that_is_right",
        "nowhere",
        "no_Python",
        "slightly_off",
        "by_log",
        GOOD_FAULT.replace(" ", "_"),
    ]
    wanted = ["-p", "no:xdist", "--controls", "-k", " or ".join(names)]
    return once(tmp_path_factory, "controlled", lambda folder: run(folder, *laws, *wanted, plugin=CONTROLS))


def control(controlled: Finished, name: str) -> dict[str, Any]:
    (record,) = (r for r in controlled.records if r["implementation"] == name)
    return record


def test_each_control_has_one_record(controlled: Finished) -> None:
    assert controlled.code == pytest.ExitCode.TESTS_FAILED, controlled.output
    assert len(controlled.records) == 7
    assert {r["kind"] for r in controlled.records} == {"control"}


def test_a_fault_is_rejected_and_a_variant_is_accepted(controlled: Finished) -> None:
    fault, variant = control(controlled, GOOD_FAULT), control(controlled, "by logarithms")
    assert (fault["role"], fault["verdict"]) == ("fault", "pass")
    assert fault["rejected_by"] == ["test_agrees_when_causal"]
    assert (variant["role"], variant["verdict"], variant["rejected_by"]) == ("variant", "pass", [])


@pytest.mark.parametrize("name", ["brackets", "a function that is right"])
def test_a_fault_that_survives_turns_the_run_red(name: str, controlled: Finished) -> None:
    record = control(controlled, name)
    assert (record["verdict"], record["rejected_by"], record["law"]) == ("fail", [], None)
    assert f"fault {name!r} survived all" in controlled.output
    assert f"fault    {name}: none   <-- WRONG" in controlled.output


def test_a_variant_that_is_wrong_turns_the_run_red(controlled: Finished) -> None:
    """Although the noise of everybody else is measured by it as well."""
    record = control(controlled, "slightly off")
    assert (record["verdict"], record["rejected_by"]) == ("fail", [AGREES, "test_agrees_when_causal"])
    assert "variant 'slightly off' was rejected: " in controlled.output
    assert "variants accepted: 1 of 2" in controlled.output


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere to be found", "no longer fits the reference"), ("no Python", "invalid syntax")],
)
def test_a_fault_that_cannot_be_made_is_not_taken_for_rejected(name: str, why: str, controlled: Finished) -> None:
    record = control(controlled, name)
    assert (record["verdict"], record["rejected_by"]) == ("fail", [])
    assert why in record["example"]
    assert f"it cannot be made: {record['example'].splitlines()[0]}" in controlled.output
    assert "faults rejected: 1 of 5" in controlled.output


def test_the_summary_says_which_laws_rejected_each(controlled: Finished) -> None:
    assert f"fault    {GOOD_FAULT}: test_agrees_when_causal\n" in controlled.output
    assert "variant  by logarithms: none\n" in controlled.output
