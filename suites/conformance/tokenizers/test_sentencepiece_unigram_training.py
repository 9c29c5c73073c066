"""Laws of SentencePiece's unigram model: what training makes. No two trainers need agree, so what follows is what any
of them owes.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.bounds import near, rounding
from fixtures.corpora.python_docs import topics
from fixtures.cuts import clear
from fixtures.strategies.joining import crowd
from fixtures.strategies.pieces import SPECIAL, Table, table, tables
from fixtures.strategies.renaming import SHIFTS, renamed, tied
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

PAGES = [page[:250] for page in list(topics().values())[::16]]
"""Beginnings of pages of the Python documentation."""


def corpora() -> st.SearchStrategy[list[str]]:
    """Lines with words that come again."""
    words = st.sampled_from(["low", "lower", "newest", "widest", "new", "slow", "est", "\u65e5\u672c", "caf\u00e9"])
    return st.lists(st.lists(words, min_size=2, max_size=12).map(" ".join), min_size=4, max_size=9)


def normal(tokenizer: Any) -> dict[str, float]:
    return {text: score for text, score, kind in tokenizer.pieces if kind == "normal"}


@pytest.mark.parametrize("size", [80, 120])
def test_has_the_size_asked_for(implementation, size: int):
    """Real text has enough to learn: the three special pieces first, as many pieces as asked for, none twice."""
    pieces = implementation.train(PAGES, size).pieces
    judge.exact([tuple(piece) for piece in pieces[:3]], SPECIAL, "special pieces")
    judge.exact(len(pieces), size, "size")
    judge.exact(len({text for text, *_ in pieces}), size, "different pieces")


@given(corpus=corpora(), size=st.integers(30, 60))
def test_every_character_is_a_piece(implementation, corpus: list[str], size: int):
    """All characters of a corpus are pieces, so that nothing in it is unknown, and all pieces occur in it."""
    tokenizer = implementation.train(corpus, size)
    letters = {*"".join(corpus).replace(" ", "▁"), "▁"}
    judge.exact(sorted(letters - normal(tokenizer).keys()), [], "characters that are no pieces")
    judge.exact([line for line in corpus if 0 in tokenizer.encode(line)], [], "lines with something unknown")
    seen = ["▁" + word for line in corpus for word in line.split()]
    judge.exact([p for p in normal(tokenizer) if not any(p in word for word in seen)], [], "pieces that never occur")


@given(corpus=corpora(), size=st.integers(30, 60))
def test_scores_are_logs_of_probabilities(implementation, corpus: list[str], size: int):
    """Scores fall along the list; those of longer pieces are of probabilities that add up to at most 1."""
    found = normal(implementation.train(corpus, size))
    scores = list(found.values())
    judge.exact(scores, sorted(scores, reverse=True), "order of scores")
    lost = rounding(8, max(10, *map(abs, scores)), "single")  # digamma is a few operations, in float32 for some
    # characters that pruning dropped come back, each 0.0001 above the last
    highest = 0.0001 * sum(len(text) == 1 for text in found) + lost
    judge.exact([score for score in scores if not -math.inf < score <= highest], [], "scores that are no logs")
    shares = [math.exp(score) for text, score in found.items() if len(text) > 1]
    judge.exact(sum(shares) <= 1 + lost, True, f"{sum(shares)} is at most 1")


@given(corpus=corpora(), size=st.integers(30, 60), text=st.text("lowerst \u65e5", max_size=30))
def test_encodes_as_its_pieces_say(implementation, corpus: list[str], size: int, text: str):
    """What was learnt encodes as the reference does with the same pieces."""
    tokenizer = implementation.train(corpus, size)
    truth = SentencepieceUnigram([tuple(piece) for piece in tokenizer.pieces])
    if not text.strip() or clear(Table(tuple(truth.pieces[3:])), text, truth):
        judge.exact(tokenizer.encode(text), truth.encode(text), "ids")


def test_more_pieces_make_fewer_tokens(implementation):
    """A larger vocabulary cuts the text that it was learnt from into fewer pieces."""
    small, large = (implementation.train(PAGES, size) for size in (80, 120))
    judge.exact(tokens_of(large) < tokens_of(small), True, f"{tokens_of(large)} less than {tokens_of(small)}")


def tokens_of(tokenizer: Any) -> int:
    return sum(len(tokenizer.encode(page)) for page in PAGES)


def test_learns_what_comes_again(implementation):
    """A word of which a corpus is full becomes a piece, with the space before it."""
    corpus = ["the quick brown fox jumps over the lazy dog"] * 3 + ["the end of the line is then the end of them"] * 9
    judge.exact("▁the" in normal(implementation.train(corpus, 60)), True, "a piece `▁the`")


def test_texts_may_come_once(implementation):
    """Any iterable of texts teaches, a generator too, from its first text to its last."""
    pieces = normal(implementation.train((text for text in ["ab ab ab", "cd cd", "ef"]), 20))
    judge.exact(sorted({*"▁abcdef"} - pieces.keys()), [], "characters that are no pieces")


def test_no_piece_crosses_a_space(implementation):
    """A space begins a piece or is one: words are learnt one by one."""
    pieces = normal(implementation.train(PAGES, 120))
    judge.exact([piece for piece in pieces if "▁" in piece[1:]], [], "pieces with a space inside")


def test_long_pieces_are_not_learnt(implementation):
    """No piece has more than 16 characters, however often it comes."""
    corpus = ["internationalization of internationalizations"] * 20 + ["a b c d e f g h"] * 2
    pieces = normal(implementation.train(corpus, 60))
    judge.exact([piece for piece in pieces if len(piece) > 16], [], "long pieces")


def test_pieces_of_sixteen_characters_are_learnt(implementation):
    """A word of 16 characters, its space among them, is learnt whole: nobody stops at 15."""
    corpus = ["abcdefghijklmno"] * 20 + ["abcdefghijklmnop"] * 20
    judge.exact(max(map(len, normal(implementation.train(corpus, 24)))), 16, "length of the longest piece")


NOTHING: dict[str, list[str]] = {"no texts": [], "blank texts": ["", "  "]}


@pytest.mark.parametrize("what", NOTHING)
def test_nothing_to_learn_from_is_rejected(implementation, what: str):
    """Of no text at all nothing is learnt: that raises."""
    judge.rejects(implementation.train, NOTHING[what], 9)


def test_learns_the_same_again(implementation):
    """Training is no matter of chance."""
    judge.exact(implementation.train(PAGES, 100).pieces, implementation.train(PAGES, 100).pieces, "pieces")


def test_a_size_below_the_alphabet_is_rejected(implementation):
    """A vocabulary that its characters do not fit into raises."""
    judge.rejects(implementation.train, ["the quick brown fox jumps over the lazy dog"] * 9, 9)


def test_the_least_size_is_that_of_the_alphabet(implementation):
    """Three special pieces, two letters and the space are six."""
    judge.exact(len(implementation.train(["ab ab"] * 9, 6).pieces), 6, "size")


def test_a_size_just_below_the_alphabet_is_rejected(implementation):
    """Where six are needed five are too few."""
    judge.rejects(implementation.train, ["ab ab"] * 9, 5)


def test_one_text_is_not_several(implementation):
    """A corpus that is one str raises: its characters are no texts."""
    judge.rejects(implementation.train, "the quick brown fox", 40)


# Expectation maximization, one step at a time


@given(own=tables(st.floats(-6, -0.25), alphabets=("ab", "abc"), byte_fallback=False), data=st.data())
def test_expected_counts_are_those_of_all_cuts(implementation, own: Table, data):
    """The E step is what trying all cuts gives: likelihood, and each piece's expected number."""
    own = with_letters(own, {*"abc▁"})
    words = data.draw(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=3), label="words")
    check_expectation(implementation, own, words)


