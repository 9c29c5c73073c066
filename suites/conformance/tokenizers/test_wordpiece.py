"""Laws of WordPiece: how a text is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.texts import UNASSIGNED
from fixtures.strategies.wordpieces import LETTERS, Pieces, columns, tokens_of


@pytest.mark.parametrize(
    ("pieces", "text", "expected"),
    [
        (("un", "##aff", "##able", "##a", "u"), "unaffable", ["un", "##aff", "##able"]),
        (("a", "ab", "abc", "##c", "##cd"), "abcd", ["[UNK]"]),
        (("ab", "##ab", "abab"), "ababab", ["abab", "##ab"]),
        (("a", "##b"), "ab ba", ["a", "##b", "[UNK]"]),
        (("a", "b"), "ab", ["[UNK]"]),
        (("##ab", "a"), "ab", ["[UNK]"]),
        (("a", "##b"), "a abx b", ["a", "[UNK]", "[UNK]"]),
        (("a", "#", "##b"), "##b", ["#", "#", "[UNK]"]),
        (("ab", "a", "##b"), "a b", ["a", "[UNK]"]),
    ],
    ids=[
        "longest from the left",
        "no second thoughts",
        "longest is longest",
        "beginnings do not continue",
        "no prefix, no continuation",
        "continuations do not begin",
        "all or nothing",
        "a prefix in the text is text",
        "words stay apart",
    ],
)
def test_longest_match_first(implementation, pieces: tuple[str, ...], text: str, expected: list[str]):
    """From each word the longest piece is taken, then from the rest; a rest without a piece makes the word unknown."""
    judge.exact(tokens_of(implementation, Pieces(pieces), text), expected, "tokens")


@pytest.mark.parametrize("n", [99, 100, 101, 200, 201])
def test_words_over_a_hundred_characters_are_unknown(implementation, n: int):
    """100 characters are still read, 101 are not. Source: BERT's first code said 200, libraries say 100."""
    pieces = Pieces(("a", "##a", "##aaaaaaaaa"))
    expected = ["[UNK]"] if n > 100 else ["a", *["##aaaaaaaaa"] * ((n - 1) // 9), *["##a"] * ((n - 1) % 9)]
    judge.exact(tokens_of(implementation, pieces, "a" * n), expected, "tokens")


@pytest.mark.parametrize("n", [17, 21, 50, 99])
def test_tokens_may_be_as_long_as_words(implementation, n: int):
    """A token of any length is found, at the beginning of a word and within."""
    pieces = Pieces(("a", "##a", "b", "a" * n, "##" + "a" * n))
    text, expected = f"{'a' * n} b{'a' * n} {'a' * (n - 1)}", ["a" * n, "b", "##" + "a" * n, "a", *["##a"] * (n - 2)]
    judge.exact(tokens_of(implementation, pieces, text), expected, "tokens")


@pytest.mark.parametrize("n", [513, 1025, 30_000])
def test_long_texts_are_read_to_the_end(implementation, n: int):
    """Nothing is cut off that no `length` asks for. Source: BERT has 512 places, which is the model's affair."""
    pieces = Pieces(("a", "##b", "c"))
    judge.exact(tokens_of(implementation, pieces, " ".join(["ab"] * n) + " c"), ["a", "##b"] * n + ["c"], "tokens")


@pytest.mark.parametrize("n", [99, 100])
def test_long_words_of_wide_letters(implementation, n: int):
    """Pit: a hundred letters may be 400 bytes."""
    letters = "\U0001f600\U00010428"
    pieces = Pieces((*letters, *(f"##{letter}" for letter in letters)))
    expected = [f"##{letter}" if i else letter for i, letter in enumerate((letters * n)[:n])]
    judge.exact(tokens_of(implementation, pieces, (letters * n)[:n]), expected, "tokens")


def test_words_that_look_alike(implementation):
    """A ligature, a wide letter and a superscript are no `fi`, `a` and `2`, though another form of Unicode says so."""
    words = ["fi", "\ufb01", "fi", "a", "\uff41", "2", "\u00b2", "\uff12"]
    tokenizer = implementation(dict(Pieces(tuple(dict.fromkeys(words))).vocabulary))
    judge.exact(tokenizer.encode(" ".join(words)), Pieces(tuple(dict.fromkeys(words))).ids(*words), "ids")


@pytest.mark.parametrize("character", UNASSIGNED, ids=ascii)
def test_unassigned_code_points_stay(implementation, character: str):
    """What no version of Unicode has assigned is a letter like any other. Source: `_is_control` of BERT's code."""
    pieces = Pieces(("a", f"##{character}", character, "##b"))
    text = f"a{character} {character}b"
    judge.exact(tokens_of(implementation, pieces, text), ["a", f"##{character}", character, "##b"], "tokens")


def test_ids_beyond_20_bits(implementation):
    """Ids are numbers of any size, with any gaps."""
    wide = {token: (1 << 21) + 1025 * id for token, id in LETTERS.vocabulary.items()}
    tokenizer, ids = implementation(dict(wide)), [wide["a"], wide["##b"]]
    judge.exact(tokenizer.encode("ab"), ids, "ids")
    judge.exact(tokenizer.decode(ids), "ab", "text")


@pytest.mark.parametrize("n", [20, 100])
def test_words_that_differ_in_one_place(implementation, n: int):
    """Words of one length are not taken for each other, wherever the one letter stands in which they differ."""
    words = ["a" * place + "b" + "a" * (n - place - 1) for place in range(n)]
    expected = [f"{'##' * (place > 0)}{letter}" for word in words for place, letter in enumerate(word)]
    judge.exact(tokens_of(implementation, Pieces(("a", "b", "##a", "##b")), " ".join(words)), expected, "tokens")


@pytest.mark.parametrize("place", [0, 15_000, 29_999])
def test_long_words_that_differ_in_one_place(implementation, place: int):
    """A word of 30,000 letters is not taken for one before it, wherever the one letter stands in which they differ."""
    words = ["a" * place + letter + "a" * (29_999 - place) for letter in "bcb"]
    pieces = Pieces(tuple(words[:2]))  # whole, for who looks for the longest first needs no other
    tokenizer = implementation(dict(pieces.vocabulary), longest=30_000)
    judge.exact([tokenizer.encode(word) for word in words], [pieces.ids(word) for word in words], "ids")


def test_length_of_a_word_is_counted_in_characters(implementation):
    """60 letters of two bytes are 60, and accents that are stripped do not count."""
    pieces = Pieces(("ß", "##ß", "e", "##e"))
    judge.exact(tokens_of(implementation, pieces, "ß" * 60), ["ß", *["##ß"] * 59], "tokens")
    judge.exact(tokens_of(implementation, pieces, "e\u0301" * 60), ["e", *["##e"] * 59], "tokens")


@given(n=st.integers(1, 30), longest=st.integers(1, 30))
def test_longest_is_an_option(implementation, n: int, longest: int):
    """A word of more characters than `longest` is unknown."""
    pieces = Pieces(("a", "##a"))
    expected = ["[UNK]"] if n > longest else ["a", *["##a"] * (n - 1)]
    judge.exact(tokens_of(implementation, pieces, "a" * n, longest=longest), expected, "tokens")


def test_longer_words_may_be_read(implementation):
    """There is nothing special about a hundred."""
    judge.exact(
        tokens_of(implementation, Pieces(("a", "##a")), "a" * 300, longest=300), ["a", *["##a"] * 299], "tokens"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u00c9", ["e"]),
        ("e\u0301a", ["e", "##a"]),
        ("A\x00B\u200bC", ["a", "##b", "##c"]),
        ("a\x0bb", ["a", "##b"]),
        ("a\x85b", ["a", "##b"]),
        ("a\u00a0b\u3000c\u2028d\te\rx", [*"abcdex"]),
        ("3.5", ["3", "[UNK]", "5"]),
        ("a$b", ["a", "[UNK]", "b"]),
        ("a\u2014b", ["a", "[UNK]", "b"]),
        ("a\u20acb c", ["[UNK]", "c"]),
        ("a\u4e00b", ["a", "[UNK]", "b"]),
        ("a\u3042b c", ["[UNK]", "c"]),
        ("\ufeffa\ufffd", ["a"]),
    ],
    ids=ascii,
)
def test_reads_texts_as_bert_does(implementation, text: str, expected: list[str]):
    """Capitals, accents and control characters go; spaces, punctuation and ideographs cut. Source: BERT's code."""
    judge.exact(tokens_of(implementation, LETTERS, text), expected, "tokens")


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [
        (True, None, "e"),
        (True, True, "e"),
        (True, False, "é"),
        (False, None, "É"),
        (False, False, "É"),
        (False, True, "E"),
    ],
)
def test_accents_go_with_capitals(implementation, lowercase: bool, strip_accents: bool | None, expected: str):
    """Unless it is told otherwise, whoever keeps capitals keeps accents."""
    pieces = Pieces(("e", "é", "E", "É"), 5)
    found = tokens_of(implementation, pieces, "É", lowercase=lowercase, strip_accents=strip_accents)
    judge.exact(found, [expected], "tokens")


