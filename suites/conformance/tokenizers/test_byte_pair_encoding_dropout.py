"""Laws of byte-pair encoding: dropout."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.coins import as_often
from fixtures.strategies.pairs import plain, tokens_of
from fixtures.strategies.seeds import BITS

OPTIONS: list[dict[str, Any]] = [
    {},
    {"byte_fallback": True},
    {"ignore_merges": True},
    {"unknown": "?", "fuse_unknown": True},
    {"cut": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(n=st.integers(1, 40))
def test_with_all_merges_left_out_characters_stay(implementation, options: dict[str, Any], n: int):
    """At probability 1 nothing merges, whatever else is asked for; at 0 everything does."""
    encoder = plain("ab?", ("a", "b"), ("ab", "ab"))
    judge.exact(tokens_of(implementation, encoder, "ab" * n, dropout=1.0, **options), ["a", "b"] * n, "tokens")
    certain = tokens_of(implementation, encoder, "ab" * n, **options)
    judge.exact(tokens_of(implementation, encoder, "ab" * n, dropout=0.0, **options), certain, "tokens")


def repetitions(tokens: list[str], word: str) -> list[list[str]]:
    """The tokens of each of many repetitions of a word."""
    found: list[list[str]] = [[]]
    for token in tokens:
        found[-1].append(token)
        if "".join(found[-1]) == word:
            found.append([])
    return [tokens for tokens in found if tokens]


@pytest.mark.parametrize(
    ("text", "tokens", "chance"),
    [
        ("ab", ["ab"], lambda p: 1 - p),
        ("abab", ["ab", "ab"], lambda p: (1 - p * p) * (1 - p)),
        ("abab", ["a", "b", "a", "b"], lambda p: p * p),
        ("abab", ["ab", "a", "b"], lambda p: (1 - p) * p),
        ("abc", ["a", "bc"], lambda p: p * (1 - p)),
    ],
    ids=["one merge", "both of two", "none of two", "the first of two", "the worse one"],
)
def test_dropout_is_that_of_the_paper(implementation, text: str, tokens: list[str], chance: Any):
    """What was left out may be done at the next step. Frequencies within five standard errors. Source: Provilkov 2020."""
    p, words, times = 0.4, 120, 5
    encoder = plain("abc", ("a", "b"), ("b", "c"), dropout=p)
    encode, names = encoder.built(implementation).encode, {id: token for token, id in encoder.vocabulary.items()}
    texts = (encode(" ".join([text] * words)) for _ in range(times))
    found = [word for ids in texts for word in repetitions([names[id] for id in ids], text)]
    n, hits, expected = words * times, found.count(tokens), chance(p)
    bound = 5 * (expected * (1 - expected) / n) ** 0.5
    judge.exact(len(found), n, "words")
    judge.exact(abs(hits / n - expected) < bound, True, f"whether {hits} of {n} are near {expected:.4f}")


def test_one_in_two_is_one_in_two(implementation):
    """Of 20,000 words in which one merge is possible half stay apart, and not eleven in twenty."""
    words, encoder = 20_000, plain("ab", ("a", "b"), dropout=0.5)
    ids = encoder.built(implementation).encode(" ".join(["ab"] * words))
    as_often(list(ids).count(encoder.ids("ab")[0]), words, 0.5, "words that are merged")


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_dropout_is_a_probability(implementation, p: float):
    """Anything else raises."""
    judge.rejects(lambda: plain("ab", dropout=p).built(implementation).encode("ab"))


# Seeds. Two of 2 ** 200 ways to cut these words are the same by chance once in as many runs.

WORDS = " ".join(["ab"] * 200)


def cutting(implementation: Any, **options: Any) -> Any:
    """How a tokenizer encodes that leaves every second merge out."""
    return plain("ab", ("a", "b"), dropout=0.5).built(implementation, **options).encode


@pytest.mark.parametrize("options", [{}, {"seed": 7}], ids=["no seed", "a seed"])
def test_each_call_cuts_anew(implementation, options: dict[str, int]):
    """A model is to see a text in many cuts, so the next call leaves out others. Source: Provilkov et al. 2020."""
    encode = cutting(implementation, **options)
    judge.exact(encode(WORDS) == encode(WORDS), False, "the same tokens again")


def test_a_seed_repeats_the_cuts(implementation):
    """Two tokenizers of one seed cut alike, call by call."""
    first, again = (cutting(implementation, seed=7) for _ in range(2))
    judge.exact([again(WORDS) for _ in range(3)], [first(WORDS) for _ in range(3)], "ids")


@pytest.mark.parametrize("bit", BITS)
def test_every_bit_of_a_seed_counts(implementation, bit: int):
    """Pit: seeds that differ in one bit cut differently, also where that is beyond what a generator takes at once."""
    first, other = (cutting(implementation, seed=seed)(WORDS) for seed in (7, 7 ^ 1 << bit))
    judge.exact(other == first, False, "the tokens of another seed are the same")


def test_without_a_seed_nothing_repeats(implementation):
    """Pit: no seed is not the seed 0."""
    first, other = (cutting(implementation)(WORDS) for _ in range(2))
    judge.exact(other == first, False, "the tokens of another tokenizer are the same")
