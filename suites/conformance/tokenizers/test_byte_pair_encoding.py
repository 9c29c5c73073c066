"""Laws of byte-pair encoding: how a text is read."""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest

from fixtures import judge
from fixtures.strategies.pairs import BYTES, Encoder, columns, plain, tokens_of
from fixtures.strategies.vocabularies import Merge


@pytest.mark.parametrize(
    ("merges", "tokens"),
    [
        ([("a", "b"), ("b", "c"), ("bc", "d")], ["ab", "c", "d"]),
        ([("b", "c"), ("a", "b"), ("c", "d")], ["a", "bc", "d"]),
        ([("a", "b"), ("c", "d"), ("ab", "c")], ["ab", "cd"]),
        ([("ab", "c"), ("a", "b")], ["abc", "d"]),
        ([("b", "c"), ("a", "b"), ("ab", "c")], ["a", "bc", "d"]),
    ],
    ids=["not the longest token", "not the first", "not the longest merge", "named before made", "only listed pairs"],
)
@pytest.mark.parametrize("order", [None, 1, 2])
def test_the_lowest_rank_is_first(implementation, merges: list[Merge], tokens: list[str], order: int | None):
    """Of the pairs in `abcd` the one earliest in the list merges first, whatever the ids. Source: Sennrich et al. 2016."""
    judge.exact(tokens_of(implementation, Encoder((*"abcd",), tuple(merges), (), order), "abcd"), tokens, "tokens")


