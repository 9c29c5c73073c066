"""Metrics of rankings, held to scikit-learn, sentence-transformers and what they are defined to be."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from suites.accuracy import metrics
from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, refuses, same

sklearn: Any = Lazy("sklearn.metrics")
gain: Any = Lazy("suites.accuracy.metrics.ndcg")
found: Any = Lazy("suites.accuracy.metrics.recall")
right: Any = Lazy("suites.accuracy.metrics.precision")
first: Any = Lazy("suites.accuracy.metrics.reciprocal_rank")
average: Any = Lazy("suites.accuracy.metrics.average_precision")

IDS = "abcdefg"
rankings = st.lists(st.sampled_from(IDS), unique=True, max_size=7)
whole = st.permutations(IDS)
some = st.sets(st.sampled_from(IDS))
cuts = st.integers(1, 9)
grades = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), max_size=5)

NDCG = Subject(lambda *a: gain.ndcg(*a))
RANKED = Subject(lambda scores: gain.ranked(scores))
RECALL = Subject(lambda *a: found.recall(*a))
PRECISION = Subject(lambda *a: right.precision(*a))
RECIPROCAL = Subject(lambda *a: first.reciprocal_rank(*a))
AVERAGE = Subject(lambda *a: average.average_precision(*a))
SUBJECTS = [NDCG, RANKED, RECALL, PRECISION, RECIPROCAL, AVERAGE]
BINARY = [RECALL, PRECISION, RECIPROCAL, AVERAGE]


@pytest.mark.parametrize("subject", SUBJECTS, ids=["ndcg", "ranked", "recall", "precision", "reciprocal", "average"])
def test_laws_hold_and_wrong_versions_break_them(subject):
    subject.hold()
    subject.rejected()


def dcg(gains, discount=lambda rank: math.log2(rank + 1)):
    return sum(g / discount(rank) for rank, g in enumerate(gains, start=1))


@NDCG.law(ranking=whole, gains=grades, k=cuts)
def ndcg_is_scikit_learns_where_no_scores_tie(ndcg, ranking, gains, k):
    assume(any(gains.values()))
    relevance = [gains.get(identity, 0) for identity in IDS]
    scores = [-ranking.index(identity) for identity in IDS]
    assert same(ndcg(ranking, gains, k), sklearn.ndcg_score([relevance], [scores], k=k))


@NDCG.law(ranking=rankings, gains=grades, k=cuts)
def ndcg_is_a_share_of_the_best_order_of_all_that_is_relevant(ndcg, ranking, gains, k):
    best = max(dcg(order[:k]) for order in itertools.permutations(gains.values()))
    reached = dcg([gains.get(identity, 0) for identity in ranking[:k]])
    assert same(ndcg(ranking, gains, k), reached / best if best else 0.0)


@NDCG.law(ranking=rankings, gains=grades, k=cuts)
def judged_below_0_is_not_judged(ndcg, ranking, gains, k):
    assert same(ndcg(ranking, gains | {"g": -1}, k), ndcg(ranking, gains | {"g": 0}, k))


@NDCG.law()
def ndcg_refuses_nonsense(ndcg):
    assert refuses(ndcg, ["a"], {"a": math.nan}, 10) and refuses(ndcg, ["a"], {"a": math.inf}, 10)
    assert refuses(ndcg, ["a", "a"], {"a": 1.0}, 10) and refuses(ndcg, ["a"], {"a": 1.0}, 0)


def other_ndcg(ranking, gains, k, *, discount=lambda r: math.log2(r + 1), gain=float, ideal=None, empty=0.0, cut=True):
    ideal = ideal or (lambda ranking: gains.values())
    best = dcg(sorted(map(gain, ideal(ranking)), reverse=True)[: k if cut else None], discount)
    return dcg([gain(gains.get(i, 0)) for i in ranking[:k]], discount) / best if best else empty


@NDCG.control
def first_two_ranks_count_the_same(ranking, gains, k):
    return other_ndcg(ranking, gains, k, discount=lambda rank: max(1.0, math.log2(rank)))


@NDCG.control
def exponential_gains(ranking, gains, k):
    return other_ndcg(ranking, gains, k, gain=lambda g: 2.0**g - 1)


@NDCG.control
def ideal_order_of_what_was_found(ranking, gains, k):
    return other_ndcg(ranking, gains, k, ideal=lambda ranking: [gains.get(identity, 0) for identity in ranking])


@NDCG.control
def ideal_order_is_not_cut(ranking, gains, k):
    return other_ndcg(ranking, gains, k, cut=False)


@NDCG.control
def nothing_relevant_is_perfect(ranking, gains, k):
    return other_ndcg(ranking, gains, k, empty=1.0)


@NDCG.control
def negative_gains_are_taken_off(ranking, gains, k):
    return other_ndcg(ranking, gains, k)


@RANKED.law(scores=st.dictionaries(st.text(max_size=3), st.sampled_from([-1.0, 0.0, -0.0, 0.5, math.inf])))
def ranks_by_score_then_by_rising_id(ranked, scores):
    order = ranked(scores)
    assert sorted(order) == sorted(scores)
    for one, other in itertools.pairwise(order):
        assert scores[one] > scores[other] or (scores[one] == scores[other] and one < other)
    assert ranked(dict(reversed(scores.items()))) == order


@RANKED.law()
def no_rank_for_nan(ranked):
    assert refuses(ranked, {"a": math.nan, "b": 1.0})


@RANKED.control
def ties_by_order_of_the_collection(scores):
    return sorted(scores, key=lambda identity: -scores[identity])


@RANKED.control
def ties_by_falling_id(scores):
    return sorted(scores, key=lambda identity: (scores[identity], identity), reverse=True)


@RECALL.law(ranking=rankings, relevant=some, k=cuts)
def recall_is_the_share_of_the_relevant_that_is_found(recall, ranking, relevant, k):
    hits = sum(identity in ranking[:k] for identity in relevant)
    assert same(recall(ranking, relevant, k), hits / len(relevant) if relevant else 0.0)


@PRECISION.law(ranking=rankings, relevant=some, k=cuts)
def precision_is_the_share_of_k_ranks(precision, ranking, relevant, k):
    assert same(precision(ranking, relevant, k), sum(identity in relevant for identity in ranking[:k]) / k)


def chosen(ranking, relevant, k):
    return [identity in relevant for identity in ranking], [rank < k for rank in range(len(ranking))]


@RECALL.law(ranking=whole, relevant=some, k=cuts)
def recall_is_scikit_learns(recall, ranking, relevant, k):
    assert same(recall(ranking, relevant, k), sklearn.recall_score(*chosen(ranking, relevant, k), zero_division=0))


@PRECISION.law(ranking=whole, relevant=some, k=st.integers(1, 7))
def precision_is_scikit_learns(precision, ranking, relevant, k):
    assert same(precision(ranking, relevant, k), sklearn.precision_score(*chosen(ranking, relevant, k)))


@RECIPROCAL.law(ranking=rankings, relevant=some, k=cuts)
def reciprocal_rank_is_that_of_the_first_relevant_one(reciprocal_rank, ranking, relevant, k):
    ranks = [ranking.index(identity) + 1 for identity in relevant if identity in ranking]
    assert same(reciprocal_rank(ranking, relevant), 1 / min(ranks) if ranks else 0.0)
    assert same(reciprocal_rank(ranking, relevant, k), 1 / min(ranks) if ranks and min(ranks) <= k else 0.0)


@RECIPROCAL.law(ranking=whole, relevant=st.sampled_from(IDS))
def of_one_relevant_document_it_is_scikit_learns_label_ranking(reciprocal_rank, ranking, relevant):
    scores = [[-rank for rank in range(len(ranking))]]
    truth = [[identity == relevant for identity in ranking]]
    assert same(reciprocal_rank(ranking, [relevant]), sklearn.label_ranking_average_precision_score(truth, scores))


@AVERAGE.law(ranking=rankings, relevant=some, k=cuts)
def average_precision_is_over_all_relevant_ones(average_precision, ranking, relevant, k):
    for cut in (None, k):
        total = 0.0
        for identity in relevant & set(ranking[:cut]):
            rank = ranking.index(identity) + 1
            total += sum(other in relevant for other in ranking[:rank]) / rank
        assert same(average_precision(ranking, relevant, cut), total / len(relevant) if relevant else 0.0)


@AVERAGE.law(ranking=whole, relevant=some.filter(bool))
def average_precision_is_scikit_learns_where_no_scores_tie(average_precision, ranking, relevant):
    scores = [-rank for rank in range(len(ranking))]
    expected = sklearn.average_precision_score([identity in relevant for identity in ranking], scores)
    assert same(average_precision(ranking, relevant), expected)


def binary_metrics_refuse_nonsense(metric):
    assert refuses(metric, ["x", "x"], ["x"], 10) and refuses(metric, ["x"], ["x"], 0)


for _subject in BINARY:
    _subject.law()(binary_metrics_refuse_nonsense)


@RECALL.control
def of_at_most_k(ranking, relevant, k):
    return len(set(ranking[:k]) & set(relevant)) / min(k, len(relevant)) if relevant else 0.0


@RECALL.control
def nothing_to_find_is_all_found(ranking, relevant, k):
    return len(set(ranking[:k]) & set(relevant)) / len(relevant) if relevant else 1.0


@PRECISION.control
def of_what_is_there(ranking, relevant, k):
    return len(set(ranking[:k]) & set(relevant)) / max(1, len(ranking[:k]))


@PRECISION.control
def is_recall(ranking, relevant, k):
    return len(set(ranking[:k]) & set(relevant)) / max(1, len(relevant))


@RECIPROCAL.control
def ranks_from_0(ranking, relevant, k=None):
    return next((1 / (rank + 1) for rank, i in enumerate(ranking[:k], start=1) if i in relevant), 0.0)


@RECIPROCAL.control
def mean_over_all_relevant_ones(ranking, relevant, k=None):
    values = [1 / rank for rank, i in enumerate(ranking[:k], start=1) if i in relevant]
    return sum(values) / len(values) if values else 0.0


@RECIPROCAL.control
def is_not_cut(ranking, relevant, k=None):
    return next((1 / rank for rank, i in enumerate(ranking, start=1) if i in relevant), 0.0)


def precisions(ranking, relevant, k):
    ranks = [rank for rank, i in enumerate(ranking[:k], start=1) if i in relevant]
    return [hits / rank for hits, rank in enumerate(ranks, start=1)]


@AVERAGE.control
def over_the_relevant_ones_that_are_found(ranking, relevant, k=None):
    values = precisions(ranking, relevant, k)
    return sum(values) / len(values) if values else 0.0


@AVERAGE.control
def over_at_most_k(ranking, relevant, k=None):
    return sum(precisions(ranking, relevant, k)) / min(k or 99, len(relevant)) if relevant else 0.0


@AVERAGE.control
def over_every_rank(ranking, relevant, k=None):
    hits = itertools.accumulate(i in relevant for i in ranking[:k])
    return sum(h / rank for rank, h in enumerate(hits, start=1)) / max(1, len(ranking[:k]))


def test_ten_ranks_count_unless_told_otherwise():
    ranking = [f"{number:02}" for number in range(20)]
    assert gain.ndcg(ranking, {"10": 1.0}) == 0.0 < gain.ndcg(ranking, {"09": 1.0})
    assert found.recall(ranking, ["09", "10"]) == 0.5 and right.precision(ranking, ranking[8:12]) == 0.2
    assert first.reciprocal_rank(ranking, ["19"]) == average.average_precision(ranking, ["19"]) == 1 / 20


def test_scikit_learn_averages_over_documents_that_tie():
    assert gain.ndcg(gain.ranked({"a": 1.0, "b": 1.0}), {"b": 1.0}) == pytest.approx(1 / math.log2(3))
    assert sklearn.ndcg_score([[0, 1]], [[1.0, 1.0]]) == pytest.approx((1 + 1 / math.log2(3)) / 2)


def test_sentence_transformers_agrees_but_divides_average_precision_by_at_most_k():
    evaluation = pytest.importorskip(
        "sentence_transformers.evaluation", reason="sentence-transformers is not installed: pip install -e '.[peers]'"
    )
    ranking, relevant, k = ["a", "x", "b", "c"], {"a", "c", "d", "e"}, 3
    judge = evaluation.InformationRetrievalEvaluator(
        {"q": ""}, dict.fromkeys("abcdex", ""), {"q": relevant}, 9, [k], [k], [k], [k], [k]
    )
    hits = [{"corpus_id": identity, "score": -float(rank)} for rank, identity in enumerate(ranking)]
    theirs = judge.compute_metrics([hits])
    assert theirs["mrr@k"][k] == first.reciprocal_rank(ranking, relevant, k)
    assert theirs["ndcg@k"][k] == pytest.approx(gain.ndcg(ranking, dict.fromkeys(relevant, 1.0), k))
    assert theirs["precision@k"][k] == pytest.approx(right.precision(ranking, relevant, k))
    assert theirs["recall@k"][k] == found.recall(ranking, relevant, k)
    assert theirs["map@k"][k] == pytest.approx(1 / 3) and average.average_precision(ranking, relevant, k) == 1 / 4


FOLDER = Path(metrics.__path__[0])
ORDERS, ANSWERS = ([["x", "y"], ["y", "x"]], [["x"], ["x"]]), (["a cat", "b"], [["the cat"], []])
LABELS, TEXTS = (["x", "y"], ["x", "x"]), (["a b", "c"], [["a b"], ["d", "e"]])


@pytest.mark.parametrize(
    ("name", "inputs", "options", "result"),
    [
        ("ndcg", ORDERS, {"k": 10}, {"ndcg@10": (1 + 1 / math.log2(3)) / 2}),
        ("ndcg", ([["x", "y"]], [["y", "x"]]), {"gains": [[2.0, 1.0]]}, {"ndcg@10": 0.8597186998521971}),
        ("recall", ORDERS, {"k": 10}, {"recall@10": 1.0}),
        ("precision", ORDERS, {"k": 2}, {"precision@2": 0.5}),
        ("reciprocal_rank", ORDERS, {}, {"mrr": 0.75}),
        ("average_precision", ORDERS, {"k": 1}, {"map@1": 0.5}),
        ("accuracy", LABELS, {}, {"accuracy": 0.5}),
        ("f1", LABELS, {}, {"macro_f1": 1 / 3, "class_f1": {"x": 2 / 3, "y": 0.0}}),
        ("f1", LABELS, {"labels": ["x"]}, {"macro_f1": 2 / 3, "class_f1": {"x": 2 / 3}}),
        ("matthews", LABELS, {}, {"matthews": 0.0}),
        ("squad", ANSWERS, {}, {"exact_match": 0.5, "token_f1": 0.5}),
        ("rouge_l", TEXTS, {}, {"rouge_l": 0.5}),
        ("bleu", TEXTS, {}, {"bleu": 0.0}),
        ("chrf", TEXTS, {}, {"chrf": 50.0}),
        ("spearman", ([1.0, 2.0, 3.0], [1, 3, 2]), {}, {"spearman": 0.5}),
        ("calibration", ([1.0, 0.75], [True, False]), {}, {"expected_calibration_error": 0.375}),
    ],
)
def test_they_are_evaluate_modules(name, inputs, options, result, tmp_path):
    import evaluate

    metric = evaluate.load(str(FOLDER / f"{name}.py"), cache_dir=str(tmp_path))
    predictions, references = inputs
    computed = metric.compute(predictions=predictions, references=references, **options)
    assert computed == {
        key: value if isinstance(value, dict) else pytest.approx(value) for key, value in result.items()
    }


MODULES = [file for file in sorted(FOLDER.glob("*.py")) if "evaluate.Metric" in file.read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_each_can_be_loaded_by_its_path_where_there_is_no_package_of_this_name(file):
    """Nor does it need anything but `evaluate` and what the accuracy extra brings along."""
    spec = importlib.util.spec_from_file_location("alone", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(MODULES) == 14 and module.__doc__
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    imported = {words[1].split(".")[0] for words in lines if words[:1] in (["import"], ["from"])}
    assert imported <= {*sys.stdlib_module_names, "numpy", "datasets", "evaluate", "sacrebleu"}
