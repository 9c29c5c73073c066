"""Laws of SentencePiece's unigram model: encoding and decoding."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.pieces import (
    ANY,
    BARE,
    DECODED,
    KINDS,
    SPACED,
    SPECIAL,
    TO_DECODE,
    Piece,
    Table,
    options,
    spelled,
    table,
    tables,
    texts_for,
)
from fixtures.strategies.texts import texts
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram


def built(implementation: Any, own: Table, **spaces: Any) -> Any:
    fallback = {"byte_fallback": True} if own.byte_fallback else {}
    return implementation(own.pieces, **fallback, **spaces)


def reference(own: Table, **spaces: Any) -> SentencepieceUnigram:
    return SentencepieceUnigram(own.pieces, own.byte_fallback, **spaces)


def clear(tokenizer: SentencepieceUnigram, text: str) -> bool:
    """Whether the best cut is better than what floats can confuse."""
    best = tokenizer.n_best(text, 2)
    return len(best) < 2 or best[0][1] - best[1][1] > 1e-3


# Pits: quick, and named after the trap


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (table("a", "b", "c", abc=-3.5), ["a", "b", "c"]),
        (table("a", "b", "c", abc=-2.5), ["abc"]),
        (table("a", "d", abc=-1.0, b=-9.0, c=-9.0, bcd=-0.5), ["a", "bcd"]),
        (table("ab", "cd", a=-4.0, bc=-0.125, d=-4.0), ["ab", "cd"]),
    ],
    ids=["not the fewest", "fewer are cheaper", "not the longest first", "not the best piece first"],
)
def test_the_sum_of_scores_decides(implementation, own: Table, found: list[str]):
    """Of all cuts the one with the largest sum wins, not the longest or the best piece. Source: Kudo 2018."""
    text = "".join(found)
    judge.exact(built(implementation, own, **BARE).encode(text), own.ids(*found), "ids")


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (table(a=-1.0, b=-1.0, ab=-2.0), ["ab"]),
        (table(a=-1.0, aa=-1.5), ["a", "aa"]),
        (table(a=-1.0, b=-1.0, ab=-1.0, ba=-1.0), ["a", "ba"]),
        (table(ab=-1.0, cd=-1.0, abc=-0.5, d=-1.5), ["ab", "cd"]),
    ],
    ids=["whole and parts", "runs", "overlaps", "middle"],
)
def test_of_equal_cuts_the_longest_last_piece_wins(implementation, own: Table, found: list[str]):
    """From left to right, of equal ways to a place the first that is found stays. Source: unigram_model.cc."""
    judge.exact(built(implementation, own, **BARE).encode("".join(found)), own.ids(*found), "ids")


@pytest.mark.parametrize(("precision", "found"), [("single", ["a", "aaa", "a"]), ("double", ["a", "a", "aaa"])])
def test_sums_are_rounded(implementation, precision: str, found: list[str]):
    """Where a sum ties but for its rounding, float32 and float64 part. Source: unigram_model.cc, model.rs."""
    own = table(a=-1.7, aa=-7.4, aaa=-4.3)
    judge.exact(built(implementation, own, precision=precision, **BARE).encode("aaaaa"), own.ids(*found), "ids")


@pytest.mark.parametrize(
    ("last", "found"), [(-3.5, ["xa", "bc", "d"]), (-4.5, ["<unk>", "abcd"])], ids=["less", "more"]
)
def test_an_unknown_character_costs_ten_more_than_the_worst_piece(implementation, last: float, found: list[str]):
    """`x` is unknown, at -7 - 10, only if known pieces cost more. Source: kUnkPenalty of unigram_model.cc."""
    own = table(xa=-7.0, bc=-7.0, d=last, abcd=-1.0)
    judge.exact(built(implementation, own, **BARE).encode("xabcd"), own.ids(*found), "ids")


def test_unknown_neighbours_are_one(implementation):
    """A run of unknown characters is one id; a known piece between them makes two."""
    own = table("a")
    judge.exact(built(implementation, own, **BARE).encode("xyzaz"), own.ids("<unk>", "a", "<unk>"), "ids")


def test_bytes_stand_for_what_is_unknown(implementation):
    """With byte fallback an unknown character is its UTF-8, and nothing is unknown; known ones stay."""
    own = table("a", "\u4e2d", byte_fallback=True)
    expected = own.ids("a", "<0xC3>", "<0xA9>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "\u4e2d", "<0x00>")
    judge.exact(built(implementation, own, **BARE).encode("a\u00e9\U0001f600\u4e2d\0"), expected, "ids")


def test_pieces_of_bytes_are_no_text(implementation):
    """`<0x41>` in a text is six characters."""
    own = table(*"a<0x41>", byte_fallback=True)
    judge.exact(built(implementation, own, **BARE).encode("<0x41>a"), own.ids(*"<0x41>a"), "ids")


@pytest.mark.parametrize("symbol", ["<s>", "</s>", "<unk>"])
def test_control_symbols_are_no_text(implementation, symbol: str):
    """Who writes `<s>` into a text does not begin it, and `<unk>` is no unknown piece."""
    own = table(*"a<>/sunk")
    judge.exact(built(implementation, own, **BARE).encode(f"a{symbol}a"), own.ids("a", *symbol, "a"), "ids")


def test_unused_pieces_are_never_found(implementation):
    """An unused piece has an id, no text leads to it, and its best score counts for nothing."""
    own = Table((*table("a", "b").own, ("ab", -0.125, "unused")))
    judge.exact(built(implementation, own, **BARE).encode("ab"), own.ids("a", "b"), "ids")


def test_a_user_defined_symbol_is_as_it_is(implementation):
    """A symbol is found whatever its score, and pieces do not cut it."""
    own = Table((*table("▁", "a", "b", "ab", "]", "[").own, ("[ab]", -50.0, "user-defined")))
    tokenizer = built(implementation, own, add_dummy_prefix=False)
    judge.exact(tokenizer.encode("a[ab]  ab]"), own.ids("a", "[ab]", "▁", "ab", "]"), "ids")


def test_a_longer_piece_may_hold_a_symbol(implementation):
    """A symbol is preferred, not certain: what contains it may be better."""
    own = Table((*table("a", "b", "c", abc=-0.125).own, ("ab", 0.0, "user-defined")))
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.encode("abc"), own.ids("abc"), "ids")
    judge.exact(tokenizer.encode("abb"), own.ids("ab", "b"), "ids")


def test_a_longer_symbol_is_better(implementation):
    """A symbol of n characters has the score 0.1 (n - 1), whatever its table says. Source: SentencePiece 0.2.3."""
    own = Table((*table("a", "b", "c", "d").own, ("ab", 0.0, "user-defined"), ("bcd", -70.0, "user-defined")))
    judge.exact(built(implementation, own, **BARE).encode("abcd"), own.ids("a", "bcd"), "ids")
    own = Table((("a", -0.03125, "normal"), ("b", -0.03125, "normal"), ("ab", 0.0, "user-defined")))
    judge.exact(built(implementation, own, **BARE).encode("ab"), own.ids("ab"), "ids")


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


def test_an_unknown_piece_has_a_surface(implementation):
    """What an unknown piece decodes to is an option."""
    tokenizer = implementation(table("a").pieces, unknown_surface="?")
    judge.exact(tokenizer.decode([3, 0, 3]), "a?a", "text")


RULES = {"a": "b", "ab": "c", "\u00a0": " ", "x": "", "y": "  z"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [("aab", "bc"), ("\u00a0a\u00a0\u00a0b\u00a0", "b▁b"), ("ax b", "b▁b"), ("a x b", "b▁b"), ("ayb y", "b▁▁zb▁z")],
    ids=["longest match", "spaces", "nothing", "nothing between spaces", "spaces in a replacement"],
)
def test_rules_come_first(implementation, text: str, seen: str):
    """The longest rule at each place replaces, and what it makes are spaces like others, but never replaced again."""
    own = table(*"abcz▁")
    tokenizer = built(implementation, own, add_dummy_prefix=False, rules=RULES)
    judge.exact(tokenizer.encode(text), own.ids(*seen), "ids")


def test_rules_leave_symbols_alone(implementation):
    """A user-defined symbol is found before any rule."""
    own = Table((*table(*"abc").own, ("aa", 0.0, "user-defined")))
    tokenizer = built(implementation, own, add_dummy_prefix=False, rules=RULES)
    judge.exact(tokenizer.encode("aaab"), own.ids("aa", "c"), "ids")


# Bad input


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", None, 3], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What UTF-8 cannot hold, and what is no str, raises."""
    judge.rejects(built(implementation, table("a")).encode, text)