def test_expected_counts_are_of_normal_pieces(implementation):
    """A symbol that somebody has defined is not learnt, nor is `<s>`: nothing is expected of them."""
    own = Table((*table(*"▁ab<s>").own, ("ab", -0.5, "user-defined")))
    pieces = [(text, score, "".join([*kind])) for text, score, kind in own.pieces]  # kinds are compared by value
    _, expected = implementation(pieces).expectation(["ab<s>"])
    found = {piece: number for piece, number in expected.items() if number}
    judge.exact(found, dict.fromkeys("▁ab<s>", 1.0), "expected")


def test_expected_counts_of_a_small_text(implementation):
    """Of `ab` as a piece and as two letters both are expected, each by its share; nothing is counted by the best cut."""
    check_expectation(implementation, with_letters(table(ab=-2.0, a=-1.0, b=-1.5), {"▁"}), ["ab", "aba"])


def with_letters(own: Table, letters: set[str]) -> Table:
    """A table that also has these letters."""
    missing = letters - {text for text, *_ in own.own}
    return Table((*own.own, *table(*sorted(missing)).own))


def check_expectation(implementation: Any, own: Table, words: list[str]) -> None:
    scores = {text: score for text, score, _ in own.own}
    likelihood, counts = 0.0, dict.fromkeys(scores, 0.0)
    for word in words:
        cuts = all_cuts("▁" + word, scores)
        total = sum(math.exp(score) for _, score in cuts)
        likelihood += math.log(total)
        for pieces, score in cuts:
            for piece in pieces:
                counts[piece] += math.exp(score) / total
    found, expected = implementation(own.pieces).expectation(word for word in words)
    limit = lost(words, max(map(abs, scores.values())))
    near(found, likelihood, limit, "likelihood")
    judge.exact([piece for piece in counts if piece not in expected], [], "pieces without a number")
    near(
        [expected[piece] for piece in counts], [*counts.values()], limit * max(1, *counts.values()), "expected numbers"
    )


