"""Expected calibration error, an `evaluate` module: `evaluate.load(".../calibration.py")`, or just call the function.

Naeini, Cooper and Hauskrecht 2015; Guo et al., *On calibration of modern neural networks*, 2017, arXiv:1706.04599. Of
the answers given with confidence 0.8, 80 % should be right. [0, 1] is cut into equal bins; the error is the mean over
examples of |share of hits - mean confidence| of their bin.

It depends on the number of bins, and grows with it even for a calibrated model, the more so the fewer the examples:
compare models on the same examples and bins only.
"""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np


def expected_calibration_error(confidences: Sequence[float], hits: Sequence[bool], bins: int = 15) -> float:
    """Error in [0, 1]; 0 is perfect. `confidences`: probability given to the answer chosen; `hits`: is it right?

    A bin holds its upper edge and not its lower one, but for the first, which holds 0 too. Raises `ValueError` on no
    examples, other lengths, bins < 1, confidences outside [0, 1] or NaN, and hits other than 0 and 1.
    """
    stated, right = np.asarray(confidences, dtype=float), np.asarray(hits, dtype=float)
    if stated.shape != right.shape or stated.ndim != 1 or not stated.size or bins < 1:
        raise ValueError(f"expected a hit or miss a confidence and bins, got {stated.shape}, {right.shape}, {bins=}")
    if not ((stated >= 0) & (stated <= 1)).all() or not np.isin(right, (0, 1)).all():
        raise ValueError("expected confidences in [0, 1], and hits of 0 or 1")
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], stated, side="left")
    return float(np.abs(np.bincount(place, weights=right - stated)).sum() / len(stated))


class ExpectedCalibrationError(evaluate.Metric):  # type: ignore[misc]
    """`expected_calibration_error`."""

    def _info(self) -> evaluate.MetricInfo:
        features = {"predictions": datasets.Value("float64"), "references": datasets.Value("bool")}
        return evaluate.MetricInfo(
            description="expected calibration error",
            citation="Guo et al. 2017",
            inputs_description="predictions: confidences; references: whether the answer is right; bins",
            features=datasets.Features(features),
        )

    def _compute(self, predictions: list[float], references: list[bool], bins: int = 15) -> dict[str, float]:
        return {"expected_calibration_error": expected_calibration_error(predictions, references, bins)}
