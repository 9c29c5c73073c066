"""Matthews correlation coefficient, an `evaluate` module: `evaluate.load(".../matthews.py")`, or just `matthews(...)`.

Matthews, *Comparison of the predicted and observed secondary structure of T4 phage lysozyme*, 1975; for more than two
classes Gorodkin, *Comparing two K-category assignments by a K-category correlation coefficient*, 2004. With c hits of n,
and p_k and t_k the times that class k is predicted and true,
(c n - sum p_k t_k) / sqrt((n^2 - sum p_k^2) (n^2 - sum t_k^2)): the correlation of predictions and references.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import datasets
import evaluate


def matthews(predictions: Sequence[Hashable], references: Sequence[Hashable]) -> float:
    """Correlation in [-1, 1]: 1 is perfect, 0 no better than chance whatever the share of the classes.

    0 where predictions or references are all of one class, which has no correlation. Raises `ValueError` on no examples,
    other lengths, and a label that is NaN.
    """
    if len(predictions) != len(references) or not len(references):
        raise ValueError(f"expected one prediction a reference, got {len(predictions)} for {len(references)}")
    if any(label != label for label in (*predictions, *references)):
        raise ValueError("a label is NaN, which equals nothing, itself included")
    n, predicted, true = len(references), Counter(predictions), Counter(references)
    hits = sum(one == other for one, other in zip(predictions, references, strict=True))
    covariance = hits * n - sum(times * true[label] for label, times in predicted.items())
    variances = [n**2 - sum(times**2 for times in of.values()) for of in (predicted, true)]
    return covariance / math.sqrt(variances[0] * variances[1]) if all(variances) else 0.0


class Matthews(evaluate.Metric):  # type: ignore[misc]
    """`matthews` of labels that are texts."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("string")
        return evaluate.MetricInfo(
            description="Matthews correlation coefficient",
            citation="Matthews 1975, Gorodkin 2004",
            inputs_description="predictions, references: labels",
            features=datasets.Features({"predictions": label, "references": label}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"matthews": matthews(predictions, references)}
