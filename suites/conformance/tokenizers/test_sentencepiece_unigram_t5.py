"""Laws of SentencePiece's unigram model: special pieces elsewhere, as T5 has them."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.pieces import Piece, Table, spelled, tables
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

SPECIAL: list[Piece] = [("<pad>", 0.0, "control"), ("</s>", 0.0, "control"), ("<unk>", 0.0, "unknown")]

FEW = st.integers(-4, -1).map(float)
"""Scores that often tie."""


def t5(own: Table) -> list[Piece]:
    """With a `▁`, and without pieces that a cut at spaces would never meet."""
    others = [piece for piece in own.own if "▁" not in piece[0][1:] and piece[0] != "▁"]
    return [*SPECIAL, ("▁", -2.0, "normal"), *others]


@given(own=tables(FEW, byte_fallback=False, alphabets=("ab", "ab▁", "aé日")), data=st.data())
def test_agrees_with_t5s_special_pieces(implementation, own: Table, data):
    """The unknown piece may be any, also the third; sums are in float64."""
    pieces, text = t5(own), data.draw(spelled(own), label="text")
    truth = SentencepieceUnigram(pieces, precision="double")
    judge.exact(implementation(pieces, precision="double").encode(text), truth.encode(text), "ids")


@given(own=tables(byte_fallback=False, alphabets=("abé日",)), data=st.data())
def test_text_of_t5s_pieces_comes_back(implementation, own: Table, data):
    """Where every letter is a piece, decoding gives the words with one space between them."""
    pieces = t5(own)
    letters = sorted({*"abé日"} - {text for text, *_ in pieces})
    tokenizer = implementation([*pieces, *((letter, -3.0, "normal") for letter in letters)], precision="double")
    text = data.draw(st.text("abé日 ", max_size=20), label="text")
    judge.exact(tokenizer.decode(tokenizer.encode(text)), " ".join(text.split()), "text")


@cache
def english_truth() -> tuple[list[Piece], list[tuple[str, list[int]]]]:
    """Pieces that a part of the Python documentation teaches, and pages with their ids."""
    pages = [" ".join(page.split()) for page in topics().values()]
    learnt = SentencepieceUnigram.train([page[:500] for page in pages[::20]], 300).pieces
    own = [(text, round(8 * score) / 8, kind) for text, score, kind in learnt if kind == "normal"]
    encode = SentencepieceUnigram([*SPECIAL, *own], precision="double").encode
    return [*SPECIAL, *own], [(page[:4000], encode(page[:4000])) for page in pages[1::64]]


def test_agrees_with_t5_on_real_english(implementation):
    """Pieces learnt from some pages of the Python documentation encode others as the reference does."""
    pieces, pages = english_truth()
    tokenizer = implementation(pieces, precision="double")
    for page, ids in pages:
        judge.exact(tokenizer.encode(page), ids, "ids")
