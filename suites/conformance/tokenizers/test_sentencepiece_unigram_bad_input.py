"""Laws of SentencePiece's unigram model: what must raise."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.pieces import BROKEN, SPECIAL, built, table


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


@pytest.mark.parametrize("fallback", [True, False])
def test_bytes_are_all_or_none(implementation, fallback: bool):
    """Byte fallback needs 256 pieces, and without it there are none."""
    pieces = [*SPECIAL, ("<0x41>", 0.0, "byte"), ("a", -1.0, "normal")]
    judge.rejects(lambda: implementation(pieces, byte_fallback=fallback).encode("aA"))
