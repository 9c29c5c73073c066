"""Laws of SentencePiece's byte-pair encoding: training, and what training and encoding cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.joining import crowd
from fixtures.strategies.pieces import BARE, SPECIAL, built, table
from fixtures.strategies.renaming import SHIFTS, renamed, tied
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE


def learnt(tokenizer: Any) -> list[tuple[str, float, str]]:
    return [(text, float(score), kind) for text, score, kind in tokenizer.pieces]


def glued(tokenizer: Any) -> list[str]:
    return [text for text, _, _ in learnt(tokenizer)[3:] if len(text) > 1]


def corpora() -> st.SearchStrategy[list[str]]:
    """Lines with words that come again, several scripts, digits and ties."""
    some = ["low", "lower", "newest", "widest", "aaaaa", "abab", "\u65e5\u672c", "x" * 20, "a1b2", "1,234", "caf\u00e9"]
    some += [
        "e\u0301e\u0301",
        "\u3042\u30ab\u65e5\u30fc",
        "\u043d\u043e-no",
        "\u0661\u0661a",
        "a\tb",
        "\U0001f600\U0001f600",
    ]
    words = st.sampled_from(some) | st.text("ab", min_size=1, max_size=6)
    return st.lists(st.lists(words, min_size=2, max_size=10).map(" ".join), min_size=2, max_size=7)


@given(corpus=corpora(), size=st.integers(45, 70))
def test_learns_the_same_pieces(implementation, corpus: list[str], size: int):
    """Pieces and scores are the reference's, to the last pair and beyond."""
    judge.exact(learnt(implementation.train(corpus, size)), learnt(SentencepieceBPE.train(corpus, size)), "pieces")


def test_learns_the_same_from_real_english(implementation):
    """Pages of the Python documentation teach the reference's pieces."""
    pages = [page[:1000].strip() for page in list(topics().values())[::8]]
    judge.exact(learnt(implementation.train(pages, 400)), learnt(SentencepieceBPE.train(pages, 400)), "pieces")


def test_texts_may_come_once(implementation):
    """Any iterable of texts teaches, a generator too, from its first text to its last."""
    corpus = ["ab ab ab", "cd cd", "ef"]
    found, truth = (made.train((text for text in corpus), 15) for made in (implementation, SentencepieceBPE))
    judge.exact(learnt(found), learnt(truth), "pieces")


@pytest.mark.parametrize("options", [{"longest": 3}, {"longest": 20}, {"scripts_apart": False}], ids=str)
def test_what_a_piece_may_be_is_an_option(implementation, options: dict[str, Any]):
    """How long pieces get, and whether they are of one script, is as asked for; else all is the same."""
    corpus = ["x" * 40, "a1 a1 a1. a1. a1.", "lower lower low"]
    found, truth = (made.train(corpus, 40, **options) for made in (implementation, SentencepieceBPE))
    judge.exact(learnt(found), learnt(truth), "pieces")


TAUGHT: dict[str, tuple[list[str], int, list[str]]] = {
    "the most frequent": (["ab ab", "bc bc bc"], 1, ["bc"]),
    "overlaps count": (["aaa", "bc bc"], 1, ["aa"]),
    "the shortest of equals": (["abab cd"], 2, ["ab", "cd"]),
    "then by code points": (["xb xa"], 3, ["\u2581x", "\u2581xa", "\u2581xb"]),
    "not the first seen": (["xz ay"], 2, ["ay", "xz"]),
    "one script": (["a1 a1 a1 bc"], 3, ["\u2581a", "bc", "\u2581bc"]),
    "a mark has its letter's": (["e\u0301 e\u0301"], 1, ["e\u0301"]),
    "Japanese is one": (["\u30ab\u65e5 \u30ab\u65e5"], 2, ["\u2581\u30ab", "\u2581\u30ab\u65e5"]),
    "a tab is a mark": (["\t. \t. bc"], 2, ["\t.", "\u2581\t."]),
    "NUL is nothing": (["a\0b a\0b a\0b cc"], 1, ["\u2581a"]),
    "once": (["aaaa aaaa"], 4, ["aa", "\u2581aa", "\u2581aaaa", "\u2581a"]),
    "at most 16 characters": (["x" * 40], 9, ["x" * 2, "x" * 4, "x" * 8, "x" * 16]),
}


def teaches(what: str) -> tuple[list[str], int, list[str]]:
    corpus, number, expected = TAUGHT[what]
    return corpus, len(SPECIAL) + len({*"".join(corpus).replace("\0", " "), " "}) + number, expected


