"""Laws of pre-tokenization: pits, named after the trap."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.texts import SPACES
from fixtures.strategies.unicode import LATER_MARKS
from reference.tokenizers.pre_tokenization import pre_tokenization as reference

DROPPING = ("whitespace_split", "whitespace", "bert")
GPT = ("gpt2", "gpt4", "gpt4o")
BEHAVIORS = ("removed", "isolated", "contiguous", "merged_with_previous", "merged_with_next")
SEPARATORS = "".join(map(chr, range(0x1C, 0x20)))

by_gpt = pytest.mark.parametrize("scheme", GPT)
by_behavior = pytest.mark.parametrize("behavior", BEHAVIORS)
by_prepend = pytest.mark.parametrize("prepend", ["always", "first", "never"])


def words(pieces: Any) -> list[str]:
    return [piece for piece, _ in pieces]


@pytest.mark.parametrize("scheme", DROPPING)
def test_long_texts_are_read_to_the_end(implementation, scheme: str):
    """60,002 words: nothing is cut off."""
    judge.exact(words(implementation("ab c " * 30_001, scheme=scheme)), ["ab", "c"] * 30_001, "words")


CUTS = [
    ("whitespace_split", ["don't", " ", "stop!", "\n", "(x", " \t", "\u00e9"]),
    ("whitespace_split", ["a", "\u3000", "b\u200bc", "\u2028", "d"]),
    ("whitespace", ["don", "'", "t", " ", "x_1", "!?", "\t", "\u00a9"]),
    ("whitespace", ["\u0928\u092e\u0938\u094d\u0924\u0947", "\u00bd", "\u0663x", "\u00b2", "a\u200db"]),
    ("bert", ["don", "'", "t", " ", "3", ".", "5", "$", "_", "!", "!"]),
    ("bert", ["a", "\u2014", "b\u20ac", " ", "\u300c", "\u65e5\u672c", "\u300d", "\u00a9x"]),
    ("bert", ["2", "^", "x", "`", "~", "<", "=", ">", "|", "+", "cafe\u0301"]),
    ("bert", ["a", "\U00010100", "b", "\U00012470", "\U00016a6e", "\U0001da87", "\U0001f600"]),  # in Unicode 8 all
    ("gpt2", ["it", "'s", " '", "S", " 2024", "  ", " x", "\n", "\t", "y", " ...", "  \n", " z"]),
    ("gpt2", ["IT", "'", "S", " \u00bd1\u00b2", "x", "'ll", "ama", "'", "\u017fe\u00e9", "\u0301!?", "\u00a0", "x"]),
    ("gpt4", ["I", "'M", " don", "'t", " ", "123", "45", " x", "'\u017f", "e"]),
    ("gpt4", ["a", " \n\n", "  ", " b", ".\r\n\r\n", "c"]),
    ("gpt4", ["(a", "\tb", ")\n", "\u00a0c", "!!?", "x"]),
    ("gpt4o", ["Hello", "World", " HTTPServer", " don't", " I'M", " a", "/b", "://", "c"]),
    ("gpt4o", ["x", ")/\n/", "y", " ", "123", "4", " \n", "z"]),
    ("gpt4o", ["x", "!\n/\r\n//\n", "y"]),
    ("gpt4o", ["\u0301", "ABC"]),
]


@pytest.mark.parametrize(("scheme", "parts"), CUTS, ids=[f"{scheme}-{'|'.join(p)!a}" for scheme, p in CUTS])
def test_cuts_exactly_here(implementation, scheme: str, parts: list[str]):
    """These are the words, and these their places. Source: each scheme's own code."""
    expected, at = [], 0
    for part in parts:
        if not (scheme in DROPPING and part.isspace()):
            expected.append((part, (at, at + len(part))))
        at += len(part)
    judge.exact(implementation("".join(parts), scheme=scheme), expected, "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT])
def test_cuts_at_every_space(implementation, scheme: str):
    """Of what looks like a space the 25 characters of the property White_Space are, and no others."""
    text = "".join(f"a{space}b{space}1{space * 2}! {space}x" for space in SPACES if space not in SEPARATORS)
    judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT])
def test_separators_of_files_are_no_spaces(implementation, scheme: str):
    """U+001C to U+001F are control characters to Unicode, and spaces only to `str.split`."""
    for text in (f"a{separator}b {separator}" for separator in SEPARATORS):
        judge.exact(implementation(text + ".", scheme=scheme), reference(text + ".", scheme=scheme), "words")


@by_gpt
def test_spaces_at_the_end(implementation, scheme: str):
    """Spaces that no word follows stay together."""
    for text in ("a ", "a   ", " ", "\n", "a\n\n", "a\t \t"):
        judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@pytest.mark.parametrize("scheme", ["gpt4", "gpt4o"])
