"""Laws of byte-pair encoding: training."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.joining import crowd, unexplained
from fixtures.strategies.pairs import corpora
from fixtures.strategies.renaming import SHIFTS, renamed, tied
from fixtures.strategies.texts import long_words
from fixtures.strategies.wordpieces import lonely_words
from reference.tokenizers.byte_pair_encoding import BytePairEncoding

MARKS = st.sampled_from([{"continuing": "##"}, {"end_of_word": "</w>"}, {"continuing": "@", "end_of_word": "~"}])


def tables_of(tokenizer: Any) -> tuple[list[tuple[str, str]], dict[str, int]]:
    return [tuple(pair) for pair in tokenizer.merges], dict(tokenizer.vocabulary)


def check(implementation, corpus: list[str], size: int, **options: Any) -> None:
    """Merges and vocabulary are the reference's."""
    found, truth = (tables_of(made.train(corpus, size, **options)) for made in (implementation, BytePairEncoding))
    judge.exact(found, truth, "tables")


@given(corpus=corpora(), size=st.integers(0, 120), minimum=st.integers(0, 3))
def test_learns_the_same_merges(implementation, corpus: list[str], size: int, minimum: int):
    """Merges and ids are the reference's: most frequent pair, then smallest ids, down to the least frequency."""
    check(implementation, corpus, size, minimum=minimum)


@given(corpus=st.lists(st.text("ab c", max_size=30), max_size=5), size=st.integers(0, 40))
def test_learns_the_same_merges_in_ties(implementation, corpus: list[str], size: int):
    """Of equally frequent pairs the smallest left id wins, then the smallest right; `aaa` has two pairs."""
    check(implementation, corpus, size)


def test_learns_the_same_from_real_english(implementation):
    """Pages of the Python documentation teach the reference's merges."""
    judge.exact(tables_of(implementation.train(pages(), 250)), learnt_from_pages(), "tables")


def pages() -> list[str]:
    return list(topics().values())[::20]


@cache
def learnt_from_pages() -> tuple[list[tuple[str, str]], dict[str, int]]:
    return tables_of(BytePairEncoding.train(pages(), 250))


@given(word=long_words(257, 400), size=st.integers(5, 30), marks=MARKS | st.just({}))
def test_learns_the_same_from_long_words(implementation, word: str, size: int, marks: dict[str, str]):
    """No word is too long to learn from, with marks or without."""
    check(implementation, [word], size, **marks)


@given(word=lonely_words(), size=st.integers(0, 60), marks=MARKS)
def test_learns_the_same_marks_from_one_word(implementation, word: str, size: int, marks: dict[str, str]):
    """Marked characters follow the plain ones, in the order of the word."""
    check(implementation, [word], size, **marks)


def test_texts_may_come_once(implementation):
    """Any iterable of texts teaches, a generator too, from its first text to its last."""
    corpus = ["ab ab ab", "cd cd", "ef"]
    found, truth = (made.train((text for text in corpus), 9) for made in (implementation, BytePairEncoding))
    judge.exact(tables_of(found), tables_of(truth), "tables")


@pytest.mark.parametrize(
    "options",
    [{"steps": ("lowercase",)}, {"steps": (("replace", "b", "a"),)}, {"cut": False}, {"cut": "bert"}],
    ids=str,
)
def test_learns_from_texts_as_they_are_read(implementation, options: dict[str, Any]):
    """What is done to a text before it is encoded, and how it is cut, is done before it is learnt from."""
    check(implementation, ["AB ab.aB Ab ab", "b.a, ab. ab.AB"], 20, **options)


@given(corpus=corpora(), size=st.integers(0, 60))
def test_special_tokens_come_first(implementation, corpus: list[str], size: int):
    """They have the first ids, and are no characters of the corpus."""
    check(implementation, corpus, size, special=("<s>", "a", "<unk>"), unknown="<unk>")


@given(corpus=corpora(), size=st.integers(0, 120), marks=MARKS)
def test_marked_characters_merge_by_frequency(implementation, corpus: list[str], size: int, marks: dict[str, str]):
    """Where marks are learnt, however their ids are ordered, each token joins a pair that no other outnumbers."""
    vocabulary = dict(implementation.train(corpus, size, **marks).vocabulary)
    found = sorted(vocabulary, key=vocabulary.__getitem__)
    judge.exact([vocabulary[token] for token in found], list(range(len(found))), "ids")
    before, behind = marks.get("continuing", ""), marks.get("end_of_word", "")
    words = Counter(word for text in corpus for word in regex.findall(r"\S+", text))
    parts: Counter[tuple[str, ...]] = Counter()
    for word, n in words.items():
        parts[tuple(before * (i > 0) + c + behind * (i == len(word) - 1) for i, c in enumerate(word))] += n
    base = {c for word in words for c in word} | {part for word in parts for part in word}
    judge.exact(set(found[: len(base)]), base, "characters")

    def join(left: str, right: str) -> str:
        return left + right.removeprefix(before)

    odd = unexplained(parts, base, found[len(base) :], join, len(found) < size)
    judge.exact(odd, None, "first token that no most frequent pair makes")


