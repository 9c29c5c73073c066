"""Laws of byte-level byte-pair encoding: what training makes of a corpus."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.joining import crowd
from fixtures.strategies.renaming import SHIFTS, renamed, tied
from fixtures.strategies.texts import excerpts, long_words, texts
from fixtures.strategies.vocabularies import Merge
from reference.tokenizers.byte_level_bpe import ByteLevelBPE


def tables_of(tokenizer: Any) -> tuple[list[Merge], dict[str, int]]:
    return [tuple(pair) for pair in tokenizer.merges], dict(tokenizer.vocabulary)


@given(corpus=st.lists(texts(), max_size=5), size=st.integers(256, 300))
def test_learns_the_same_merges(implementation, corpus: list[str], size: int):
    """Merges and ids learnt from a corpus are the reference's."""
    judge.exact(tables_of(implementation.train(corpus, size)), tables_of(ByteLevelBPE.train(corpus, size)), "tables")


@given(corpus=st.lists(st.text("ab c\u00e9", max_size=30), max_size=5), size=st.integers(256, 300))
def test_learns_the_same_merges_in_ties(implementation, corpus: list[str], size: int):
    """Of equally frequent pairs the smallest left id wins, then the smallest right; `aaa` has two pairs."""
    judge.exact(tables_of(implementation.train(corpus, size)), tables_of(ByteLevelBPE.train(corpus, size)), "tables")


def test_learns_the_same_from_real_english(implementation):
    """Pages of the Python documentation teach the reference's merges."""
    corpus = list(topics().values())[::4]
    judge.exact(tables_of(implementation.train(corpus, 400)), tables_of(ByteLevelBPE.train(corpus, 400)), "tables")


@given(word=long_words(257, 400), size=st.integers(260, 290))
def test_learns_the_same_from_long_words(implementation, word: str, size: int):
    """No word is too long to learn from."""
    judge.exact(tables_of(implementation.train([word], size)), tables_of(ByteLevelBPE.train([word], size)), "tables")


def test_texts_may_come_once(implementation):
    """Any iterable of texts teaches, a generator too, from its first text to its last."""
    corpus = ["ab ab ab", "cd cd", "ef"]
    found, truth = (made.train((text for text in corpus), 263) for made in (implementation, ByteLevelBPE))
    judge.exact(tables_of(found), tables_of(truth), "tables")


@given(corpus=st.lists(excerpts(), min_size=1, max_size=5), size=st.integers(256, 280), more=st.integers(1, 20))
def test_a_smaller_vocabulary_is_a_beginning(implementation, corpus: list[str], size: int, more: int):
    """Training longer adds merges after those of a shorter training."""
    short, long = (list(implementation.train(corpus, n).merges) for n in (size, size + more))
    judge.exact(long[: len(short)], short, "merges")


@given(corpus=st.lists(texts(), min_size=2, max_size=5), data=st.data())
def test_the_order_of_texts_teaches_nothing(implementation, corpus: list[str], data):
    """A corpus is counted, so its texts may come in any order."""
    other = data.draw(st.permutations(corpus), label="permuted")
    judge.exact(tables_of(implementation.train(other, 290)), tables_of(implementation.train(corpus, 290)), "tables")


def test_training_ends_when_no_pair_is_left(implementation):
    """A corpus of one word teaches no more than that word."""
    merges = [("a", "b"), ("ab", "c")]
    judge.exact([tuple(pair) for pair in implementation.train(["abc"], 1000).merges], merges, "merges")


@pytest.mark.parametrize("shift", SHIFTS)
def test_letters_are_only_names(implementation, shift: int):
    """Pit: under other letters the same is learnt: nothing depends on hashes, which every process has its own of."""
    first, other = (list(implementation.train(texts, 330).merges) for texts in (tied(), renamed(tied(), shift)))
    judge.exact([tuple(pair) for pair in other], [renamed(tuple(pair), shift) for pair in first], "merges")


def test_counts_beyond_sixteen_bits(implementation):
    """Pit: a word occurs 70,000 times, which a number of 16 bits cannot hold; it is still the most frequent one."""
    found, _ = tables_of(implementation.train(crowd("\n"), 259))
    judge.exact(found, [("c", "d"), ("a", "b"), ("e", "f")], "merges")
