"""Is one model better than another on the same examples? Paired tests, Holm's correction, and shared ranks.

| function | answers | source |
|---|---|---|
| `mcnemar` | p of a difference between two proportions | McNemar 1947 |
| `randomization` | p of a difference between two means | Fisher 1935; Smucker, Allan and Carterette 2007 |
| `paired_bootstrap` | the difference, its interval and p | Efron and Tibshirani 1993; Koehn 2004 |
| `holm` | p values of many comparisons, so that any false one is as rare as one alone | Holm 1979 |
| `smallest_detectable` | the difference that n examples show four times out of five | Connor 1987 for proportions |
| `shared_ranks_paired` | ranks that say no more than the tests | |

Ranks rest on `mcnemar` and `randomization`, of which the first is a special case of the second: whatever the number of
examples and however small the level that Holm asks for, they are wrong at most as often as they say. The bootstrap is
not: where the models differ on five of 300 examples, always to one side, it gives p = 0.01, and a fair coin 0.06.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from reports.intervals import BLOCK, RESAMPLES, Array, multiplicities, summed, totals

LEVEL = 0.05

POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """First minus second, with its 95 % interval, and p: how rare so large a difference is between equals."""

    value: float
    low: float
    high: float
    p: float


def mcnemar(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of McNemar's exact test on two sequences of 0 and 1: a fair coin for each example on which they differ.

    Exact rather than mid-p: mid-p finds slightly more, but may be wrong up to twice as often as it says, most of all at
    the small levels that a correction for many comparisons asks for. 1 where they differ nowhere.
    """
    differences = paired(first, second)
    if not (binary(first) and binary(second)):
        raise ValueError("McNemar's test compares hits and misses: expected 0 and 1 only")
    won, lost = int((differences > 0).sum()), int((differences < 0).sum())
    return coin(min(won, lost), won + lost)


def coin(heads: int, throws: int) -> float:
    """Probability that a fair coin falls at least as unevenly as `heads` of `throws`, to either side."""
    below, ways = 0, 1
    for k in range(min(heads, throws - heads) + 1):
        below += ways
        ways = ways * (throws - k) // (k + 1)
    return min(1.0, 2 * below / 2**throws)


