"""The pages about the suite itself: what it rejects and accepts, and what the rules of others would have let through."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reports.collection import collect
from reports.controls import Share, controls
from reports.panels import Panel, panels
from reports.power import power, rules
from reports.schema import Record
from reports.tables import Report
from reports.text import percent
from suites.selfcheck.reports_synthetic import ATTENTION, Page, built, control, judged, record, run, text, write

MUTANTS = [
    control("1:1 rejected", "mutant", "test_a"),
    control("2:1 survived", "mutant", verdict="fail", message="line 2\n- a < b\n+ a <= b"),
    control("3:1 equivalent", "mutant", verdict="deviation", message="line 3\n- c\n+ d", example="Both are 0."),
    control("4:1 incompetent", "mutant", verdict="inconclusive", example="it cannot be imported: SyntaxError"),
    control("5:1 stale", "mutant", "test_a", verdict="fail", message="line 5\n- e\n+ f"),
]


def report(tmp_path: Path, records: list[Record]) -> Report:
    write(tmp_path / "r1", records)
    return Report(collect([tmp_path]))


def test_mutants_that_are_equivalent_or_cannot_be_imported_do_not_count(tmp_path: Path) -> None:
    [table] = controls(report(tmp_path, MUTANTS))
    assert table.share("mutant") == Share(2, 3)
    assert [control.outcome[0] for control in table.of["mutant"]] == [
        "survived",
        "explained, but rejected",
        "cannot be imported",
        "equivalent",
        "rejected",
    ]
    assert not table.whole


def test_nulls_and_mutants_stand_in_the_tables_of_controls(tmp_path: Path) -> None:
    folder = built(tmp_path, [control("zeros", "null", "test_a"), control("echo", "null", verdict="fail"), *MUTANTS])
    own = text(folder / "concepts" / f"{ATTENTION}.html")
    for words in (
        "1 / 2 nulls rejected",
        "2 / 3 mutants rejected",
        "1 mutant explained as equivalent",
        "1 mutant cannot be imported",
        "echo survived",
        "2:1 survived survived line 2 - a &lt; b + a &lt;= b",
        "3:1 equivalent equivalent line 3 - c + d Both are 0.",
        "it cannot be imported: SyntaxError",
    ):
        assert words in own, words
    # What is as it should be is no failure, and no deviation of an implementation.
    failures = text(folder / "failures.html")
    assert "2:1 survived" in failures and "echo" in failures
    assert "3:1 equivalent" not in failures and "4:1 incompetent" not in failures
    assert "a null implementation that no law rejected" in failures and "a mutant that no law rejected" in failures


def flakes(law: str, value: float, high: float, n: int, **fields: Any) -> Record:
    plain: dict[str, Any] = dict(kind="power", implementation="assay", metric="flake rate", value=value)
    return record(law, **plain, high=high, n=n, **fields)


def test_a_row_of_power_has_every_denominator(tmp_path: Path) -> None:
    rows = [
        record("test_a", n=25, duration=0.5),
        record("test_b[1]", n=10, duration=0.25, dtype="float32"),
        record("test_b[2]", n=10, duration=0.25, dtype="float32"),
        record("test_c", verdict="unsupported"),
        control("one", "fault", "test_a"),
        control("other", "fault", verdict="fail"),
        control("blocked", "variant"),
        control("zeros", "null", "test_a"),
        *MUTANTS,
        flakes("test_a", 0.0, 0.9, 4),
        flakes("test_a", 0.0, 0.003, 1000, minutes=1, settings={"seeds": 9}),
        flakes("test_b", 0.01, 0.02, 400),
    ]
    [row] = power(report(tmp_path / "own", rows))
    assert (row.laws, row.inputs, row.seconds) == (3, 45, 1.0)
    assert (row.verdicts, row.pace) == (3, 1 / 3), "what is unsupported has no verdict"
    assert [row.share(role) for role in ("fault", "variant", "null", "mutant")] == [
        Share(1, 2),
        Share(1, 1),
        Share(1, 1),
        Share(2, 3),
    ]
    assert row.flakes is not None
    assert (row.flakes.bound, row.flakes.law, row.flakes.laws, row.flakes.runs) == (0.02, "test_b", 2, 400)
    assert (row.flakes.seen, row.flakes.total) == (4, 1400)
    assert 4 / 1400 < row.flakes.together < 0.02  # of all laws as one, so less than that of the worst
    folder = built(tmp_path, rows)
    shown = text(folder / "power.html")
    for words in (
        "1 / 2 1 / 1 1 / 1 2 / 3 1 equivalent 1 cannot be imported ≤ 0.02 400 runs or more of each of 2 laws",
        "4 in 1,400 together, ≤ 0.007323 45 1.0",
        "1 fault: other",
        "1 mutant: 2:1 survived",
    ):
        assert words in shown or words.replace("1 mutant: 2:1", "2 mutants: 2:1") in shown, words
    [data] = csv.DictReader((folder / "power.csv").read_text().splitlines())
    assert (data["faults_rejected"], data["faults"], data["mutants"], data["mutants_equivalent"]) == (
        "1",
        "2",
        "3",
        "1",
    )
    assert (data["flake_bound"], data["inputs"]) == ("0.02", "45")
    assert (
        "1 / 2 | 1 / 1 | 1 / 1 | 2 / 3 (1 equivalent, 1 cannot be imported)" in (folder / "leaderboard.md").read_text()
    )


def test_what_was_not_run_is_a_dash(tmp_path: Path) -> None:
    folder = built(tmp_path, [control("one", "fault", "test_a")])
    assert re.search(rf"{re.escape(ATTENTION)} – 1 / 1 – – – – – –", text(folder / "power.html"))
    assert f"| {ATTENTION} | – | 1 / 1 | – | – | – | – | – | – |" in (folder / "leaderboard.md").read_text()
    both = [control("one", "fault", "test_a"), control("one", "fault", "test_a", concept="losses.other")]
    assert "All 2 concepts – 2 / 2 – – – – – –" in text(built(tmp_path / "both", both) / "power.html")
    empty = built(tmp_path / "empty", [])
    assert "Nothing was run" in text(empty / "power.html") and "No judge" in text(empty / "rules.html")


def rates(found: Any) -> dict[str, tuple[str, str]]:
    return {
        f"{rule.name} {dtype}": (str(rate.through), str(rate.wronged))
        for rule in found.rules
        for dtype, rate in rule.rates.items()
    }


def test_rules_are_counted_over_all_concepts_and_for_each(tmp_path: Path) -> None:
    rows = [
        judged("other", "fault", 6, 10, link="https://x.org"),
        judged("other", "variant", 3, 10),
        judged("assay", "fault", 10, 10),
        judged("assay", "variant", 0, 10),
        judged("assay", "fault", 29, 30, concept="losses.other"),
        judged("other", "fault", 15, 30, concept="losses.other"),
        judged("assay", "fault", 0, 0, concept="losses.other", dtype="float16"),
        judged("assay", "fault", 5, 5, dtype="bfloat16"),
    ]
    everything, own, second = rules(report(tmp_path / "own", rows))
    assert [table.concept for table in (everything, own, second)] == [None, ATTENTION, "losses.other"]
    assert everything.dtypes == ["float32", "bfloat16", "float16"] and everything.rules[0].ours
    assert rates(everything) == {
        "assay float32": ("1 / 40", "0 / 10"),
        "assay bfloat16": ("0 / 5", "None"),
        "assay float16": ("None", "None"),
        "other float32": ("19 / 40", "3 / 10"),
        "other bfloat16": ("None", "None"),
        "other float16": ("None", "None"),
    }
    assert rates(own)["other float32"] == ("4 / 10", "3 / 10")
    folder = built(tmp_path, rows)
    assert "other 47.5 % 19 / 40 30.0 % 3 / 10 – – – –" in text(folder / "rules.html")
    assert "https://x.org" in Page(folder / "rules.html").addresses
    data = list(csv.DictReader((folder / "rules.csv").read_text().splitlines()))
    assert [row["faults_let_through"] for row in data if (row["concept"], row["rule"]) == ("all", "other")] == [
        "19",
        "",
        "",
    ]
    assert {row["source"] for row in data if (row["concept"], row["rule"]) == ("all", "other")} == {"https://x.org"}
    assert "47.5 % of 40, 30.0 % of 10" in (folder / "leaderboard.md").read_text()


def test_one_concept_alone_is_not_shown_twice(tmp_path: Path) -> None:
    assert [table.concept for table in rules(report(tmp_path, [judged("assay", "fault", 1, 2)]))] == [ATTENTION]


@pytest.mark.parametrize("settings", [{"seeds": 8}, {"seeds": 900}])
def test_only_the_newest_draw_of_a_concept_counts(tmp_path: Path, settings: dict[str, Any]) -> None:
    old = [judged("assay", "fault", 90, 900, settings=settings), judged("gone", "fault", 1, 900, settings=settings)]
    new = [judged("assay", "fault", 7, 8, run="r2", minutes=5), judged("other", "fault", 1, 8, run="r2", minutes=5)]
    write(tmp_path / "r1", old)
    write(tmp_path / "r2", new, run("r2", minutes=5))
    [table] = rules(Report(collect([tmp_path])))
    assert rates(table) == {"assay float32": ("1 / 8", "None"), "other float32": ("7 / 8", "None")}


def test_labels_of_points_in_one_corner_stay_in_the_picture(tmp_path: Path) -> None:
    names = ["assay", *(f"rule {number}" for number in range(9))]
    rows = [judged(name, "fault", 20, 20) for name in names] + [judged(name, "variant", 0, 20) for name in names]
    [panel] = panels(rules(report(tmp_path, rows))[0])
    labels = [point.label for point in panel.points]
    assert labels[-1] == Panel.BOTTOM and labels[0] == Panel.BOTTOM - 9 * Panel.PITCH
    assert {(point.x, point.y) for point in panel.points} == {(Panel.LEFT, Panel.BOTTOM)}


def test_the_picture_has_a_point_and_a_label_for_each_rule(tmp_path: Path) -> None:
    names = ["assay", *(f"rule {number}" for number in range(13))]
    rows = [judged(name, role, number, 20) for number, name in enumerate(names) for role in ("fault", "variant")]
    [panel] = panels(rules(report(tmp_path / "own", rows))[0])
    assert [point.rule.name for point in panel.points] == names
    for point in panel.points:
        assert Panel.LEFT <= point.x <= Panel.RIGHT and Panel.TOP <= point.y <= Panel.BOTTOM
    labels = [point.label for point in panel.points]
    assert all(second - first >= Panel.PITCH for first, second in pairwise(labels))
    assert labels[-1] <= Panel.BOTTOM
    ours = panel.points[0]
    assert ours.x == Panel.LEFT and ours.y == min(point.y for point in panel.points)
    shown = (built(tmp_path, rows) / "rules.html").read_text()
    assert shown.count("<circle") == 14 and all(f">{name}</text>" in shown for name in names)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 10**6, "<0.01 %"),
        (10**6 - 1, 10**6, ">99.99 %"),
        (1, 40, "2.50 %"),
        (19, 40, "47.5 %"),
        (0, 0, "–"),
    ],
)
def test_a_share_that_is_not_whole_never_reads_as_one(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


def test_the_judge_that_was_wrong_shows_on_which_input(tmp_path: Path) -> None:
    wrong = judged("assay", "variant", 1, 9, verdict="fail", message="wrongly judged: blocked", example="query = [1]")
    shown = text(built(tmp_path, [wrong]) / "power.html")
    assert "1 / 9" in shown and "wrongly judged: blocked" in shown and "query = [1]" in shown and "8 seeds" in shown