@pytest.mark.parametrize("n", [*range(1, 10), 300, 1025])
def test_overlaps_merge_from_the_left(implementation, n: int):
    """`aaa` is `aa`, `a`."""
    expected = ["aaaa"] * (n // 4) + ["aa"] * (n % 4 // 2) + ["a"] * (n % 2)
    judge.exact(tokens_of(implementation, plain("a", ("a", "a"), ("aa", "aa")), "a" * n), expected, "tokens")


@cache
def many_merges() -> Encoder:
    """All pairs of 257 letters but two, and then the two: more than 16 bits can count."""
    letters = (*"abcxyz", *map(chr, range(0x4E00, 0x4E00 + 251)))
    late = (("b", "c"), ("x", "y"))
    return Encoder(letters, (*(pair for pair in product(letters, repeat=2) if pair not in late), *late))


@pytest.mark.parametrize(("text", "tokens"), [("abc", ["ab", "c"]), ("xyz", ["x", "yz"]), ("bc", ["bc"])])
def test_ranks_beyond_16_bits(implementation, text: str, tokens: list[str]):
    """Pit: of 66,049 merges the last ones are the last to be done, and they are done."""
    judge.exact(tokens_of(implementation, many_merges(), text), tokens, "tokens")


def test_ids_beyond_20_bits(implementation):
    """Ids are numbers of any size, with any gaps."""
    encoder = plain("abc", ("a", "b"))
    wide = {token: (1 << 21) + 1025 * id for token, id in encoder.vocabulary.items()}
    tokenizer, ids = implementation(dict(wide), list(encoder.merges)), [wide["ab"], wide["c"]]
    judge.exact(tokenizer.encode("abc"), ids, "ids")
    judge.exact(tokenizer.decode(ids), "abc", "text")


def test_long_texts_are_read_to_the_end(implementation):
    """60,002 words: nothing is cut off."""
    encoder = plain("abc", ("a", "b"))
    judge.exact(encoder.built(implementation).encode("ab c " * 30_001), encoder.ids("ab", "c") * 30_001, "ids")


def test_merges_stay_within_words(implementation):
    """Spaces of any kind end words, and are no part of them; without `cut` they are characters like others."""
    encoder = plain("ab ", ("a", "b"), ("ab", " "), (" ", "a"))
    judge.exact(tokens_of(implementation, encoder, " ab\u3000a\nb  "), ["ab", "a", "b"], "tokens")
    judge.exact(tokens_of(implementation, encoder, "ab a b ", cut=False), ["ab ", "a", " ", "b", " "], "tokens")


@pytest.mark.parametrize(("whole", "expected"), [(False, ["ab", "c"]), (True, ["abc"])])
def test_tokens_without_a_merge(implementation, whole: bool, expected: list[str]):
    """A word that is a token is taken whole if merges are ignored, and else never made. Source: Llama 3."""
    encoder = Encoder((*"abcd",), (("a", "b"),), ("abc",))
    found = tokens_of(implementation, encoder, "abc abcd", ignore_merges=whole)
    judge.exact(found, [*expected, "ab", "c", "d"], "tokens")


def test_a_whole_word_has_its_place(implementation):
    """A word that is taken as it is has the place of all its characters."""
    made = Encoder((*"abcd",), (("a", "b"),), ("abc",)).built(implementation, ignore_merges=True)
    judge.exact(columns(made.encoding("abc abcd abc"))[2], [(0, 3), (4, 6), (6, 7), (7, 8), (9, 12)], "offsets")


def test_hundreds_of_letters_are_a_word(implementation):
    """Where a long word ends is known, for its mark and for its merges."""
    marked = Encoder(("a", "a</w>"), options={"end_of_word": "</w>"})
    judge.exact(tokens_of(implementation, marked, "a" * 300), [*["a"] * 299, "a</w>"], "tokens")
    encoder = plain("qxyz", ("y", "z"), ("x", "yz"), ("x", "y"))
    judge.exact(tokens_of(implementation, encoder, "q" * 300 + "xyz"), [*"q" * 300, "xyz"], "tokens")


@pytest.mark.parametrize("shift", [0, 1])
def test_long_words_merge_at_every_place(implementation, shift: int):
    """A cut anywhere in thousands of letters tears a token apart: if not one of this word, one of that shifted by one."""
    encoder = plain("ab", *((f"b{'a' * n}", "a") for n in range(6)))
    word, expected = "a" * shift + "baaaaaa" * 400, ["a"] * shift + ["baaaaaa"] * 400
    judge.exact(tokens_of(implementation, encoder, word), expected, "tokens")


@pytest.mark.parametrize("n", [20, 100])
def test_words_that_differ_in_one_place(implementation, n: int):
    """Words of one length are not taken for each other, wherever the one letter stands in which they differ."""
    text = " ".join("a" * place + "b" + "a" * (n - place - 1) for place in range(n))
    judge.exact(tokens_of(implementation, plain("ab"), text), [*text.replace(" ", "")], "tokens")


@pytest.mark.parametrize("place", [0, 15_000, 29_999])
def test_long_words_that_differ_in_one_place(implementation, place: int):
    """A word of 30,000 letters is not taken for one before it, wherever the one letter stands in which they differ."""
    words = ["a" * place + letter + "a" * (29_999 - place) for letter in "bcb"]
    tokenizer = plain("abc").built(implementation)
    judge.exact([columns(tokenizer.encoding(word))[1] for word in words], [[*word] for word in words], "tokens")


# What the vocabulary lacks


def test_without_an_unknown_token_characters_vanish(implementation):
    """Pit: `axb` becomes `ab`: what is unknown is left out, without a word, and its neighbours merge."""
    judge.exact(tokens_of(implementation, plain("ab", ("a", "b")), "axb xx a"), ["ab", "a"], "tokens")


def test_offsets_know_what_vanished(implementation):
    """A token that merged across a lost character covers it."""
    encoder = plain("ab", ("a", "b"))
    judge.exact(columns(encoder.built(implementation).encoding("axb xa"))[2], [(0, 3), (5, 6)], "offsets")


@pytest.mark.parametrize(("fuse", "expected"), [(False, ["?", "?", "a", "?", "?", "?"]), (True, ["?", "a", "?", "?"])])
def test_unknown_characters(implementation, fuse: bool, expected: list[str]):
    """Each is the unknown token, or each run in a word if they are fused; neighbours do not merge across."""
    encoder = plain("a?", ("a", "a"), unknown="?")
    found = tokens_of(implementation, encoder, "xyax zz", fuse_unknown=fuse)
    judge.exact(found, expected, "tokens")


@pytest.mark.parametrize(
    ("fuse", "offsets"), [(False, [(0, 1), (1, 2), (2, 3), (4, 5)]), (True, [(0, 2), (2, 3), (4, 5)])]
)
def test_offsets_of_unknown_characters(implementation, fuse: bool, offsets: list[tuple[int, int]]):
    """Unknown tokens have the places of what they stand for."""
    encoder = plain("a?", unknown="?", fuse_unknown=fuse)
    judge.exact(columns(encoder.built(implementation).encoding("x\u65e5a \U0001f600"))[2], offsets, "offsets")


def test_bytes_stand_for_unknown_characters(implementation):
    """With byte fallback nothing is unknown; merges may join bytes; every byte has the place of its character."""
    encoder = Encoder(("a", "?", *BYTES), (("<0xC3>", "<0xA9>"),), (), 4, {"unknown": "?", "byte_fallback": True})
    found = columns(encoder.built(implementation).encoding("aé ü"))
    judge.exact(found[1], ["a", "<0xC3><0xA9>", "<0xC3>", "<0xBC>"], "tokens")
    judge.exact(found[2], [(0, 1), (1, 2), (3, 4), (3, 4)], "offsets")


def test_all_bytes_of_a_character_or_none(implementation):
    """A character of which one byte is no token is unknown as a whole."""
    encoder = Encoder(("a", "?", "<0xC3>", "<0xA9>"), (), (), None, {"unknown": "?", "byte_fallback": True})
    judge.exact(tokens_of(implementation, encoder, "éaüa"), ["<0xC3>", "<0xA9>", "a", "?", "a"], "tokens")


def test_bytes_are_used_where_they_are_asked_for(implementation):
    """Without byte fallback a token `<0xC3>` is a token like others."""
    encoder = Encoder(("a", "?", *BYTES), (), (), None, {"unknown": "?"})
    judge.exact(tokens_of(implementation, encoder, "éa"), ["?", "a"], "tokens")


@pytest.mark.parametrize("fuse", [False, True])
def test_unknown_characters_stay_before_bytes(implementation, fuse: bool):
    """Pit: tokens come in the order of the text, also where a character that falls into bytes follows an unknown one."""
    options = {"unknown": "?", "byte_fallback": True, "fuse_unknown": fuse}
    encoder = Encoder(("a", "?", "<0xC3>", "<0xA9>"), (), (), None, options)
    judge.exact(tokens_of(implementation, encoder, "üéaü"), ["?", "<0xC3>", "<0xA9>", "a", "?"], "tokens")


# Marks


@pytest.mark.parametrize(
    ("options", "merges", "expected"),
    [
        ({"continuing": "##"}, [("##b", "##a"), ("a", "##ba")], ["aba", "##b", "b"]),
        ({"end_of_word": "</w>"}, [("a", "b"), ("a", "b</w>")], ["ab", "ab</w>", "b</w>"]),
        ({"continuing": "##", "end_of_word": "."}, [("##b", "##a"), ("a", "##ba")], ["aba", "##b.", "b."]),
    ],
    ids=["continuing", "end of word", "both"],
)
def test_marks(implementation, options: dict[str, str], merges: list[Merge], expected: list[str]):
    """Characters within a word, or the last one, are tokens of their own; a merge drops the mark within."""
    before, behind = options.get("continuing", ""), options.get("end_of_word", "")
    letters = {f"{mark}{c}{end}" for c in "ab" for mark in ("", before) for end in ("", behind)}
    encoder = Encoder(tuple(sorted(letters)), tuple(merges), (), 3, options)
    judge.exact(tokens_of(implementation, encoder, "abab b"), expected, "tokens")