@pytest.mark.parametrize("id", [4, -1])
def test_unknown_ids_are_rejected(implementation, id: int):
    """An id that no piece has raises."""
    judge.rejects(built(implementation, table("a")).decode, [3, id])


BROKEN: dict[str, list[Piece]] = {
    "no unknown piece": [("a", -1.0, "normal")],
    "two unknown pieces": [*SPECIAL, ("?", 0.0, "unknown"), ("a", -1.0, "normal")],
    "a piece twice": [*SPECIAL, ("a", -1.0, "normal"), ("a", -2.0, "normal")],
    "an empty piece": [*SPECIAL, ("", -1.0, "normal")],
    "a NUL": [*SPECIAL, ("a\0", -1.0, "normal")],
    "a score that is no number": [*SPECIAL, ("a", float("nan"), "normal")],
    "nothing to find": list(SPECIAL),
    "another kind": [*SPECIAL, ("a", -1.0, "strange")],
}


@pytest.mark.parametrize("what", BROKEN)
def test_tables_that_contradict_themselves_are_rejected(implementation, what: str):
    """What no model can be made of raises, at the latest when it is used."""
    judge.rejects(lambda: implementation(BROKEN[what]).encode("aa?"))


@pytest.mark.parametrize("fallback", [True, False])
def test_bytes_are_all_or_none(implementation, fallback: bool):
    """Byte fallback needs 256 pieces, and without it there are none."""
    pieces = [*SPECIAL, ("<0x41>", 0.0, "byte"), ("a", -1.0, "normal")]
    judge.rejects(lambda: implementation(pieces, byte_fallback=fallback).encode("aA"))


