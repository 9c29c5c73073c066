"""Learning which neighbours to join, from counted words: what the trainers of byte-pair encoding and WordPiece share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

Pair = tuple[int, int]


def learn(
    corpus: Mapping[tuple[str, ...], int],
    tokens: list[str],
    size: int,
    *,
    join: Callable[[str, str], str],
    minimum: int = 0,
    order: Callable[[Pair, list[str]], Any] = lambda pair, tokens: pair,
    gone: bool = False,
) -> list[tuple[str, str]]:
    """Join the most frequent pair of neighbours, again and again, until there are `size` tokens or no pair is left.

    corpus: words in parts, and how often each occurs; tokens: those that there are, made longer in place; join: the
    token that a pair makes, or "" if it never does; order: of equally frequent pairs the least wins; gone: whether
    pairs are joined at last that no longer occur. Returns the pairs in the order of joining.
    Only words that hold the pair are counted anew, so the cost grows with the corpus and not with size times corpus.
    """
    ids = {token: id for id, token in enumerate(tokens)}
    words, times = [[ids[part] for part in word] for word in corpus], list(corpus.values())
    count: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for n, word in enumerate(words):
        for pair in pairwise(word):
            count[pair] += times[n]
            places[pair].add(n)
    entry = lambda pair: (-count[pair], order(pair, tokens), pair)  # noqa: E731
    heap = [entry(pair) for pair in count]
    heapify(heap)
    merges = []
    while heap and len(tokens) < size:
        number, _, pair = heappop(heap)
        if count[pair] != -number:
            # subtle: an outdated entry comes too early, never too late; what grows is entered anew
            if count[pair] < -number:
                heappush(heap, entry(pair))
            continue
        if count[pair] < (0 if gone else max(1, minimum)):
            break
        made = join(tokens[pair[0]], tokens[pair[1]])
        if not made:
            continue
        merges.append((tokens[pair[0]], tokens[pair[1]]))
        new = ids.setdefault(made, len(tokens))  # subtle: another pair may have made the same token before
        if new == len(tokens):
            tokens.append(made)
        for changed in _rejoined(words, times, count, places, pair, new):
            heappush(heap, entry(changed))
    return merges


def _rejoined(
    words: list[list[int]],
    times: list[int],
    count: Counter[Pair],
    places: defaultdict[Pair, set[int]],
    pair: Pair,
    new: int,
) -> Iterable[Pair]:
    """Replace `pair` by `new` in every word that holds it, and count. Returns the pairs that there are more of now."""
    fresh = set()
    for n in places.pop(pair, ()):
        for old in pairwise(words[n]):
            count[old] -= times[n]
        words[n] = replaced(words[n], pair, new)
        for made in pairwise(words[n]):
            count[made] += times[n]
            if new in made:
                places[made].add(n)
                fresh.add(made)
            if made == (new, new):  # subtle: from the left, the first was for a moment beside the second's left half
                fresh.add((new, pair[0]))
    return fresh


def replaced(word: list[Any], pair: tuple[Any, Any], new: Any) -> list[Any]:
    """`word` with `new` in place of each `pair`, from the left."""
    result, i = [], 0
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        result.append(new if found else word[i])
        i += 2 if found else 1
    return result