def randomization(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """Two-sided p of the difference of means: how often is it as large when each example's two scores change places at
    random? The examples of one cluster change places together. p is at least 1 / (resamples + 1).

    For a ratio with denominators that both models share (bits per byte), give the numerators.
    """
    differences = summed(paired(first, second)[:, None], clusters)
    return float(sign_flips(differences, resamples, seed)[0])


def sign_flips(differences: Array, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """p of each column (n × columns): the share of sign patterns under which the sum is as far from 0.

    By sizes, not as given: p hangs neither on the order of the examples nor on which model is called the first.
    """
    sizes, generator = np.sort(np.abs(differences), axis=0), np.random.default_rng(seed)
    n, columns = sizes.shape
    reached = np.array([abs(math.fsum(column)) for column in differences.T]) - 1e-9 * sizes.sum(axis=0)
    as_far, step = np.zeros(columns), max(1, BLOCK // n)
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        bits = np.frombuffer(generator.bytes(b * -(-n // 8)), dtype=np.uint8).reshape(b, -1)
        signs = 2.0 * np.unpackbits(bits, axis=1, count=n) - 1.0
        as_far += (np.abs(signs @ sizes) >= reached).sum(axis=0)
    return (as_far + 1) / (resamples + 1)


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    denominators: Sequence[float] | None = None,
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Difference of the means (or of the ratios of sums, with `denominators`), its percentile interval, and
    p = 2 min(share of resamples at or below 0, at or above 0), each count plus one.

    Swapping the models swaps the signs and nothing else.
    """
    differences = paired(first, second)
    weights = np.ones(len(differences)) if denominators is None else np.asarray(denominators, dtype=float)
    if weights.shape != differences.shape or (weights <= 0).any():
        raise ValueError("expected a denominator above 0 for each example")
    rows = summed(np.stack([differences, weights], axis=1), clusters)
    # The same draws whichever model is called the first.
    signed = {sign: np.unique(rows * [sign, 1], axis=0, return_counts=True) for sign in (1.0, -1.0)}
    sign = max(signed, key=lambda sign: [array.tolist() for array in signed[sign]])
    distinct, times = signed[sign]
    sums = np.concatenate([totals(distinct, counts) for counts in multiplicities(times, resamples, seed)])
    drawn = sums[:, 0] / sums[:, 1]
    low, high = sorted(sign * np.quantile(drawn, [0.025, 0.975]))
    p = 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (resamples + 1)
    return Difference(math.fsum(differences) / math.fsum(weights), float(low), float(high), min(1.0, float(p)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given: the k-th smallest of m times m - k + 1, and none below the one before it.

    Raises `ValueError` on what is not in [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("expected p values in [0, 1]")
    adjusted, reached, m = [0.0] * len(p_values), 0.0, len(p_values)
    for k, index in enumerate(sorted(range(m), key=lambda index: p_values[index])):
        reached = max(reached, min(1.0, (m - k) * p_values[index]))
        adjusted[index] = reached
    return adjusted


def smallest_detectable(deviation: float, n: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The difference of means that `n` paired examples show with probability `power` at the two-sided `level`.

    (z(1 - level/2) + z(power)) deviation / sqrt(n), so 2.80 deviation / sqrt(n). `deviation` is that of the differences
    of single examples; between two proportions it is at most the root of the share of examples on which the models
    differ. For many comparisons, divide the level by their number. The coin of `mcnemar` needs a little more, and, at
    5 %, never less than 6 / n.
    """
    if n < 1 or not 0 <= deviation < math.inf or not 0 < level < 1 or not 0 < power < 1:
        raise ValueError(f"expected n >= 1, deviation >= 0, level and power within (0, 1), got {n=} {deviation=}")
    quantile = NormalDist().inv_cdf
    return (quantile(1 - level / 2) + quantile(power)) * deviation / math.sqrt(n)


def pairwise(
    scores: Mapping[str, Sequence[float]], clusters: Sequence[Hashable] | None = None, *, seed: int = 0
) -> dict[frozenset[str], float]:
    """p of each pair of models after Holm's correction: by `mcnemar` where all scores are 0 or 1 and there are no
    clusters, by `randomization` elsewhere, with resamples enough for the correction not to swallow every difference.
    """
    pairs = list(itertools.combinations(sorted(scores), 2))
    for values in scores.values():
        paired(values, values)
    if clusters is None and all(map(binary, scores.values())):
        found = [mcnemar(scores[one], scores[other]) for one, other in pairs]
    elif pairs:
        differences = np.stack([paired(scores[one], scores[other]) for one, other in pairs], axis=1)
        resamples = max(RESAMPLES, math.ceil(4 * len(pairs) / LEVEL))
        found = sign_flips(summed(differences, clusters), resamples, seed).tolist()
    else:
        found = []
    return dict(zip(map(frozenset, pairs), holm(found), strict=True))


def shared_ranks_paired(
    scores: Mapping[str, Sequence[float]],
    better: Literal["higher", "lower"] = "higher",
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = LEVEL,
) -> dict[str, int]:
    """Rank of each model, 1 the best, from its scores on the same examples in the same order.

    By their means, models stand one below the other. A new rank begins where every model above is told apart, by
    `pairwise`, from every model below; the models between two such places share a rank, and the next rank counts the
    models before it (1 1 3). So two that cannot be told apart always share a rank. Two that can may share one too: A is
    told apart from C, but neither from B, and no ranking can say all three.
    """
    if better not in ("higher", "lower"):
        raise ValueError(f"better is 'higher' or 'lower', not {better!r}")
    p = pairwise(scores, clusters)
    sign = -1 if better == "higher" else 1
    order = sorted(scores, key=lambda model: sign * math.fsum(scores[model]))
    ranks, rank = {}, 1
    for place, model in enumerate(order):
        above, below = order[:place], order[place:]
        if all(p[frozenset(pair)] <= level for pair in itertools.product(above, below)):
            rank = place + 1
        ranks[model] = rank
    return ranks


def binary(values: Sequence[float]) -> bool:
    return bool(np.isin(np.asarray(values, dtype=float), (0, 1)).all())


def paired(first: Sequence[float], second: Sequence[float]) -> Array:
    """Differences, example by example. Raises `ValueError` unless both are finite and of one length above 0."""
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape or one.ndim != 1 or not one.size:
        raise ValueError(f"expected scores of the same examples, got {one.shape} and {other.shape}")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("expected finite scores")
    return one - other + 0.0
