"""Laws of SentencePiece's unigram model: agreement with the reference, and what holds whatever the pieces."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.cuts import clear
from fixtures.strategies.pieces import ANY, BARE, KINDS, Table, built, options, spelled, table, tables, texts_for
from fixtures.strategies.texts import texts
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram


def reference(own: Table, **spaces: Any) -> SentencepieceUnigram:
    return SentencepieceUnigram(own.pieces, own.byte_fallback, **spaces)


@given(data=st.data(), own=tables(), spaces=options())
def test_agrees_where_scores_tie(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's under scores that tie, with any spaces and options."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).encode(text), reference(own, **spaces).encode(text), "ids")


@given(data=st.data(), own=tables(ANY, KINDS), spaces=options())
def test_agrees_on_pieces_of_all_kinds(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's where pieces are unused or user-defined, and the best cut is clear."""
    text, truth = data.draw(spelled(own, 40), label="text"), reference(own, **spaces)
    assume(clear(own, text, truth))
    judge.exact(built(implementation, own, **spaces).encode(text), truth.encode(text), "ids")


@given(data=st.data(), own=tables(), spaces=options())
def test_tokens_and_offsets_agree(implementation, data, own: Table, spaces: dict[str, bool]):
    """Pieces, and where they come from, are the reference's: what is left out belongs to the piece before."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).tokens(text), reference(own, **spaces).tokens(text), "tokens")


@given(own=tables(alphabets=("ab", "abc")), word=st.text("abc", min_size=1, max_size=7))
def test_agrees_on_long_words(implementation, own: Table, word: str):
    """A word of hundreds of letters is encoded as any other."""
    word = (word * 300)[:300]
    judge.exact(built(implementation, own).encode(word), reference(own).encode(word), "ids")


def test_long_texts_are_read_to_the_end(implementation):
    """60,004 tokens: nothing is cut off."""
    own = table(*"ab", "c", "▁", ab=-0.5, byte_fallback=True)
    expected = own.ids("ab", "▁", "c", "▁") * 15_001
    judge.exact(built(implementation, own, **BARE).encode("ab c " * 15_001), expected, "ids")


@cache
def english_truth() -> tuple[Table, list[tuple[str, list[int]]]]:
    """Pieces that a part of the Python documentation teaches, their scores in eighths, and pages with their ids."""
    pages = list(topics().values())
    learnt = SentencepieceUnigram.train([page[:600] for page in pages[::16]], 300).pieces
    own = Table(tuple((text, round(8 * score) / 8, kind) for text, score, kind in learnt if kind == "normal"))
    encode = reference(own).encode
    return own, [(page[:2000], encode(page[:2000])) for page in pages[1::25]]


def test_agrees_on_real_english(implementation):
    """Pieces learnt from some pages of the Python documentation encode others as the reference does."""
    own, pages = english_truth()
    tokenizer = built(implementation, own)
    for page, ids in pages:
        judge.exact(tokenizer.encode(page), ids, "ids")


@given(own=tables(kinds=KINDS, byte_fallback=True), spaces=options(), data=st.data())
def test_decodes_any_ids(implementation, own: Table, spaces: dict[str, bool], data):
    """Ids in any order, also such as no text leads to, decode as the reference decodes them."""
    some = st.integers(0, len(own.pieces) - 1) | st.integers(259, len(own.pieces) - 1)
    ids = data.draw(st.lists(some, max_size=12), label="ids")
    judge.exact(built(implementation, own, **spaces).decode(ids), reference(own, **spaces).decode(ids), "text")


def test_a_space_that_is_no_piece_comes_back_as_a_letter(implementation):
    """Where `▁` is no piece, its bytes stand for a space, and as bytes they are `▁`."""
    own = table("a", byte_fallback=True)
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.encode("a a"), own.ids("a", "<0xE2>", "<0x96>", "<0x81>", "a"), "ids")
    judge.exact(tokenizer.decode(tokenizer.encode("a a")), "a▁a", "text")


# What holds whatever the pieces


@given(own=tables(byte_fallback=True), data=st.data())
def test_decoding_undoes_encoding(implementation, own: Table, data):
    """With bytes and a `▁`, without prefix and trimming, every text comes back, but a `▁` as a space."""
    own = Table((("▁", -2.0, "normal"), *(piece for piece in own.own if piece[0] != "▁")), True)
    text = data.draw(texts_for(own) | texts(), label="text")
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text.replace("▁", " "), "text")


@given(own=tables(), data=st.data())
def test_tokens_spell_the_text(implementation, own: Table, data):
    """Unknown or not, the pieces one after the other are the text with its spaces as letters."""
    own = Table(own.own)
    text = data.draw(texts_for(own), label="text")
    found = built(implementation, own, **BARE).tokens(text)
    judge.exact("".join(piece for piece, _ in found), text.replace(" ", "▁"), "text")


@given(own=tables(), spaces=options(), data=st.data())
def test_offsets_cover_the_text(implementation, own: Table, spaces: dict[str, bool], data):
    """Each piece begins where the one before ends, and the last ends in the text."""
    text = data.draw(texts_for(own), label="text")
    spans = [span for _, span in built(implementation, own, **spaces).tokens(text)]
    for (_, end), (begin, _) in pairwise(spans):
        judge.exact(begin, end, "begin of a piece")
    judge.exact(all(0 <= begin <= end <= len(text) for begin, end in spans), True, "offsets within the text")


@given(own=tables(ANY), data=st.data(), order=st.randoms(use_true_random=False))
def test_ids_are_only_names(implementation, own: Table, data, order):
    """Pieces in another order have the same texts found in another order of ids."""
    other = list(own.own)
    order.shuffle(other)
    renamed = Table(tuple(other), own.byte_fallback)
    text = data.draw(spelled(own), label="text")
    assume(clear(own, text))
    names, new = [[piece for piece, *_ in one.pieces] for one in (own, renamed)]
    before = built(implementation, own).encode(text)
    after = built(implementation, renamed).encode(text)
    judge.exact([new[id] for id in after], [names[id] for id in before], "pieces")


@given(own=tables(byte_fallback=True), other=tables(), data=st.data())
def test_a_tokenizer_has_no_memory(implementation, own: Table, other: Table, data):
    """Two tokenizers, used in turn, know nothing of each other nor of the texts before."""
    some = [data.draw(spelled(one), label="text") for one in (own, other)]
    pairs = [(built(implementation, one), reference(one)) for one in (own, other)]
    for text in (*some, some[0]):
        for tokenizer, truth in pairs:
            judge.exact(tokenizer.encode(text), truth.encode(text), "ids")


@given(own=tables(), data=st.data())
def test_pieces_are_left_alone(implementation, own: Table, data):
    """The table stays the caller's."""
    pieces = own.pieces
    implementation(pieces, byte_fallback=own.byte_fallback).encode(data.draw(spelled(own), label="text"))
    judge.exact(pieces, own.pieces, "pieces")
