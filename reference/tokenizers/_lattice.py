"""All ways to cut a text into pieces, as a lattice: its best paths, the sum over all of them, and samples.

`edges[start]` lists the pieces that begin there as (end, id, score). A path is a list of (start, end, id) from 0 to the
end of the text; its score is the sum of its edges'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any

from reference.tokenizers._sentencepiece import Trie

Edge = tuple[int, int, float]
Path = list[tuple[int, int, int]]


def cuts(
    text: str, trie: Trie, known: Mapping[str, tuple[int, float]], unknown: tuple[int, float]
) -> Iterator[list[Edge]]:
    """The edges of a text, place by place: the keys that begin there, the shortest first.

    Where none is a single character, one that is `unknown` stands for it, so that every place can be reached.
    """
    for start in range(len(text)):
        found: list[Edge] = []
        node: Any = trie.root
        end = start
        while end < len(text) and (node := node.get(text[end])) is not None:
            end += 1
            if "" in node:
                found.append((end, *known[node[""]]))
        yield found if found and found[0][0] == start + 1 else [*found, (start + 1, *unknown)]


def best(
    edges: Iterable[Sequence[Edge]], size: int, rounded: Callable[[float], float], limit: float = math.inf
) -> Path:
    """Viterbi's path. Of equal paths to one place the one found first stays: that with the longest last piece.

    Where a sum is beyond the limit, all that are still open begin anew from it, so that few digits are enough for them.
    """
    scores, arrivals = [0.0] + [-math.inf] * size, [(-1, -1)] * (size + 1)
    furthest = 0
    for start, leaving in enumerate(edges):
        if abs(scores[start]) > limit:
            open_ = slice(start, furthest + 1)
            scores[open_] = [rounded(score - scores[start]) for score in scores[open_]]
        here = scores[start]
        for end, id, score in leaving:
            furthest = max(furthest, end)
            total = rounded(here + score)
            if arrivals[end][0] < 0 or total > scores[end]:
                scores[end], arrivals[end] = total, (start, id)
    path, end = Path(), size
    while end:
        start, id = arrivals[end]
        path.append((start, end, id))
        end = start
    return path[::-1]


def paths(edges: Sequence[Sequence[Edge]]) -> Iterator[tuple[Path, float]]:
    """Every path with its score, the best first: A* from the end, guided by what is the best from the beginning on.

    Since that guess is exact, every step of the search is on the way to the next path of the list.
    """
    size = len(edges)
    guess, arriving = [0.0] + [-math.inf] * size, _reversed(edges)
    for end in range(1, size + 1):
        guess[end] = max(guess[start] + score for start, _, score in arriving[end])
    number = 0
    agenda: list[tuple[float, int, int, float, tuple | None]] = [(-guess[size], number, size, 0.0, None)]
    while agenda:
        _, _, end, done, rest = heappop(agenda)
        if end == 0:
            path = Path()
            while rest:
                edge, rest = rest
                path.append(edge)
            yield path, done
        for start, id, score in arriving[end]:
            number += 1
            total = done + score
            heappush(agenda, (-(guess[start] + total), number, start, total, ((start, end, id), rest)))


def forward(edges: Sequence[Sequence[Edge]], alpha: float = 1.0) -> list[float]:
    """The log of the sum of exp(alpha score) over all paths from the beginning to each place."""
    sums = [0.0]
    for arriving in _reversed(edges)[1:]:
        sums.append(_log_sum(sums[start] + alpha * score for start, _, score in arriving))
    return sums


def marginals(edges: Sequence[Sequence[Edge]]) -> tuple[float, dict[int, float]]:
    """The log of the sum over all paths, and how often each id is expected on a path drawn from them."""
    size = len(edges)
    before, after = forward(edges), [0.0] * (size + 1)
    for start in range(size - 1, -1, -1):
        after[start] = _log_sum(score + after[end] for end, _, score in edges[start])
    expected: dict[int, float] = {}
    for start, leaving in enumerate(edges):
        for end, id, score in leaving:
            expected[id] = expected.get(id, 0.0) + math.exp(before[start] + score + after[end] - before[size])
    return before[size], expected


def sample(edges: Sequence[Sequence[Edge]], sums: Sequence[float], alpha: float, random: Random) -> Path:
    """A path with a probability in proportion to exp(alpha score): forward sums, then one piece after another from the
    end, each by its share of the sum at its end. `sums` are those of `forward` with the same alpha.
    """
    path, end, arriving = Path(), len(edges), _reversed(edges)
    while end:
        shares = [math.exp(sums[start] + alpha * score - sums[end]) for start, _, score in arriving[end]]
        start, id, _ = random.choices(arriving[end], shares)[0]
        path.append((start, end, id))
        end = start
    return path[::-1]


def _reversed(edges: Sequence[Sequence[Edge]]) -> list[list[tuple[int, int, float]]]:
    """By the end instead of the beginning: (start, id, score)."""
    arriving: list[list[tuple[int, int, float]]] = [[] for _ in range(len(edges) + 1)]
    for start, leaving in enumerate(edges):
        for end, id, score in leaving:
            arriving[end].append((start, id, score))
    return arriving


def _log_sum(logs: Iterable[float]) -> float:
    logs = list(logs)
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs))
