"""`--resume`: what was finished is taken over, and nothing that hangs on something which has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports import samples
from reports.records import ReportError
from reports.schema import Record
from suites.accuracy import resuming
from suites.selfcheck.reports_synthetic import run, score, write

VERSIONS = {"lm-eval": "0.4.13"}
DATA = "d" * 64


def figure(metric: str = "accuracy", value: float | None = 0.5, **fields: Any) -> Record:
    settings = {"data_sha256": DATA, "task_version": 1}
    plain: dict[str, Any] = {"metric": metric, "task": "t", "versions": VERSIONS, "settings": settings}
    return score("m", value, **{**plain, **fields})


def earlier(tmp_path: Path, *records: Record, environment: str | None = None) -> resuming.Earlier:
    folder = write(tmp_path / "r1", records)
    metrics = dict.fromkeys((record.metric or "" for record in records), 1.0)
    samples.write(folder, "t", "m", [{"doc": 0, "answer": "yes", **metrics}])
    return resuming.Earlier(tmp_path, environment or run().environment.id)


def test_a_finished_result_is_taken_over_whole(tmp_path):
    found = earlier(tmp_path, figure(), figure("macro_f1")).outcome("t", "m", VERSIONS, DATA)
    assert found is not None
    assert [(s.metric, s.value, s.low, s.high, s.n) for s in found.scores] == [
        ("accuracy", 0.5, 0.49, 0.51, 100),
        ("macro_f1", 0.5, 0.49, 0.51, 100),
    ]
    assert found.settings == {"data_sha256": DATA, "task_version": 1}
    assert found.samples == [{"doc": 0, "answer": "yes", "accuracy": 1.0, "macro_f1": 1.0}]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("t", "other", VERSIONS, DATA), "another model"),
        (("other", "m", VERSIONS, DATA), "another task"),
        (("t", "m", {"lm-eval": "0.5"}, DATA), "another version"),
        (("t", "m", {**VERSIONS, "model": "abc"}, DATA), "other files of the model"),
        (("t", "m", VERSIONS, "e" * 64), "other documents"),
    ],
)
def test_what_has_changed_is_evaluated_again(tmp_path, asked, why):
    assert earlier(tmp_path, figure()).outcome(*asked) is None, why


def test_a_refusal_is_tried_again(tmp_path):
    refused = figure(verdict="error", value=None)
    assert earlier(tmp_path, refused).outcome("t", "m", VERSIONS, DATA) is None


def test_a_model_that_was_cut_off_between_its_records_is_evaluated_again(tmp_path):
    folder = write(tmp_path / "r1", [figure()])
    samples.write(folder, "t", "m", [{"doc": 0, "answer": "yes", "accuracy": 1.0, "macro_f1": None}])
    assert resuming.Earlier(tmp_path, run().environment.id).outcome("t", "m", VERSIONS, DATA) is None


def test_another_machine_is_told(tmp_path):
    found = earlier(tmp_path, figure(), environment="elsewhere")
    assert found.elsewhere and found.outcome("t", "m", VERSIONS, DATA) is None


def test_no_run_is_one_sentence(tmp_path):
    with pytest.raises(ReportError, match="No readable run"):
        resuming.Earlier(tmp_path / "none", "e")


def test_a_changed_model_has_another_fingerprint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = resuming.fingerprint(tmp_path)
    assert resuming.fingerprint(tmp_path) == before
    (tmp_path / "config.json").write_text("{ }")
    assert resuming.fingerprint(tmp_path) != before
