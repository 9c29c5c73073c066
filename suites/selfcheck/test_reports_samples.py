"""Answers beside the records: kept whole, carried along, and what ranks rest on where all models have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import samples
from reports.boards import Board, boards
from reports.collection import collect, merge
from reports.tables import Report
from suites.selfcheck.reports_synthetic import score, write

TASK = score("m", 0.5).task or ""
METRIC = score("m", 0.5).metric or ""
N = 400


def answers(right: range, n: int = N, first: int = 0) -> list[dict[str, object]]:
    return [{"doc": i, "answer": "…\n", METRIC: float(i in right), "macro_f1": None} for i in range(first, first + n)]


def board(tmp_path: Path, marks: dict[str, range], **wrong: object) -> Board:
    records = [score(model, len(right) / N, 0.05, n=N) for model, right in marks.items()]
    folder = write(tmp_path / "r1", records)
    for model, right in marks.items():
        samples.write(folder, TASK, model, answers(right, **(wrong if model == "c" else {})))  # type: ignore[arg-type]
    (found,) = boards(Report(collect([tmp_path])), "accuracy")
    return found


def test_a_difference_on_the_same_documents_is_seen_where_intervals_overlap(tmp_path):
    """b is right wherever a is, and on twelve documents more: a coin does not do that."""
    found = board(tmp_path, {"a": range(0, 200), "b": range(0, 212), "c": range(100, 310)})
    assert {entry.row.name: entry.rank for entry in found.ranked}["b"] == 1
    two = board(tmp_path / "two", {"a": range(0, 200), "b": range(0, 212)})
    assert {entry.row.name: entry.rank for entry in two.ranked} == {"b": 1, "a": 2}
    assert two.paired == pytest.approx(0.024, abs=0.001)


def test_without_answers_of_the_same_documents_intervals_decide(tmp_path):
    marks = {"a": range(0, 200), "c": range(0, 212)}
    for number, wrong in enumerate(({"n": N - 1}, {"first": 1})):
        found = board(tmp_path / str(number), marks, **wrong)
        assert {entry.row.name: entry.rank for entry in found.ranked} == {"a": 1, "c": 1} and found.paired is None


def test_answers_are_kept_as_they_are_and_models_named_by_paths_stay_apart(tmp_path):
    odd = ["/data/my models/x", "/data/my_models/x", "org/name", "org_name"]
    for place, model in enumerate(odd):
        samples.write(tmp_path, "t", model, [{"doc": 3, "answer": "a\n\u2028'\"", "m": float(place), "none": None}])
    assert [samples.marks(tmp_path, "t", model) for model in odd] == [
        {"m": {3: float(place)}, "none": {}} for place in range(4)
    ]
    assert samples.marks(tmp_path, "t", "never") == {}
    assert not list(tmp_path.rglob("*.part"))


def test_answers_go_along_when_runs_are_merged(tmp_path):
    board(tmp_path / "from", {"a": range(10), "b": range(20)})
    merge([tmp_path / "from"], tmp_path / "merged")
    assert len(list((tmp_path / "merged").rglob("*.parquet"))) == 2