@pytest.mark.parametrize("what", TAUGHT)
def test_learns_the_most_frequent_pair(implementation, what: str):
    """The most frequent pair, of equals the shortest, then the first by code points, within one word and script."""
    corpus, size, expected = teaches(what)
    judge.exact(glued(implementation.train(corpus, size))[: len(expected)], expected, "pieces")


def test_a_corpus_with_no_pair_left_goes_on(implementation):
    """A vocabulary larger than the corpus is filled with pairs that there once were, the shortest first.

    `aba` is one: from the left, the first `ab` was glued when the second was not.
    """
    pieces = ["ab", "\u2581ab", "\u2581abab", "ba", "\u2581a", "aba", "abab"]
    judge.exact(glued(implementation.train(["abab"], 99)), pieces, "pieces")


def test_characters_come_last(implementation):
    """Special pieces, what is glued, then all characters by frequency; scores count down from 0."""
    pieces = learnt(implementation.train(["bab abc"], 9))
    judge.exact(pieces[:3], SPECIAL, "special pieces")
    judge.exact([text for text, *_ in pieces[-4:]], ["b", "a", "\u2581", "c"], "characters")
    judge.exact([score for _, score, _ in pieces[3:]], [float(-n) for n in range(len(pieces) - 3)], "scores")


@given(corpus=corpora(), data=st.data())
def test_the_order_of_texts_teaches_nothing(implementation, corpus: list[str], data):
    """A corpus is counted, so its texts may come in any order."""
    other = data.draw(st.permutations(corpus), label="permuted")
    judge.exact(learnt(implementation.train(other, 50)), learnt(implementation.train(corpus, 50)), "pieces")


@given(corpus=corpora(), size=st.integers(45, 60))
def test_more_pieces_begin_as_fewer_do(implementation, corpus: list[str], size: int):
    """Training is greedy: a larger vocabulary has the same pieces first, and cuts the corpus into no more tokens."""
    small, large = implementation.train(corpus, size), implementation.train(corpus, size + 9)
    judge.exact(glued(large)[: len(glued(small))], glued(small), "first pieces")
    few, many = (sum(len(one.encode(line)) for line in corpus) for one in (large, small))
    judge.exact(few <= many, True, f"{few} tokens at most {many}")


@pytest.mark.parametrize("shift", SHIFTS)
def test_letters_are_only_names(implementation, shift: int):
    """Pit: under other letters the same is learnt: nothing depends on hashes, which every process has its own of."""
    first, other = (learnt(implementation.train(texts, 99))[3:] for texts in (tied(), renamed(tied(), shift)))
    texts, scores, _ = zip(*first, strict=True)
    judge.exact([piece[:2] for piece in other], [*zip(renamed(texts, shift), scores, strict=True)], "pieces")


def test_counts_beyond_sixteen_bits(implementation):
    """Pit: a word occurs 70,000 times, which a number of 16 bits cannot hold; it is still the most frequent one."""
    found = [text for text, *_ in learnt(implementation.train(crowd(), 16))[3:]]
    pieces = ["cd", "\u2581cd", "ab", "\u2581ab", "ef", "\u2581ef"]
    judge.exact(found, [*pieces, "\u2581", "c", "d", "a", "b", "e", "f"], "pieces")


# Cost. What is linear takes 16 times as long for 16 times as much, what is quadratic 256 times.

MOST = 52.0


def seconds(work: Callable[[Any], Any], *inputs: Any) -> float:
    """The least for any of the inputs, on this processor. What is remembered costs nothing, so each should be another."""
    taken = []
    for what in inputs:
        begin = time.process_time()
        work(what)
        taken.append(time.process_time() - begin)
    return min(taken)


def test_a_long_word_costs_as_much_as_many_short_ones(implementation):
    """Encoding is near-linear in the length of one word, in which all neighbours might be glued."""
    own = table("a", "b", "c", ab=-1.0, ca=-2.0, abc=-3.0, abcab=-4.0, ba=-5.0)
    tokenizer = built(implementation, own, **BARE)
    short, long = (seconds(tokenizer.encode, "abcab" * n, "bcaba" * n) for n in (200, 3200))
    judge.exact(long < MOST * max(short, 1e-4), True, f"{long:.3g} s for 16,000 letters after {short:.3g} s for 1,000")


def test_training_is_near_linear_in_the_corpus(implementation):
    """Sixteen times as many different words take about sixteen times as long to learn from."""
    random = Random(0)
    words = ["".join(random.choices("abcdefgh", k=8)) for _ in range(800)]
    train = lambda texts: implementation.train(texts, 120)  # noqa: E731
    short, long = (seconds(train, *[[" ".join(words[:n])]] * 2) for n in (50, 800))
    judge.exact(long < MOST * max(short, 1e-3), True, f"{long:.3g} s for 800 words after {short:.3g} s for 50")
