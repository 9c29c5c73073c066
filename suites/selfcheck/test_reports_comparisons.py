"""Tests of two models on the same examples, held to scipy and to what they are defined to be."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import comparisons
from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, refuses, same

stats: Any = Lazy("scipy.stats")

hits = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
levels = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
scored = st.lists(st.tuples(levels, levels), min_size=1, max_size=9)

MCNEMAR = Subject(comparisons.mcnemar)
RANDOMIZATION = Subject(comparisons.randomization)
BOOTSTRAP = Subject(comparisons.paired_bootstrap)
SUBJECTS = [MCNEMAR, RANDOMIZATION, BOOTSTRAP]


@pytest.mark.filterwarnings("ignore")  # of wrong versions, where nothing varies
@pytest.mark.parametrize("subject", SUBJECTS, ids=["mcnemar", "randomization", "bootstrap"])
def test_laws_hold_and_wrong_versions_break_them(subject):
    subject.hold()
    subject.rejected()


def split(pairs):
    return tuple(map(list, zip(*pairs, strict=True)))


def discordant(pairs):
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


@MCNEMAR.law({"pairs": [(1, 1)]}, {"pairs": [(0, 1)] * 6 + [(1, 0)]}, pairs=hits)
def mcnemar_is_scipys_binomial_test_of_those_that_differ(mcnemar, pairs):
    won, lost = discordant(pairs)
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert same(mcnemar(*split(pairs)), expected) and mcnemar(*split(pairs)) == mcnemar(*reversed(split(pairs)))


@MCNEMAR.law(level=st.sampled_from([0.05, 0.05 / 45, 0.05 / 190]))
def mcnemar_is_wrong_no_more_often_than_it_says(mcnemar, level):
    """Computed, not simulated: equals that differ on up to 60 examples, down to the levels of 20 models."""
    for n in (*range(1, 40), 60):
        wrong = sum(
            math.comb(n, won) / 2**n
            for won in range(n + 1)
            if mcnemar([1] * won + [0] * (n - won), [0] * won + [1] * (n - won)) <= level
        )
        assert wrong <= level


@MCNEMAR.law()
def mcnemar_takes_0_and_1_only(mcnemar):
    assert refuses(mcnemar, [0.5], [1]) and refuses(mcnemar, [1], [math.nan]) and refuses(mcnemar, [1], [1, 0])
    assert refuses(mcnemar, [], [])


@MCNEMAR.control
def mid_p(first, second):
    won, lost = discordant(zip(first, second, strict=False))
    return min(1.0, comparisons.mcnemar(first, second) - math.comb(won + lost, won) / 2 ** (won + lost))


@MCNEMAR.control
def chi_squared(first, second):
    won, lost = discordant(zip(first, second, strict=False))
    return math.erfc(math.sqrt((won - lost) ** 2 / max(1, won + lost) / 2))


@MCNEMAR.control
def one_sided(first, second):
    won, lost = discordant(zip(first, second, strict=False))
    return float(stats.binomtest(max(won, lost), won + lost, alternative="greater").pvalue) if won + lost else 1.0


@MCNEMAR.control
def unpaired_proportions(first, second):
    table = [[sum(first), len(first) - sum(first)], [sum(second), len(second) - sum(second)]]
    return float(stats.fisher_exact(table).pvalue) if first and second and all(v in (0, 1) for v in first) else 1.0


@RANDOMIZATION.law({"pairs": [(1.0, 0.0)] * 5}, {"pairs": [(0.5, 0.5)]}, pairs=scored)
def p_is_the_share_of_all_ways_to_swap(randomization, pairs):
    """Each way, by hand; 10,000 of them at random come within 0.02."""
    differences = [a - b for a, b in pairs]
    sums = [
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(pairs))
    ]
    expected = sum(total >= abs(math.fsum(differences)) - 1e-12 for total in sums) / len(sums)
    assert abs(randomization(*split(pairs)) - expected) < 0.02


@RANDOMIZATION.law({"pairs": [(1.0, 0.25), (0.0, 0.5), (0.0, 0.7)]}, pairs=scored)
def p_is_scipys_permutation_test_of_pairs(randomization, pairs):
    def statistic(a, b, axis):
        return np.mean(a - b, axis=axis)

    pairs = pairs + [(0.5, 0.5)] * 2  # it refuses a single example
    theirs = stats.permutation_test(split(pairs), statistic, permutation_type="samples", vectorized=True)
    assert abs(randomization(*split(pairs)) - theirs.pvalue) < 0.02


@RANDOMIZATION.law({"pairs": [(1, 0)] * 7 + [(0, 1)]}, pairs=hits)
def of_hits_and_misses_it_is_mcnemars(randomization, pairs):
    assert abs(randomization(*split(pairs)) - comparisons.mcnemar(*split(pairs))) < 0.02


@RANDOMIZATION.law(pairs=scored, random=st.randoms(use_true_random=False))
def p_hangs_on_no_order_to_the_last_digit(randomization, pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    p = randomization(*split(pairs))
    assert p == randomization(*reversed(split(pairs))) == randomization(*split(shuffled))


@RANDOMIZATION.law()
def examples_of_a_cluster_swap_together(randomization):
    first, second = [1.0] * 12, [0.0] * 12
    assert randomization(first, second) < 0.01
    assert abs(randomization(first, second, list("aaabbbcccddd")) - 1 / 8) < 0.02


@RANDOMIZATION.law()
def p_is_never_0(randomization):
    """Of R resamples nothing rarer than 1 in R + 1 can be known."""
    assert randomization([1.0] * 100, [0.0] * 100) >= 1 / 10_001


@RANDOMIZATION.law()
def randomization_refuses_nonsense(randomization):
    assert refuses(randomization, [math.nan], [1.0]) and refuses(randomization, [1.0], [1.0, 2.0])
    assert refuses(randomization, [], []) and refuses(randomization, [1.0], [math.inf])


def flips(differences, reached):
    sums = np.random.default_rng(1).choice([-1.0, 1.0], size=(10_000, len(differences))) @ differences
    return float(reached(sums, differences.sum()).mean())


@RANDOMIZATION.control
def strictly_further(first, second, clusters=None):
    return flips(np.subtract(first, second), lambda sums, found: np.abs(sums) > abs(found) + 1e-9)


@RANDOMIZATION.control
def to_one_side(first, second, clusters=None):
    return flips(np.subtract(first, second), lambda sums, found: sums >= found - 1e-9)


@RANDOMIZATION.control
def of_signs_not_sizes(first, second, clusters=None):
    return comparisons.randomization(np.sign(np.subtract(first, second)).tolist(), [0.0] * len(first), clusters)


@RANDOMIZATION.control
def swaps_between_examples(first, second, clusters=None):
    both, n = np.array([*first, *second]), len(first)
    drawn = np.random.default_rng(0).permuted(np.tile(both, (2000, 1)), axis=1)
    sums = drawn[:, :n].sum(axis=1) - drawn[:, n:].sum(axis=1)
    return float((np.abs(sums) >= abs(sum(first) - sum(second)) - 1e-9).mean())


@RANDOMIZATION.control
def in_the_order_of_the_examples(first, second, clusters=None):
    return flips(np.subtract(first, second), lambda sums, found: np.abs(sums) >= abs(found) - 1e-9)


@BOOTSTRAP.law(pairs=scored)
def difference_is_that_of_the_means(bootstrap, pairs):
    first, second = split(pairs)
    found = bootstrap(first, second)
    assert same(found.value, sum(first) / len(pairs) - sum(second) / len(pairs)) and found.low <= found.high
    assert bootstrap(first, first) == comparisons.Difference(0.0, 0.0, 0.0, 1.0)


@BOOTSTRAP.law({"pairs": [(1.0, 0.0)] * 3 + [(0.0, 1.0)] * 2}, pairs=scored)
def swapped_models_swap_the_signs_and_nothing_else(bootstrap, pairs):
    first, second = split(pairs)
    one, other = bootstrap(first, second), bootstrap(second, first)
    assert (one.value, one.low, one.high, one.p) == (-other.value, -other.high, -other.low, other.p)
    assert bootstrap(*split(sorted(pairs))) == one


@BOOTSTRAP.law(
    {"pairs": [(1.0, 0.0)] * 9 + [(0.0, 1.0)] * 3 + [(0.0, 0.0)] * 8},  # p is about 0.08
    pairs=st.lists(st.tuples(levels, levels), min_size=12, max_size=40),
)
def interval_and_p_tell_the_same(bootstrap, pairs):
    found = bootstrap(*split(pairs))
    assert found.p > 0.049 or not found.low <= 0 <= found.high
    assert found.p < 0.051 or found.low <= 0 <= found.high


@BOOTSTRAP.law()
def what_both_models_find_hard_does_not_widen_the_interval(bootstrap):
    generator = np.random.default_rng(0)
    hard = generator.normal(size=300)
    found = bootstrap(hard + 0.1 + 0.1 * generator.normal(size=300), hard)
    assert 0.05 < found.low < 0.1 < found.high < 0.15 and found.p < 0.001


@BOOTSTRAP.law()
def ratios_and_clusters(bootstrap):
    first, second, sizes = [30.0, 2.0, 9.0], [10.0, 4.0, 9.0], [10.0, 1.0, 3.0]
    assert same(bootstrap(first, second, sizes).value, 18 / 14)
    alike = [1.0] * 8, [0.0] * 4 + [2.0] * 4
    assert bootstrap(*alike, clusters=list("aaaabbbb")).low == -1 < bootstrap(*alike).low
    assert refuses(bootstrap, first, second, [1.0, 0.0, 1.0]) and refuses(bootstrap, [math.nan], [0.0])


@BOOTSTRAP.control
def models_drawn_apart(first, second, denominators=None, clusters=None):
    means = [
        np.random.default_rng(seed).choice(of, size=(2000, len(of))).mean(axis=1)
        for seed, of in enumerate((first, second))
    ]
    drawn = means[0] - means[1]
    p = 2 * min((drawn <= 0).mean(), (drawn >= 0).mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return comparisons.Difference(float(np.mean(first) - np.mean(second)), float(low), float(high), min(1.0, float(p)))


@BOOTSTRAP.control
def p_to_one_side(first, second, denominators=None, clusters=None):
    found = comparisons.paired_bootstrap(first, second, denominators, clusters)
    return comparisons.Difference(found.value, found.low, found.high, found.p / 2)


@BOOTSTRAP.control
def second_minus_first(first, second, denominators=None, clusters=None):
    return comparisons.paired_bootstrap(second, first, denominators, clusters)


@BOOTSTRAP.control
def ratios_averaged(first, second, denominators=None, clusters=None):
    weights = np.ones(len(first)) if denominators is None else np.array(denominators)
    return comparisons.paired_bootstrap(np.divide(first, weights), np.divide(second, weights))


@given(pairs=hits)
def test_a_coin_is_symmetric_and_certain_at_its_middle(pairs):
    heads, tails = discordant(pairs)
    assert comparisons.coin(heads, heads + tails) == comparisons.coin(tails, heads + tails)
    assert comparisons.coin(heads, 2 * heads) == 1.0
