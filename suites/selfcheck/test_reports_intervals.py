"""Intervals hold what they say as often as they say, and do not depend on order, company or chance."""

from __future__ import annotations

import math
import tracemalloc
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import intervals
from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, same

stats: Any = Lazy("scipy.stats")
f1: Any = Lazy("suites.accuracy.metrics.f1")
ranks: Any = Lazy("suites.accuracy.metrics.spearman")

WILSON = Subject(intervals.wilson)
proportions = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.sampled_from([0.0, 0.25, 1.0, 7.5]), min_size=1, max_size=40)


def test_laws_hold_and_wrong_versions_break_them():
    WILSON.hold()
    WILSON.rejected()


@WILSON.law({"of": (0, 9)}, {"of": (9, 9)}, of=proportions)
def wilson_is_scipys(wilson, of):
    share, low, high = wilson(*of)
    theirs = stats.binomtest(*of).proportion_ci(0.95, "wilson")
    assert same(share, of[0] / of[1]) and same(low, theirs.low) and same(high, theirs.high)
    assert 0 <= low <= share <= high <= 1


@WILSON.law(of=proportions)
def ends_are_where_the_score_test_turns(wilson, of):
    """The definition: shares p whose distance from the observed one is 1.96 of *their* standard errors."""
    share, low, high = wilson(*of)
    for end in {low, high} - {0.0, 1.0}:
        assert same(abs(share - end), NormalDist().inv_cdf(0.975) * math.sqrt(end * (1 - end) / of[1]))


@WILSON.law(n=st.sampled_from([10, 40, 200]))
def wilson_holds_the_truth_about_95_times_of_100(wilson, n):
    """Computed, not simulated: over all outcomes of n examples, for shares from 0.01 to 0.99."""
    spans = np.array([wilson(k, n)[1:] for k in range(n + 1)])
    truths = np.linspace(0.01, 0.99, 99)
    held = (spans[:, :1] <= truths) & (truths <= spans[:, 1:])
    covered = (held * stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)).sum(axis=0)
    assert 0.94 <= covered.mean() <= 0.965 and covered.min() >= 0.83


@WILSON.control
def walds(successes, n):
    share = successes / n
    reach = 1.959964 * math.sqrt(share * (1 - share) / n)
    return share, max(0.0, share - reach), min(1.0, share + reach)


@WILSON.control
def of_one_side(successes, n):
    share, z = successes / n, 1.644854
    middle, reach = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, max(0.0, (middle - reach) / (1 + z * z / n)), min(1.0, (middle + reach) / (1 + z * z / n))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3), (0, -1)])
def test_no_interval_of_what_is_no_proportion(successes, n):
    with pytest.raises(ValueError, match="successes"):
        intervals.wilson(successes, n)


