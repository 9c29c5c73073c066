"""Laws of SentencePiece's unigram model: its lattice, the best cuts and samples."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.bounds import near
from fixtures.coins import as_often
from fixtures.cuts import all_cuts, clear, off
from fixtures.strategies import pieces
from fixtures.strategies.pieces import ANY, BARE, EIGHTHS, KINDS, Table, spelled, table, tables
from fixtures.strategies.seeds import BITS
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

DRAWS = 2000


def built(implementation: Any, own: Table) -> Any:
    return pieces.built(implementation, own, **BARE)


IN_ORDER = {
    "a bad way to a place and a good one": (
        table(ab=-1.0, a=-9.0, b=-9.0, c=-1.0, d=-1.0, abc=-6.0),
        "abcd",
        [(["ab", "c", "d"], -3.0), (["abc", "d"], -7.0), (["a", "b", "c", "d"], -20.0)],
    ),
    "the worst piece in the best cut": (
        table(abc=-5.0, a=-2.0, b=-2.5, c=-2.0, bc=-4.0),
        "abc",
        [(["abc"], -5.0), (["a", "bc"], -6.0), (["a", "b", "c"], -6.5)],
    ),
    "more pieces": (
        table(a=-1.0, aa=-3.0, aaa=-3.75),
        "aaa",
        [(["a", "a", "a"], -3.0), (["aaa"], -3.75)],
    ),
}


@pytest.mark.parametrize("what", IN_ORDER)
def test_the_best_cuts_of_a_small_text(implementation, what: str):
    """Cuts and scores in order, as many as asked for. Source: Nagata 1994: the best way to a place guides the search."""
    own, text, cuts = IN_ORDER[what]
    for n in range(2, len(cuts) + 1):
        found = [(list(ids), score) for ids, score in built(implementation, own).n_best(text, n)]
        judge.exact([ids for ids, _ in found], [own.ids(*cut) for cut, _ in cuts[:n]], "cuts")
        near([score for _, score in found], [score for _, score in cuts[:n]], off(own, text), "scores")


@given(own=tables(EIGHTHS, KINDS), data=st.data())
def test_lists_all_cuts(implementation, own: Table, data):
    """Asked for more cuts than there are, it lists each once, the best first."""
    text = data.draw(spelled(own, 7), label="text")
    cuts = all_cuts(own, text) if text else []
    if not text or len(cuts) > 500:
        return
    found = [(list(ids), score) for ids, score in built(implementation, own).n_best(text, len(cuts) + 1)]
    judge.exact(sorted(ids for ids, _ in found), sorted(ids for ids, _ in cuts), "cuts")
    near([s for _, s in found], sorted((s for _, s in cuts), reverse=True), off(own, text), "scores in order")


@pytest.mark.parametrize("what", IN_ORDER)
def test_the_one_best_cut(implementation, what: str):
    """Asked for one cut, it has its score as well."""
    own, text, cuts = IN_ORDER[what]
    [(ids, score)] = built(implementation, own).n_best(text, 1)
    judge.exact(list(ids), own.ids(*cuts[0][0]), "cut")
    near(score, cuts[0][1], off(own, text), "score")


@given(own=tables(ANY, alphabets=("ab", "ab▁")), n=st.integers(2, 30), data=st.data())
def test_the_best_cuts_come_first(implementation, own: Table, n: int, data):
    """The scores of n cuts are the n best of all, each the sum of its pieces."""
    text = data.draw(st.text("ab ", min_size=5, max_size=8), label="text")
    cuts = all_cuts(own, text)
    found = built(implementation, own).n_best(text, n)
    best = sorted((score for _, score in cuts), reverse=True)[:n]
    near([score for _, score in found], best, off(own, text), "best scores")
    for ids, score in found:
        own_scores = [right for cut, right in cuts if cut == list(ids)]
        judge.exact(own_scores != [], True, f"{list(ids)} is a cut")
        near(score, min(own_scores, key=lambda right: abs(right - score)), off(own, text), f"score of {list(ids)}")


@given(own=tables(ANY), data=st.data())
def test_the_first_of_the_best_is_the_encoding(implementation, own: Table, data):
    """Where the two best cuts differ clearly the first is what `encode` finds."""
    text = data.draw(spelled(own, 12).filter(bool), label="text")
    tokenizer = built(implementation, own)
    if clear(own, text, SentencepieceUnigram(own.pieces, own.byte_fallback, **BARE)):
        judge.exact(list(tokenizer.n_best(text, 2)[0][0]), tokenizer.encode(text), "ids")


def test_no_cuts_are_no_list(implementation):
    """Asking for no cut at all raises."""
    judge.rejects(built(implementation, table("a")).n_best, "a", 0)


LATTICES = {
    "letters and pairs": (table(a=-1.0, b=-1.5, ab=-2.0, ba=-2.75), "abab"),
    "an unknown letter": (table(a=-1.0, xa=-11.5, ax=-12.0), "axa"),
    "bytes": (table(a=-1.0, xa=-11.0, byte_fallback=True), "axaa"),
    "spaces": (Table((*table("▁", "a").own, ("▁a", -1.5, "normal"), ("a▁", -2.25, "normal"))), "a a a"),
    "a symbol": (Table((*table(a=-0.5, b=-0.25).own, ("ab", 0.0, "user-defined"))), "abab"),
    "an unused piece": (Table((*table(a=-0.5, b=-0.25, ab=-1.0).own, ("aba", -0.125, "unused"))), "abab"),
}


@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("what", LATTICES)
def test_samples_as_often_as_probable(implementation, what: str, alpha: float):
    """Each cut is drawn as often as its share of exp(alpha score) says, of which all are known by trying all.

    By Chernoff's bound a right sampler fails once in a million million draws.
    """
    samples_fit(implementation, what, alpha)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("what", ["letters and pairs", "spaces"])
def test_samples_with_any_alpha(implementation, what: str, alpha: float):
    """Alpha may be 0, where all cuts are equally probable, or above 1, where the best are more so than they are."""
    samples_fit(implementation, what, alpha)


def samples_fit(implementation: Any, what: str, alpha: float) -> None:
    own, text = LATTICES[what]
    cuts = all_cuts(own, text)
    weights = [math.exp(alpha * score) for _, score in cuts]
    share: dict[tuple[int, ...], float] = {}
    for (cut, _), weight in zip(cuts, weights, strict=True):
        share[tuple(cut)] = share.get(tuple(cut), 0.0) + weight / sum(weights)
    drawn = Counter(tuple(ids) for ids in built(implementation, own).sample(text, alpha=alpha, times=DRAWS, seed=1))
    judge.exact([ids for ids in drawn if ids not in share], [], "samples that are no cuts")
    for ids, right in share.items():
        as_often(drawn[ids], DRAWS, right, f"{ids}")


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_samples_of_very_many_cuts(implementation, alpha: float):
    """Of the 2.5 million million cuts of 60 letters, pairs are as frequent as their share of exp(alpha score) says."""
    pairs_fit(implementation, 60, alpha)


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_samples_of_hundreds_of_cuts(implementation, alpha: float):
    """Of the 610 cuts of 14 letters too: the best ones do not stand for all. Source: Kudo 2018 draws from the best 64."""
    pairs_fit(implementation, 14, alpha)


def pairs_fit(implementation: Any, letters: int, alpha: float) -> None:
    own = table(a=-1.0, aa=-4.0)
    most = letters // 2
    weights = [math.comb(letters - n, n) * math.exp(alpha * -2 * n) for n in range(most + 1)]
    samples = built(implementation, own).sample("a" * letters, alpha=alpha, times=DRAWS, seed=1)
    pair, lengths = own.ids("aa")[0], dict(zip(own.ids("a", "aa"), (1, 2), strict=True))
    judge.exact({sum(lengths.get(id, 0) for id in ids) for ids in samples}, {letters}, "letters in a sample")
    drawn = Counter(list(ids).count(pair) for ids in samples)
    for least in range(1, most + 1):
        hits, right = sum(drawn[n] for n in range(least, most + 1)), sum(weights[least:]) / sum(weights)
        as_often(hits, DRAWS, right, f"{least} pairs or more")


@given(own=tables(ANY), data=st.data())
def test_much_alpha_leaves_the_best(implementation, own: Table, data):
    """The larger alpha, the more certain the best cut."""
    text = data.draw(spelled(own, 8).filter(bool), label="text")
    scores = sorted((score for _, score in all_cuts(own, text)), reverse=True)
    if len(scores) == 1 or scores[0] - scores[1] > 0.25:
        tokenizer = built(implementation, own)
        samples = tokenizer.sample(text, alpha=500.0, times=3, seed=3)
        judge.exact([list(ids) for ids in samples], [tokenizer.encode(text)] * 3, "samples")


def test_a_seed_repeats_the_samples(implementation):
    """The same seed draws the same, another seed other cuts."""
    own, text = LATTICES["letters and pairs"]
    tokenizer = built(implementation, own)
    first, again, other = (tokenizer.sample(text, alpha=0.2, times=50, seed=seed) for seed in (7, 7, 8))
    judge.exact(again, first, "samples")
    judge.exact(other == first, False, "the samples of another seed are the same")


@pytest.mark.parametrize("bit", BITS)
def test_every_bit_of_a_seed_counts(implementation, bit: int):
    """Pit: seeds that differ in one bit have no sample in common, also where that is beyond 32 bits.

    Of the 2.5 million million cuts of 60 letters all are equally probable.
    """
    tokenizer, text = built(implementation, table(a=-1.0, aa=-2.0)), "a" * 60
    first, other = (
        {tuple(ids) for ids in tokenizer.sample(text, alpha=0.01, times=20, seed=seed)} for seed in (7, 7 ^ 1 << bit)
    )
    judge.exact(first & other, set(), "samples that two seeds have in common")


@given(own=tables(ANY), seed=st.integers(0, 99), data=st.data())
def test_samples_decode_to_the_text(implementation, own: Table, seed: int, data):
    """However a text is cut, what the pieces spell is the text."""
    own = Table((("▁", -2.0, "normal"), *(piece for piece in own.own if piece[0] != "▁")), True)
    text = data.draw(spelled(own), label="text")
    tokenizer = built(implementation, own)
    for ids in tokenizer.sample(text, alpha=0.1, times=5, seed=seed):
        judge.exact(tokenizer.decode(ids), text, "text")
