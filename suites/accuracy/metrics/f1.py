"""F1 of each class and their mean, an `evaluate` module: `evaluate.load(".../f1.py")`, or just `macro_f1(...)`.

van Rijsbergen, *Information Retrieval*, 1979. With tp, fp, fn the true positives, false positives and false negatives of
a class, F1 = 2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall. Macro F1 is the mean of the classes'
F1, so that a rare class counts as much as a common one. (The mean of all classes' precision and recall, and then their
F1, is another number: Opitz and Burst, *Macro F1 and Macro F1*, 2019, arXiv:1911.03347.)
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import datasets
import evaluate
import numpy as np


def counts(predictions: Sequence[Hashable], references: Sequence[Hashable], labels: Sequence[Hashable]) -> np.ndarray:
    """Whether each example is a true positive, a false positive, a false negative of each class: n × classes × 3.

    Their sum over examples goes into `of_sums`, as does that of a resample. A prediction that is no label is nothing
    but a miss. Raises `ValueError` on no examples, other lengths, labels named twice, and references that are no label.
    """
    if len(predictions) != len(references) or not len(references):
        raise ValueError(f"expected one prediction a reference, got {len(predictions)} for {len(references)}")
    if len(set(labels)) < len(labels):
        raise ValueError(f"expected each label once, got {labels}")
    if unknown := set(references) - set(labels):
        raise ValueError(f"expected references among the labels {labels}, got {unknown} too")
    predicted = np.array([[one == label for label in labels] for one in predictions])
    wanted = np.array([[one == label for label in labels] for one in references])
    return np.stack([predicted & wanted, predicted & ~wanted, ~predicted & wanted], axis=-1).astype(float)


def of_sums(sums: np.ndarray) -> np.ndarray:
    """F1 of each class, from sums of `counts` ... × classes × 3.

    0 where there is nothing to divide: a class that is neither predicted nor a reference. So a class that has no
    positives is worth 0 whether it is predicted or not, and so is one that is never predicted.
    """
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1)


def class_f1(
    predictions: Sequence[Hashable], references: Sequence[Hashable], labels: Sequence[Hashable] | None = None
) -> dict[Hashable, float]:
    """F1 of each of `labels`, in [0, 1]; of all that are predicted or a reference, where none are given."""
    labels = sorted({*predictions, *references}, key=repr) if labels is None else labels
    if any(label != label for label in labels):
        raise ValueError("a label is NaN, which equals nothing, itself included")
    found = of_sums(counts(predictions, references, labels).sum(axis=0))
    return dict(zip(labels, found.tolist(), strict=True))


def macro_f1(
    predictions: Sequence[Hashable], references: Sequence[Hashable], labels: Sequence[Hashable] | None = None
) -> float:
    """Mean of `class_f1`. Give `labels` to compare models: else one that predicts a class of its own has one more."""
    found = class_f1(predictions, references, labels)
    return float(np.mean(list(found.values())))


class F1(evaluate.Metric):  # type: ignore[misc]
    """`macro_f1`, and `class_f1` under each label's name; labels are texts."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("string")
        return evaluate.MetricInfo(
            description="F1 of each class, and their mean",
            citation="van Rijsbergen 1979",
            inputs_description="predictions, references: labels; labels: all of them",
            features=datasets.Features({"predictions": label, "references": label}),
        )

    def _compute(
        self, predictions: list[str], references: list[str], labels: list[str] | None = None
    ) -> dict[str, object]:
        found = class_f1(predictions, references, labels)
        return {"macro_f1": float(np.mean(list(found.values()))), "class_f1": found}
