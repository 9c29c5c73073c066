"""Laws of byte-level byte-pair encoding: its pits, quick ones, each named after the trap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.texts import SPACES, fragments
from fixtures.strategies.vocabularies import Merge, Tables, built, glueing, reference

CUTS = [
    ["it", "'s"],
    ["they", "'ll", "'ve"],
    ["IT", "'", "S"],
    ["We", "'", "Re"],
    ["it", "\u2019", "s"],
    ["'s", "alt"],
    ["'ll", "ama"],
    [" '", "s"],
    ["a", "'", "b"],
    ["a", " ", " b"],
    ["a", "   "],
    ["a", " ", "\n", "b"],
    ["a", "\n", " b"],
    ["a", "\r", "\n", "b"],
    ["a", "\u00a0", "b"],
    ["a", " ", "\u3000", "b"],
    ["a", " \u200b", "b"],
    ["a", " \x1c!"],
    ["\ufeff", "a"],
    ["x", "2", "y"],
    ["3", ".", "14"],
    ["\u00b2\u00bd\u0663\u2167\uff12", "a"],
    ["Stra\u00dfe\u05e9\u65e5\uac00\u01c5\u02b0\u00aa", "1"],
    ["e", "\u0301", "a"],
    ["a", "_", "b"],
    ["a", "...!?", " --", " b"],
    ["1", " !", " a"],
]


@pytest.mark.parametrize("words", CUTS, ids=[ascii("|".join(words)) for words in CUTS])
def test_cuts_words_as_gpt2_does(implementation, words: list[str]):
    """The text is cut exactly here, whatever merges there are. Source: GPT-2's regular expression."""
    tables = glueing(words)
    judge.exact(built(implementation, tables).encode("".join(words)), tables.ids(*words), "ids")


@given(space=st.sampled_from(SPACES), other=st.sampled_from(SPACES), n=st.integers(0, 3))
def test_cuts_around_every_space(implementation, space: str, other: str, n: int):
    """Runs of any characters that are spaces, or look like them, are cut as the reference cuts them."""
    tables = glueing(["a", space, space, other, "b", " ", "1", "!", other])
    text = f"a{space * n}{other}b {space}1{other}{space}!{other}"
    judge.exact(built(implementation, tables).encode(text), reference(tables).encode(text), "ids")


def test_a_prompt_that_ends_in_a_space(implementation):
    """The last space of a prompt is a token of its own, while before a word it would be the word's."""
    tables = Tables((("a", "b"), ("Ġ", "ab")))
    tokenizer = built(implementation, tables)
    judge.exact(tokenizer.encode("ab ab"), tables.ids("ab", " ab"), "ids")
    judge.exact(tokenizer.encode("ab "), tables.ids("ab", " "), "ids")


@pytest.mark.parametrize(
    ("merges", "tokens"),
    [
        ([("a", "b"), ("b", "c"), ("bc", "d")], ["ab", "c", "d"]),
        ([("b", "c"), ("a", "b"), ("c", "d")], ["a", "bc", "d"]),
        ([("a", "b"), ("c", "d"), ("ab", "c")], ["ab", "cd"]),
    ],
    ids=["not the longest token", "not the first from the left", "not the longest merge"],
)
def test_the_lowest_rank_is_first(implementation, merges: list[Merge], tokens: list[str]):
    """Of the pairs in `abcd` the one earliest in the list merges first. Source: Sennrich et al. 2016."""
    tables = Tables(tuple(merges))
    judge.exact(built(implementation, tables).encode("abcd"), tables.ids(*tokens), "ids")


@pytest.mark.parametrize("order", range(4))
def test_ids_are_no_ranks(implementation, order: int):
    """The place in the list decides, whatever the ids of the tokens. Source: in tiktoken's files ids are ranks."""
    tables = Tables((("b", "c"), ("a", "b"), ("c", "d")), order=order)
    judge.exact(built(implementation, tables).encode("abcd"), tables.ids("a", "bc", "d"), "ids")


def test_a_token_named_before_its_merge(implementation):
    """After each merge the lowest rank counts anew, so a list may name a token before the merge that makes it."""
    tables = Tables((("ab", "c"), ("a", "b")))
    judge.exact(built(implementation, tables).encode("abc"), tables.ids("abc"), "ids")


def test_only_listed_pairs_merge(implementation):
    """`a`, `bc` stay apart though `abc` is a token, which only (ab, c) makes."""
    tables = Tables((("b", "c"), ("a", "b"), ("ab", "c")))
    judge.exact(built(implementation, tables).encode("abc"), tables.ids("a", "bc"), "ids")


