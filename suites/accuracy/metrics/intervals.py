"""95 % intervals by the percentile bootstrap, over whatever was drawn independently: queries, documents.

Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000


def of_ratio(
    numerators: Sequence[float], denominators: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """(ratio of the sums, low, high). Numerators and denominators of one example are drawn together.

    Bits per byte is such a ratio: the mean of the documents' own ratios would count a byte of a short document more.
    Raises `ValueError` where the lengths differ, are 0, or a value is not finite.
    """
    up, down = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if up.shape != down.shape or up.ndim != 1 or not up.size:
        raise ValueError(f"expected two sequences of one length above 0, got {up.shape} and {down.shape}")
    if not (np.isfinite(up).all() and np.isfinite(down).all()):
        raise ValueError("expected finite values")
    if (down <= 0).any():
        raise ValueError("expected denominators above 0")
    draws = np.random.default_rng(seed).integers(up.size, size=(resamples, up.size))
    low, high = np.quantile(up[draws].sum(axis=1) / down[draws].sum(axis=1), [0.025, 0.975])
    return float(up.sum() / down.sum()), float(low), float(high)


def of_mean(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float, float]:
    """(mean, low, high) of `values`, one an example."""
    return of_ratio(values, np.ones(len(values)).tolist(), resamples=resamples, seed=seed)
