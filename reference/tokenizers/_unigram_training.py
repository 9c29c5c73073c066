"""How a unigram model is learnt: too many pieces at first, then expectation maximization and pruning in turn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import islice

from reference.tokenizers._lattice import Edge, best, cuts, marginals, paths
from reference.tokenizers._sentencepiece import Trie

RARE = 0.5
"""A piece that is expected less often is dropped."""
SURPLUS = 1.1
"""Pruning ends at this many times the size; the rest goes by score."""


class Model:
    """Pieces with the logs of their probabilities, while they are learnt."""

    def __init__(self, scores: Mapping[str, float]) -> None:
        self.scores, self.trie, self.names = dict(scores), Trie(scores), list(scores)
        self.known = {piece: (id, score) for id, (piece, score) in enumerate(scores.items())}
        self.unknown = -1, min(scores.values(), default=0.0) - 10

    def edges(self, word: str) -> list[list[Edge]]:
        return list(cuts(word, self.trie, self.known, self.unknown))

    def expectation(self, words: Mapping[str, int]) -> tuple[float, dict[str, float]]:
        """The log-likelihood of counted words, and how often each piece is expected in them."""
        likelihood, expected = 0.0, dict.fromkeys(self.names, 0.0)
        for word, times in words.items():
            total, found = marginals(self.edges(word))
            likelihood += times * total
            for id, number in found.items():
                if id >= 0:
                    expected[self.names[id]] += times * number
        return likelihood, expected

    def best(self, word: str) -> list[int]:
        return [id for _, _, id in best(self.edges(word), len(word), float) if id >= 0]


def learnt(
    words: Mapping[str, int], size: int, *, seeds: int, longest: int, rounds: int, shrink: float
) -> dict[str, float]:
    """At most `size` pieces and their scores; all characters of the words are among them, if need be more than `size`."""
    letters: dict[str, float] = {}
    for word, times in words.items():
        for letter in word:
            letters[letter] = letters.get(letter, 0.0) + times
    if not letters:
        return {}
    model = Model(_log_shares(seeded(words, letters, seeds, longest)))
    while True:
        for _ in range(rounds):
            model = Model(maximization(model.expectation(words)[1]))
        if len(model.names) <= int(SURPLUS * size):
            break
        model = Model(pruned(model, words, max(int(SURPLUS * size), int(shrink * len(model.names)))))
    return _finished(model, letters, size)


def seeded(words: Mapping[str, int], letters: Mapping[str, float], most: int, longest: int) -> dict[str, float]:
    """All characters, and what occurs at least twice, by how much text it covers."""
    found = Counter[str]()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 2, min(start + longest, len(word)) + 1):
                found[word[start:end]] += times
    covered = {piece: float(times * len(piece)) for piece, times in found.items() if times > 1}
    room = max(0, most - len(letters))
    return dict(_sorted(letters)) | dict(_sorted(covered)[:room])


def maximization(expected: Mapping[str, float], sparse: bool = True) -> dict[str, float]:
    """New scores from expected counts. `sparse`: as if each probability had a prior that favours few pieces
    (digamma in place of the logarithm), and without those that are hardly ever expected.
    """
    kept = {piece: number for piece, number in expected.items() if number >= RARE} if sparse else dict(expected)
    log = digamma if sparse else _log
    total = log(sum(kept.values()))
    return {piece: log(number) - total for piece, number in kept.items() if sparse or number > 0}


def pruned(model: Model, words: Mapping[str, int], size: int) -> dict[str, float]:
    """The pieces whose loss would cost most: what the best cut of the words loses if each is cut by the others."""
    used, uses = Counter[int](), Counter[int]()
    for word, times in words.items():
        path = model.best(word)
        for id in path:
            used[id] += times
        for id in set(path):
            uses[id] += times
    total, number = sum(used.values()), sum(words.values())
    kept: list[str] = []
    losses: dict[str, float] = {}
    for id, piece in enumerate(model.names):
        cheapest = [[edge for *_, edge in path] for path, _ in islice(paths(model.edges(piece)), 2)]
        if len(cheapest) == 1:
            kept.append(piece)  # nothing else can stand for it
        elif used[id] and len(cheapest[0]) == 1:
            others = [other for other in cheapest[1] if other >= 0]
            after = math.log(total + used[id] * (len(others) - 1))
            instead = sum(math.log(used[other] + used[id]) - after for other in others)
            losses[piece] = uses[id] / number * (math.log(used[id]) - math.log(total) - instead)
    best_of = [piece for piece, _ in _sorted(losses)]
    return {piece: model.scores[piece] for piece in [*kept, *best_of[: max(0, size - len(kept))]]}


def digamma(x: float) -> float:
    """The derivative of log Γ: steps up to where its asymptotic series is exact enough."""
    result = 0.0
    while x < 7:
        result -= 1 / x
        x += 1
    x -= 0.5
    square = 1 / (x * x)
    return result + math.log(x) + square / 24 - 7 * square**2 / 960 + 31 * square**3 / 8064 - 127 * square**4 / 30720


def _finished(model: Model, letters: Mapping[str, float], size: int) -> dict[str, float]:
    """Every character has a piece; those that were dropped get the least score, a little more for rarer ones."""
    least = min(model.scores.values(), default=0.0)
    result: dict[str, float] = {}
    for letter, _ in _sorted(letters):
        lost = sum(piece not in model.scores for piece in result)
        result[letter] = model.scores.get(letter, least + 0.0001 * lost)
    rest = [entry for entry in _sorted(model.scores) if entry[0] not in result]
    return dict(_sorted(result | dict(rest[: max(0, size - len(result))])))


def _sorted(values: Mapping[str, float]) -> list[tuple[str, float]]:
    """The largest first; of equal ones that of the smaller text."""
    return sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))


def _log_shares(values: Mapping[str, float]) -> dict[str, float]:
    total = math.log(sum(values.values()))
    return {piece: math.log(value) - total for piece, value in values.items()}


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