# Agreement


@given(data=st.data(), own=tables(), spaces=options())
def test_agrees_where_scores_tie(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's under scores that tie, with any spaces and options."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).encode(text), reference(own, **spaces).encode(text), "ids")


@given(data=st.data(), own=tables(ANY, KINDS), spaces=options())
def test_agrees_on_pieces_of_all_kinds(implementation, data, own: Table, spaces: dict[str, bool]):
    """Ids are the reference's where pieces are unused or user-defined, and the best cut is clear."""
    text, truth = data.draw(spelled(own, 40), label="text"), reference(own, **spaces)
    assume(clear(truth, text))
    judge.exact(built(implementation, own, **spaces).encode(text), truth.encode(text), "ids")


@given(data=st.data(), own=tables(), spaces=options())
def test_tokens_and_offsets_agree(implementation, data, own: Table, spaces: dict[str, bool]):
    """Pieces, and where they come from, are the reference's: what is left out belongs to the piece before."""
    text = data.draw(texts_for(own), label="text")
    judge.exact(built(implementation, own, **spaces).tokens(text), reference(own, **spaces).tokens(text), "tokens")


@given(own=tables(alphabets=("ab", "abc")), word=st.text("abc", min_size=1, max_size=7))
def test_agrees_on_long_words(implementation, own: Table, word: str):
    """A word of a thousand letters is encoded as any other."""
    judge.exact(built(implementation, own).encode(word * 200), reference(own).encode(word * 200), "ids")


@cache
def english_truth() -> tuple[Table, list[tuple[str, list[int]]]]:
    """Pieces that a part of the Python documentation teaches, their scores in eighths, and pages with their ids."""
    pages = list(topics().values())
    learnt = SentencepieceUnigram.train([page[:600] for page in pages[::16]], 300).pieces
    own = Table(tuple((text, round(8 * score) / 8, kind) for text, score, kind in learnt if kind == "normal"))
    encode = reference(own).encode
    return own, [(page[:4000], encode(page[:4000])) for page in pages[1::16]]


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
    assume(clear(reference(own), text))
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
