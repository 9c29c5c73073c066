"""Records on disk: what was written is read back, and damage costs only what it damaged."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.records import ReportError, RunWriter, gather, load, new_run_id
from suites.selfcheck.reports_synthetic import record, run, write


def read(path: Path) -> tuple[list[str], list[str]]:
    """Laws that are read back, and what is told."""
    told: list[str] = []
    return [str(one.law) for _, records in load([path], told.append) for one in records], told


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    one = record(
        value=math.inf,
        low=-math.inf,
        high=1.5,
        message="two\nlines \u2028 and ünïcödé",
        settings={"batch": 1, "flash": True},
    )
    write(tmp_path / "r1", [one, record("test_other")], run("r1"))
    [(of, records)] = load([tmp_path])
    assert of == run("r1")
    assert records == [one, record("test_other")]
    written = write(tmp_path / "nan", [record(value=math.nan)], run("nan"))
    assert math.isnan(load([written])[0][1][0].value or 0)


def test_a_lone_surrogate_does_not_stop_the_writer(tmp_path: Path) -> None:
    """Tokenizers give them back for broken bytes."""
    write(tmp_path / "r1", [record(message="\udc80", settings={"text": "\ud83d"}, rejected_by=["\udfff"])])
    [(_, [one])] = load([tmp_path])
    assert (one.message, one.settings, one.rejected_by) == ("\\udc80", {"text": "\\ud83d"}, ["\\udfff"])


def test_each_record_is_on_disk_before_the_next(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r1", run())
    assert read(tmp_path) == ([], [])
    for count in (1, 2):
        writer.append(record(f"test_{count}"))
        assert len((tmp_path / "r1" / "records.jsonl").read_bytes().splitlines()) == count
    writer.close()


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    write(tmp_path / "r1")
    with pytest.raises(FileExistsError, match="already holds a run"):
        RunWriter(tmp_path / "r1", run())


def test_run_ids_are_unique_and_sort_by_time() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", id) for id in ids)


def test_a_line_cut_short_by_a_kill_costs_that_line(tmp_path: Path) -> None:
    path = write(tmp_path / "r1", [record("test_1"), record("test_2"), record("test_3")]) / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    laws, told = read(tmp_path)
    assert laws == ["test_1", "test_2"]
    [message] = told
    assert (
        f"{path}:3" in message
        and "last line is broken" in message
        and "damaged" not in message
        and "run the suite again" in message
    )


def test_damage_in_the_middle_is_counted_and_placed(tmp_path: Path) -> None:
    path = write(tmp_path / "r1", [record(f"test_{n}") for n in range(6)]) / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1], lines[3] = b"\xff\xfe garbage\n", lines[3].replace(b'"pass"', b'"splendid"')
    path.write_bytes(b"".join(lines))
    laws, told = read(tmp_path)
    assert laws == ["test_0", "test_2", "test_4", "test_5"]
    [message] = told
    assert f"{path}:2" in message and f"{path}:4" in message and "2 damaged lines" in message and "4 records" in message


def test_a_record_of_a_newer_schema_asks_for_an_update(tmp_path: Path) -> None:
    path = write(tmp_path / "r1", [record("test_1")]) / "records.jsonl"
    newer = {**json.loads(record().model_dump_json()), "schema_version": 99}
    path.write_bytes(path.read_bytes() + json.dumps(newer).encode() + b"\n")
    laws, [message] = read(tmp_path)
    assert laws == ["test_1"]
    assert f"{path}:2" in message and "schema version 99" in message and "update" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "missing"),
        ("{", "not readable"),
        ("[]", "not readable"),
        ('{"schema_version": 2}', "schema version 2"),
        ('{"schema_version": 1}', "not readable"),
    ],
)
def test_a_run_without_a_readable_description_leaves_the_others_alone(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = write(tmp_path / "bad", [record("test_lost")]) / "run.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReportError, match="No readable run"):
        gather([tmp_path], lambda _: None)
    write(tmp_path / "good", [record("test_kept")])
    laws, [message] = read(tmp_path)
    assert laws == ["test_kept"]
    assert str(path) in message and words in message


@pytest.mark.parametrize("command", ["build", "compare", "merge"])
def test_nothing_readable_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    rest = {"build": ["--to", "site"], "compare": [str(tmp_path)], "merge": ["--to", "there"]}[command]
    assert main([command, str(tmp_path), *rest]) == 2
    assert f"No readable run in {tmp_path}" in capsys.readouterr().err


def test_a_missing_path_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "r1", [record()])
    told: list[str] = []
    assert len(load([tmp_path / "absent", tmp_path / "r1" / "run.json"], told.append)) == 1
    assert [str(tmp_path / "absent") in message for message in told] == [True]


def test_runs_are_found_at_any_depth_and_read_once(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "late", [record()], run("late", minutes=5))
    write(tmp_path / "c", [record()], run("early"))
    assert [of.id for of, _ in load([tmp_path, tmp_path / "a", tmp_path / "c"])] == ["early", "late"]
