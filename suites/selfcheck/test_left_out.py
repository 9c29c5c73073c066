"""What an implementation is not put to is said: once a law, with the reason, and never as a pass."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.implementations import Implementation
from fixtures.plugin.selection import _said_before
from fixtures.subject import Subject
from suites.selfcheck.subjects import ATTENTION


def of(**declared: Any) -> Implementation:
    return Implementation("mine", ATTENTION.id, lambda: None, **declared)


@pytest.mark.parametrize(
    ("declared", "law", "case", "profile", "reason"),
    [
        ({}, "test_a", {"kind": "x"}, "default", None),
        ({"only": ("test_a*",), "because": "slow"}, "test_ab", {}, "default", None),
        ({"only": ("test_a*",), "because": "slow"}, "test_b", {}, "default", "slow: put to test_a* only"),
        ({"thorough": "slow"}, "test_a", {}, "default", "slow: judged with --profile thorough only"),
        ({"thorough": "slow"}, "test_a", {}, "thorough", None),
        ({"cases": {"kind": ("x", "y")}}, "test_a", {"kind": "y"}, "default", None),
        ({"cases": {"kind": ("x", "y")}}, "test_a", {"kind": "z"}, "default", "of each kind it has x, y"),
        ({"cases": {"kind": ()}}, "test_a", {"kind": "z"}, "default", "of each kind it has none"),
        ({"cases": {"kind": ()}}, "test_a", {"shape": (2, 3)}, "default", None),
    ],
)
def test_what_is_left_out_has_a_reason(
    declared: dict[str, Any], law: str, case: dict[str, Any], profile: str, reason: str | None
) -> None:
    """By the name of the law, by the profile, by the case."""
    assert of(**declared).left_out(law, case, profile) == reason


def test_of_cases_left_out_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each law and dtype one case that the implementation has not got stays, and all that it has."""
    monkeypatch.setattr("fixtures.plugin.selection.pytest.Function", SimpleNamespace)

    def item(law: str, dtype: str, kind: str) -> Any:
        subject = Subject(ATTENTION, of(cases={"kind": ("x",)}), dtype, "cpu")
        callspec = SimpleNamespace(params={"implementation": subject, "kind": kind})
        return SimpleNamespace(path="file", originalname=law, callspec=callspec)

    items = [item(law, dtype, kind) for law in "ab" for dtype in ("float64", "float32") for kind in "xyz"]
    dropped = [(one.originalname, one.callspec.params["kind"]) for one in _said_before(items, "default")]
    assert dropped == [("a", "z")] * 2 + [("b", "z")] * 2
