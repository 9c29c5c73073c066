"""Metrics of labels and numbers, held to scikit-learn, scipy and what they are defined to be."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, refuses, same

sklearn: Any = Lazy("sklearn.metrics")
stats: Any = Lazy("scipy.stats")
accuracies: Any = Lazy("suites.accuracy.metrics.accuracy")
f1s: Any = Lazy("suites.accuracy.metrics.f1")
correlations: Any = Lazy("suites.accuracy.metrics.matthews")
ranks: Any = Lazy("suites.accuracy.metrics.spearman")
calibrations: Any = Lazy("suites.accuracy.metrics.calibration")

LABELS = ["a", "b", "ß", ""]
labelled = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=25)
numbers = st.sampled_from([-1.0, 0.0, 0.5, 2.0, 1e9])
pairs_of_numbers = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=15)
stated = st.lists(st.tuples(st.integers(0, 20).map(lambda i: i / 20), st.booleans()), min_size=1, max_size=30)

ACCURACY = Subject(lambda *a: accuracies.accuracy(*a))
CLASS_F1 = Subject(lambda *a: f1s.class_f1(*a))
MACRO_F1 = Subject(lambda *a: f1s.macro_f1(*a))
MATTHEWS = Subject(lambda *a: correlations.matthews(*a))
SPEARMAN = Subject(lambda *a: ranks.spearman(*a))
CALIBRATION = Subject(lambda *a: calibrations.expected_calibration_error(*a))
SUBJECTS = [ACCURACY, CLASS_F1, MACRO_F1, MATTHEWS, SPEARMAN, CALIBRATION]


@pytest.mark.filterwarnings("ignore")  # of oracles and wrong versions, where a class or an order is missing
@pytest.mark.parametrize(
    "subject", SUBJECTS, ids=["accuracy", "class_f1", "macro_f1", "matthews", "spearman", "calibration"]
)
def test_laws_hold_and_wrong_versions_break_them(subject):
    subject.hold()
    subject.rejected()


def split(pairs):
    predictions, references = zip(*pairs, strict=True)
    return list(predictions), list(references)


@ACCURACY.law(pairs=labelled)
def accuracy_is_scikit_learns(accuracy, pairs):
    assert same(accuracy(*split(pairs)), sklearn.accuracy_score(*split(pairs)))


def refuses_nonsense(metric):
    assert refuses(metric, [], []) and refuses(metric, ["a"], ["a", "b"])
    assert refuses(metric, [math.nan], [1.0]) and refuses(metric, [1.0], [math.nan])


for _subject in (ACCURACY, CLASS_F1, MACRO_F1, MATTHEWS):
    _subject.law()(refuses_nonsense)


@ACCURACY.control
def mean_of_the_classes_recalls(predictions, references):
    hits = Counter(r for p, r in zip(predictions, references, strict=False) if p == r)
    return sum(hits[c] / n for c, n in Counter(references).items()) / len(set(references))


@CLASS_F1.law({"pairs": [("a", "b")], "labels": LABELS}, pairs=labelled, labels=st.sampled_from([None, LABELS]))
def class_f1_is_scikit_learns(class_f1, pairs, labels):
    predictions, references = split(pairs)
    found = class_f1(predictions, references, labels)
    assert set(found) == set(labels or predictions + references)
    theirs = sklearn.f1_score(references, predictions, labels=list(found), average=None, zero_division=0)
    assert all(same(*both) for both in zip(found.values(), theirs, strict=True))


@CLASS_F1.law(pairs=labelled)
def class_f1_is_the_harmonic_mean_of_precision_and_recall(class_f1, pairs):
    for label, value in class_f1(*split(pairs)).items():
        hits = sum(p == r == label for p, r in pairs)
        precision, recall = (hits / max(1, sum(pair[side] == label for pair in pairs)) for side in (0, 1))
        assert same(value, 2 * precision * recall / (precision + recall) if hits else 0.0)


@MACRO_F1.law(pairs=labelled)
def macro_f1_is_scikit_learns(macro_f1, pairs):
    predictions, references = split(pairs)
    assert same(macro_f1(predictions, references), sklearn.f1_score(references, predictions, average="macro"))


@MACRO_F1.law()
def classes_of_either_side_count_and_those_that_are_named(macro_f1):
    assert same(macro_f1(["a", "c"], ["a", "b"]), 1 / 3)
    assert same(macro_f1(["a", "c"], ["a", "b"], ["a", "b"]), 1 / 2)
    assert same(macro_f1(["a", "b"], ["a", "b"], ["a", "b", "c", "d"]), 1 / 2)
    assert refuses(macro_f1, ["a"], ["b"], ["a"]) and refuses(macro_f1, ["a"], ["a"], ["a", "a"])


def other_f1(predictions, references, labels=None, *, nothing=0.0, classes=None):
    labels = labels or classes or sorted({*predictions, *references})
    values = {}
    for label in labels:
        tp = sum(p == r == label for p, r in zip(predictions, references, strict=False))
        sizes = predictions.count(label) + references.count(label)
        values[label] = 2 * tp / sizes if sizes else nothing
    return values


@CLASS_F1.control
def nothing_of_a_class_is_perfect(predictions, references, labels=None):
    return other_f1(predictions, references, labels, nothing=1.0)


@CLASS_F1.control
def classes_of_the_references_only(predictions, references, labels=None):
    return other_f1(predictions, references, labels, classes=sorted(set(references)))


@CLASS_F1.control
def arithmetic_mean_of_precision_and_recall(predictions, references, labels=None):
    values = {}
    for label in labels or {*predictions, *references}:
        tp = sum(p == r == label for p, r in zip(predictions, references, strict=True))
        values[label] = (tp / max(1, predictions.count(label)) + tp / max(1, references.count(label))) / 2
    return values


@MACRO_F1.control
def micro_f1(predictions, references, labels=None):
    return sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)


@MACRO_F1.control
def f1_weighted_by_class(predictions, references, labels=None):
    return sum(references.count(label) * f for label, f in other_f1(predictions, references).items()) / len(references)


@MACRO_F1.control
def f1_of_mean_precision_and_mean_recall(predictions, references, labels=None):
    labels = labels or {*predictions, *references}
    tp = {c: sum(p == r == c for p, r in zip(predictions, references, strict=True)) for c in labels}
    precision, recall = (sum(tp[c] / max(1, of.count(c)) for c in labels) for of in (predictions, references))
    return 2 * precision * recall / (precision + recall) / len(labels) if precision else 0.0


@MATTHEWS.law({"pairs": [("a", "a")]}, {"pairs": [("a", "b"), ("a", "a")]}, pairs=labelled)
def matthews_is_scikit_learns(matthews, pairs):
    predictions, references = split(pairs)
    assert same(matthews(predictions, references), sklearn.matthews_corrcoef(references, predictions))


@MATTHEWS.law(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def of_two_classes_it_is_pearsons_correlation(matthews, pairs):
    expected = np.corrcoef(np.array(pairs, dtype=float).T)[0, 1]
    assert same(matthews(*split(pairs)), 0.0 if np.isnan(expected) else expected)


@MATTHEWS.control
def a_label_that_is_nan_is_a_label_like_others(predictions, references):
    return correlations.matthews([str(p) for p in predictions], [str(r) for r in references])


@MATTHEWS.control
def without_a_sign(predictions, references):
    return abs(correlations.matthews(predictions, references))


@MATTHEWS.control
def is_kappa(predictions, references):
    return sklearn.cohen_kappa_score(predictions, references)


@SPEARMAN.law(pairs=pairs_of_numbers.filter(lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))))
def spearman_is_scipys(spearman, pairs):
    assert same(spearman(*split(pairs)), stats.spearmanr(*split(pairs)).statistic)


@SPEARMAN.law(pairs=pairs_of_numbers.filter(lambda pairs: len({r for _, r in pairs}) > 1))
def ties_take_the_mean_of_their_ranks(spearman, pairs):
    columns = split(pairs)
    a, b = ([sum((w < v) + (w == v) / 2 for w in column) for v in column] for column in columns)
    expected = np.corrcoef(a, b)[0, 1]
    assert same(spearman(*columns), 0.0 if np.isnan(expected) else expected)


@SPEARMAN.law()
def spearman_refuses_what_has_no_order(spearman):
    assert refuses(spearman, [1.0, math.nan], [1.0, 2.0]) and refuses(spearman, [1.0, 2.0], [1.0, math.inf])
    assert refuses(spearman, [1.0, 2.0], [1.0]) and refuses(spearman, [], []) and refuses(spearman, [1.0], [1.0])
    assert refuses(spearman, [1.0, 2.0], [3.0, 3.0])


def test_scipy_has_nan_for_constant_predictions_which_we_have_as_0():
    with pytest.warns(stats.ConstantInputWarning):
        assert math.isnan(stats.spearmanr([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).statistic)
    assert ranks.spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == 0.0


@SPEARMAN.control
def ties_ranked_as_they_come(x, y):
    return float(np.corrcoef([np.argsort(np.argsort(v, kind="stable")) for v in (x, y)])[0, 1])


@SPEARMAN.control
def ties_take_the_lowest_rank(x, y):
    return float(np.corrcoef([stats.rankdata(v, method="min") for v in (x, y)])[0, 1])


@SPEARMAN.control
def formula_without_ties(x, y):
    d = stats.rankdata(x) - stats.rankdata(y)
    return 1 - 6 * float(d @ d) / (len(x) ** 3 - len(x))


@SPEARMAN.control
def correlation_of_the_values(x, y):
    return float(np.corrcoef(x, y)[0, 1])


@CALIBRATION.law(
    {"pairs": [(0.0, True)], "bins": 3},
    {"pairs": [(0.0, True), (0.1, False)], "bins": 3},
    {"pairs": [(0.95, True), (1.0, False)], "bins": 3},
    pairs=stated,
    bins=st.sampled_from([1, 3, 10, 15]),
)
def error_is_the_gap_of_each_bin_by_its_size(error, pairs, bins):
    total = 0.0
    for index in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[index : index + 2]
        own = [(c, hit) for c, hit in pairs if low < c <= high or c == index == 0]
        total += abs(sum(hit for _, hit in own) - sum(c for c, _ in own))
    assert same(error(*split(pairs), bins), total / len(pairs))


@CALIBRATION.law(pairs=stated, bins=st.sampled_from([1, 3, 10, 15]))
def bins_are_those_of_scikit_learns_calibration_curve(error, pairs, bins):
    from sklearn.calibration import calibration_curve

    confidences, hits = split([*pairs, (0.5, False), (0.5, True)])  # it refuses hits of one kind only
    true, mean = calibration_curve(hits, confidences, n_bins=bins)
    sizes = np.unique(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidences), return_counts=True)[1]
    assert same(error(confidences, hits, bins), float(np.abs(true - mean) @ sizes) / len(hits))


@CALIBRATION.law()
def calibration_refuses_nonsense(error):
    for confidences, hits, bins in (
        ([1.1], [1], 15),
        ([math.nan], [1], 15),
        ([0.5], [2], 15),
        ([], [], 15),
        ([1], [1], 0),
    ):
        assert refuses(error, confidences, hits, bins)
    assert refuses(error, [0.5, 0.5], [1], 15) and refuses(error, [-0.1], [1], 15)


def test_fifteen_bins_unless_told_otherwise():
    confidences, hits = [0.5, 0.52, 0.6, 0.9], [True, False, False, True]
    errors = {bins: calibrations.expected_calibration_error(confidences, hits, bins) for bins in (14, 15, 16)}
    assert calibrations.expected_calibration_error(confidences, hits) == errors[15]


def other_error(confidences, hits, bins, *, place=None, gap=abs, sizes=True):
    place = place or (lambda c: max(0, math.ceil(c * bins - 1e-9) - 1))
    own: dict[int, list[float]] = {}
    for c, hit in zip(confidences, hits, strict=True):
        own.setdefault(place(c), []).append(hit - c)
    if sizes:
        return abs(sum(gap(sum(of)) for of in own.values())) / len(hits)
    return sum(abs(sum(of) / len(of)) for of in own.values()) / len(own)


@CALIBRATION.control
def every_bin_counts_the_same(confidences, hits, bins):
    return other_error(confidences, hits, bins, sizes=False)


@CALIBRATION.control
def gaps_cancel(confidences, hits, bins):
    return other_error(confidences, hits, bins, gap=float)


@CALIBRATION.control
def bins_hold_their_lower_edge(confidences, hits, bins):
    return other_error(confidences, hits, bins, place=lambda c: min(bins - 1, math.floor(c * bins + 1e-9)))


@CALIBRATION.control
def no_bin_holds_0(confidences, hits, bins):
    kept = [(c, hit) for c, hit in zip(confidences, hits, strict=True) if c > 0]
    confident, right = split(kept) if kept else ([], [])
    return other_error(confident, right, bins) * len(kept) / len(hits) if kept else 0.0
