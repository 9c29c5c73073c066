"""chrF by sacrebleu, an `evaluate` module: `evaluate.load(".../chrf.py")`, or just `chrf(...)`.

Popović, *chrF: character n-gram F-score for automatic MT evaluation*, 2015. With P and R the means over n = 1 to 6 of
the precision and recall of character n-grams, white space left out, (1 + b^2) P R / (b^2 P + R), b = 2: recall counts
twice as much. On a scale to 100. It needs no words, and so is fit for any language.

A sentence's chrF leaves out orders longer than the sentence. That of a corpus sums counts first, and is not the mean
of its sentences' chrF: this module reports the mean, one score an example, which can be compared by pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import datasets
import evaluate
import sacrebleu


def chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF of one text against the best of `references`, in [0, 100]; an empty text has 0, also against an empty one.

    Raises `ValueError` where there is no reference.
    """
    if isinstance(references, str) or not references:
        raise ValueError(f"expected a list of at least one reference, got {references!r:.80}")
    return float(sacrebleu.sentence_chrf(prediction, list(references)).score)


class ChrF(evaluate.Metric):  # type: ignore[misc]
    """Mean of `chrf` over texts."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="mean chrF of texts, by sacrebleu",
            citation="Popović 2015",
            inputs_description="predictions: texts; references: lists of texts",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        return {"chrf": math.fsum(chrf(*pair) for pair in pairs) / len(predictions)}
