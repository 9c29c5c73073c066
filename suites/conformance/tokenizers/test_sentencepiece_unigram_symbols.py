"""Laws of SentencePiece's unigram model: user-defined symbols of any letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.bounds import near
from fixtures.cuts import clear, off
from fixtures.strategies.pieces import BARE, Table, built, spelled, symbols
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

LONGER = {
    "two bytes": ("\u00e9a", "ab", "\u00e9ab", ["\u00e9a", "b"]),
    "three bytes": ("\u65e5a", "ab", "\u65e5ab", ["\u65e5a", "b"]),
    "four bytes": ("\U0001f600a", "a\u00e9", "\U0001f600a\u00e9", ["\U0001f600a", "\u00e9"]),
    "at the end": ("ba", "a\u00e9", "ba\u00e9", ["b", "a\u00e9"]),
    "fewer characters": ("abc", "c\u65e5", "abc\u65e5", ["a", "b", "c\u65e5"]),
}


@pytest.mark.parametrize("what", LONGER)
def test_the_symbol_of_more_bytes_is_better(implementation, what: str):
    """Of two symbols `encode` takes the one whose UTF-8 is longer. Source: SentencePiece 0.2.3."""
    first, second, text, found = LONGER[what]
    letters = [(letter, 0.0, "normal") for letter in sorted({*text})]
    own = Table((*letters, (first, 0.0, "user-defined"), (second, 0.0, "user-defined")))
    judge.exact(built(implementation, own, **BARE).encode(text), own.ids(*found), "ids")


@pytest.mark.parametrize("whole", [True, False])
def test_a_symbol_is_as_good_as_its_bytes(implementation, whole: bool):
    """A symbol of n bytes has the score 0.1 (n - 1) for `encode`. Source: SentencePiece 0.2.3."""
    score = 0.1875 if whole else 0.3125
    own = Table((("\u65e5", score, "normal"), ("\u672c", score, "normal"), ("\u65e5\u672c", 0.0, "user-defined")))
    expected = own.ids("\u65e5\u672c") if whole else own.ids("\u65e5", "\u672c")
    judge.exact(built(implementation, own, **BARE).encode("\u65e5\u672c"), expected, "ids")


def test_cuts_count_the_characters_of_a_symbol(implementation):
    """Among the best cuts a symbol of n characters has the score 0.1 (n - 1). Source: SentencePiece 0.2.3."""
    own = Table((("\u65e5", 0.0625, "normal"), ("\u672c", 0.0625, "normal"), ("\u65e5\u672c", 0.0, "user-defined")))
    found = built(implementation, own, **BARE).n_best("\u65e5\u672c", 2)
    judge.exact([list(ids) for ids, _ in found], [own.ids("\u65e5", "\u672c"), own.ids("\u65e5\u672c")], "cuts")
    near([score for _, score in found], [0.125, 0.1], off(own, "\u65e5\u672c"), "scores")


@given(own=symbols(), data=st.data())
def test_agrees_on_symbols_of_any_letters(implementation, own: Table, data):
    """Ids are the reference's where symbols and pieces of like scores meet, and the best cut is clear."""
    truth = SentencepieceUnigram(own.pieces, own.byte_fallback, **BARE)
    some = data.draw(st.lists(spelled(own, 24), min_size=5, max_size=5), label="texts")
    tokenizer = built(implementation, own, **BARE)
    for text in (text for text in some if clear(own, text, truth)):
        judge.exact(tokenizer.encode(text), truth.encode(text), "ids")


def test_without_normal_pieces_the_unknown_is_better(implementation):
    """A symbol of several characters is not found then, a single one still is. Source: SentencePiece 0.2.3."""
    own = Table((("ab", 0.0, "user-defined"), ("c", 0.0, "user-defined"), ("abcc", 0.0, "user-defined")))
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.encode("abab"), own.ids("<unk>"), "ids")
    judge.exact(tokenizer.encode("abccab"), own.ids("<unk>", "c", "c", "<unk>"), "ids")
