"""Judging the suite: calibration of the judge, flakes of the laws, and the rules of others, each seen to fail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fixtures.calibration import OURS, calibrate, cases
from fixtures.implementations import Implementation
from fixtures.rules import RULES, accepts
from fixtures.subject import Subject
from suites.conformance.attention import test_scaled_dot_product as laws
from suites.selfcheck import runs
from suites.selfcheck.subjects import ATTENTION

LAW = laws.test_agrees_with_the_reference
REFERENCE = Subject(ATTENTION, Implementation("reference", ATTENTION.id, ATTENTION.load), "float32", "cpu")


def test_a_law_is_asked_for_its_inputs_without_judging_them() -> None:
    first, again, other = cases(LAW, REFERENCE, 6), cases(LAW, REFERENCE, 6), cases(LAW, REFERENCE, 6, first=1)
    assert [case.law for case in first] == [LAW.__name__] * 6
    shapes = [[tuple(case.args[0].shape) for case in drawn] for drawn in (first, again, other)]
    assert shapes[0] == shapes[1] != shapes[2]
    assert not cases(laws.test_gradients_agree, REFERENCE, 3)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_faults_fall_and_variants_stand(dtype: str) -> None:
    for score in calibrate(ATTENTION, [LAW], dtype, "fault", 8):
        assert score.tried == 8 and score.rejected.get(OURS, 0) <= score.counted <= 8
        if score.control.implementation.name == "softmax over the queries":
            assert score.counted >= 4 and not score.wrong
        if score.control.implementation.name == "causal mask lets one future key through":
            assert not score.counted, "without causal it has no effect"
    for score in calibrate(ATTENTION, [LAW], dtype, "variant", 8):
        assert score.counted == 8 and not score.wrong


def test_what_is_wrongly_judged_is_counted_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from fixtures import judge

    monkeypatch.setattr(judge, "FACTOR", 1e-9)
    assert any(score.wrong and score.example for score in calibrate(ATTENTION, [LAW], "bfloat16", "variant", 6))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_accepts_what_is_the_same_and_rejects_what_is_far_off(rule: object) -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        truth = torch.randn(8, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 10
        plain = (truth * (1 + torch.finfo(dtype).eps / 2)).to(dtype)
        assert accepts(rule, [plain.clone()], [plain], [truth])  # type: ignore[arg-type]
        assert not accepts(rule, [plain * 2], [plain], [truth])  # type: ignore[arg-type]
        assert not accepts(rule, [plain[:4]], [plain], [truth])  # type: ignore[arg-type]
        assert not accepts(rule, [plain * torch.nan], [plain], [truth])  # type: ignore[arg-type]


def test_calibration_and_flakes_leave_records_and_a_table(tmp_path: Path) -> None:
    chosen = ("suites/conformance/attention", "-p", "no:xdist", "-q")
    done = runs.run(tmp_path / "calibration", *chosen, "--calibrate", "3", "--dtype", "float32")
    assert done.code == 0 and "faults rejected, by rule" in done.output and "flash-attention 2x" in done.output
    assert {(r["kind"], r["metric"]) for r in done.records} == {
        ("power", "faults rejected"),
        ("power", "variants rejected"),
    }
    assert all("--calibrate 3 " in r["replay"] for r in done.records), "variants get more inputs, for as many seeds"
    done = runs.run(tmp_path / "flakes", *chosen, "--flakes", "2", "-k", "test_agrees_under_a_mask or test_bad_input")
    assert done.code == 0 and "attention.scaled_dot_product: 0 of " in done.output
    drawn, fixed = sorted(done.records, key=lambda record: record["high"] is None)[:: len(done.records) - 1]
    assert drawn["law"] == "test_agrees_under_a_mask" and drawn["value"] == 0 and 0 < drawn["high"] < 1
    assert fixed["high"] is None


@pytest.mark.parametrize("flag", ["--calibrate", "--flakes"])
def test_as_many_seeds_as_none_are_a_mistake(tmp_path: Path, flag: str) -> None:
    done = runs.run(tmp_path, "suites/conformance/attention", flag, "0")
    assert done.code == 4 and f"{flag} 0: write a number of seeds, 1 at least" in done.output
    done = runs.run(tmp_path, "suites/conformance/tokenizers/test_wordpiece.py", "--calibrate", "1")
    assert done.code == 4 and "there is of laws on numbers in attention, layers, losses" in done.output
    done = runs.run(tmp_path, "suites/conformance/attention", flag, "1", "--controls")
    assert done.code == 4 and "write one at a time" in done.output