@given(corpus=corpora(), size=st.integers(20, 90), marks=MARKS)
def test_training_can_be_repeated(implementation, corpus: list[str], size: int, marks: dict[str, str]):
    """The same corpus, with an alphabet after it, teaches the same."""
    corpus = [*corpus, "the quick brown fox jumps over a lazy dog sphinx of black quartz judge my vow"]
    first, second = (tables_of(implementation.train(corpus, size, **marks)) for _ in range(2))
    judge.exact(first, second, "tables")


@given(corpus=corpora(), size=st.integers(0, 50), more=st.integers(1, 20))
def test_a_smaller_vocabulary_is_a_beginning(implementation, corpus: list[str], size: int, more: int):
    """Training longer adds merges after those of a shorter training."""
    short, long = (tables_of(implementation.train(corpus, n))[0] for n in (size, size + more))
    judge.exact(long[: len(short)], short, "merges")


@given(corpus=corpora(), data=st.data())
def test_the_order_of_texts_teaches_nothing(implementation, corpus: list[str], data):
    """Without marks a corpus is counted, so its texts may come in any order."""
    other = data.draw(st.permutations(corpus), label="permuted")
    judge.exact(tables_of(implementation.train(other, 60)), tables_of(implementation.train(corpus, 60)), "tables")


@given(corpus=corpora())
def test_more_merges_never_lengthen_what_was_learnt_from(implementation, corpus: list[str]):
    """Every merge shortens the corpus by at least the one occurrence that it was counted for."""
    lengths = [
        sum(len(made.encode(text)) for text in corpus)
        for made in (implementation.train(corpus, n) for n in (0, 40, 80))
    ]
    judge.exact(lengths, sorted(lengths, reverse=True), "tokens of the corpus")


@pytest.mark.parametrize(
    ("text", "ties", "merges"),
    [
        ("ab cd", "tokenizers", ["a b"]),
        ("ab cd", "subword-nmt", ["c d"]),
        ("ab abc abc ad ad", "tokenizers", ["a b", "a d"]),
        ("ab abc abc ad ad", "subword-nmt", ["a b", "ab c"]),
        ("a\0 a\0d a\0d ac ac", "subword-nmt", ["a \0", "a\0 d"]),
    ],
)
def test_ties_are_an_option(implementation, text: str, ties: str, merges: list[str]):
    """Of equally frequent pairs the one with the smallest ids, or the last in the alphabet. Source: learn_bpe.py."""
    found, _ = tables_of(implementation.train([text], 4 + len(merges), ties=ties))
    judge.exact([" ".join(pair) for pair in found], merges, "merges")


@pytest.mark.parametrize("ties", ["tokenizers", "subword-nmt"])
@pytest.mark.parametrize(("minimum", "merges"), [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)])
def test_the_least_frequency_ends_training(implementation, ties: str, minimum: int, merges: int):
    """Pairs that occur less often are not learnt, whatever decides ties."""
    found, _ = tables_of(implementation.train(["ab ab ab cd cd ef"], 20, minimum=minimum, ties=ties))
    judge.exact(found, [("a", "b"), ("c", "d"), ("e", "f")][:merges], "merges")


@given(corpus=corpora(), size=st.integers(0, 120), minimum=st.integers(0, 3), marks=MARKS)
def test_the_last_of_the_alphabet_wins(
    implementation, corpus: list[str], size: int, minimum: int, marks: dict[str, str]
):
    """With the ties of subword-nmt ids have no part in training, so it is the same for everybody, marks and all."""
    check(implementation, corpus, size, minimum=minimum, ties="subword-nmt", **marks)


def test_ties_of_another_name_are_rejected(implementation):
    """A rule that nobody knows raises."""
    judge.rejects(implementation.train, ["ab"], 9, ties="any")


@pytest.mark.parametrize("mark", ["", "##"], ids=["plain", "marked"])
@pytest.mark.parametrize("shift", SHIFTS)
def test_letters_are_only_names(implementation, shift: int, mark: str):
    """Pit: under other letters the same is learnt: nothing depends on hashes, which every process has its own of."""
    marks = {"continuing": mark} if mark else {}
    made = [implementation.train(texts, 99, **marks) for texts in (tied(), renamed(tied(), shift))]
    first, other = ((merges, sorted(ids, key=ids.__getitem__)) for merges, ids in map(tables_of, made))
    judge.exact(other, renamed(first, shift), "merges, and tokens by their ids")


def test_counts_beyond_sixteen_bits(implementation):
    """Pit: a word occurs 70,000 times, which a number of 16 bits cannot hold; it is still the most frequent one."""
    judge.exact(tables_of(implementation.train(crowd(), 9))[0], [("c", "d"), ("a", "b"), ("e", "f")], "merges")


def test_one_text_is_no_corpus(implementation):
    """A str in place of several texts raises, or its letters would be texts."""
    judge.rejects(implementation.train, "abab", 9)
