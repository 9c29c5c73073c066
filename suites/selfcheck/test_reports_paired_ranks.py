"""Holm's correction and ranks by paired comparisons: they say no more than the tests do, in any order."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import strategies as st

from reports import comparisons
from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, refuses, same

stats: Any = Lazy("scipy.stats")

levels = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
p_values = st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.012, 0.02, 0.04, 0.5, 1.0]), max_size=6)

HOLM = Subject(comparisons.holm)
RANKS = Subject(comparisons.shared_ranks_paired)


@pytest.mark.parametrize("subject", [HOLM, RANKS], ids=["holm", "ranks"])
def test_laws_hold_and_wrong_versions_break_them(subject):
    subject.hold()
    subject.rejected()


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
