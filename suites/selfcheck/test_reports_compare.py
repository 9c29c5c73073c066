"""Two collections side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.collection import collect
from reports.compare import Comparison, compare
from reports.schema import Record
from suites.selfcheck.reports_synthetic import control, environment, record, run, score, timing, write


def compared(tmp_path: Path, before: list[Record], after: list[Record]) -> Comparison:
    write(tmp_path / "a", before)
    write(tmp_path / "b", after, run("b", minutes=9))
    return compare(collect([tmp_path / "a"]), collect([tmp_path / "b"]))


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("pass", "fail", 1),
        ("pass", "crash", 1),
        ("pass", "timeout", 1),
        ("deviation", "error", 1),
        ("pass", "pass", 0),
        ("fail", "pass", 0),
        ("fail", "fail", 0),
        ("pass", "unsupported", 0),
        ("unsupported", "fail", 0),
        ("pass", "deviation", 0),
    ],
)
def test_exit_code_1_means_that_something_accepted_is_wrong_now(
    tmp_path: Path, before: str, after: str, code: int
) -> None:
    found = compared(tmp_path, [record(verdict=before)], [record(verdict=after)])
    assert found.exit_code == code
    assert len(found.changed) + len(found.broken) == (before != after)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == code


def test_rows_are_matched_across_machines(tmp_path: Path) -> None:
    found = compared(tmp_path, [record()], [record(verdict="fail", environment="e2")])
    assert [pair.after.verdict for pair in found.broken] == ["fail"]
    assert not found.appeared and not found.missing


def test_new_and_missing_rows_are_told(tmp_path: Path) -> None:
    found = compared(tmp_path, [record("test_a"), record("test_b")], [record("test_b"), record("test_c")])
    assert [one.law for one in found.missing] == ["test_a"]
    assert [one.law for one in found.appeared] == ["test_c"]
    assert found.same == 1 and found.exit_code == 1


@pytest.mark.parametrize(
    ("gone", "code"),
    [
        (record("test_a"), 1),
        (record("test_a", verdict="deviation"), 1),
        (timing("i", 1.0), 1),
        (control("no scale", "fault", "test_a"), 1),
        (control("5:1 Add_Sub", "mutant", "test_a"), 0),
        (record("test_a", verdict="fail"), 0),
        (record("test_a", verdict="unsupported"), 0),
        (record("test_a", verdict="inconclusive"), 0),
    ],
)
def test_accepted_rows_that_vanish_count_unless_only_a_part_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gone: Record, code: int
) -> None:
    found = compared(tmp_path, [gone, record("test_b")], [record("test_b")])
    assert len(found.missing) == 1 and found.exit_code == code
    where = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["compare", *where]) == code
    told = capsys.readouterr().out
    assert ("1 row accepted before, missing now: exit code 1. With --partial" in told) == bool(code)
    assert main(["compare", *where, "--partial"]) == 0
    assert ("not counted (--partial)" in capsys.readouterr().out) == bool(code)


def test_a_part_may_be_wrong_all_the_same(tmp_path: Path) -> None:
    compared(tmp_path, [record("test_a"), record("test_b")], [record("test_b", verdict="fail")])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--partial"]) == 1


def test_figures_have_a_ratio_and_know_whether_they_differ(tmp_path: Path) -> None:
    before = [timing("apart", 10.0), timing("overlap", 10.0), timing("bare", 10.0, None), score("zero", 0.0)]
    after = [timing("apart", 20.0), timing("overlap", 11.0), timing("bare", 15.0, None), score("zero", 0.5)]
    found = {pair.after.implementation or pair.after.model: pair for pair in compared(tmp_path, before, after).figures}
    assert {name: (pair.ratio, pair.overlaps) for name, pair in found.items()} == {
        "apart": (2.0, False),
        "overlap": (1.1, True),
        "bare": (1.5, None),
        "zero": (None, False),
    }


def test_both_formats_say_it_and_quote_strangers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "<script>alert(1)</script>|\x1b[31m"
    write(tmp_path / "a", [record(implementation=hostile), timing("i", 10.0)])
    after = run("b", environment=environment(id="e2", versions={"torch": "9.9"}))
    write(tmp_path / "b", [record(implementation=hostile, verdict="fail", message=hostile), timing("i", 30.0)], after)
    for format in ("terminal", "markdown"):
        assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--format", format]) == 1
        shown = capsys.readouterr().out
        assert "Accepted before, wrong now (1)" in shown and "3.000" in shown and "apart" in shown and "9.9" in shown
        assert "\x1b" not in shown
    assert "<script>" not in shown
    row = next(line for line in shown.splitlines() if "alert" in line)
    assert row.replace("\\|", "").count("|") == 5
