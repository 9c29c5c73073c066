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


def kept(**declared: Any) -> list[str]:
    """Of two laws in two dtypes and three cases, those that stay."""

    def item(law: str, dtype: str, kind: str) -> Any:
        subject = Subject(ATTENTION, of(**declared), dtype, "cpu")
        callspec = SimpleNamespace(params={"implementation": subject, "kind": kind})
        return SimpleNamespace(name=f"{law} {dtype} {kind}", originalname=law, callspec=callspec)

    items = [item(law, dtype, kind) for law in "ab" for dtype in ("float64", "float32") for kind in "xyz"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fixtures.plugin.selection.pytest.Function", SimpleNamespace)
        dropped = list(_said_before(items, "default"))
    return [one.name for one in items if one not in dropped]


def test_of_cases_left_out_one_is_said() -> None:
    """For each law and dtype one case that the implementation has not got stays, and all that it has."""
    both = [(law, dtype) for law in "ab" for dtype in ("float64", "float32")]
    assert kept(cases={"kind": ("x",)}) == [f"{law} {dtype} {kind}" for law, dtype in both for kind in "xy"]
    assert kept(cases={"kind": ()}) == [f"{law} {dtype} x" for law, dtype in both]
    assert len(kept()) == 12


@pytest.mark.parametrize("declared", [{"devices": ("cuda",)}, {"requires": ("no-such-package>=1",)}])
def test_what_cannot_run_here_is_said_once(declared: dict[str, Any]) -> None:
    """A library or a device that is not there is one record by its name; of a user's own every law says so."""
    assert kept(**declared) == ["a float64 x"]
    assert len(kept(**declared, users=True)) == 12
