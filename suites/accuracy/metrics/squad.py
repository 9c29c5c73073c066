"""Exact match and token F1 of answers, an `evaluate` module: `evaluate.load(".../squad.py")`, or just `exact_match(...)`.

As the evaluation of SQuAD 2.0 has them (Rajpurkar, Jia and Liang 2018, arXiv:1806.03822). Before they are compared,
answers are put in lower case, then lose ASCII punctuation, the English articles, and white space but for one blank
between words. Token F1 is 2 m / (p + g), with p and g the words of the prediction and of the gold answer, and m those
in common, each as often as it stands in both. Of several gold answers the best one counts. An empty list of them means
that there is no answer: the empty one is right. Against an empty answer, F1 is 1 for an empty one and 0 else.

Scores are shares of 1, not percent. Blanks must separate words: a Chinese answer is one word.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import datasets
import evaluate

PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Lower case, no ASCII punctuation, no articles, single blanks; in this order, so that "the." is an article too."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", answer.lower().translate(PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1 where the normalised prediction is one of the normalised gold answers, else 0."""
    return best(prediction, golds, lambda one, gold: float(one == gold))


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """F1 of the words in common with the best gold answer, in [0, 1]."""
    return best(prediction, golds, overlap)


def overlap(one: str, gold: str) -> float:
    predicted, wanted = one.split(), gold.split()
    if not (predicted and wanted):
        return float(predicted == wanted)
    common = (Counter(predicted) & Counter(wanted)).total()
    return 2 * common / (len(predicted) + len(wanted))


def best(prediction: str, golds: Sequence[str], score: Callable[[str, str], float]) -> float:
    if isinstance(golds, str):
        raise ValueError(f"expected a list of gold answers, got the text {golds!r:.80}")
    # As in SQuAD 2.0, an answer of nothing but articles and punctuation is only one where there is no other.
    answers = [gold for gold in map(normalised, golds) if gold] or [""]
    return max(score(normalised(prediction), gold) for gold in answers)


class Squad(evaluate.Metric):  # type: ignore[misc]
    """Means of `exact_match` and `token_f1`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="exact match and token F1 of answers",
            citation="Rajpurkar, Jia and Liang 2018",
            inputs_description="predictions: answers; references: lists of gold answers, empty where there is none",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        exact, f1 = (math.fsum(score(*pair) for pair in pairs) for score in (exact_match, token_f1))
        return {"exact_match": exact / len(pairs), "token_f1": f1 / len(pairs)}