def lost(words: list[str], largest: float) -> float:
    """What rounding may change in sums over all cuts of words with a space before them, `largest` a piece's score.

    For each edge of a lattice a score is added, the sum's exponential taken, that added to others, and a logarithm
    taken, once from the left and once from the right; the numbers are at most as large as all letters together.
    """
    edges = sum((len(word) + 1) * (len(word) + 2) // 2 for word in words)
    return rounding(8 * edges, 1 + largest * sum(len(word) + 1 for word in words))


def all_cuts(word: str, scores: dict[str, float]) -> list[tuple[list[str], float]]:
    """Every way to cut a word."""
    found: list[tuple[list[str], float]] = [([], 0.0)] if not word else []
    for end in range(1, len(word) + 1):
        if word[:end] in scores:
            more = all_cuts(word[end:], scores)
            found += [([word[:end], *rest], scores[word[:end]] + score) for rest, score in more]
    return found


@given(own=tables(st.floats(-6, -0.25), alphabets=("ab", "abc"), byte_fallback=False), corpus=corpora())
def test_likelihood_never_falls(implementation, own: Table, corpus: list[str]):
    """Each round of EM makes a corpus more probable, or as probable. Source: Dempster, Laird, Rubin 1977."""
    tokenizer = implementation(with_letters(own, {*"".join(corpus).replace(" ", "▁"), "▁"}).pieces)
    words = [word for line in corpus for word in line.split()]
    tokenizer = tokenizer.maximization(tokenizer.expectation(corpus)[1], sparse=False)  # now probabilities add up to 1
    likelihood, expected = tokenizer.expectation(corpus)
    for _ in range(2):
        tokenizer = tokenizer.maximization(expected, sparse=False)
        before, (likelihood, expected) = likelihood, tokenizer.expectation(corpus)
        limit = lost(words, abs(before) / len(words))
        judge.exact(likelihood >= before - limit, True, f"{likelihood} is no less than {before}")


@given(counts=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(0.75, 1e4), min_size=1, max_size=8))
def test_maximum_likelihood_are_shares(implementation, counts: dict[str, float]):
    """Without the prior, probabilities are shares of the expected numbers."""
    found = normal(implementation(table("a").pieces).maximization(counts, sparse=False))
    total = sum(counts.values())
    judge.exact(sorted(found), sorted(counts), "pieces")
    logs = [math.log(n / total) for n in counts.values()]
    size = abs(math.log(total)) + max(abs(math.log(n)) for n in counts.values()) + 1
    near([found[piece] for piece in counts], logs, rounding(len(counts) + 4, size), "scores")


