r"""SentencePiece's byte-pair encoding: Llama's tokenizer, which glues neighbours whose text is the best piece.

The text with its spaces (as the letter `▁`) begins as characters. Of all neighbours whose texts together are a piece,
those of the highest score are glued, again and again. There is no list of merges: a table of pieces with scores says
all, and it does not matter from which two halves a piece comes.

Let $s = c_1 \dots c_n$ be the characters. Until no two neighbours make a piece, glue

$$
(s_i, s_{i+1}) \quad\text{with}\quad i = \min \arg\max_i \, \mathrm{score}(s_i s_{i+1}) .
$$

Training gives the piece that is glued first the score 0, the next -1, and so on: the most frequent pair of neighbours
within the words, of equally frequent ones the shortest, then the first by code points,

$$
\min_{(x, y)} \Big( -\sum_w c(w) \, \big|\{i : (s_i, s_{i+1}) = (x, y) \text{ in } w\}\big|, \; |xy|, \; xy \Big),
$$

as long as $xy$ is no piece yet, not too long, and written in one script. Characters come last, by frequency.

## Notation

| symbol | name | meaning |
|---|---|---|
| $s_i$ | `parts` | what is glued so far |
| score | `score` | of a piece; the higher, the earlier |
| $c(w)$ | | count of a word, with the space before it |
| | `alpha` | how probably a gluing is passed over (BPE-dropout) |

A piece's kind is `normal`; `unknown`, of which there is one; `control` (`<s>`), which no text contains; `user-defined`,
which is cut out first and never glued; `unused`, which is glued and taken apart again; or `byte`, `<0x00>` to `<0xFF>`.

## Papers

- Sennrich, Haddow, Birch (2016), *Neural Machine Translation of Rare Words with Subword Units*, arXiv 1508.07909.
- Kudo, Richardson (2018), *SentencePiece: A simple and language independent subword tokenizer and detokenizer for
  Neural Text Processing*, arXiv 1808.06226.
- Provilkov, Emelianenko, Voita (2020), *BPE-Dropout: Simple and Effective Subword Regularization*, arXiv 1910.13267.

## Pitfalls

- The whole text is one word: only that no piece has a space inside keeps words apart.
- Any two halves make a piece, so a list of merges (`tokenizers`) needs all of a piece's halves, in the order of scores.
- Of equal scores the leftmost is glued first, one place at a time.
- An unused piece takes part in gluing; in the result it is taken apart into the two it was last made of, and so on.
- A character that is no piece is unknown, or bytes, but may still be glued into a piece.
- Trainers differ in which of equally frequent pairs they take: the shortest here, the first seen, or the least ids.
- `a1` and `s.` are never learnt, for digits and marks are of another script than letters.
- A corpus with no pair left still fills the vocabulary, with pairs that there once were.
- The Python package reads lines: it takes line breaks off the end of a text before it learns from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from reference.tokenizers._files import named
from reference.tokenizers._pair_counts import Pair, learn
from reference.tokenizers._pieces import SPECIAL, PieceModel
from reference.tokenizers._scripts import one_script
from reference.tokenizers._sentencepiece import SPACE
from reference.tokenizers._sentencepiece_files import piece_fields


@dataclass(frozen=True)
class SentencepieceBPE(PieceModel):
    """A BPE model from its table. Raises ValueError where that contradicts itself.

    pieces: (text, score, kind), by id; rules: what to replace before all else, the longest match first; merges: the only
    pairs that may be glued, the first of them first, whatever the scores; without any all that make a piece.
    """

    merges: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        known = {text for text, *_ in self.pieces}
        if odd := [(left, right) for left, right in self.merges if not {left, right, left + right} <= known]:
            raise ValueError(f"merges: expected merges of two pieces into a third, got {odd[0]!r}")

    def sample(self, text: str, *, alpha: float, times: int, seed: int) -> list[list[int]]:
        """Cuts in which each gluing is passed over, for good, with probability alpha. Raises ValueError for none."""
        if not 0 <= alpha <= 1:
            raise ValueError(f"sample expects a probability alpha, got {alpha}")
        normalized, random = self._normalizer(text), Random(seed)
        paths = (self._path(normalized.text, alpha, random) for _ in range(times))
        return [[id for id, _ in self._named(normalized, path)] for path in paths]

    @classmethod
    def train(
        cls, texts: Iterable[str], size: int, *, longest: int = 16, scripts_apart: bool = True
    ) -> SentencepieceBPE:
        """Learn at most `size` pieces: `<unk>`, `<s>`, `</s>`, then what is glued, then all characters by frequency.

        longest: of a piece, in characters; scripts_apart: whether a piece is of one script. Raises ValueError for texts
        without any word, and for a size that the characters do not fit into.
        """
        words = cls([*SPECIAL, (SPACE, 0.0, "normal")])._words(texts)
        corpus, letters = Counter[tuple[str, ...]](), Counter[str]()
        for word, times in words.items():
            for part in word.split("\0"):
                corpus[tuple(part)] += times
                for letter in part:
                    letters[letter] += times
        if not letters:
            raise ValueError("train expects texts with at least one word")
        tokens = sorted(letters, key=lambda letter: (-letters[letter], letter))
        least, number = len(SPECIAL) + len(tokens), len(tokens)
        if size < least:
            raise ValueError(f"train expects a size of at least {least}, for all characters of the texts, got {size}")
        join = lambda left, right: _piece(left + right, longest, scripts_apart)  # noqa: E731
        learn(corpus, tokens, size - len(SPECIAL), join=join, order=_order, gone=True)
        learnt = [*tokens[number:], *tokens[:number]]
        return cls([*SPECIAL, *((piece, float(-rank), "normal") for rank, piece in enumerate(learnt))])

    @classmethod
    @named
    def from_file(cls, path: str | Path) -> SentencepieceBPE:
        """Load a `tokenizer.json` in which all halves of pieces are merges, or a folder with one.

        Raises ValueError for other merges and other normalizers than SentencePiece's.
        """
        return cls(**piece_fields(path, "BPE"))

    def _path(self, text: str, alpha: float = 0.0, random: Random | None = None) -> list[tuple[int, int, int]]:
        path, start = [], 0
        for part in self._parted(text) if random is None else self._glued(text, alpha, random):
            path.append((start, start + len(part), self._ids.get(part, self._unknown_id)))
            start += len(part)
        return path

    def _parted(self, text: str) -> list[str]:
        """Cut where two characters meet that are neighbours in no piece: nothing is glued across, so what is between
        two cuts is glued by itself, and mostly a word that was there before."""
        cuts = [at for at, pair in enumerate(pairwise(text), 1) if pair not in self._neighbours]
        return [part for begin, end in pairwise([0, *cuts, len(text)]) for part in self._remembered(text[begin:end])]

    @cached_property
    def _remembered(self) -> Callable[[str], list[str]]:
        return lru_cache(maxsize=1 << 16)(lambda text: self._glued(text, 0.0, Random(0)))

    @cached_property
    def _neighbours(self) -> set[tuple[str, str]]:
        """Characters that stand side by side in a piece."""
        return {pair for text, *_ in self.pieces for pair in pairwise(text)}

    def _glued(self, text: str, alpha: float, random: Random) -> list[str]:
        """Linked list and heap: n log n, also for one word of a megabyte."""
        parts, whole = self._characters(text)
        before, after = list(range(-1, len(parts) - 1)), list(range(1, len(parts) + 1))
        heap: list[tuple[float, int, int, str]] = []
        halves: dict[str, tuple[str, str]] = {}
        fresh = list(pairwise(range(len(parts))))
        while fresh or heap:
            for i, j in fresh:
                if i < 0 or j == len(parts) or whole[i] or whole[j]:
                    continue
                piece = parts[i] + parts[j]
                order = self._orders.get((parts[i], parts[j]) if self.merges else piece)
                if order is not None:
                    heappush(heap, (order, i, j, piece))
                    if piece in self._unused:
                        halves[piece] = parts[i], parts[j]
            fresh = []
            if heap:
                _, i, j, piece = heappop(heap)
                if not parts[i] or not parts[j] or len(parts[i]) + len(parts[j]) != len(piece):
                    continue  # subtle: an earlier gluing took one of the two
                if alpha > 0 and random.random() < alpha:
                    continue
                parts[i], parts[j], after[i] = piece, "", after[j]
                if after[j] < len(parts):
                    before[after[j]] = i
                fresh = [(before[i], i), (i, after[i])]
        return [small for part in parts if part for small in _apart(part, halves)]

    def _characters(self, text: str) -> tuple[list[str], list[bool]]:
        """What gluing begins with, and which of it is a symbol, never to be glued."""
        parts, whole, at = [], [], 0
        while at < len(text):
            symbols = self._symbols.begins(text[at]) and self._symbols.prefixes(text, at)
            parts.append(symbols[-1] if symbols else text[at])
            whole.append(bool(symbols))
            at += len(parts[-1])
        return parts, whole

    @cached_property
    def _orders(self) -> Mapping[Any, float]:
        """What may be glued, and the least first: pieces, or pairs of them."""
        if self.merges:
            return {pair: rank for rank, pair in enumerate(self.merges)}
        return {text: -score for text, score, kind in self.pieces if kind in ("normal", "user-defined", "unused")}

    @cached_property
    def _ids(self) -> dict[str, int]:
        """What may be found."""
        return {text: id for id, (text, _, kind) in enumerate(self.pieces) if kind in ("normal", "user-defined")}

    @cached_property
    def _unused(self) -> set[str]:
        return {text for text, _, kind in self.pieces if kind == "unused"}


def _apart(part: str, halves: Mapping[str, tuple[str, str]]) -> list[str]:
    """Unused pieces as the two that they were last made of, and so on."""
    result, rest = [], [part]
    while rest:
        part = rest.pop()
        if part in halves:
            rest += reversed(halves[part])
        else:
            result.append(part)
    return result


def _order(pair: Pair, tokens: list[str]) -> tuple[int, str]:
    """Of equally frequent pairs the shortest is learnt first, then the first by code points."""
    piece = tokens[pair[0]] + tokens[pair[1]]
    return len(piece), piece


def _piece(piece: str, longest: int, scripts_apart: bool) -> str:
    """What may be learnt, else nothing."""
    fits = len(piece) <= longest and (not scripts_apart or one_script(piece, SPACE))
    return piece if fits else ""