def test_the_last_sigma_of_a_word(implementation):
    """Pit: a Σ that ends a word becomes ς, any other σ. Source: BERT's code, which lowers whole words, and vocabulary."""
    pieces = Pieces(("α", "##σ", "##ς", "."))
    judge.exact(tokens_of(implementation, pieces, "ΑΣ. ΑΣΣ"), ["α", "##ς", ".", "α", "##σ", "##ς"], "tokens")


@pytest.mark.parametrize(("split", "expected"), [(True, ["日", "本"]), (False, ["日", "##本"])])
def test_ideographs_may_stay_together(implementation, split: bool, expected: list[str]):
    """Without `handle_chinese_chars` a run of ideographs is a word."""
    pieces = Pieces(("日", "本", "##本"))
    judge.exact(tokens_of(implementation, pieces, "日本", handle_chinese_chars=split), expected, "tokens")


@pytest.mark.parametrize(("clean", "expected"), [(True, ["a", "##b"]), (False, ["[UNK]"])])
def test_control_characters_may_stay(implementation, clean: bool, expected: list[str]):
    """Without `clean_text` they are letters without a token."""
    judge.exact(tokens_of(implementation, LETTERS, "a\x01b", clean_text=clean), expected, "tokens")


@pytest.mark.parametrize("prefix", ["##", "@@", "", "\u2581x"])
def test_prefix_is_an_option(implementation, prefix: str):
    """What marks a continuation is up to the vocabulary; nothing may mark it."""
    pieces = Pieces(("a", f"{prefix}bc", f"{prefix}b"))
    expected = ["a", f"{prefix}bc", f"{prefix}b"]
    judge.exact(tokens_of(implementation, pieces, "abcb", prefix=prefix), expected, "tokens")


