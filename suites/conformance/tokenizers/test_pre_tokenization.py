"""Laws of pre-tokenization."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import SPACES, texts
from fixtures.strategies.unicode import LATER_MARKS, settled_texts
from reference.tokenizers.pre_tokenization import pre_tokenization as reference

DROPPING = ("whitespace_split", "whitespace", "bert")
GPT = ("gpt2", "gpt4", "gpt4o")
BEHAVIORS = ("removed", "isolated", "contiguous", "merged_with_previous", "merged_with_next")
SEPARATORS = "".join(map(chr, range(0x1C, 0x20)))

by_gpt = pytest.mark.parametrize("scheme", GPT)
by_dropping = pytest.mark.parametrize("scheme", DROPPING)
by_behavior = pytest.mark.parametrize("behavior", BEHAVIORS)
by_prepend = pytest.mark.parametrize("prepend", ["always", "first", "never"])


def plain(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Without U+001C to U+001F, about which `test_separators_of_files_are_no_spaces` is."""
    return texts.map(lambda text: "".join(character for character in text if character not in SEPARATORS))


def words(pieces: Any) -> list[str]:
    return [piece for piece, _ in pieces]


def moved(pieces: Any, by: int) -> list[Any]:
    return [(piece, (start + by, end + by)) for piece, (start, end) in pieces]


# Pits

CUTS = [
    ("whitespace_split", ["don't", " ", "stop!", "\n", "(x", " \t", "\u00e9"]),
    ("whitespace_split", ["a", "\u3000", "b\u200bc", "\u2028", "d"]),
    ("whitespace", ["don", "'", "t", " ", "x_1", "!?", "\t", "\u00a9"]),
    ("whitespace", ["\u0928\u092e\u0938\u094d\u0924\u0947", "\u00bd", "\u0663x", "\u00b2", "a\u200db"]),
    ("bert", ["don", "'", "t", " ", "3", ".", "5", "$", "_", "!", "!"]),
    ("bert", ["a", "\u2014", "b\u20ac", " ", "\u300c", "\u65e5\u672c", "\u300d", "\u00a9x"]),
    ("bert", ["2", "^", "x", "`", "~", "<", "=", ">", "|", "+", "cafe\u0301"]),
    ("gpt2", ["it", "'s", " '", "S", " 2024", "  ", " x", "\n", "\t", "y", " ...", "  \n", " z"]),
    ("gpt2", ["IT", "'", "S", " \u00bd1\u00b2", "x", "'ll", "ama", "'", "\u017fe\u00e9", "\u0301!?", "\u00a0", "x"]),
    ("gpt4", ["I", "'M", " don", "'t", " ", "123", "45", " x", "'\u017f", "e"]),
    ("gpt4", ["a", " \n\n", "  ", " b", ".\r\n\r\n", "c"]),
    ("gpt4", ["(a", "\tb", ")\n", "\u00a0c", "!!?", "x"]),
    ("gpt4o", ["Hello", "World", " HTTPServer", " don't", " I'M", " a", "/b", "://", "c"]),
    ("gpt4o", ["x", ")/\n/", "y", " ", "123", "4", " \n", "z"]),
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
    for space in SPACES:
        for text in (f"a{space}b", f"{space}1{space * 2}! {space}x") if space not in SEPARATORS else ():
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


@by_prepend
def test_metaspaces_of_every_place(implementation, prepend: str):
    """One is put before a text unless it is there; only U+0020 turns into one; each begins a word."""
    for text in ("x y", " x", "  x", "\u2581x", "\tx", " ", "a  b ", "\u2581 x", "\u00a0x"):
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
        pieces = implementation(f" a.b{mark}c-d", scheme="metaspace", replacement=mark)
        judge.exact(pieces, reference(f" a.b{mark}c-d", scheme="metaspace", replacement=mark), "words")


# Bad input


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(implementation, text, scheme="gpt2")


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_cut(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(implementation, text, scheme="gpt2")


@pytest.mark.parametrize("scheme", ["", "GPT2", "spaces", "removed"])
def test_unknown_schemes_are_rejected(implementation, scheme: str):
    """A scheme that is none raises, instead of being another one."""
    judge.rejects(implementation, "a b", scheme=scheme)


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "punctuation", "behavior": "merged"},
        {"scheme": "metaspace", "prepend": "last"},
        {"scheme": "metaspace", "replacement": ""},
        {"scheme": "metaspace", "replacement": "__"},
        {"scheme": "digits", "individual": "no"},
    ],
    ids=lambda options: str(list(options.values())[1:]),
)
def test_values_that_are_none_are_rejected(implementation, options: dict[str, Any]):
    """An option with a value that it does not have raises."""
    judge.rejects(implementation, "a b", **options)