def test_tokens_without_a_merge_are_never_made(implementation):
    """A word that is a token is not one if no merge makes it (Llama 3's `ignore_merges` would take it whole)."""
    tables = Tables((("a", "b"),), unmerged=("abc", "Ġx"))
    judge.exact(built(implementation, tables).encode("abc x"), tables.ids("ab", "c", " ", "x"), "ids")


@pytest.mark.parametrize("n", [*range(1, 10), 300, 1025])
def test_overlaps_merge_from_the_left(implementation, n: int):
    """`aaa` is `aa`, `a`."""
    tables = Tables((("a", "a"), ("aa", "aa")))
    expected = ["aaaa"] * (n // 4) + ["aa"] * (n % 4 // 2) + ["a"] * (n % 2)
    judge.exact(built(implementation, tables).encode("a" * n), tables.ids(*expected), "ids")


@pytest.mark.parametrize("shift", [0, 1])
def test_long_words_merge_at_every_place(implementation, shift: int):
    """A cut anywhere in thousands of letters tears a token apart: if not one of this word, one of that shifted by one."""
    tables = Tables(tuple((f"b{'a' * n}", "a") for n in range(6)))
    expected = tables.ids(*"a" * shift, *["baaaaaa"] * 400)
    judge.exact(built(implementation, tables).encode("a" * shift + "baaaaaa" * 400), expected, "ids")


@pytest.mark.parametrize("n", [20, 100])
def test_words_that_differ_in_one_place(implementation, n: int):
    """Words of one length are not taken for each other, wherever the one letter stands in which they differ."""
    text, tables = "".join(" " + "a" * place + "b" + "a" * (n - place - 1) for place in range(n)), Tables()
    judge.exact(built(implementation, tables).encode(text), tables.ids(*text), "ids")


@pytest.mark.parametrize("place", [0, 15_000, 29_999])
def test_long_words_that_differ_in_one_place(implementation, place: int):
    """A word of 30,000 letters is not taken for one before it, wherever the one letter stands in which they differ."""
    tables, words = Tables(), ["a" * place + letter + "a" * (29_999 - place) for letter in "bcb"]
    tokenizer = built(implementation, tables)
    judge.exact([tokenizer.encode(word) for word in words], [tables.ids(*word) for word in words], "ids")


@pytest.mark.parametrize("first", [2**15 - 128, 2**16 - 128, 2**16, 200_000])
def test_ids_beyond_sixteen_bits(implementation, first: int):
    """Vocabularies have more than 65,536 tokens today, and ids are written out and read back in full."""
    tables, text = Tables((("a", "b"),)), "ab a\u00e9\U0001f600 !~\u00ff"
    vocabulary = {token: first + id for token, id in tables.vocabulary.items()}
    tokenizer = implementation(dict(vocabulary), list(tables.merges))
    expected = [first + id for id in reference(tables).encode(text)]
    judge.exact(tokenizer.encode(text), expected, "ids")
    judge.exact(tokenizer.decode(expected), text, "text")


def test_a_character_may_be_several_tokens(implementation):
    """Bytes are joined before they are read as UTF-8: decoding token by token gives U+FFFD for each."""
    tokenizer = built(implementation, Tables())
    ids = tokenizer.encode("\U0001f600")
    judge.exact(len(ids), 4, "number of ids")
    judge.exact(tokenizer.decode(ids), "\U0001f600", "text")
    judge.exact(tokenizer.decode(ids[:3]), "\ufffd", "text")


def test_spaces_before_punctuation_stay(implementation):
    """Decoding adds and removes nothing. Source: `clean_up_tokenization_spaces` of transformers did both."""
    tokenizer, text = built(implementation, Tables()), " a , b . it 's do n't ! ? "
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text, "text")


@given(parts=st.lists(fragments() | st.just("<|endoftext|>"), max_size=4), own=st.booleans())
def test_special_text_is_ordinary_text(implementation, parts: list[str], own: bool):
    """Who writes `<|endoftext|>` into a text does not end it, even if the vocabulary has that token."""
    tables = Tables((("<", "|"),), unmerged=("<|endoftext|>",) if own else ())
    text = "".join([*parts, "<|endoftext|>"])
    judge.exact(built(implementation, tables).encode(text), reference(tables).encode(text), "ids")
