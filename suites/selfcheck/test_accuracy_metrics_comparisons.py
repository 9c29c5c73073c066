"""Paired comparisons are wrong no more often than they say, find what is there, and depend on no order."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.accuracy.lazy import Lazy
from suites.accuracy.metrics import comparisons
from suites.selfcheck.accuracy_laws import Subject, refuses, same

stats: Any = Lazy("scipy.stats")

hits = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
levels = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
scored = st.lists(st.tuples(levels, levels), min_size=1, max_size=9)
p_values = st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.012, 0.02, 0.04, 0.5, 1.0]), max_size=6)

MCNEMAR = Subject(comparisons.mcnemar)
RANDOMIZATION = Subject(comparisons.randomization)
BOOTSTRAP = Subject(comparisons.paired_bootstrap)
HOLM = Subject(comparisons.holm)
RANKS = Subject(comparisons.shared_ranks_paired)
SUBJECTS = [MCNEMAR, RANDOMIZATION, BOOTSTRAP, HOLM, RANKS]


@pytest.mark.filterwarnings("ignore")  # of wrong versions, where nothing varies
@pytest.mark.parametrize("subject", SUBJECTS, ids=["mcnemar", "randomization", "bootstrap", "holm", "ranks"])
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


@HOLM.law({"p": [0.01, 0.04, 0.03, 0.005]}, p=p_values)
def holm_is_the_closure_of_bonferroni(holm, p):
    """p of one comparison: the largest, over all sets of comparisons that it is in, of their number times the least."""
    found = holm(p)
    assert len(found) == len(p)
    for index in range(len(p)):
        others = [o for o in range(len(p)) if o != index]
        sets = [(index, *chosen) for size in range(len(p)) for chosen in itertools.combinations(others, size)]
        assert same(found[index], min(1.0, max(len(of) * min(p[i] for i in of) for of in sets)))


@HOLM.law(p=p_values)
def holm_steps_down(holm, p):
    """At any level it rejects from the smallest p upward, until the first that is above level / comparisons left."""
    found = holm(p)
    for level in (0.011, 0.05, 0.21):
        rejected = set()
        for k, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[index] > level / (len(p) - k) + 1e-12:
                break
            rejected.add(index)
        assert rejected == {index for index, adjusted in enumerate(found) if adjusted <= level + 1e-12}


@HOLM.law()
def holm_refuses_what_is_no_probability(holm):
    assert refuses(holm, [1.5]) and refuses(holm, [math.nan]) and refuses(holm, [-0.1])


def test_holm_is_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed: optional")
    p = [0.01, 0.04, 0.03, 0.005, 0.5]
    assert comparisons.holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


@HOLM.control
def bonferroni(p):
    return [min(1.0, len(p) * value) for value in p]


@HOLM.control
def none_at_all(p):
    return list(p)


@HOLM.control
def benjamini_hochberg(p):
    return list(stats.false_discovery_control(p)) if p and all(0 <= value <= 1 for value in p) else []


@HOLM.control
def not_monotone(p):
    return [min(1.0, (len(p) - sorted(p).index(value)) * value) for value in p]


@HOLM.control
def one_comparison_too_few(p):
    return [min(1.0, value * max(1, len(p) - 1) / max(1, len(p))) for value in comparisons.holm(p)]


boards = st.integers(1, 4).flatmap(
    lambda models: st.lists(st.lists(levels, min_size=models, max_size=models), min_size=1, max_size=12)
)


def named(rows, order=None):
    """Scores of models "m0", "m1", ... in any order of models; rows are examples."""
    return {f"m{index}": [row[index] for row in rows] for index in order or range(len(rows[0]))}


STEPS = [[1.0, 1.0, 0.0]] * 12 + [[1.0, 0.0, 0.0]] * 5 + [[0.0, 1.0, 0.0]] * 1 + [[0.0, 0.0, 1.0]] * 1


@RANKS.law({"rows": [[1.0, 0.0, 0.0]] * 30}, {"rows": STEPS}, rows=boards)
def ranks_say_what_the_tests_say(ranks, rows):
    for scores in (named(rows), named([*rows, *rows, *rows])):
        found, p = ranks(scores), comparisons.pairwise(scores)
        means = {model: math.fsum(values) for model, values in scores.items()}
        for one, other in itertools.permutations(scores, 2):
            assert p[frozenset((one, other))] <= 0.05 or found[one] == found[other]
            assert means[one] <= means[other] or found[one] <= found[other]
        for model, rank in found.items():
            assert rank == 1 + sum(other < rank for other in found.values())
            above = [other for other in scores if means[other] > means[model]]
            beside = [other for other in scores if other not in above]
            split = bool(above) and all(p[frozenset(both)] <= 0.05 for both in itertools.product(above, beside))
            assert not split or rank == len(above) + 1


@RANKS.law(rows=boards, random=st.randoms(use_true_random=False))
def order_of_models_and_of_examples_does_not_matter(ranks, rows, random):
    shuffled = random.sample(rows, len(rows))
    order = random.sample(range(len(rows[0])), len(rows[0]))
    assert ranks(named(rows)) == ranks(named(shuffled, order))


@RANKS.law(rows=boards)
def equal_models_share_a_rank(ranks, rows):
    found = ranks(named([[*row, row[0]] for row in rows]))
    assert found["m0"] == found[f"m{len(rows[0])}"]


@RANKS.law()
def ranks_by_hand(ranks):
    clear = {"a": [1.0] * 40, "b": [1.0] * 20 + [0.0] * 20, "c": [0.0] * 40}
    assert ranks(clear) == {"a": 1, "b": 2, "c": 3}
    assert ranks(clear, better="lower") == {"a": 3, "b": 2, "c": 1}
    assert ranks({**clear, "d": [1.0] * 39 + [0.0]}) == {"a": 1, "d": 1, "b": 3, "c": 4}
    assert ranks({"alone": [1.0]}) == {"alone": 1} and ranks({}) == {}
    words = [index // 10 for index in range(40)]
    assert ranks(clear, clusters=words) == {"a": 1, "b": 1, "c": 1}, "four sentences tell nothing apart"


@RANKS.law()
def where_a_is_told_from_c_but_neither_from_b_all_share_a_rank(ranks):
    scores = named(STEPS)
    p = comparisons.pairwise(scores)
    assert p[frozenset(("m0", "m2"))] <= 0.05 < min(p[frozenset(("m0", "m1"))], 1)
    chain = {"a": [1.0] * 16 + [0.0] * 4, "b": [1.0] * 12 + [0.0] * 8, "c": [1.0] * 8 + [0.0] * 12}
    told = comparisons.pairwise(chain)
    assert [told[frozenset(pair)] <= 0.05 for pair in ("ab", "bc", "ac")] == [False, False, True]
    assert ranks(chain) == {"a": 1, "b": 1, "c": 1}


@RANKS.law()
def many_models_do_not_swallow_every_difference(ranks):
    """595 comparisons: with 10,000 resamples no p after Holm would be below 0.059."""
    scores = {f"m{index:02d}": [index + 0.5] * 20 for index in range(35)}
    assert ranks(scores, better="lower") == {model: place for place, model in enumerate(scores, start=1)}


@RANKS.law()
def ranks_refuse_nonsense(ranks):
    assert refuses(ranks, {"a": [1.0], "b": [math.nan]}) and refuses(ranks, {"a": [1.0], "b": [1.0, 0.0]})
    assert refuses(ranks, {"a": [math.nan]}) and refuses(ranks, {"a": [1.0], "b": [0.0]}, better="up")


def other_ranks(scores, better, clusters, p, *, chain=True):
    sign = -1 if better == "higher" else 1
    order = sorted(scores, key=lambda model: sign * sum(scores[model]))
    found: dict[str, int] = {}
    for place, model in enumerate(order):
        told = [p[frozenset((other, model))] <= 0.05 for other in order[:place]]
        before = told if chain else told[-1:]
        found[model] = place + 1 if all(before) else found[order[place - 1]]
    return found


@RANKS.control
def by_the_mean_alone(scores, better="higher", clusters=None):
    order = sorted(scores, key=lambda model: sum(scores[model]), reverse=better == "higher")
    return {model: order.index(model) + 1 for model in order}


@RANKS.control
def one_more_than_those_who_are_told_to_be_better(scores, better="higher", clusters=None):
    p, sign = comparisons.pairwise(scores, clusters), 1 if better == "higher" else -1
    return {
        model: 1
        + sum(p[frozenset((o, model))] <= 0.05 for o in scores if sign * sum(scores[o]) > sign * sum(scores[model]))
        for model in scores
    }


@RANKS.control
def clusters_are_overlooked(scores, better="higher", clusters=None):
    return comparisons.shared_ranks_paired(scores, better)


@RANKS.control
def all_are_the_same(scores, better="higher", clusters=None):
    comparisons.shared_ranks_paired(scores, better)
    return dict.fromkeys(scores, 1)


@RANKS.control
def nonsense_is_ranked(scores, better="higher", clusters=None):
    shortest = min(map(len, scores.values()), default=0)
    clean = {model: [0.0 if v != v else v for v in values[:shortest]] for model, values in scores.items()}
    return comparisons.shared_ranks_paired(clean, "higher" if better == "up" else better, clusters)


@RANKS.control
def names_decide_between_equals(scores, better="higher", clusters=None):
    nudged = {m: [v + 1e-6 * i for v in values] for i, (m, values) in enumerate(scores.items())}
    return by_the_mean_alone(nudged, better)


@RANKS.control
def too_few_resamples(scores, better="higher", clusters=None):
    pairs = list(itertools.combinations(sorted(scores), 2))
    p = [comparisons.randomization(scores[one], scores[other], clusters, resamples=200) for one, other in pairs]
    adjusted = dict(zip(map(frozenset, pairs), comparisons.holm(p), strict=True))
    return other_ranks(scores, better, clusters, adjusted) if better != "up" else {}


# How often is something found that is not there, and how often what is there? Rates of some hundred boards, computed in
# one go; the margins are three standard errors of such a rate.

PAIRS = list(itertools.combinations(range(6), 2))


def equals(score, seed, rounds=300, n=60):
    """Scores of six equal models: rounds × n examples × models. Some examples are harder than others."""
    generator = np.random.default_rng(seed)
    ease = generator.random((rounds, n, 1))
    return score(generator, np.repeat(ease, 6, axis=2))


def wrongly_told_apart(p, correct):
    """Share of the boards on which some pair of equals is told apart; p: rounds × pairs."""
    return np.mean([min(correct(list(row))) <= 0.05 for row in p])


def by_randomization(scores):
    rounds, n, _ = scores.shape
    differences = np.stack([scores[:, :, a] - scores[:, :, b] for a, b in PAIRS], axis=2)
    columns = differences.transpose(1, 0, 2).reshape(n, -1)
    # Columns that are flipped together share the luck of the draw.
    parts = np.array_split(columns, 20, axis=1)
    p = [comparisons.sign_flips(part, resamples=2000, seed=seed) for seed, part in enumerate(parts)]
    return np.concatenate(p).reshape(rounds, -1)


def by_mcnemar(scores):
    return [[comparisons.mcnemar(board[:, a], board[:, b]) for a, b in PAIRS] for board in scores]


@pytest.mark.parametrize(
    ("score", "test"),
    [
        (lambda g, ease: (g.random(ease.shape) < ease).astype(float), by_mcnemar),
        (lambda g, ease: ease + g.normal(size=ease.shape), by_randomization),
        (lambda g, ease: np.where(g.random(ease.shape) < 0.06, g.exponential(size=ease.shape), 0.0), by_randomization),
    ],
    ids=["hits", "scores", "mostly zero"],
)
def test_equals_are_told_apart_on_at_most_one_board_of_twenty(score, test):
    p = test(equals(score, seed=1))
    assert wrongly_told_apart(p, comparisons.holm) <= 0.05 + 0.038
    assert wrongly_told_apart(p, lambda row: row) > 0.05 + 0.038, "fifteen comparisons without a correction"


def test_the_paired_bootstrap_is_as_good_where_examples_are_many():
    scores = equals(lambda g, ease: (ease + g.random(ease.shape)).round(1), seed=2, rounds=150, n=150)[:, :, :3]
    p = [
        [comparisons.paired_bootstrap(board[:, a], board[:, b], resamples=400).p for a, b in ((0, 1), (0, 2), (1, 2))]
        for board in scores
    ]
    assert wrongly_told_apart(p, comparisons.holm) <= 0.05 + 0.053


def test_the_bootstrap_is_too_sure_where_the_models_differ_on_few_examples():
    """Pitfall: five of 300, all to one side. A fair coin does that once in 16 times; that is what ranks go by."""
    first, second = [1.0] * 5 + [0.0] * 295, [0.0] * 300
    assert comparisons.mcnemar(first, second) == 1 / 16
    assert abs(comparisons.randomization(first, second) - 1 / 16) < 0.01
    assert comparisons.paired_bootstrap(first, second).p < 0.02


def test_coverage_of_the_paired_bootstrap():
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(300):
        hard = generator.exponential(size=80)
        better = hard + generator.normal(0.3, 1, size=80)
        found = comparisons.paired_bootstrap(better.tolist(), hard.tolist(), resamples=400)
        held += found.low <= 0.3 <= found.high
    assert 0.90 <= held / 300 <= 0.985


@pytest.mark.parametrize("n", [50, 200])
def test_the_smallest_detectable_difference_is_found_four_times_of_five(n):
    generator = np.random.default_rng(3)
    difference = comparisons.smallest_detectable(2.0, n)
    p = comparisons.sign_flips(generator.normal(difference, 2.0, size=(n, 600)), resamples=1500)
    assert 0.8 - 0.06 <= (p <= 0.05).mean() <= 0.8 + 0.05
    p = comparisons.sign_flips(generator.normal(difference / 2, 2.0, size=(n, 600)), resamples=1500)
    assert (p <= 0.05).mean() < 0.4


def test_the_smallest_detectable_difference_of_proportions():
    """Computed: two models that differ on 30 % of 400 examples."""
    n, share = 400, 0.3
    difference = comparisons.smallest_detectable(math.sqrt(share), n)
    won = (share + difference) / 2 / share
    found = 0.0
    for m in range(80, 161):  # others have a chance of 1 in 50,000
        rejected = list(itertools.takewhile(lambda k: comparisons.coin(k, m) <= 0.05, range(m)))  # noqa: B023
        found += stats.binom.pmf(m, n, share) * (
            stats.binom.cdf(len(rejected) - 1, m, won) + stats.binom.sf(m - len(rejected), m, won)
        )
    assert 0.76 <= found <= 0.82


def test_the_formula_of_the_smallest_detectable_difference():
    assert comparisons.smallest_detectable(1.0, 100) == pytest.approx(0.2801585)
    assert comparisons.smallest_detectable(1.0, 400, level=0.05 / 10, power=0.9) == pytest.approx(
        (2.8070 + 1.2816) / 20, abs=1e-5
    )
    assert comparisons.smallest_detectable(0.0, 5) == 0.0
    for arguments in ((1.0, 0), (-1.0, 5), (math.nan, 5)):
        with pytest.raises(ValueError, match="deviation"):
            comparisons.smallest_detectable(*arguments)


@given(pairs=hits)
def test_a_coin_is_symmetric_and_certain_at_its_middle(pairs):
    heads, tails = discordant(pairs)
    assert comparisons.coin(heads, heads + tails) == comparisons.coin(tails, heads + tails)
    assert comparisons.coin(heads, 2 * heads) == 1.0
