"""Several runs as one: precedence, merging, shelving."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.collection import collect, newest_entry, shelve
from reports.records import ReportError, load
from suites.selfcheck.reports_synthetic import environment, record, run, score, write


def verdicts(*paths: Path) -> list[str]:
    return sorted(one.verdict for one in collect(paths).records)


def test_the_newest_record_of_a_row_wins_whatever_the_order_of_the_paths(tmp_path: Path) -> None:
    old = write(tmp_path / "old", [record(verdict="fail")], run("old"))
    new = write(tmp_path / "new", [record(verdict="pass", minutes=9, message="now")], run("new", minutes=9))
    assert verdicts(old, new) == verdicts(new, old) == ["pass"]
    assert len(collect([old, new]).everything) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"law": "test_other"},
        {"implementation": "mine"},
        {"device": "cuda:0"},
        {"dtype": "float32"},
        {"environment": "e2"},
        {"settings": {"batch": 2}},
        {"concept": "attention.other"},
        {"node": "test_a.py::test_agrees[torch-sdpa-2]"},
    ],
)
def test_rows_that_differ_in_what_identifies_them_both_stay(tmp_path: Path, other: dict[str, Any]) -> None:
    law = str(other.pop("law", "test_agrees"))
    write(tmp_path / "r1", [record(verdict="fail"), record(law, minutes=9, **other)])
    assert verdicts(tmp_path) == ["fail", "pass"]


def test_a_new_commit_takes_the_place_of_the_last_and_new_versions_do_not(tmp_path: Path) -> None:
    for minutes, (id, commit, torch) in enumerate(
        [("e1", "abc", "2.12"), ("e2", "def", "2.12"), ("e3", "def", "2.13")]
    ):
        of = run(id, minutes=minutes, environment=environment(id=id, commit=commit, versions={"torch": torch}))
        write(tmp_path / id, [record(environment=id, minutes=minutes)], of)
    assert [one.environment for one in collect([tmp_path]).records] == ["e2", "e3"]


def test_a_control_is_one_row_whichever_law_rejected_it_first(tmp_path: Path) -> None:
    fault: dict[str, Any] = {"kind": "control", "role": "fault", "implementation": "no scale"}
    write(tmp_path / "r1", [record("test_a", rejected_by=["test_a"], **fault)])
    write(tmp_path / "r2", [record("test_b", rejected_by=["test_b"], minutes=1, **fault)], run("r2", minutes=1))
    assert [one.law for one in collect([tmp_path]).records] == ["test_b"]


def test_merge_copies_every_run_once(tmp_path: Path) -> None:
    write(tmp_path / "a" / "r1", [record("test_1")])
    shutil.copytree(tmp_path / "a" / "r1", tmp_path / "b" / "copy")
    write(tmp_path / "b" / "r2", [record("test_2")], run("r2", minutes=1))
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--to", str(tmp_path / "all")]) == 0
    assert [(of.id, [one.law for one in records]) for of, records in load([tmp_path / "all"])] == [
        ("r1", ["test_1"]),
        ("r2", ["test_2"]),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "all", "b"]


def test_what_is_kept_may_be_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a" / "r1", [record("test_1"), record("test_2")])
    for folder in ("kept", "again"):
        assert main(["merge", str(tmp_path / "a"), "--to", str(tmp_path / folder), "--pack"]) == 0
    packed, again = (tmp_path / folder / "r1" / "records.jsonl.gz" for folder in ("kept", "again"))
    assert sorted(path.name for path in packed.parent.iterdir()) == ["records.jsonl.gz", "run.json"]
    assert packed.read_bytes() == again.read_bytes()
    assert load([tmp_path / "kept"]) == load([packed]) == load([tmp_path / "a"])
    assert main(["merge", str(tmp_path / "kept"), "--to", str(tmp_path / "copy"), "--pack"]) == 0
    assert load([tmp_path / "copy"]) == load([tmp_path / "a"])
    capsys.readouterr()
    packed.write_bytes(packed.read_bytes()[:-20])
    assert [records for _, records in load([packed])] == [[]]
    assert f"{packed}: not readable" in capsys.readouterr().err


def test_a_copy_taken_in_mid_run_gives_way_to_the_whole(tmp_path: Path) -> None:
    write(tmp_path / "a" / "r1", [record("test_1")])
    write(tmp_path / "b" / "r1", [record("test_1"), record("test_2")])
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--to", str(tmp_path / "all")]) == 0
    assert [len(records) for _, records in load([tmp_path / "all"])] == [2]


def test_merge_refuses_runs_of_one_name_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a" / "r1", [record(verdict="pass")])
    write(tmp_path / "b" / "r1", [record(verdict="fail")])
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--to", str(tmp_path / "all")]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "a" / "r1") in error and str(tmp_path / "b" / "r1") in error and "differ" in error
    assert not (tmp_path / "all").exists()


def test_merge_never_writes_into_a_folder_in_use(tmp_path: Path) -> None:
    write(tmp_path / "a" / "r1", [record()])
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "diary.txt").write_text("mine")
    assert main(["merge", str(tmp_path / "a"), "--to", str(tmp_path / "all")]) == 2
    assert (tmp_path / "all" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("inside", ["sub", "sub/deeper"])
def test_merge_never_writes_into_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str) -> None:
    of = write(tmp_path / "a" / "r1", [record()])
    assert main(["merge", str(of), "--to", str(of / inside)]) == 2
    assert f"lies inside the run {of}" in capsys.readouterr().err
    assert sorted(path.name for path in of.iterdir()) == ["records.jsonl", "run.json"]
    assert main(["merge", str(of), "--to", str(tmp_path / "a" / "all")]) == 0
    assert capsys.readouterr().out.startswith("1 run: ")


def test_shelve_names_the_folder_after_its_newest_run(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path / "runs" / "one", [record()], run("one"))
        write(tmp_path / "runs" / "two", [record()], run("two", minutes=61))
        assert main(["shelve", str(tmp_path / "runs")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs-20251120T130100Z", "runs-20251120T130100Z-2"]
    assert len(load([tmp_path / "runs-20251120T130100Z"])) == 2


def test_shelve_leaves_nothing_and_strangers_alone(tmp_path: Path) -> None:
    assert shelve(tmp_path / "absent") is None
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "diary.txt").write_text("mine")
    with pytest.raises(ReportError, match="holds no run"):
        shelve(tmp_path / "strange")
    assert (tmp_path / "strange" / "diary.txt").exists()


def test_the_newest_entry_is_the_one_started_last(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="No run in"):
        newest_entry(tmp_path)
    write(tmp_path / "z", [record()], run("z"))
    write(tmp_path / "collection" / "deep", [record()], run("deep", minutes=5))
    write(tmp_path / "a", [record()], run("a", minutes=1))
    assert newest_entry(tmp_path) == tmp_path / "collection"


def test_settings_that_look_alike_are_not_the_same(tmp_path: Path) -> None:
    write(tmp_path / "r1", [score("m", 0.5, settings={"k": 1}), score("m", 0.5, settings={"k": "1"})])
    assert len(collect([tmp_path]).records) == 2
