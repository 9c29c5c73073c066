"""ROUGE-L, an `evaluate` module: `evaluate.load(".../rouge_l.py")`, or just `rouge_l(...)`.

Lin, *ROUGE: a package for automatic evaluation of summaries*, 2004. With L the length of the longest common subsequence
of the words of the summary (p of them) and of the reference (g), the F-measure is 2 L / (p + g).

Words are runs of a-z and 0-9 in the lower-cased text, not stemmed, as in the rouge-score package. Everything else
separates words, letters of other alphabets too: a text in Greek has no words, and is worth 0 even against itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import datasets
import evaluate


def rouge_l(prediction: str, references: Sequence[str]) -> float:
    """F-measure against the best of `references`, in [0, 1]; 0 where either text has no words.

    Raises `ValueError` where there is no reference.
    """
    if isinstance(references, str) or not references:
        raise ValueError(f"expected a list of at least one reference, got {references!r:.80}")
    predicted = words(prediction)
    return max(f_measure(predicted, words(reference)) for reference in references)


def words(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


def f_measure(predicted: Sequence[str], wanted: Sequence[str]) -> float:
    return 2 * common(predicted, wanted) / (len(predicted) + len(wanted)) if predicted and wanted else 0.0


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        above = row
        row = [0]
        for place, another in enumerate(other):
            row.append(above[place] + 1 if word == another else max(above[place + 1], row[place]))
    return row[-1]


class RougeL(evaluate.Metric):  # type: ignore[misc]
    """Mean of `rouge_l`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="mean ROUGE-L F-measure",
            citation="Lin 2004",
            inputs_description="predictions: texts; references: lists of texts",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        return {"rouge_l": math.fsum(rouge_l(*pair) for pair in pairs) / len(predictions)}