def test_scores_of_0_and_1_are_proportions_unless_they_come_in_clusters():
    hits = [1.0] * 38 + [0.0] * 2
    assert intervals.of_scores(hits) == intervals.wilson(38, 40)
    assert intervals.of_scores([*hits, 0.5]) == intervals.of_mean([*hits, 0.5])
    clusters = [index // 4 for index in range(40)]
    assert intervals.of_scores(hits, clusters) == intervals.of_mean(hits, clusters) != intervals.of_mean(hits)
    assert intervals.of_mean([1.0] * 40)[1:] == (1.0, 1.0), "the bootstrap is sure of what it never saw fail"
    assert intervals.of_scores([1.0] * 40)[1] < 0.92


def coverage(span, draw, truth, rounds=400):
    generator = np.random.default_rng(7)
    spans = [span(draw(generator)) for _ in range(rounds)]
    return sum(low <= truth <= high for _, low, high in spans) / rounds


def test_the_bootstrap_holds_the_truth_about_as_often_as_it_says():
    """Means of a skewed law, 60 at a time. 400 samples of it: 0.95 +- 0.03; half the width must be seen to fail."""

    def halved(sample):
        value, low, high = intervals.of_mean(sample, resamples=400)
        return value, (value + low) / 2, (value + high) / 2

    def draw(generator):
        return generator.exponential(size=60).tolist()

    assert 0.90 <= coverage(lambda sample: intervals.of_mean(sample, resamples=400), draw, 1.0) <= 0.98
    assert coverage(halved, draw, 1.0) < 0.75


def test_words_of_one_sentence_are_drawn_together():
    """40 sentences of 1 to 20 words that stand or fall together: word by word, intervals are far too narrow."""

    def draw(generator):
        lengths = generator.integers(1, 21, size=40)
        return np.repeat((generator.random(40) < 0.7).astype(float), lengths), np.repeat(np.arange(40), lengths)

    by_sentence = coverage(lambda sample: intervals.of_mean(*sample, resamples=400), draw, 0.7)
    by_word = coverage(lambda sample: intervals.of_mean(sample[0], resamples=400), draw, 0.7)
    assert 0.90 <= by_sentence <= 0.98 and by_word < 0.6


@given(values)
def test_clusters_of_one_example_are_no_clusters(found):
    assert intervals.of_mean(found, list(range(len(found))), resamples=50) == intervals.of_mean(found, resamples=50)


@pytest.mark.parametrize("distinct", [3, 500])
def test_resamples_are_multinomial_whether_few_rows_are_distinct_or_many(distinct):
    """Mean, variance and covariance of how often rows are drawn, in both of the ways in which they are."""
    times = np.full(distinct, 600 // distinct + 1)
    n, counts = times.sum(), np.concatenate(list(intervals.multiplicities(times, 4000, 0)))
    assert counts.shape == (4000, distinct) and (counts.sum(axis=1) == n).all()
    share = times[0] / n
    variance = n * share * (1 - share)
    assert abs(counts.mean(axis=0) - n * share).max() < 5 * math.sqrt(variance / 4000)
    assert counts.var(axis=0).mean() == pytest.approx(variance, rel=0.05)
    assert np.cov(counts[:, 0], counts[:, 1])[0, 1] == pytest.approx(-n * share**2, abs=5 * variance / math.sqrt(4000))


def test_both_ways_of_drawing_give_the_same_interval():
    generator = np.random.default_rng(3)
    hits = (generator.random(400) < 0.3).astype(float)
    few = intervals.of_mean(hits.tolist())
    many = intervals.of_mean((hits + 1e-9 * np.arange(400)).tolist())
    assert few == pytest.approx(many, abs=0.004)


@given(values, st.randoms(use_true_random=False))
def test_order_of_examples_does_not_matter_to_the_last_digit(found, random):
    spread = [value + 0.1 * index for index, value in enumerate(found)]
    shuffled = random.sample(range(len(spread)), len(spread))
    other = [spread[index] for index in shuffled]
    assert intervals.of_mean(spread, resamples=60) == intervals.of_mean(other, resamples=60)
    clusters = [index // 3 for index in range(len(spread))]
    assert intervals.of_mean(spread, clusters, resamples=60) == intervals.of_mean(
        other, [f"c{clusters[index]}" for index in shuffled], resamples=60
    )


def test_intervals_repeat_and_do_not_touch_the_global_generator():
    found = list(np.random.default_rng(1).random(50))
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    assert intervals.of_mean(found) == intervals.of_mean(found)
    assert intervals.of_mean(found) != intervals.of_mean(found, seed=1)
    assert (np.random.get_state(legacy=False)["state"]["key"] == before).all()


def test_ten_thousand_resamples_of_five_thousand_examples_take_little_memory():
    """Written out they would be 50 million indices, 400 MB."""
    found = np.random.default_rng(0).random(5000).tolist()
    tracemalloc.start()
    try:
        value, low, high = intervals.of_mean(found)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6 and low < value < high
    reach = 1.96 * np.std(found) / math.sqrt(5000)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.03)


def test_the_ratio_weighs_documents_by_their_bytes():
    value, low, high = intervals.of_ratio([100.0, 2.0], [100.0, 1.0])
    assert value == pytest.approx(102 / 101)
    assert (low, high) == (1.0, 2.0)
    _, low, high = intervals.of_ratio([100.0] * 10 + [2.0] * 10, [100.0] * 10 + [1.0] * 10)
    assert 1 < low < high < 1.1  # the mean of the documents' own ratios would be about 1.5


def test_figures_of_sums_and_of_ranks_have_intervals_too():
    generator = np.random.default_rng(5)
    references = generator.choice(["a", "b", "c"], size=200, p=[0.7, 0.2, 0.1]).tolist()
    predictions = [r if generator.random() < 0.8 else "a" for r in references]
    rows = f1.counts(predictions, references, ["a", "b", "c"]).reshape(200, -1)
    value, low, high = intervals.of_sums(rows, lambda sums: f1.of_sums(sums.reshape(-1, 3, 3)).mean(axis=-1))
    assert (
        value == pytest.approx(f1.macro_f1(predictions, references)) and 0.02 < high - value < 0.15 > value - low > 0.02
    )

    x = generator.normal(size=150).round(1)
    y = x + generator.normal(size=150).round(1)
    rho, low, high = intervals.bootstrap(
        np.stack([x, y], axis=1), lambda *found: ranks.of_counts(*found), resamples=500
    )
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    drawn = [stats.spearmanr(x[i], y[i]).statistic for i in generator.integers(150, size=(500, 150))]
    assert [low, high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)


@pytest.mark.parametrize(
    ("up", "down"), [([], []), ([1.0], [1.0, 2.0]), ([math.nan], [1.0]), ([1.0], [0.0]), ([1.0], [math.inf])]
)
def test_intervals_refuse_nonsense(up, down):
    with pytest.raises(ValueError):
        intervals.of_ratio(up, down)


def test_clusters_name_each_example():
    with pytest.raises(ValueError, match="one cluster an example"):
        intervals.of_mean([1.0, 2.0], ["a"])
