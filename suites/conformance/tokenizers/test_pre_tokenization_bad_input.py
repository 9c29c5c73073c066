"""Laws of pre-tokenization: what must raise."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(implementation, text, scheme="gpt2")


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_cut(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(implementation, text, scheme="gpt2")


@pytest.mark.parametrize("scheme", ["", "GPT2", "spaces", "removed"])
def test_unknown_schemes_are_rejected(implementation, scheme: str):
    """A scheme that is none raises, instead of being another one."""
    judge.rejects(implementation, "a b", scheme=scheme)


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "punctuation", "behavior": "merged"},
        {"scheme": "metaspace", "prepend": "last"},
        {"scheme": "metaspace", "replacement": ""},
        {"scheme": "metaspace", "replacement": "__"},
        {"scheme": "digits", "individual": "no"},
    ],
    ids=lambda options: str(list(options.values())[1:]),
)
def test_values_that_are_none_are_rejected(implementation, options: dict[str, Any]):
    """An option with a value that it does not have raises."""
    judge.rejects(implementation, "a b", **options)


@pytest.mark.parametrize("scheme", ["whitespace", "gpt4", "digits"])
def test_options_of_other_schemes_are_rejected(implementation, scheme: str):
    """An option that the scheme does not have raises, or one would believe that it counts."""
    judge.rejects(implementation, "a b", scheme=scheme, behavior="removed")
