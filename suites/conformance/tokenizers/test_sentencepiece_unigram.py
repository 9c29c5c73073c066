"""Laws of SentencePiece's unigram model: pits of encoding and decoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.pieces import BARE, DECODED, SPACED, TO_DECODE, Table, built, table, tables
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram


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


@pytest.mark.parametrize("n", [17, 33, 65, 300])
def test_pieces_of_any_length(implementation, n: int):
    """Training learns pieces of up to 16 characters; those of a table may be longer, and all are found."""
    long = "b" + "a" * (n - 1)
    own = Table((*table("a", "b").own, (long, -2.0, "normal")))
    judge.exact(built(implementation, own, **BARE).encode(f"a{long}{long}a"), own.ids("a", long, long, "a"), "ids")


@pytest.mark.parametrize(("precision", "found"), [("single", ["a", "aaa", "a"]), ("double", ["a", "a", "aaa"])])
def test_sums_are_rounded(implementation, precision: str, found: list[str]):
    """Where a sum ties but for its rounding, float32 and float64 part. Source: unigram_model.cc, model.rs."""
    own = table(a=-1.7, aa=-7.4, aaa=-4.3)
    for name in (precision, "".join([*precision])):  # names are compared by value
        judge.exact(built(implementation, own, precision=name, **BARE).encode("aaaaa"), own.ids(*found), "ids")


ONCE = -7.8410137
"""A score that is another number where it is rounded only after 10 was taken off."""


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (table(a=-7.1, b=-6.2, ab=-13.300000190734863), ["a", "b"]),
        (table(a=-9.1, b=-7.8, ab=-16.900001525878906), ["ab"]),
        (table(xa=ONCE, bc=ONCE, abcd=-2.6, d=-4.75898551940918), ["xa", "bc", "d"]),
    ],
    ids=["parts", "whole", "unknown"],
)
def test_scores_are_rounded_before_they_add_up(implementation, own: Table, found: list[str]):
    """A `.model` holds scores in float32, and ties are those of its scores. Source: sentencepiece_model.proto."""
    tokenizer = built(implementation, own, precision="".join([*"single"]), **BARE)
    judge.exact(tokenizer.encode("".join(found)), own.ids(*found), "ids")


@pytest.mark.parametrize(
    ("own", "text", "found"),
    [
        (table(a=-0.1, b=-0.2, ab=-0.3), "ab", ["ab"]),
        (table(xa=-7.1, bc=-7.1, abcd=-1.0, d=-3.9000001), "xabcd", ["<unk>", "abcd"]),
    ],
    ids=["whole", "unknown"],
)
def test_scores_of_double_precision_stay(implementation, own: Table, text: str, found: list[str]):
    """Where sums are in float64, so are the scores. Source: model.rs."""
    judge.exact(built(implementation, own, precision="double", **BARE).encode(text), own.ids(*found), "ids")


@given(own=tables(st.floats(-4000, -1000, width=32), alphabets=("ab", "ab▁")), data=st.data())
def test_sums_beyond_a_limit_begin_anew(implementation, own: Table, data):
    """Beyond 100,000 float32 has few digits left for what comes next; so sums begin anew there. Source: 0.2.3."""
    text = data.draw(st.text("ab ", min_size=100, max_size=200), label="text")
    truth = SentencepieceUnigram(own.pieces, own.byte_fallback, **BARE)
    judge.exact(built(implementation, own, precision="single", **BARE).encode(text), truth.encode(text), "ids")


@pytest.mark.parametrize(("score", "found"), [(-100_000.0, ["a", "bc"]), (-100_001.0, ["a", "b", "c"])])
def test_sums_begin_anew_beyond_the_limit_only(implementation, score: float, found: list[str]):
    """At 100,000 a sum goes on, and its digits hide three thousandths; beyond it they count."""
    own = table(a=score, b=-1.0, c=-1.0, bc=-2.003)
    judge.exact(built(implementation, own, precision="single", **BARE).encode("abc"), own.ids(*found), "ids")


def test_sums_far_beyond_the_limit_tell_cuts_apart(implementation):
    """A thousandth decides, also after ten thousand pieces, where float32 would count by eighths."""
    own = table(a=-200.0, b=-1.0, c=-1.0, bc=-1.999)
    tokenizer = built(implementation, own, precision="single", **BARE)
    judge.exact(tokenizer.encode("a" * 10_000 + "bc"), own.ids(*"a" * 10_000, "bc"), "ids")


def named_anew(own: Table) -> Table:
    """The same table with kinds that are other strings: they are compared by value."""
    return Table(tuple((text, score, "".join([*kind])) for text, score, kind in own.own))


@pytest.mark.parametrize(
    ("last", "found"), [(-3.5, ["xa", "bc", "d"]), (-4.5, ["<unk>", "abcd"])], ids=["less", "more"]
)
def test_an_unknown_character_costs_ten_more_than_the_worst_piece(implementation, last: float, found: list[str]):
    """`x` is unknown, at -7 - 10, only if known pieces cost more. Source: kUnkPenalty of unigram_model.cc."""
    own = named_anew(table(xa=-7.0, bc=-7.0, d=last, abcd=-1.0))
    judge.exact(built(implementation, own, **BARE).encode("xabcd"), own.ids(*found), "ids")


@pytest.mark.parametrize("kind", ["control", "unused", "user-defined"])
def test_the_worst_piece_is_a_normal_one(implementation, kind: str):
    """Scores of other pieces say nothing of what is unknown."""
    own = named_anew(Table((*table(xa=-7.0, bc=-7.0, d=-4.5, abcd=-1.0).own, ("<e>", -90.0, kind))))
    judge.exact(built(implementation, own, **BARE).encode("xabcd"), own.ids("<unk>", "abcd"), "ids")


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
    own = Table((("a", 0.1, "normal"), ("b", 0.1, "normal"), ("ab", 0.0, "user-defined")))
    judge.exact(built(implementation, own, **BARE).encode("ab"), own.ids("a", "b"), "ids")
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


def test_ids_may_come_once(implementation):
    """Any iterable of ids decodes, an iterator too."""
    own = table("a", "b", ab=-0.5)
    tokenizer = built(implementation, own, **BARE)
    judge.exact(tokenizer.decode(iter(own.ids("ab", "a", "b"))), "abab", "text")


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
