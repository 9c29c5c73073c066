"""The metrics of the accuracy board, held against scikit-learn and against what they are defined to be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from suites.accuracy import metrics
from suites.accuracy.lazy import Lazy
from suites.accuracy.metrics import intervals

sklearn: Any = Lazy("sklearn.metrics")
gain: Any = Lazy("suites.accuracy.metrics.ndcg")
share: Any = Lazy("suites.accuracy.metrics.recall")

FOLDER = Path(metrics.__path__[0])


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-9, 9)), min_size=2, max_size=20), st.integers(1, 25))
def test_ndcg_is_scikit_learns_where_no_scores_tie(documents, k):
    gains = [g for g, _ in documents]
    scores = [score + 1e-3 * i for i, (_, score) in enumerate(documents)]
    assume(len(set(scores)) == len(scores))
    names = {f"d{i:02d}": score for i, score in enumerate(scores)}
    ours = gain.ndcg(gain.ranked(names), {f"d{i:02d}": g for i, g in enumerate(gains)}, k)
    assert math.isclose(ours, sklearn.ndcg_score([gains], [scores], k=k), abs_tol=1e-12)


def test_equal_scores_rank_by_id_whatever_the_order_of_the_collection():
    assert gain.ranked({"b": 1.0, "c": 2.0, "a": 1.0}) == gain.ranked({"a": 1.0, "b": 1.0, "c": 2.0}) == ["c", "a", "b"]
    # scikit-learn averages over the tied documents, so the two differ here, and only here.
    assert gain.ndcg(["a", "b"], {"b": 1.0}) == pytest.approx(1 / math.log2(3))
    assert sklearn.ndcg_score([[0, 1]], [[1.0, 1.0]]) == pytest.approx((1 + 1 / math.log2(3)) / 2)


@pytest.mark.parametrize(
    ("ranking", "k", "value", "found"),
    [
        (["x", "y", "z"], 1, 1.0, 1.0),
        (["y", "x", "z"], 10, 1 / math.log2(3), 1.0),
        (["y", "z", "x"], 2, 0.0, 0.0),
        (["y", "z"], 10, 0.0, 0.0),
        ([], 10, 0.0, 0.0),
    ],
)
def test_one_relevant_document(ranking, k, value, found):
    assert gain.ndcg(ranking, {"x": 1.0}, k) == pytest.approx(value)
    assert share.recall(ranking, ["x"], k) == found


def test_queries_without_relevant_documents_are_worth_nothing():
    assert gain.ndcg(["x"], {}) == gain.ndcg(["x"], {"x": 0.0}) == share.recall(["x"], []) == 0.0


def test_recall_counts_the_relevant_ones_not_the_ranks():
    assert share.recall(["a", "b", "c"], ["c", "z"], 3) == 0.5


@pytest.mark.parametrize(
    "metric", [lambda *a: gain.ndcg(a[0], dict.fromkeys(a[1], 1.0), a[2]), lambda *a: share.recall(*a)]
)
@pytest.mark.parametrize(("ranking", "k"), [(["x", "x"], 10), (["x"], 0)])
def test_nonsense_is_refused(metric, ranking, k):
    with pytest.raises(ValueError):
        metric(ranking, ["x"], k)


def test_no_rank_for_nan_and_no_negative_gains():
    with pytest.raises(ValueError, match="NaN"):
        gain.ranked({"a": math.nan, "b": 1.0})
    with pytest.raises(ValueError, match="at least 0"):
        gain.ndcg(["a"], {"a": -1.0})


@pytest.mark.parametrize(("name", "value"), [("ndcg", (1 + 1 / math.log2(3)) / 2), ("recall", 1.0)])
def test_they_are_evaluate_modules(name, value, tmp_path):
    import evaluate

    metric = evaluate.load(str(FOLDER / f"{name}.py"), cache_dir=str(tmp_path))
    result = metric.compute(predictions=[["x", "y"], ["y", "x"]], references=[["x"], ["x"]], k=10)
    assert result == {f"{name}@10": pytest.approx(value)}


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of 400 samples of 60 from a skewed law, 95 % intervals should hold the mean about 380 times."""
    generator = np.random.default_rng(7)
    bounds = [intervals.of_mean(generator.exponential(size=60).tolist(), resamples=400) for _ in range(400)]
    held = sum(low <= 1.0 <= high for _, low, high in bounds)
    assert 350 <= held <= 392


def test_the_ratio_weighs_documents_by_their_bytes():
    value, low, high = intervals.of_ratio([100.0, 2.0], [100.0, 1.0])
    assert value == pytest.approx(102 / 101)
    assert (low, high) == (1.0, 2.0)
    _, low, high = intervals.of_ratio([100.0] * 10 + [2.0] * 10, [100.0] * 10 + [1.0] * 10)
    assert 1 < low < high < 1.1  # the mean of the documents' own ratios would be about 1.5


def test_intervals_repeat_and_do_not_touch_the_global_generator():
    values = list(np.random.default_rng(1).random(50))
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    assert intervals.of_mean(values) == intervals.of_mean(values)
    assert intervals.of_mean(values) != intervals.of_mean(values, seed=1)
    assert (np.random.get_state(legacy=False)["state"]["key"] == before).all()


@pytest.mark.parametrize(
    ("up", "down"), [([], []), ([1.0], [1.0, 2.0]), ([math.nan], [1.0]), ([1.0], [0.0]), ([1.0], [math.inf])]
)
def test_intervals_refuse_nonsense(up, down):
    with pytest.raises(ValueError):
        intervals.of_ratio(up, down)
