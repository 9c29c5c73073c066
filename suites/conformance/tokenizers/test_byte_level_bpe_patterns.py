"""Laws of byte-level byte-pair encoding: where GPT-4's and GPT-4o's words end, and those of any expression."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import excerpts, texts
from fixtures.strategies.vocabularies import Problem, Tables, glueing, problems
from reference.tokenizers.byte_level_bpe import ByteLevelBPE

PATTERNS = ("gpt4", "gpt4o")
BOTH = [
    ["it", "'s"],
    ["they", "'ll", "'ve"],
    ["a", "'b"],
    ["x", "2", "y"],
    ["123", "456", "7"],
    ["a", " ", "123", "4"],
    ["\u00b2\u00bd\u0663", "\u2167"],
    ["a", "   ", " b"],
    ["a", "\n\n", "b"],
    ["a", " \r\n \n", "  ", " b"],
    ["!?\r\n\n", "a"],
    ["(a", "."],
    ["\u00a0a"],
    ["\ta", "\t", "\tb"],
    [" (", "a"],
    ["a", " ", "\u3000b"],
]
CUTS = [
    *(("gpt4", words) for words in BOTH),
    *(("gpt4o", words) for words in BOTH if "'" not in "".join(words)),
    ("gpt4", ["IT", "'S", "alt"]),
    ("gpt4", ["fooBar"]),
    ("gpt4", ["e", "\u0301a"]),
    ("gpt4", ["!\u0301", "a"]),
    ("gpt4", ["!\n", "/b"]),
    ("gpt4o", ["it's"]),
    ("gpt4o", ["IT'S", "alt"]),
    ("gpt4o", ["foo", "Bar"]),
    ("gpt4o", ["HTMLParser"]),
    ("gpt4o", ["a", "BCd", "EF"]),
    ("gpt4o", ["e\u0301a"]),
    ("gpt4o", ["!/\n/", "a"]),
    ("gpt4o", ["\u65e5\u672cAb"]),
]


@pytest.mark.parametrize(("pattern", "words"), CUTS, ids=[f"{name} {'|'.join(words)!a}" for name, words in CUTS])
def test_cuts_words_as_gpt4_does(implementation, pattern: str, words: Sequence[str]):
    """The text is cut exactly here, whatever merges there are. Source: the expressions of tiktoken's encodings."""
    tables = glueing(list(words))
    tokenizer = implementation(dict(tables.vocabulary), list(tables.merges), pattern=pattern)
    judge.exact(tokenizer.encode("".join(words)), tables.ids(*words), "ids")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_spaces_at_the_end_after_a_line_break(implementation, pattern: str):
    """Spaces up to the last line break are one word, also where the text ends with those that follow."""
    tables = glueing(["a", " \n", "  "])
    tokenizer = implementation(dict(tables.vocabulary), list(tables.merges), pattern=pattern)
    judge.exact(tokenizer.encode("a \n  "), tables.ids("a", " \n", "  "), "ids")


@given(problem=problems(), pattern=st.sampled_from(PATTERNS))
def test_agrees_under_every_pattern(implementation, problem: Problem, pattern: str):
    """Ids are the reference's where words end otherwise than GPT-2's; the text ends in a letter."""
    vocabulary, merges = dict(problem.tables.vocabulary), list(problem.tables.merges)
    text = f"{problem.text}a"
    expected = ByteLevelBPE(vocabulary, merges, pattern).encode(text)
    judge.exact(implementation(dict(vocabulary), list(merges), pattern=pattern).encode(text), expected, "ids")


EXPRESSIONS = (r"\p{L}+", r"\s", r"a+|(?i:b)\p{N}{1,2}", r"[\s\S]")


@given(text=excerpts() | texts(4), expression=st.sampled_from(EXPRESSIONS))
def test_what_an_expression_leaves_is_a_word(implementation, text: str, expression: str):
    """Of any expression matches are words, and so is what lies between two of them: nothing is lost."""
    tables = glueing(["a", " ", "a"])
    tokenizer = implementation(dict(tables.vocabulary), list(tables.merges), pattern=expression)
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, expression).encode(text)
    judge.exact(tokenizer.encode(text), expected, "ids")
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text, "text")


@given(corpus=st.lists(excerpts() | texts(4), max_size=4), size=st.integers(256, 280), name=st.sampled_from(PATTERNS))
def test_learns_within_the_words_of_its_pattern(implementation, corpus: list[str], size: int, name: str):
    """Merges are learnt within the words that they will be used in."""
    corpus = [*corpus, "x12345 12345 12345\n\n\n\n I'LL I'LL"]
    expected = ByteLevelBPE.train(corpus, size, pattern=name)
    learnt = implementation.train(corpus, size, pattern=name)
    judge.exact([tuple(pair) for pair in learnt.merges], list(expected.merges), "merges")
    judge.exact(learnt.encode("I'LL 12345\n\n"), expected.encode("I'LL 12345\n\n"), "ids")


@cache
def english_truth(pattern: str) -> tuple[str, ByteLevelBPE, list[int]]:
    page = max(topics().values(), key=len)[:20_000]
    learnt = ByteLevelBPE.train([page], 600, pattern=pattern)
    return page, learnt, learnt.encode(page)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_agrees_on_real_english_under_every_pattern(implementation, pattern: str):
    """A page of the Python documentation, under merges that it taught."""
    page, learnt, ids = english_truth(pattern)
    tokenizer = implementation(dict(learnt.vocabulary), list(learnt.merges), pattern=pattern)
    judge.exact(tokenizer.encode(page), ids, "ids")


def test_a_word_that_is_a_token_needs_no_merges(implementation):
    """With `ignore_merges`, as Llama 3 has it, a whole word is looked up first; parts of a word are not."""
    tables = Tables((("a", "b"),), unmerged=("abc", "Ġx", "cd"))
    tokenizer = implementation(dict(tables.vocabulary), list(tables.merges), ignore_merges=True)
    judge.exact(tokenizer.encode("abc x abcd"), tables.ids("abc", " x", " ", "ab", "c", "d"), "ids")


def test_a_broken_expression_is_rejected(implementation):
    """An expression that cannot be read raises."""
    tables = Tables()
    judge.rejects(lambda: implementation(dict(tables.vocabulary), [], pattern="(a").encode("a"))
