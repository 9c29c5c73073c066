"""Laws of SentencePiece's byte-pair encoding: agreement with the reference."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.pieces import (
    BARE,
    KINDS,
    RANKS,
    UNUSED,
    Table,
    built,
    options,
    ranked,
    table,
    tables,
    texts_for,
)
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE


def reference(own: Table, **spaces: Any) -> SentencepieceBPE:
    return SentencepieceBPE(own.pieces, own.byte_fallback, **spaces)


@given(data=st.data(), own=tables(RANKS, UNUSED), spaces=options())
def test_agrees_with_unused_pieces(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's where scores are equal and pieces unused, with any spaces and options."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).encode(text), reference(own, **spaces).encode(text), "ids")


@given(data=st.data(), own=tables(RANKS, KINDS), spaces=options())
def test_agrees_on_pieces_of_all_kinds(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's where pieces are unused or user-defined."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).encode(text), reference(own, **spaces).encode(text), "ids")


@given(data=st.data(), own=ranked(clear=True), spaces=options())
def test_agrees_on_clear_pieces(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's where no two pieces tie and every letter is one, as training makes them."""
    text = data.draw(texts_for(own), label="text").replace("▁", "_")
    judge.exact(built(implementation, own, **spaces).encode(text), reference(own, **spaces).encode(text), "ids")


@given(data=st.data(), own=ranked(clear=True, byte_fallback=True))
def test_agrees_with_llamas_options(implementation, data, own: Table):
    """Ids are the reference's with byte fallback and without trimming, where the text does not begin with a space."""
    text, llama = data.draw(texts_for(own), label="text").lstrip(" ▁"), {"remove_extra_whitespaces": False}
    judge.exact(built(implementation, own, **llama).encode(text), reference(own, **llama).encode(text), "ids")


@given(data=st.data(), own=tables(RANKS, UNUSED), spaces=options())
def test_tokens_and_offsets_agree(implementation, data, own: Table, spaces: dict[str, bool]):
    """Pieces, and where they come from, are the reference's."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).tokens(text), reference(own, **spaces).tokens(text), "tokens")


@given(own=ranked(alphabets=("ab", "abc"), clear=True), word=st.text("abc", min_size=1, max_size=7))
def test_agrees_on_long_words(implementation, own: Table, word: str):
    """A word of hundreds of letters is encoded as any other."""
    judge.exact(built(implementation, own).encode(word * 60), reference(own).encode(word * 60), "ids")


def test_long_texts_are_read_to_the_end(implementation):
    """60,004 tokens: nothing is cut off."""
    own = table(*"ab", "c", "▁", ab=-0.5, byte_fallback=True)
    expected = own.ids("ab", "▁", "c", "▁") * 15_001
    judge.exact(built(implementation, own, **BARE).encode("ab c " * 15_001), expected, "ids")


@cache
def english_truth() -> tuple[list[tuple[str, float, str]], list[tuple[str, list[int]]]]:
    """Pieces that beginnings of pages of the Python documentation teach, and other pages with their ids."""
    pages = [page.strip() for page in topics().values()]
    learnt = SentencepieceBPE.train([page[:1000] for page in pages[::32]], 400)
    return list(learnt.pieces), [(page[:4000], learnt.encode(page[:4000])) for page in pages[1::64]]


def test_agrees_on_real_english(implementation):
    """Pieces learnt from some pages of the Python documentation encode others as the reference does."""
    pieces, pages = english_truth()
    tokenizer = implementation(pieces)
    for page, ids in pages:
        judge.exact(tokenizer.encode(page), ids, "ids")


@given(own=tables(RANKS, KINDS, byte_fallback=True), spaces=options(), data=st.data())
def test_decodes_any_ids(implementation, own: Table, spaces: dict[str, bool], data):
    """Ids in any order, also such as no text leads to, decode as the reference decodes them."""
    some = st.integers(0, len(own.pieces) - 1) | st.integers(259, len(own.pieces) - 1)
    ids = data.draw(st.lists(some, max_size=12), label="ids")
    judge.exact(built(implementation, own, **spaces).decode(ids), reference(own, **spaces).decode(ids), "text")
