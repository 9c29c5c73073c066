"""Laws of WordPiece: training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.joining import crowd, unexplained
from fixtures.strategies.renaming import SHIFTS, renamed, tied
from fixtures.strategies.wordpieces import corpora, lonely_words, words_of
from reference.tokenizers.wordpiece import SPECIAL, WordPiece


def learnt(implementation: Any, corpus: Iterable[str], size: int, **options: Any) -> list[str]:
    """The tokens in the order of their ids, which are to be 0, 1, 2, ..."""
    vocabulary = dict(implementation.train(corpus, size, **options).vocabulary)
    judge.exact(sorted(vocabulary.values()), list(range(len(vocabulary))), "ids")
    return sorted(vocabulary, key=vocabulary.__getitem__)


def check(corpus: list[str], found: list[str], size: int, minimum: int = 0) -> None:
    """Hold tokens in the order of learning to what pairs of neighbours in the corpus say."""
    words = words_of(corpus)
    letters = sorted({c for word in words for c in word})
    inside = {f"##{c}" for word in words for c in word[1:]}
    base = 5 + len(letters) + len(inside)
    judge.exact(found[: base - len(inside)], [*SPECIAL, *letters], "special tokens and letters")
    judge.exact(sorted(found[base - len(inside) : base]), sorted(inside), "letters within a word")
    judge.exact(len(found) <= max(size, base), True, "whether the size is kept")
    parts = {(word[0], *(f"##{c}" for c in word[1:])): n for word, n in words.items()}

    def join(left: str, right: str) -> str:
        return left + right.removeprefix("##")

    odd = unexplained(parts, set(found[:base]), found[base:], join, len(found) < size, minimum)
    judge.exact(odd, None, "first token that no most frequent pair makes")


@given(corpus=corpora(), size=st.integers(5, 90), minimum=st.integers(0, 3))
def test_learns_the_most_frequent_pairs(implementation, corpus: list[str], size: int, minimum: int):
    """Each token joins a pair that no other outnumbers at its turn; training ends at the size or for want of pairs."""
    check(corpus, learnt(implementation, corpus, size, minimum=minimum), size, minimum)


@given(word=lonely_words(), size=st.integers(5, 60))
def test_learns_the_same_from_one_word(implementation, word: str, size: int):
    """Where words have no order, ids and ties are the reference's: smallest left id first, then smallest right id."""
    judge.exact(learnt(implementation, [word], size), learnt(WordPiece, [word], size), "tokens")


@given(corpus=corpora(), size=st.integers(40, 90))
def test_training_can_be_repeated(implementation, corpus: list[str], size: int):
    """The same corpus, with an alphabet after it, teaches the same tokens in the same order."""
    corpus = [*corpus, "the quick brown fox jumps over a lazy dog"]
    judge.exact(learnt(implementation, corpus, size), learnt(implementation, corpus, size), "tokens")


@given(corpus=corpora())
def test_what_was_learnt_from_is_known(implementation, corpus: list[str]):
    """No word of the corpus is unknown: its letters are tokens, with the prefix where they stand within."""
    made = implementation.train(corpus, 60)
    judge.exact([made.encode(text).count(1) for text in corpus], [0] * len(corpus), "unknown words")


def test_texts_may_come_once(implementation):
    """Any iterable of texts teaches, a generator too, from its first text to its last."""
    found = learnt(implementation, (text for text in ["ab ab ab", "cd cd", "ef"]), 17)
    judge.exact(found[-3:], ["ab", "cd", "ef"], "tokens")


def test_learns_from_real_english(implementation):
    """Pages of the Python documentation: each token joins a most frequent pair."""
    corpus = list(topics().values())[::30]
    check(corpus, learnt(implementation, corpus, 200), 200)


@pytest.mark.parametrize(
    ("lowercase", "expected"),
    [(True, ["a", "##b", "ab", "b"]), (False, ["A", "B", "a", "b", "##B", "##b", "AB", "ab"])],
)
def test_learns_from_normalized_text(implementation, lowercase: bool, expected: list[str]):
    """What is folded when it is encoded is folded when it is learnt from."""
    found = learnt(implementation, ["AB ab"], 60, lowercase=lowercase)
    judge.exact(sorted(found[5:]), sorted(expected), "tokens")


def test_special_tokens_are_an_option(implementation):
    """They come first, in the order given, and once."""
    found = learnt(implementation, ["ab"], 60, special=("<s>", "[UNK]", "a"))
    judge.exact(found, ["<s>", "[UNK]", "a", "b", "##b", "ab"], "tokens")


@pytest.mark.parametrize("shift", SHIFTS)
def test_letters_are_only_names(implementation, shift: int):
    """Pit: under other letters the same is learnt: nothing depends on hashes, which every process has its own of."""
    first, other = (learnt(implementation, texts, 99) for texts in (tied(), renamed(tied(), shift)))
    judge.exact(other, renamed(first, shift), "tokens")


def test_counts_beyond_sixteen_bits(implementation):
    """Pit: a word occurs 70,000 times, which a number of 16 bits cannot hold; it is still the most frequent one."""
    judge.exact(learnt(implementation, crowd(), 17)[-3:], ["cd", "ab", "ef"], "tokens")