@pytest.mark.parametrize("scheme", ["whitespace", "gpt4", "digits"])
def test_options_of_other_schemes_are_rejected(implementation, scheme: str):
    """An option that the scheme does not have raises, or one would believe that it counts."""
    judge.rejects(implementation, "a b", scheme=scheme, behavior="removed")


# Agreement


@by_dropping
@given(text=plain(settled_texts()))
def test_agrees_where_spaces_are_dropped(implementation, scheme: str, text: str):
    """Words and places are the reference's, whatever the text."""
    judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@by_gpt
@given(text=texts())
def test_agrees_where_spaces_are_kept(implementation, scheme: str, text: str):
    """Words and places are the reference's, whatever the text; how spaces end a text is a law of its own."""
    judge.exact(implementation(f"{text}.", scheme=scheme), reference(f"{text}.", scheme=scheme), "words")


@by_gpt
@given(text=st.text("aB1 \n\r'.sT/\u0301\u65e5", min_size=3, max_size=20))
def test_agrees_on_dense_texts(implementation, scheme: str, text: str):
    """Few kinds of characters in every order: each alternative of the expression meets every other."""
    judge.exact(implementation(f"{text}.", scheme=scheme), reference(f"{text}.", scheme=scheme), "words")


@pytest.mark.parametrize("individual", [True, False])
@given(text=texts())
def test_agrees_on_digits(implementation, individual: bool, text: str):
    """Words and places are the reference's."""
    options: Any = {"scheme": "digits", "individual": individual}
    judge.exact(implementation(text, **options), reference(text, **options), "words")


@by_behavior
@given(text=settled_texts() | st.text("a-. !", max_size=20))
def test_agrees_on_punctuation(implementation, behavior: str, text: str):
    """Words and places are the reference's."""
    options: Any = {"scheme": "punctuation", "behavior": behavior}
    judge.exact(implementation(text, **options), reference(text, **options), "words")


@by_prepend
@given(text=texts() | st.text("a \u2581\n", max_size=12), split=st.booleans(), beginning=st.booleans())
def test_agrees_on_metaspaces(implementation, prepend: str, text: str, split: bool, beginning: bool):
    """Words and places are the reference's, at the beginning of the input and after it."""
    options: Any = {"scheme": "metaspace", "prepend": prepend, "split": split, "beginning": beginning}
    judge.exact(implementation(text, **options), reference(text, **options), "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT, "metaspace", "digits", "punctuation"])
def test_agrees_on_real_english(implementation, scheme: str):
    """Pages of the Python documentation are cut as the reference cuts them."""
    for page in list(topics().values())[::6]:
        text = page[:250].rstrip()
        judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT, "metaspace", "digits", "punctuation"])
def test_long_runs_take_no_longer(implementation, scheme: str):
    """Twenty thousand characters of one kind: no expression goes back over them again and again."""
    text = "x".join(filler * 20_000 for filler in ("a", " ", "A", "-"))
    judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


# What holds whatever the text


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT, "digits", "punctuation"])
@given(text=texts())
def test_words_are_slices(implementation, scheme: str, text: str):
    """Each word is the text between its start and end, and they come in order."""
    pieces = implementation(text, scheme=scheme)
    judge.exact(words(pieces), [text[start:end] for _, (start, end) in pieces], "words")
    ends = [place for _, places in pieces for place in places]
    judge.exact(ends, sorted(ends), "places")


