"""The site as files: whole or not at all, never over anything that is not one, with the data beside it."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import pytest

from reports import site
from reports.__main__ import main
from reports.records import find
from suites.selfcheck.reports_synthetic import built, record, text, write


def test_damage_is_told_on_the_page(tmp_path: Path) -> None:
    path = write(tmp_path / "runs" / "r1", [record("test_1"), record("test_2")]) / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert main(["build", str(tmp_path / "runs"), "--to", str(tmp_path / "site")]) == 0
    assert "records.jsonl:2" in text(tmp_path / "site" / "index.html")


def test_a_folder_that_is_no_site_of_ours_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "runs" / "r1", [record()])
    for name in ("diary.txt", "site.json"):
        target = tmp_path / name.partition(".")[0]
        target.mkdir()
        (target / name).write_text("{}")
        assert main(["build", str(tmp_path / "runs"), "--to", str(target)]) == 2
        assert "was not made by" in capsys.readouterr().err
        assert [path.name for path in target.iterdir()] == [name]
    assert main(["build", str(tmp_path / "runs"), "--to", str(tmp_path)]) == 2
    assert main(["build", str(tmp_path / "runs"), "--to", str(tmp_path / "runs" / "r1" / "run.json")]) == 2


def test_the_old_site_stays_until_the_new_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = built(tmp_path, [record()])
    before = (folder / "index.html").read_text()
    rename = Path.rename

    def full(*_: object) -> None:
        raise OSError("disk full")

    def stuck(path: Path, to: Path) -> Path:
        if "-building-" in path.name:
            full()
        return rename(path, to)

    for place, name, broken in ((site.Pages, "environment", full), (Path, "rename", full), (Path, "rename", stuck)):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, broken)
            with pytest.raises(OSError, match="disk full"):
                main(["build", str(tmp_path / "runs"), "--to", str(folder)])
        assert (folder / "index.html").read_text() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_a_new_site_replaces_the_old_one_whole(tmp_path: Path) -> None:
    folder = built(tmp_path, [record(concept="a.first")])
    assert (folder / "concepts" / "a.first.html").exists()
    write(tmp_path / "more" / "r2", [record(concept="a.second")])
    assert main(["build", str(tmp_path / "more"), "--to", str(folder)]) == 0
    assert [path.name for path in (folder / "concepts").iterdir()] == ["a.second.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more", "runs", "site"]


def test_a_site_carries_its_records_but_is_no_source_of_them_by_accident(tmp_path: Path) -> None:
    folder = built(tmp_path, [record()])
    again = tmp_path / "again"
    assert find([tmp_path]) == [tmp_path / "runs" / "r1"]
    assert main(["build", str(folder), "--to", str(again)]) == 0
    assert json.loads((again / "site.json").read_text())["runs"] == ["r1"]
    assert main(["build", str(folder), "--to", str(folder)]) == 2
    (tmp_path / "runs" / "r1").rename(tmp_path / "elsewhere")
    assert main(["build", str(tmp_path / "runs"), "--to", str(again)]) == 2


def test_csv_and_parquet_hold_every_record(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    old = record(verdict="fail", value=math.nan, settings={"batch": 1}, example='a,"b"\nc')
    folder = built(tmp_path, [old, record(minutes=1, settings={"batch": 1}, n=7)])
    with (folder / "records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["verdict"], row["superseded"], row["example"]) for row in rows] == [
        ("fail", "True", 'a,"b"\nc'),
        ("pass", "False", ""),
    ]
    table = parquet.read_table(folder / "records.parquet").to_pylist()
    batch = '{"batch": 1}'
    assert [(row["verdict"], row["n"], row["settings"]) for row in table] == [("fail", None, batch), ("pass", 7, batch)]
    assert math.isnan(table[0]["value"])


def test_without_pyarrow_there_is_a_sentence_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    folder = built(tmp_path, [record()])
    assert "pyarrow is not installed" in capsys.readouterr().err
    assert not (folder / "records.parquet").exists() and "records.parquet" not in (folder / "index.html").read_text()