def test_spaces_after_the_last_line_break(implementation, scheme: str):
    """GPT-4's words of spaces end with a line break, at the end of a text too. Source: tiktoken's first release."""
    judge.exact(words(implementation("a \n  ", scheme=scheme)), ["a", " \n", "  "], "words")


@pytest.mark.parametrize("scheme", ["bert", "punctuation"])
@pytest.mark.parametrize("what", LATER_MARKS)
def test_punctuation_of_later_versions_of_unicode(implementation, scheme: str, what: str):
    """Marks are what today's Unicode calls punctuation."""
    text = f"a{LATER_MARKS[what]}b"
    judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@by_behavior
def test_runs_of_punctuation(implementation, behavior: str):
    """Where there are two marks, only one of them merges with a word."""
    expected = {
        "removed": ["a", "b c", "d"],
        "isolated": ["-", "-", "a", "!", "?", "b c", ".", "d", "-"],
        "contiguous": ["--", "a", "!?", "b c", ".", "d", "-"],
        "merged_with_previous": ["-", "-", "a!", "?", "b c.", "d-"],
        "merged_with_next": ["-", "-a", "!", "?b c", ".d", "-"],
    }
    judge.exact(
        words(implementation("--a!?b c.d-", scheme="punctuation", behavior=behavior)), expected[behavior], "words"
    )


@pytest.mark.parametrize("individual", [True, False])
def test_numbers_of_every_kind(implementation, individual: bool):
    """Digits of all scripts are cut out, and so are `²`, `½`, `Ⅷ`; Chinese numerals are letters."""
    numbers = ["1", "2", "\u00b2", "\u00bd", "\u2167", "\u0663", "\uff12"]
    expected = ["a", *numbers, "b\u4e09"] if individual else ["a", "".join(numbers), "b\u4e09"]
    pieces = implementation("".join(expected), scheme="digits", individual=individual)
    judge.exact(words(pieces), expected, "words")


@pytest.mark.parametrize(
    ("scheme", "text", "found"),
    [
        ("metaspace", "a b", ["\u2581a", "\u2581b"]),
        ("digits", "a12", ["a", "12"]),
        ("punctuation", "a--b", ["a", "-", "-", "b"]),
        ("whitespace", "a--b", ["a", "--", "b"]),
        ("gpt4", "a1234", ["a", "123", "4"]),
    ],
)
def test_without_options(implementation, scheme: str, text: str, found: list[str]):
    """What a scheme does unless it is told otherwise, also under a name that was put together as the program ran."""
    judge.exact(words(implementation(text, scheme=scheme)), found, "words")
    judge.exact(words(implementation(text, scheme="".join([*scheme]))), found, "words")


@pytest.mark.parametrize("prepend", ["always", "first"])
def test_values_are_compared_by_value(implementation, prepend: str):
    """So are the names of values."""
    judge.exact(words(implementation("a", scheme="metaspace", prepend="".join([*prepend]))), ["\u2581a"], "words")


@by_prepend
def test_metaspaces_of_every_place(implementation, prepend: str):
    """One is put before a text unless it is there; only U+0020 turns into one; each begins a word."""
    for text in ("x y", " x", "  x", "\u2581x", "\tx", " ", "a  b ", "\u2581 x", "\u00a0x", "\u65e5 x"):
        pieces = implementation(text, scheme="metaspace", prepend=prepend)
        judge.exact(pieces, reference(text, scheme="metaspace", prepend=prepend), "words")


def test_prepended_marks_have_no_place(implementation):
    """The word at the beginning has its own place: nothing in the text stands for the mark before it."""
    pieces = implementation("ab cd", scheme="metaspace", prepend="always")
    judge.exact(pieces, [("\u2581ab", (0, 2)), ("\u2581cd", (2, 5))], "words")


@pytest.mark.parametrize(("prepend", "piece"), [("always", "\u2581x"), ("first", "x"), ("never", "x")])
def test_what_follows_a_special_token_is_not_first(implementation, prepend: str, piece: str):
    """`first` means the first of the input. Source: huggingface/transformers#24565."""
    pieces = implementation("x y", scheme="metaspace", prepend=prepend, beginning=False)
    judge.exact(pieces, [(piece, (0, 1)), ("\u2581y", (1, 3))], "words")


def test_any_character_may_stand_for_a_space(implementation):
    """The mark is a character, not an expression."""
    for mark in "_^].\\-$\u0120":
        for text in (f" a.b{mark}c-d", "the same text for every mark, at some length"):
            pieces = implementation(text, scheme="metaspace", replacement=mark)
            judge.exact(pieces, reference(text, scheme="metaspace", replacement=mark), "words")