def test_new_scores_are_for_normal_pieces(implementation):
    """Special pieces, symbols and bytes stay as they are, and before those that got scores."""
    own = Table((("a", -1.0, "".join(["nor", "mal"])), ("@", 0.0, "user-defined"), ("b", -1.0, "unused")), True)
    found = implementation(own.pieces, byte_fallback=True).maximization({"a": 2.0, "c": 2.0}, sparse=False)
    judge.exact([tuple(p) for p in found.pieces[:-2]], [p for p in own.pieces if p[0] != "a"], "other pieces")
    judge.exact([(text, kind) for text, _, kind in found.pieces[-2:]], [("a", "normal"), ("c", "normal")], "pieces")


HALVES = st.integers(1, 120).map(lambda n: n / 2)
SERIES = 511 / 67584 / 6.5**10
"""How far the asymptotic series of digamma is off that SentencePiece ends after four terms, used from 7 on: the next."""


def digamma(x: float) -> float:
    """Digamma of a multiple of 1/2, less that of 1: a sum of fractions."""
    if x % 1:
        return sum(2 / (2 * n - 1) for n in range(1, int(x) + 1)) - 2 * math.log(2)
    return sum(1 / n for n in range(1, int(x)))


@given(
    counts=st.dictionaries(
        st.text("abc", min_size=1, max_size=3), HALVES | st.sampled_from([0.0, 0.25, 0.49]), min_size=2, max_size=8
    )
)
def test_the_prior_takes_from_the_rare(implementation, counts: dict[str, float]):
    """With it, scores are differences of digamma, in the place of logarithms; what is expected below 1/2 is dropped."""
    counts = counts | {"zz": 3.0}
    found = normal(implementation(table("a").pieces).maximization(counts, sparse=True))
    kept = {piece: n for piece, n in counts.items() if n >= 0.5}
    judge.exact(sorted(found), sorted(kept), "pieces")
    total = sum(kept.values())
    right = [digamma(n) - digamma(total) for n in kept.values()]
    limit = 2 * SERIES + rounding(4 * int(total), 1 + abs(digamma(total)))
    near([found[piece] for piece in kept], right, limit, "scores")


@pytest.mark.parametrize("shift", SHIFTS)
def test_letters_are_only_names(implementation, shift: int):
    """Pit: under other letters the same is learnt: nothing depends on hashes, which every process has its own of."""
    first, other = (normal(implementation.train(texts, 100)) for texts in (tied(), renamed(tied(), shift)))
    judge.exact([*other], renamed([*first], shift), "pieces")
    limit = lost(" ".join(tied()).split(), max(map(abs, first.values())))  # sums may be taken in any order
    near([*other.values()], [*first.values()], limit, "scores")


def test_counts_beyond_sixteen_bits(implementation):
    """Pit: a word occurs 70,000 times, which a number of 16 bits cannot hold; it is still the most frequent one."""
    scores = normal(implementation.train(crowd(), 30))
    best = {letter: max(score for text, score in scores.items() if letter in text) for letter in "ace"}
    judge.exact(sorted(best, key=best.__getitem__, reverse=True), ["c", "a", "e"], "words by their best pieces")
