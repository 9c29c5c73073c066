"""Laws of normalization: what must raise."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(implementation, text, steps=["nfc"])


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_normalized(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(implementation, text, steps=["nfc"])


@pytest.mark.parametrize(
    "step", ["NFX", "", ("replace", "a"), ("strip",), ("substitute", "(", "x"), 7, None, ()], ids=repr
)
def test_unknown_steps_are_rejected(implementation, step: Any):
    """A step that is none, or lacks what it needs, raises, also for a text that it would not change."""
    judge.rejects(implementation, "x", steps=[step])


@pytest.mark.parametrize("step", [("replace", 1, "a"), ("prepend", None), ("prepend", 3), ("strip", 1, "")], ids=repr)
def test_options_of_another_type_are_rejected(implementation, step: Any):
    """What should be text, or true or false, and is not raises."""
    judge.rejects(implementation, "x", steps=[step])


def test_nothing_can_be_replaced(implementation):
    """To replace the empty text raises: it would be everywhere."""
    judge.rejects(implementation, "ab", steps=[("replace", "", "x")])
