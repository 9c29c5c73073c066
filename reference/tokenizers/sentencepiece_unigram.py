r"""SentencePiece's unigram model: of all ways to cut a text into known pieces, the most probable one.

Each piece has a probability; a text is taken for a sequence of independent pieces. Nothing is merged: the text with its
spaces (as the letter `▁`) is one lattice of all pieces that occur in it, and the best path through it is the
encoding. Because every path has a probability, other good cuts can be listed, or drawn at random so that a model sees
one text in many spellings (subword regularization).

$$
x^* = \arg\max_{x \in S(X)} \sum_i \log p(x_i), \qquad
P_\alpha(x) = \frac{\prod_i p(x_i)^\alpha}{\sum_{y \in S(X)} \prod_i p(y_i)^\alpha}
$$

where $S(X)$ are the ways to cut $X$. A character that is no piece by itself may be passed over as unknown, at
$\min_x \log p(x) - 10$. The best path is found from left to right (Viterbi), the next best ones by A* from the right,
samples by the sums of all paths from the left and a draw, piece after piece, from the right.

Training begins with all characters and all frequent substrings, and repeats two rounds of EM and a pruning until the
vocabulary is small enough. A round takes the expected number of each piece over all cuts of the corpus, weighted by
their probability,

$$
n(x) = \sum_X \sum_{y \in S(X)} P_1(y) \, |\{i : y_i = x\}|, \qquad
\log p(x) \leftarrow \psi(n(x)) - \psi\Big(\sum_z n(z)\Big)
$$

and drops what is expected less than half a time; $\psi = (\log \Gamma)'$ in the place of the logarithm takes from rare
pieces more than from frequent ones. Pruning drops the pieces that the likelihood of the best cuts would miss least if
each were cut in its second best way.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `piece` | text, score and kind; its place in the list is its id |
| $\log p(x)$ | score | of a normal piece; that of a user-defined one of length $n$ is $0.1 (n - 1)$ |
| $S(X)$ | `edges` | the lattice |
| $\alpha$ | `alpha` | 0: all cuts alike; 1: as probable as they are; large: the best one |
| $n(x)$ | `expected` | |
| $\psi$ | `digamma` | |

A piece's kind is `normal`; `unknown`, of which there is one; `control` (`<s>`), which no text contains; `user-defined`,
which is never normalized; `unused`, which decodes but is never found; or `byte`, `<0x00>` to `<0xFF>`.

## Papers

- Kudo (2018), *Subword Regularization: Improving Neural Network Translation Models with Multiple Subword Candidates*,
  arXiv 1804.10959: the model, its training, sampling.
- Kudo, Richardson (2018), *SentencePiece: A simple and language independent subword tokenizer and detokenizer for
  Neural Text Processing*, arXiv 1808.06226: spaces as letters, so that decoding is concatenation.
- Liang, Klein (2007), *Structured Bayesian Nonparametric Models with Variational Inference* (ACL tutorial): the
  digamma step.
- Nagata (1994), *A Stochastic Japanese Morphological Analyzer Using a Forward-DP Backward-A\* N-Best Search
  Algorithm*: listing the best paths.

## Pitfalls

- With the default options `' hello  world '` is `'hello world'`, a `▁` in the text is a space, and a blank text has
  no ids. Only without all three of them do all texts come back.
- Unknown neighbours are one id; with byte fallback each is its UTF-8 bytes instead, found only after the best path is.
- Of equal cuts the one whose last piece is the longest wins, place by place. SentencePiece adds up in float32,
  `tokenizers` in float64: where floats round, ties differ (`precision`). Since 0.2.3 a sum beyond 100,000 begins anew,
  so that float32 can tell the cuts of a long text apart; before, those of a few hundred kilobytes were cut by chance.
- `l` + `ll` and `ll` + `l` are equal, but floats need not add up to the same. `tokenizers` cuts T5's texts at spaces
  and begins every word at 0, SentencePiece goes on from the words before: they part where a word has such ties.
- A user-defined symbol is rather good than certain: its score is close to 0, but pieces that contain it, or scores
  above 0, can beat it. Before SentencePiece 0.2.3 it had the length times the best score, less 0.1.
- The length of a symbol is that of its UTF-8 for `encode`, but its characters for the $n$ best cuts and for samples, so
  that the first of the best need not be the encoding.
- Without any normal piece an unknown character is better than all symbols but those of a single character.
- `<s>` in a text is three characters. `tokenizers`, which has no kinds, would find a piece.
- Equally probable cuts have no order among the best $n$.
- `tokenizers` reads a letter with its marks at once where they have fewer than six bytes, and then the first rule of a
  compiled table replaces all of them: of `e` with two accents one is lost. In longer ones it composes nothing.
- Decoding leaves out the first space, of each piece as long as nothing is written. An unknown piece is ` ⁇ `.
- SentencePiece takes its seeds from a suffix array (only what is followed by different characters) and computes in
  float32; trained models of two implementations may differ, their encodings under the same model may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random

import regex

from reference.tokenizers import _lattice, _unigram_training
from reference.tokenizers._files import named
from reference.tokenizers._pieces import SPECIAL, PieceModel
from reference.tokenizers._sentencepiece import SPACE, Normalized, PieceLike, Trie, single
from reference.tokenizers._sentencepiece_files import piece_fields

PENALTY = 10.0
LIMIT = 100_000.0  # SentencePiece 0.2.3
BEST = 1e9
"""What counts as the worst normal piece where there is none: better than any."""


@dataclass(frozen=True)
class SentencepieceUnigram(PieceModel):
    """A unigram model from its table. Raises ValueError where that contradicts itself.

    pieces: (text, score, kind), by id; rules: what to replace before all else, the longest match first, as a mapping,
    by the name `nmt_nfkc`, or compiled; add_dummy_prefix: or "missing", only where a text begins without a space;
    remove_extra_whitespaces: or "inner", of several spaces one and none at the ends; steps: those of `normalization`,
    before all else; precision: "single" or "double", in which scores add up; words_apart: whether they do so from 0 in
    every word with the space before it, as where a `tokenizer.json` cuts at spaces.
    """

    precision: str = "single"
    words_apart: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in ("single", "double"):
            raise ValueError(f"precision: expected single or double, got {self.precision!r}")

    def n_best(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """The n most probable cuts, or all if there are fewer, with their scores. Equal ones are in no order."""
        if n < 1:
            raise ValueError(f"n_best expects n of at least 1, got {n}")
        normalized = self._normalizer(text)
        best = islice(_lattice.paths(list(self._edges(normalized.text))), n)
        return [(self._ids(normalized, path), score) for path, score in best]

    def sample(self, text: str, *, alpha: float, times: int, seed: int) -> list[list[int]]:
        """Cuts drawn from P_alpha, `times` of them, from a seed. Raises ValueError for an alpha below 0, or none."""
        if not 0 <= alpha < math.inf:
            raise ValueError(f"sample expects a finite alpha of at least 0, got {alpha}")
        normalized, random = self._normalizer(text), Random(seed)
        edges = list(self._edges(normalized.text))
        sums = _lattice.forward(edges, alpha)
        return [self._ids(normalized, _lattice.sample(edges, sums, alpha, random)) for _ in range(times)]

    def expectation(self, texts: Iterable[str]) -> tuple[float, dict[str, float]]:
        """The E step: log-likelihood of the texts' words, and the expected number of each normal piece."""
        return self._model.expectation(self._words(texts))

    def maximization(self, expected: Mapping[str, float], *, sparse: bool) -> SentencepieceUnigram:
        """The M step: normal pieces get new scores from their expected numbers, or are left out.

        sparse: with digamma, and without what is expected less than half a time; otherwise the maximum of likelihood.
        """
        scores = _unigram_training.maximization(expected, sparse)
        return replace(self, pieces=[*(p for p in self.pieces if p[2] != "normal"), *_normal(scores)])

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        size: int,
        *,
        seeds: int = 1_000_000,
        longest: int = 16,
        rounds: int = 2,
        shrink: float = 0.75,
    ) -> SentencepieceUnigram:
        """Learn at most `size` pieces: `<unk>`, `<s>`, `</s>`, then all characters and what pays best, by score.

        seeds: how many pieces to begin with, of at most `longest` characters; rounds: of EM before each pruning, which
        leaves the share `shrink`. Raises ValueError for a size that the characters do not fit into, and for no texts.
        """
        bare = cls([*SPECIAL, (SPACE, 0.0, "normal")])
        words = bare._words(texts)
        if not words:
            raise ValueError("train expects texts to learn from, got none that is not blank")
        least = len(SPECIAL) + len(set().union(*words))
        if size < least:
            raise ValueError(f"train expects a size of at least {least}, for all characters of the texts, got {size}")
        room = size - len(SPECIAL)
        learnt = _unigram_training.learnt(words, room, seeds=seeds, longest=longest, rounds=rounds, shrink=shrink)
        return cls([*SPECIAL, *_normal({piece: single(score) for piece, score in learnt.items()})])

    @classmethod
    @named
    def from_file(cls, path: str | Path) -> SentencepieceUnigram:
        """Load a `tokenizer.json`, which adds up in float64, or a folder with one.

        Raises ValueError for other normalizers than SentencePiece's.
        """
        return cls(**piece_fields(path, "Unigram"), precision="double")

    def _path(self, text: str) -> _lattice.Path:
        if not self.words_apart:
            return self._best(text)
        words = regex.finditer(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+", text)
        return [
            (word.start() + start, word.start() + end, id) for word in words for start, end, id in self._best(word[0])
        ]

    def _best(self, text: str) -> _lattice.Path:
        edges = _lattice.cuts(text, self._trie, self._encoded, self._unknown)
        if self.precision == "single":
            return _lattice.best(edges, len(text), single, LIMIT)
        return _lattice.best(edges, len(text), float)

    def _ids(self, normalized: Normalized, path: _lattice.Path) -> list[int]:
        return [id for id, _ in self._named(normalized, path)]

    def _edges(self, text: str) -> Iterable[list[_lattice.Edge]]:
        return _lattice.cuts(text, self._trie, self._known, self._unknown)

    @cached_property
    def _known(self) -> dict[str, tuple[int, float]]:
        """What can be found in a text: id and score."""
        return self._scored(len)

    @cached_property
    def _encoded(self) -> dict[str, tuple[int, float]]:
        """The same as `encode` has it: there a symbol is as long as its UTF-8."""
        return self._scored(lambda text: len(text.encode()))

    def _scored(self, length: Callable[[str], int]) -> dict[str, tuple[int, float]]:
        rounded = single if self.precision == "single" else float
        scores = {
            "normal": lambda text, score: score,
            "user-defined": lambda text, score: rounded(0.1) * (length(text) - 1),
        }
        found = [(id, text, score, kind) for id, (text, score, kind) in enumerate(self.pieces) if kind in scores]
        return {text: (id, rounded(scores[kind](text, score))) for id, text, score, kind in found}

    @cached_property
    def _trie(self) -> Trie:
        return Trie(self._known)

    @cached_property
    def _unknown(self) -> tuple[int, float]:
        rounded = single if self.precision == "single" else float
        least = min((rounded(score) for _, score, kind in self.pieces if kind == "normal"), default=BEST)
        return self._unknown_id, rounded(least - PENALTY)

    @cached_property
    def _model(self) -> _unigram_training.Model:
        return _unigram_training.Model({text: score for text, score, kind in self.pieces if kind == "normal"})


def _normal(scores: Mapping[str, float]) -> list[PieceLike]:
    return [(piece, score, "normal") for piece, score in scores.items()]