def test_unknown_is_an_option(implementation):
    """The unknown token has any name."""
    pieces = Pieces(("a", "<unk>"))
    judge.exact(tokens_of(implementation, pieces, "a q", unknown="<unk>"), ["a", "<unk>"], "tokens")


@pytest.mark.parametrize("special", ["[MASK]", "[UNK]", "[SEP]"])
def test_special_text_is_ordinary_text(implementation, special: str):
    """Who writes `[MASK]` into a text masks nothing."""
    name = special[1:-1].lower()
    pieces = Pieces(("[", "]", name, "a"), 3)
    judge.exact(tokens_of(implementation, pieces, f"a {special}"), ["a", "[", name, "]"], "tokens")


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        ("abX  abab", [(0, 2), (2, 3), (5, 9)]),
        ("a\u0301bx", [(0, 3), (3, 4)]),
        ("\u200bab\u0301", [(1, 3)]),
        ("\u00e1\x00bq", [(0, 4)]),
        ("\U0001f600.ab", [(0, 1), (1, 2), (2, 4)]),
        ("日ab\u4e00", [(0, 1), (1, 3), (3, 4)]),
    ],
    ids=ascii,
)
def test_offsets_are_of_the_text_as_given(implementation, text: str, offsets: list[tuple[int, int]]):
    """Places are counted in characters of the original, before anything is stripped; unknown words have theirs."""
    pieces = Pieces(("ab", "##ab", "abab", "##x", "日", "."))
    judge.exact(columns(implementation(pieces.vocabulary).encoding(text))[2], offsets, "offsets")