@pytest.mark.parametrize("scheme", [*GPT, "digits", "punctuation"])
@given(text=texts())
def test_nothing_is_lost(implementation, scheme: str, text: str):
    """The words, one after the other, are the text."""
    judge.exact("".join(words(implementation(text, scheme=scheme))), text, "text")


@by_dropping
@given(text=plain(texts()))
def test_only_spaces_are_lost(implementation, scheme: str, text: str):
    """The words, one after the other, are the text without its spaces."""
    judge.exact("".join(words(implementation(text, scheme=scheme))), "".join(text.split()), "text")


@by_dropping
@given(left=plain(settled_texts(4)), right=plain(settled_texts(4)), space=st.sampled_from(" \n\t\u3000"))
def test_a_space_separates(implementation, scheme: str, left: str, right: str, space: str):
    """What stands on either side of a space is cut by itself."""
    both = implementation(left + space + right, scheme=scheme)
    parts = [
        *implementation(left, scheme=scheme),
        *moved(implementation(right, scheme=scheme), len(left) + len(space)),
    ]
    judge.exact(both, parts, "words")


@by_gpt
@given(left=texts(4), right=texts(4))
def test_a_space_begins_a_word(implementation, scheme: str, left: str, right: str):
    """After a full stop a text that begins with a space and a letter can be cut on its own."""
    left, right = f"{left}.", f" a{right}."
    parts = [*implementation(left, scheme=scheme), *moved(implementation(right, scheme=scheme), len(left))]
    judge.exact(implementation(left + right, scheme=scheme), parts, "words")


@pytest.mark.parametrize("scheme", [*DROPPING, "digits", "punctuation"])
@given(text=plain(texts(5)))
def test_words_are_cut_no_further(implementation, scheme: str, text: str):
    """A word by itself is one word."""
    for word in words(implementation(text, scheme=scheme)):
        judge.exact(implementation(word, scheme=scheme), [(word, (0, len(word)))], "words")


@given(text=settled_texts() | st.text("a-. !", max_size=20))
def test_behaviors_cut_at_the_same_places(implementation, text: str):
    """Runs of isolated marks are contiguous; without its marks a text is what `removed` leaves."""
    isolated, contiguous, removed = (
        implementation(text, scheme="punctuation", behavior=behavior)
        for behavior in ("isolated", "contiguous", "removed")
    )
    left = {place for _, place in removed}
    runs = [list(run) for _, run in groupby(isolated, key=lambda piece: piece[1] in left)]
    joined = [("".join(words(run)), (run[0][1][0], run[-1][1][1])) for run in runs]
    judge.exact(contiguous, joined, "words")


@given(text=texts() | st.text("a \u2581", max_size=12))
def test_metaspaces_turn_back(implementation, text: str):
    """With no mark prepended the pieces, one after the other, are the text with marks for spaces."""
    pieces = implementation(text, scheme="metaspace", prepend="never")
    judge.exact("".join(words(pieces)), text.replace(" ", "\u2581"), "text")
    judge.exact([end - start for _, (start, end) in pieces], [len(word) for word in words(pieces)], "lengths")


@given(text=texts(), prepend=st.sampled_from(["always", "first", "never"]))
def test_unsplit_metaspaces_are_one_word(implementation, text: str, prepend: str):
    """Without `split` the words are one, which is what they are together."""
    options: Any = {"scheme": "metaspace", "prepend": prepend}
    whole = words(implementation(text, split=False, **options))
    judge.exact(whole, ["".join(words(implementation(text, **options)))] if text else [], "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT, "metaspace", "digits", "punctuation"])
def test_nothing_has_no_words(implementation, scheme: str):
    """The empty text has no words, not an empty one."""
    judge.exact(implementation("", scheme=scheme), [], "words")
