"""Laws of SentencePiece's byte-pair encoding: how pieces are glued, and what holds whatever the pieces are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.pieces import (
    BARE,
    DECODED,
    RANKS,
    SPACED,
    TO_DECODE,
    UNUSED,
    Table,
    built,
    options,
    ranked,
    spelled,
    table,
    tables,
    texts_for,
)
from fixtures.strategies.texts import texts
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE

# Pits: quick, and named after the trap


PAIRS: dict[str, tuple[Table, list[str]]] = {
    "any halves": (table("a", "b", "c", ab=-1.0, bc=-0.5, abc=-9.0), ["abc"]),
    "the best first": (table("a", "b", "c", "d", ab=-1.0, bc=-0.5, cd=-2.0), ["a", "bc", "d"]),
    "only neighbours": (table("a", "b", "c", "d", ab=0.0, abcd=0.0), ["ab", "c", "d"]),
    "only pairs": (table("a", "b", "c", abc=0.0), ["a", "b", "c"]),
    "leftmost": (table("a", "b", "c", ab=-3.0, bc=-3.0), ["ab", "c"]),
    "leftmost, not the first of the table": (table("a", "b", "c", bc=-3.0, ab=-3.0), ["ab", "c"]),
    "overlaps": (table("a", aa=-1.0), ["aa", "aa", "a"]),
    "grown at once": (table("a", aa=-1.0, aaa=-0.5), ["aaa", "aa"]),
    "not the most probable": (table("a", "b", "c", ab=-1.0, bc=-2.0, abc=-90.0), ["abc"]),
    "scores that differ by little": (table("a", "b", "c", ab=-1.00002, bc=-1.00001), ["a", "bc"]),
    "scores above 0": (table("a", "b", "c", ab=1.0, bc=2.0), ["a", "bc"]),
}


@pytest.mark.parametrize("what", PAIRS)
def test_the_best_pair_is_glued_first(implementation, what: str):
    """The pair whose text has the highest score, of equal ones the leftmost. Source: bpe_model.cc."""
    own, found = PAIRS[what]
    judge.exact(built(implementation, own, **BARE).encode("".join(found)), own.ids(*found), "ids")


@pytest.mark.parametrize("n", [17, 33, 65, 300])
def test_pieces_of_any_length(implementation, n: int):
    """Training learns pieces of up to 16 characters; those of a table may be longer, and all are found."""
    long = "b" + "a" * (n - 1)
    own = Table((*table("a", "b").own, *((long[: k + 2], float(-k), "normal") for k in range(n - 1))))
    judge.exact(built(implementation, own, **BARE).encode(f"a{long}{long}b"), own.ids("a", long, long, "b"), "ids")


@pytest.mark.parametrize("n", [100, 30_000])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_words_that_differ_in_one_place(implementation, n: int, place: float):
    """A word is not taken for one of its length before it, wherever the one letter stands in which they differ."""
    before = round(place * (n - 1))
    words = ["a" * before + letter + "a" * (n - before - 1) for letter in "bcb"]
    own = table(*"abc▁", aa=-2.0, ab=-3.0, ac=-4.0, ba=-5.0, ca=-6.0, aaaa=-1.0, baaa=-0.5)
    expected = [built(SentencepieceBPE, own, **BARE).encode(word) for word in words]
    tokenizer = built(implementation, own, **BARE)
    judge.exact([tokenizer.encode(word) for word in words], expected, "ids")


def test_unused_pieces_are_taken_apart(implementation):
    """An unused piece is glued, and may be glued further; left over, it is the two it was made of, and so on."""
    own = Table((*table("a", "b", "c", "d", abcd=-5.0).own, ("ab", -1.0, "unused"), ("abc", -2.0, "unused")))
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.encode("abcd"), own.ids("abcd"), "ids")
    judge.exact(tokenizer.encode("abca"), own.ids("a", "b", "c", "a"), "ids")


def test_what_is_taken_apart_is_what_was_glued(implementation):
    """The halves of an unused piece are those that it was glued from, whatever other pieces would make it."""
    own = Table((*table("a", "b", "c", ab=-5.0, bc=-1.0).own, ("abc", -2.0, "unused")))
    judge.exact(built(implementation, own, **BARE).encode("abc"), own.ids("a", "bc"), "ids")
    own = Table((*table("a", "b", "c", ab=-1.0, bc=-5.0).own, ("abc", -2.0, "unused")))
    judge.exact(built(implementation, own, **BARE).encode("abc"), own.ids("ab", "c"), "ids")


def test_an_unused_character_is_unknown(implementation):
    """A character whose piece is unused cannot be taken apart: it is unknown, yet a piece with it is found."""
    own = Table((*table("a", ab=-1.0).own, ("b", 0.0, "unused")))
    judge.exact(built(implementation, own, **BARE).encode("abba"), own.ids("ab", "<unk>", "a"), "ids")


def test_characters_need_be_no_pieces(implementation):
    """Unknown characters are glued as others are; those left over are one unknown piece."""
    own = table(ab=-1.0)
    judge.exact(built(implementation, own, **BARE).encode("xabbyab"), own.ids("<unk>", "ab", "<unk>", "ab"), "ids")


def test_bytes_stand_for_what_is_unknown(implementation):
    """With byte fallback an unknown character is its UTF-8, and nothing is unknown."""
    own = table("a", byte_fallback=True)
    expected = own.ids("a", "<0xC3>", "<0xA9>", "<0x00>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>")
    judge.exact(built(implementation, own, **BARE).encode("a\u00e9\0\U0001f600"), expected, "ids")


def test_pieces_of_bytes_are_no_text(implementation):
    """`<0x41>` in a text is six characters."""
    own = table(*"a<0x41>", byte_fallback=True)
    judge.exact(built(implementation, own, **BARE).encode("<0x41>a"), own.ids(*"<0x41>a"), "ids")


def test_user_defined_symbols_are_never_glued(implementation):
    """A symbol is cut out first, the longest at each place, and stays as it is."""
    symbols = [("ab", -99.0, "user-defined"), ("abc", -99.0, "user-defined")]
    own = Table((*table("a", "b", "c", "d", bc=0.0, abcd=0.0, aab=0.0, da=0.0).own, *symbols))
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.encode("aabcdabd"), own.ids("a", "abc", "d", "ab", "d"), "ids")


@pytest.mark.parametrize("symbol", ["<s>", "</s>", "<unk>"])
def test_control_symbols_are_no_text(implementation, symbol: str):
    """Who writes `<s>` into a text does not begin it."""
    own = table(*"a<>/sunk")
    judge.exact(built(implementation, own, **BARE).encode(f"a{symbol}a"), own.ids("a", *symbol, "a"), "ids")


@pytest.mark.parametrize("what", SPACED)
def test_spaces_are_letters(implementation, what: str):
    """Where spaces go, and which of them, by the options. Source: Kudo and Richardson 2018; normalizer.cc."""
    spaces, text, seen = SPACED[what]
    own = table(*sorted(set(" ▁ab\t\n\u00a0")))
    judge.exact(built(implementation, own, **spaces).encode(text), own.ids(*seen), "ids")


@pytest.mark.parametrize("what", DECODED)
def test_decodes(implementation, what: str):
    """What is left out of a text, and where bytes are one character. Source: sentencepiece_processor.cc."""
    spaces, pieces, text = DECODED[what]
    ids = {piece: id for id, (piece, _, _) in enumerate(TO_DECODE)}
    tokenizer = implementation(TO_DECODE, byte_fallback=True, **spaces)
    judge.exact(tokenizer.decode([ids[piece] for piece in pieces]), text, "text")


def test_ids_may_come_once(implementation):
    """Any iterable of ids decodes, an iterator too."""
    own = table("a", "b", ab=-0.5)
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.decode(iter(own.ids("ab", "a", "b"))), "abab", "text")


def test_an_unknown_piece_has_a_surface(implementation):
    """What an unknown piece decodes to is an option."""
    tokenizer = implementation(table("a").pieces, unknown_surface="?")
    judge.exact(tokenizer.decode([3, 0, 3]), "a?a", "text")


def test_a_prefix_comes_before_spaces_too(implementation):
    """Where spaces stay, the one that is put in front is one more. Source: normalizer.cc."""
    own = table("a", "▁", byte_fallback=True)
    tokenizer = built(implementation, own, remove_extra_whitespaces=False)
    judge.exact(tokenizer.encode(" a"), own.ids("▁", "▁", "a"), "ids")
    judge.exact(tokenizer.decode(tokenizer.encode(" a")), " a", "text")


def test_rules_come_first(implementation):
    """Replacements come before spaces are letters, but leave user-defined symbols alone."""
    own = Table((*table("a", "b", "▁").own, ("[x]", 0.0, "user-defined")))
    tokenizer = built(implementation, own, add_dummy_prefix=False, rules={"x": "a", "xx": "b", "\u00a0": " "})
    judge.exact(tokenizer.encode("xxx\u00a0 [x]"), own.ids("b", "a", "▁", "[x]"), "ids")


# What holds whatever the pieces


@given(own=ranked(byte_fallback=True), data=st.data())
def test_decoding_undoes_encoding(implementation, own: Table, data):
    """With bytes and a `▁`, without prefix and trimming, every text comes back, but a `▁` as a space."""
    text = data.draw(texts_for(own) | texts(), label="text")
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text.replace("▁", " "), "text")


@given(own=ranked(byte_fallback=True), data=st.data())
def test_decoding_loses_extra_spaces_only(implementation, own: Table, data):
    """By default a text comes back exactly if it has no space at its ends and never two: others lose those."""
    text = data.draw(texts_for(own) | texts(), label="text").replace("▁", "_")
    tokenizer = built(implementation, own)
    judge.exact(tokenizer.decode(tokenizer.encode(text)), " ".join(filter(None, text.split(" "))), "text")


@given(own=ranked(byte_fallback=True), data=st.data())
def test_llamas_options_lose_nothing(implementation, own: Table, data):
    """With a prefix and no trimming every text comes back."""
    text = data.draw(texts_for(own), label="text").lstrip(" ▁")
    tokenizer = built(implementation, own, remove_extra_whitespaces=False)
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text.replace("▁", " "), "text")


@given(own=ranked(byte_fallback=True), data=st.data())
def test_nothing_is_unknown_with_bytes(implementation, own: Table, data):
    """Whatever the text, no id is that of the unknown piece."""
    text = data.draw(texts(), label="text").replace("<unk>", "")
    judge.exact(0 in built(implementation, own).encode(text), False, "whether something is unknown")


@given(own=tables(RANKS, UNUSED), data=st.data())
def test_tokens_spell_the_text(implementation, own: Table, data):
    """Unknown or not, the pieces one after the other are the text with its spaces as letters."""
    own = Table(own.own)
    text = data.draw(texts_for(own), label="text")
    found = built(implementation, own, **BARE).tokens(text)
    judge.exact("".join(piece for piece, _ in found), text.replace(" ", "▁"), "text")


@given(own=tables(RANKS, UNUSED), spaces=options(), data=st.data())
def test_offsets_cover_the_text(implementation, own: Table, spaces: dict[str, bool], data):
    """Each piece begins where the one before ends, and the last ends in the text."""
    text = data.draw(texts_for(own), label="text")
    spans = [span for _, span in built(implementation, own, **spaces).tokens(text)]
    for (_, end), (begin, _) in pairwise(spans):
        judge.exact(begin, end, "begin of a piece")
    judge.exact(all(0 <= begin <= end <= len(text) for begin, end in spans), True, "offsets within the text")


@given(own=ranked(byte_fallback=True), data=st.data())
def test_words_are_apart_where_no_piece_joins_them(implementation, own: Table, data):
    """If no piece has a space behind its first letter, a text is its words one by one, each with the space before it."""
    own = Table(tuple(piece for piece in own.own if "▁" not in piece[0][1:]), True)
    words = data.draw(st.lists(spelled(own), max_size=4), label="words")
    tokenizer = built(implementation, own, **BARE)
    words = [f" {word.replace(' ', '')}" for word in words]
    judge.exact(tokenizer.encode("".join(words)), [id for word in words for id in tokenizer.encode(word)], "ids")


@given(own=tables(RANKS), data=st.data())
def test_only_the_order_of_scores_counts(implementation, own: Table, data):
    """Scores mapped to others in the same order change nothing."""
    text = data.draw(texts_for(own), label="text")
    other = Table(tuple((piece, 4 * score - 30, kind) for piece, score, kind in own.own), own.byte_fallback)
    judge.exact(built(implementation, other).encode(text), built(implementation, own).encode(text), "ids")


@given(own=ranked(), other=ranked(byte_fallback=True), data=st.data())
def test_a_tokenizer_has_no_memory(implementation, own: Table, other: Table, data):
    """Two tokenizers, used in turn, give the same again."""
    some = [data.draw(spelled(one), label="text") for one in (own, other)]
    tokenizers = [built(implementation, one) for one in (own, other)]
    first = [built(implementation, one).encode(text) for one in (own, other) for text in some]
    for _ in range(2):
        judge.exact([tokenizer.encode(text) for tokenizer in tokenizers for text in some], first, "ids")


@given(own=tables(RANKS), data=st.data())
def test_pieces_are_left_alone(implementation, own: Table, data):
    """The table stays the caller's."""
    pieces = own.pieces
    implementation(pieces, byte_fallback=own.byte_fallback).encode(data.draw(spelled(own), label="text"))
    judge.exact(pieces, own.pieces, "pieces")
