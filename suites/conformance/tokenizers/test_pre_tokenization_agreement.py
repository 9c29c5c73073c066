"""Laws of pre-tokenization: agreement with the reference, and what holds whatever the text."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import texts
from fixtures.strategies.unicode import every_kind, settled_texts
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
def test_agrees_on_every_kind_of_character(implementation, scheme: str):
    """Both ends of every range of characters that are alike, each beside a letter: none is another kind, in any plane."""
    text = "a".join(c for c in every_kind() if c not in SEPARATORS)
    judge.exact(implementation(text, scheme=scheme), reference(text, scheme=scheme), "words")


@pytest.mark.parametrize("scheme", [*DROPPING, *GPT, "metaspace", "digits", "punctuation"])
def test_long_runs_take_no_longer(implementation, scheme: str):
    """Tens of thousands of letters or spaces, a thousand marks: no expression goes back over them again and again.

    The last words begin after 65,535 characters.
    """
    judge.exact(implementation(RUNS, scheme=scheme), cut_runs(scheme), "words")


RUNS = "x".join(filler * n for filler, n in (("a", 23_000), (" ", 22_000), ("A", 21_000), ("-", 1_000)))


@cache
def cut_runs(scheme: str) -> Any:
    return reference(RUNS, scheme=scheme)


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
