"""Laws of byte-level byte-pair encoding: texts, ids and tables that must raise."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.vocabularies import Merge, Tables, built


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(built(implementation, Tables()).encode, text)


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(built(implementation, Tables()).encode, text)


def test_unknown_ids_are_rejected(implementation):
    """An id that no token has raises; left out, it would hide that model and tokenizer do not fit."""
    judge.rejects(built(implementation, Tables()).decode, [0, 256])


def test_negative_ids_are_rejected(implementation):
    """-1 is no id, and not the last one either."""
    judge.rejects(built(implementation, Tables()).decode, [0, -1])


@pytest.mark.parametrize("id", [1.0, "1", None], ids=repr)
def test_ids_are_integers(implementation, id: Any):
    """What is only like an id raises."""
    judge.rejects(built(implementation, Tables()).decode, [0, id])


def test_ids_do_not_wrap_around(implementation):
    """Pit: 4,294,967,297 is no id, though it is 1 to who keeps the last 32 bits of it."""
    judge.rejects(built(implementation, Tables()).decode, [0, (1 << 32) + 1])


def test_an_incomplete_alphabet_is_rejected(implementation):
    """Without one of the byte letters a text that needs it raises, at the latest when it is encoded."""
    vocabulary = {token: id for token, id in Tables().vocabulary.items() if token != "z"}
    judge.rejects(lambda: implementation(vocabulary, []).encode("xyz"))


@pytest.mark.parametrize("pair", [("q", "u"), ("ab", "x")], ids=["result", "part"])
def test_merges_outside_the_vocabulary_are_rejected(implementation, pair: Merge):
    """A merge whose result or part is no token raises, at the latest when it applies."""
    tables = Tables((("x", "y"),), unmerged=("abx",))
    judge.rejects(lambda: implementation(tables.vocabulary, [("x", "y"), pair]).encode("qu abx"))


CONTRADICTIONS: dict[str, tuple[dict[str, int], list[Merge]]] = {
    "one id for two tokens": ({"ab": 256, "ac": 256}, [("a", "b")]),
    "a pair listed twice": ({"ab": 256, "ac": 257}, [("a", "b"), ("a", "c"), ("a", "b")]),
    "a token of another alphabet": ({"ab": 256, "\u65e5": 257}, [("a", "b")]),
    "a token of nothing": ({"ab": 256, "": 257}, [("a", "b")]),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_tables_that_contradict_themselves_are_rejected(implementation, what: str):
    """Two tokens of one id, a pair of two ranks, and tokens that stand for no bytes raise, at the latest when used."""
    tokens, merges = CONTRADICTIONS[what]

    def used() -> None:
        tokenizer = implementation(Tables().vocabulary | tokens, merges)
        tokenizer.encode("abac")
        tokenizer.decode(tokens.values())

    judge.rejects(used)


@pytest.mark.parametrize("entry", [("ac", "256"), ("ac", 1.5), ("ac", -1), (7, 256)], ids=ascii)
def test_tokens_are_texts_and_ids_are_integers(implementation, entry: tuple[Any, Any]):
    """A vocabulary with anything else raises, at the latest when it is used."""
    tables = Tables((("a", "b"),))
    judge.rejects(lambda: implementation({**tables.vocabulary, entry[0]: entry[1]}, list(tables.merges)).encode("ab"))
