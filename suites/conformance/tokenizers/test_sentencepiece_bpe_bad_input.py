"""Laws of SentencePiece's byte-pair encoding: bad input."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.pieces import BARE, BROKEN, SPECIAL, built, table


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", None, 3], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What UTF-8 cannot hold, and what is no str, raises."""
    judge.rejects(built(implementation, table("a")).encode, text)


@pytest.mark.parametrize("id", [4, -1])
def test_unknown_ids_are_rejected(implementation, id: int):
    """An id that no piece has raises."""
    judge.rejects(built(implementation, table("a")).decode, [3, id])


@pytest.mark.parametrize("id", [1.0, "1", None], ids=repr)
def test_ids_are_integers(implementation, id: Any):
    """What is only like an id raises."""
    judge.rejects(built(implementation, table("a")).decode, [3, id])


def test_ids_do_not_wrap_around(implementation):
    """Pit: 4,294,967,297 is no id, though it is 1 to who keeps the last 32 bits of it."""
    judge.rejects(built(implementation, table("a")).decode, [3, (1 << 32) + 1])


@pytest.mark.parametrize("what", BROKEN)
def test_tables_that_contradict_themselves_are_rejected(implementation, what: str):
    """What no model can be made of raises, at the latest when it is used."""
    judge.rejects(lambda: implementation(BROKEN[what]).encode("aa?"))


@pytest.mark.parametrize("merge", [("a", "z"), ("z", "a"), ("b", "a")], ids="".join)
def test_merges_of_no_pieces_are_rejected(implementation, merge: tuple[str, str]):
    """A merge whose part or result is no piece raises."""
    own = table("a", "b", ab=-1.0, za=-1.0, az=-1.0)
    judge.exact(built(implementation, own, merges=[("a", "b")], **BARE).encode("ab"), own.ids("ab"), "ids")
    judge.rejects(lambda: built(implementation, own, merges=[("a", "b"), merge]).encode("ab"))


@pytest.mark.parametrize("fallback", [True, False])
def test_bytes_are_all_or_none(implementation, fallback: bool):
    """Byte fallback needs 256 pieces, and without it there are none."""
    pieces = [*SPECIAL, ("<0x41>", 0.0, "byte"), ("a", -1.0, "normal")]
    judge.rejects(lambda: implementation(pieces, byte_fallback=fallback).encode("aA"))


@pytest.mark.parametrize("size", [9, 29])
def test_a_size_below_the_alphabet_is_rejected(implementation, size: int):
    """A vocabulary that its characters do not fit into raises; three special pieces, 26 letters and `▁` need 30."""
    corpus = ["the quick brown fox jumps over the lazy dog"] * 9
    judge.exact(len(implementation.train(corpus, 30).pieces), 30, "pieces")
    judge.rejects(implementation.train, corpus, size)


@pytest.mark.parametrize("texts", [[], ["", "  "]], ids=["no texts", "blank texts"])
def test_nothing_teaches_nothing(implementation, texts: list[str]):
    """A corpus without any word raises."""
    judge.rejects(implementation.train, texts, 40)


def test_one_text_is_not_several(implementation):
    """A corpus that is one str raises: its characters are no texts."""
    judge.rejects(implementation.train, "the quick brown fox", 40)
