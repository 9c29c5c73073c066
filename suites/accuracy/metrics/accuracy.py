"""Accuracy, an `evaluate` module: `evaluate.load(".../accuracy.py")`, or just `accuracy(...)`.

The share of examples whose prediction is the reference.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import datasets
import evaluate


def accuracy(predictions: Sequence[Hashable], references: Sequence[Hashable]) -> float:
    """Share of equal labels, in [0, 1]. Raises `ValueError` on no examples, other lengths, and a label that is NaN."""
    if len(predictions) != len(references) or not len(references):
        raise ValueError(f"expected one prediction a reference, got {len(predictions)} for {len(references)}")
    if any(label != label for label in (*predictions, *references)):
        raise ValueError("a label is NaN, which equals nothing, itself included")
    hits = sum(one == other for one, other in zip(predictions, references, strict=True))
    return hits / len(references)


class Accuracy(evaluate.Metric):  # type: ignore[misc]
    """`accuracy` of labels that are texts."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("string")
        return evaluate.MetricInfo(
            description="share of predictions that are the reference",
            citation="",
            inputs_description="predictions, references: labels",
            features=datasets.Features({"predictions": label, "references": label}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, references)}
