"""How often do paired comparisons find what is not there, and how often what is there?

Rates of some hundred boards, computed in one go; the margins are three standard errors of such a rate.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from reports import comparisons
from suites.accuracy.lazy import Lazy

stats: Any = Lazy("scipy.stats")

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
