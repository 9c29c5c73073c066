"""95 % intervals: Wilson's for proportions, else the percentile bootstrap over whatever was drawn independently.

Wilson, *Probable inference, the law of succession, and statistical inference*, 1927; Efron and Tibshirani, *An
Introduction to the Bootstrap*, 1993, chapter 13. Of a single example, or of examples that are all alike, the bootstrap
knows nothing and its interval is a point: another reason to give proportions to `wilson`.

Resamples are drawn from the sorted rows with a seed of their own: the same examples in another order, in another
process or beside other models have the same interval to the last digit. A resample is kept as the number of times that
each distinct row was drawn. Where few rows are distinct (hits and misses) these are drawn at once from the multinomial
distribution; elsewhere row by row, some megabytes at a time. The distribution is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000

BLOCK = 2**18
"""Draws that are in memory at once: a few megabytes, which a processor's cache holds."""

Array = NDArray[np.float64]

Interval = tuple[float, float, float]
"""(figure, low, high)"""


def wilson(successes: int, n: int) -> Interval:
    """(share, low, high) of `successes` in `n`: the shares p with |share - p| <= z sqrt(p (1 - p) / n), z = 1.96.

    Raises `ValueError` unless 0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n and n of at least 1, got {successes} of {n}")
    z, share = NormalDist().inv_cdf(0.975), successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return share, 0.0 if successes == 0 else middle - reach, 1.0 if successes == n else middle + reach


def of_scores(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Interval:
    """(mean, low, high): `wilson` where every value is 0 or 1 and stands for itself, `of_mean` elsewhere."""
    if clusters is None and len(values) and all(value in (0, 1) for value in values):
        return wilson(int(sum(values)), len(values))
    return of_mean(values, clusters)


def of_mean(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """(mean, low, high) of `values`, one an example. Examples of one cluster are drawn together: see `of_sums`."""
    return of_ratio(values, [1.0] * len(values), clusters, resamples=resamples, seed=seed)


def of_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """(ratio of the sums, low, high). Numerators and denominators of one example are drawn together.

    Bits per byte is such a ratio: the mean of the documents' own ratios would count a byte of a short document more.
    Raises `ValueError` where the lengths differ, are 0, or a value is not finite.
    """
    up, down = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if up.shape != down.shape or up.ndim != 1 or not up.size:
        raise ValueError(f"expected two sequences of one length above 0, got {up.shape} and {down.shape}")
    if (down <= 0).any():
        raise ValueError("expected denominators above 0")
    rows = np.stack([up, down], axis=1)
    _, low, high = of_sums(rows, lambda s: s[:, 0] / s[:, 1], clusters, resamples=resamples, seed=seed)
    return math.fsum(up) / math.fsum(down), low, high


def of_sums(
    rows: ArrayLike,
    figure: Callable[[Array], Array],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """(value, low, high) of a figure of sums over examples, such as macro F1 of its counts.

    `rows`: n examples × d addends. `figure`: sums, b × d -> b figures. `clusters`: one label an example; those with one
    label (the words of a sentence) are drawn together, since they are not independent. Below some 20 clusters such
    intervals are too narrow. Raises `ValueError` where there is no row, one is not finite, or the lengths differ.
    """
    added = summed(rows, clusters)
    return bootstrap(
        added,
        lambda distinct, counts: figure(totals(distinct, counts)),
        resamples=resamples,
        seed=seed,
    )


def bootstrap(
    rows: ArrayLike, figure: Callable[[Array, Array], Array], *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """(value, low, high) of any figure of examples. `figure`: distinct rows m × d, times that each of them occurs
    b × m -> b figures; for figures that are no function of sums, such as rank correlation."""
    drawn = checked(rows)
    distinct, times = np.unique(drawn, axis=0, return_counts=True)
    figures = [figure(distinct, counts) for counts in multiplicities(times, resamples, seed)]
    low, high = np.quantile(np.concatenate(figures), [0.025, 0.975])
    return float(figure(distinct, times[None].astype(float))[0]), float(low), float(high)


def multiplicities(times: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Array]:
    """How often each of m distinct rows, there `times`, is in each resample: blocks of b × m that sum to n each."""
    generator, n, m = np.random.default_rng(seed), int(times.sum()), len(times)
    if 32 * m <= n:  # a draw from the binomial distribution takes about as long as 25 draws of a row
        yield generator.multinomial(n, times / n, size=resamples).astype(float)
        return
    row = np.repeat(np.arange(m), times)
    size = max(1, BLOCK // n)
    for start in range(0, resamples, size):
        b = min(size, resamples - start)
        drawn = generator.integers(n, size=(b, n))
        if m < n:
            drawn = row[drawn]
        drawn += m * np.arange(b)[:, None]
        yield np.bincount(drawn.ravel(), minlength=b * m).reshape(b, m).astype(float)


def totals(rows: Array, counts: Array) -> Array:
    """Sums of resamples: rows m × d, times that each of them occurs b × m -> b × d. Unlike those of a matrix product,
    their last digits do not depend on the number of threads."""
    return np.stack([np.einsum("bm,m->b", counts, np.ascontiguousarray(column)) for column in rows.T], axis=1)


def summed(rows: ArrayLike, clusters: Sequence[Hashable] | None) -> Array:
    """Sums of the rows of each cluster; the rows themselves where there are no clusters."""
    added = checked(rows)
    if clusters is None:
        return added
    if len(clusters) != len(added):
        raise ValueError(f"expected one cluster an example, got {len(clusters)} for {len(added)}")
    members: dict[Hashable, list[int]] = {}
    for index, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(index)
    return np.array([[math.fsum(column) for column in added[own].T] for own in members.values()])


def checked(rows: ArrayLike) -> Array:
    found = np.asarray(rows, dtype=float)
    if found.ndim != 2 or not len(found):
        raise ValueError(f"expected a row for each of at least one example, got the shape {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError("expected finite values")
    return found + 0.0  # -0.0 and 0.0 are one value
