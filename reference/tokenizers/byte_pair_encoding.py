r"""Byte-pair encoding of characters: frequent neighbours are glued together, beginning with letters.

Sennrich's tokenizer, from which the others descend. A text is cut at spaces. Every word is a row of characters, and the
last one may be marked as such, or all but the first; without a mark nobody could tell where words end. The list of
merges that training learnt is then replayed, earliest first. What the vocabulary lacks is unknown, character by
character, unless its bytes are tokens.

A word of characters $c_1 \dots c_n$ begins as the tokens $s_i = $ `continuing` $c_i$ for $i > 1$, followed by
`end_of_word` for $i = n$. With $r(x, y)$ the place of a pair in the list of merges, $\infty$ if it is not there, find

$$
(x, y) = \arg\min_{(s_i, s_{i+1})} r(s_i, s_{i+1})
$$

and replace every $x\,y$, from the left, by one token: $x$ followed by $y$ without `continuing`. Stop when all ranks are
$\infty$. With dropout $p$ every merge that is possible is left out with probability $p$, independently and anew at each
step; of those that stay the best one, the leftmost of them, is done, and when none stays the word is finished.

Training starts from the special tokens, the characters by code point, and the marked ones as the corpus shows them. It
appends the token of the pair that has most occurrences,

$$
\arg\max_{(x, y)} \sum_w c(w) \, \left|\{i : (s_i, s_{i+1}) = (x, y) \text{ in } w\}\right|
$$

with $c(w)$ the count of a word, until the vocabulary has its size or no pair occurs `minimum` times. Overlapping pairs
all count ($aaa$ holds $aa$ twice) but merge once. Ties: in `tokenizers` the smallest id of the left token wins, then
that of the right one; in `subword-nmt` the pair that is last in the alphabet.

## Notation

| symbol | name | meaning |
|---|---|---|
| $w$ | word | what stands between spaces, or the whole text if `cut` is false |
| $s_i$ | `parts` | tokens of a word, at first one a character |
| | `continuing` | mark before every character but the first of a word: `##` |
| | `end_of_word` | mark behind the last one: `</w>` |
| $r$ | `rank` | place in the list of merges |
| $p$ | `dropout` | probability to leave a merge out, each time |

## Papers

- Gage (1994), *A New Algorithm for Data Compression*: gluing pairs, to make files smaller.
- Sennrich, Haddow, Birch (2016), *Neural Machine Translation of Rare Words with Subword Units*, arXiv 1508.07909:
  merges learnt on words, `</w>`, and replaying them on words never seen.
- Provilkov, Emelianenko, Voita (2020), *BPE-Dropout: Simple and Effective Subword Regularization*, arXiv 1910.13267.
- Kudo, Richardson (2018), *SentencePiece*, arXiv 1808.06226, whose models brought byte fallback.
- Zouhar et al. (2023), *A Formal Perspective on Byte-Pair Encoding*, arXiv 2306.16837: what greedy merging optimizes.

## Pitfalls

- Without an unknown token a character that the vocabulary lacks is left out, without a word, and its neighbours meet:
  `axb` may become the token `ab`. Offsets still say where they stood.
- Unknown characters are one token each, unless `fuse_unknown`, and then one a run. Bytes between them end the run.
- Byte fallback is all or nothing for a character: if one of its bytes is no token it is unknown.
- Merges are replayed on bytes and unknown tokens too, if the list names them.
- `ignore_merges` takes a word that is a token as it is, without marks, before anything else. Dropout, which is there
  to cut such words too, overrules it (as in `tokenizers`).
- Rank decides, not length. A token that no merge makes never appears, unless it is a single character.
- At dropout 1 every word falls into characters. Merges that were left out get another chance at the next step, which
  SentencePiece denies them.
- Of one run of byte tokens all become U+FFFD in decoding where the run is not UTF-8.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heapify, heappop, heappush
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import regex

from reference.tokenizers._added import Added, checked, placed
from reference.tokenizers._bpe_files import bpe_fields
from reference.tokenizers._files import named
from reference.tokenizers._pair_counts import Pair, learn
from reference.tokenizers.normalization import Span, normalization
from reference.tokenizers.pre_tokenization import CUTS

_WORDS: dict[bool | str, str] = {False: "(?s).+", True: CUTS["whitespace_split"]} | CUTS
_BYTES = {f"<0x{byte:02X}>": byte for byte in range(256)}
TIES: dict[str, Callable[[Pair, list[str]], Any]] = {
    "tokenizers": lambda pair, tokens: pair,
    "subword-nmt": lambda pair, tokens: [[-ord(c) for c in tokens[id]] + [1] for id in pair],
}
"""Which of equally frequent pairs is learnt first: the one with the least of these."""

Part = tuple[str, int, int]
"""a token, and the characters of the word that it stands for"""


class Encoding(NamedTuple):
    """A text in tokens, each with its place in the text."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class BytePairEncoding(Added):
    """Byte-pair encoding from its two tables. Raises ValueError where they contradict each other.

    vocabulary: token -> id, with both parts and the result of every merge; merges: lowest rank first; unknown: the token
    for what the vocabulary lacks; continuing, end_of_word: marks; cut: whether spaces end words, or one of `CUTS` of
    pre_tokenization; seed: of dropout, which goes on from call to call, None for another each time; steps: those of
    `normalization`, before a text is cut. special: text -> id, of tokens that are found in a text before that; for their
    flags see `byte_level_bpe`.
    """

    vocabulary: Mapping[str, int]
    merges: Sequence[tuple[str, str]]
    unknown: str | None = None
    continuing: str = ""
    end_of_word: str = ""
    fuse_unknown: bool = False
    byte_fallback: bool = False
    dropout: float = 0.0
    ignore_merges: bool = False
    cut: bool | str = True
    seed: int | None = None
    steps: Sequence[Any] = ()

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.merges)}

    @cached_property
    def _tokens(self) -> dict[int, str]:
        return {id: token for token, id in [*self.vocabulary.items(), *self.special.items()]}

    @cached_property
    def _random(self) -> random.Random:
        return random.Random(self.seed)

    @cached_property
    def _tokenized(self) -> Callable[[str], list[Part]]:
        return self._encode_word if self.dropout else lru_cache(maxsize=1 << 16)(self._encode_word)

    def encode(self, text: str) -> list[int]:
        """The ids of `encoding`."""
        return self.encoding(text).ids

    def encoding(self, text: str) -> Encoding:
        """A text in tokens. Raises ValueError for what is no text, and for lone surrogates."""
        rows: list[tuple[int, str, tuple[int, int]]] = []
        for part in self._parts(text, self._read):
            if part.token is not None:
                rows.append((self.special[part.token], part.token, part.place))
                continue
            spans = [(part.begin + begin, part.begin + end) for begin, end in part.places]
            rows += [
                (self.vocabulary[token], token, (spans[word.start() + begin][0], spans[word.start() + end - 1][1]))
                for word in self._word.finditer(part.text)
                for token, begin, end in self._tokenized(word[0])
            ]
        return Encoding([id for id, _, _ in rows], [token for _, token, _ in rows], [place for _, _, place in rows])

    def _read(self, text: str) -> tuple[str, Sequence[Span]]:
        return placed(text, self.steps)

    @cached_property
    def _word(self) -> regex.Pattern[str]:
        return regex.compile(_WORDS[self.cut])

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids: with one space between words where a mark tells them apart.

        Raises ValueError for an id that no token has.
        """
        ids = list(ids)
        if unknown := [id for id in ids if not isinstance(id, SupportsIndex) or id not in self._tokens]:
            raise ValueError(f"decode expects ids of the vocabulary, got {unknown[0]!r}")
        tokens = [self._tokens[id] for id in ids]
        if self.byte_fallback:
            runs = groupby(tokens, key=_BYTES.__contains__)
            tokens = [part for fallen, run in runs for part in ([_text_of(list(run))] if fallen else run)]
        if self.continuing and tokens:
            spaced = (t.removeprefix(self.continuing) if t.startswith(self.continuing) else f" {t}" for t in tokens[1:])
            tokens = [tokens[0], *spaced]
        if self.end_of_word and tokens:
            tokens = [t.replace(self.end_of_word, " ") for t in tokens[:-1]] + [
                tokens[-1].replace(self.end_of_word, "")
            ]
        return "".join(tokens)

    def _encode_word(self, word: str) -> list[Part]:
        if self.ignore_merges and word in self.vocabulary and not self.dropout:
            return [(word, 0, len(word))]
        return self._merge(self._characters(word))

    def _characters(self, word: str) -> list[Part]:
        """One token a character, or its bytes, or unknown."""
        parts: list[Part] = []
        fusing = False
        for i, c in enumerate(word):
            marked = self.continuing * (i > 0) + c + self.end_of_word * (i == len(word) - 1)
            fallen = [f"<0x{byte:02X}>" for byte in marked.encode()] if self.byte_fallback else [marked]
            if marked in self.vocabulary:
                parts.append((marked, i, i + 1))
            elif all(byte in self.vocabulary for byte in fallen):
                parts += [(byte, i, i + 1) for byte in fallen]
            elif self.unknown is not None:
                begin = parts.pop()[1] if fusing and self.fuse_unknown else i
                parts.append((self.unknown, begin, i + 1))
                fusing = True
                continue
            fusing = False
        return parts

    def _merge(self, parts: list[Part]) -> list[Part]:
        """Linked list and heap: n log n, also for one word of a megabyte."""
        tokens, ends = [token for token, _, _ in parts], [end for _, _, end in parts]
        before, after = list(range(-1, len(parts) - 1)), list(range(1, len(parts) + 1))
        heap = [(self._ranks[pair], i, pair) for i, pair in enumerate(pairwise(tokens)) if pair in self._ranks]
        heapify(heap)
        left_out = []
        while heap:
            rank, i, pair = heappop(heap)
            j = after[i]
            if not tokens[i] or j == len(tokens) or (tokens[i], tokens[j]) != pair:
                continue  # subtle: an earlier merge took one of the two away, as in 'aaa'
            if self.dropout and self._random.random() < self.dropout:
                left_out.append((rank, i, pair))
                continue
            tokens[i], ends[i], tokens[j], after[i] = self._joined(*pair), ends[j], "", after[j]
            if after[i] < len(tokens):
                before[after[i]] = i
            for entry in left_out:
                heappush(heap, entry)
            left_out = []
            for k in (before[i], i):
                made = (tokens[k], tokens[after[k]]) if k >= 0 and after[k] < len(tokens) else None
                if made in self._ranks:
                    heappush(heap, (self._ranks[made], k, made))
        return [(token, parts[i][1], ends[i]) for i, token in enumerate(tokens) if token]

    def _joined(self, left: str, right: str) -> str:
        return left + right.removeprefix(self.continuing)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        size: int,
        *,
        special: tuple[str, ...] = (),
        minimum: int = 0,
        ties: str = "tokenizers",
        **options: Any,
    ) -> BytePairEncoding:
        """Learn a vocabulary of at most `size` tokens, unless special tokens and characters are more.

        minimum: how often a pair must occur to be merged; ties: one of `TIES`; options: fields of the tokenizer made.
        """
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        if ties not in TIES:
            raise ValueError(f"ties: expected one of {', '.join(TIES)}, got {ties!r}")
        unknown = options.get("unknown")
        blank = cls({} if unknown is None else {unknown: 0}, [], **options)
        words = Counter(word for text in texts for word in blank._word.findall(blank._read(text)[0]))
        corpus = {_marked(word, blank.continuing, blank.end_of_word): times for word, times in words.items()}
        letters = sorted({c for word in words for c in word})
        tokens = list(dict.fromkeys([*special, *letters, *(part for word in corpus for part in word)]))
        merges = learn(corpus, tokens, size, join=blank._joined, minimum=minimum, order=TIES[ties])
        return cls({token: id for id, token in enumerate(tokens)}, merges, **options)

    @classmethod
    @named
    def from_file(cls, path: str | Path, merges: str | Path | None = None, **options: Any) -> BytePairEncoding:
        """Load a `tokenizer.json`, or a `vocab.json` with its `merges.txt`, or a folder with either.

        options: fields that a `vocab.json` does not tell.
        """
        return cls(**{**bpe_fields(path, merges), **options})


def _marked(word: str, continuing: str, end_of_word: str) -> tuple[str, ...]:
    return tuple(continuing * (i > 0) + c + end_of_word * (i == len(word) - 1) for i, c in enumerate(word))


def _text_of(run: list[str]) -> str:
    try:
        return bytes(_BYTES[token] for token in run).decode()
    except UnicodeDecodeError:
        return "\ufffd" * len(run)


def _check(own: BytePairEncoding) -> None:
    vocabulary, merges = own.vocabulary, own.merges
    if not all(isinstance(token, str) and token and type(id) is int for token, id in vocabulary.items()):
        raise ValueError("vocabulary: expected tokens (str, not empty) and their ids (int)")
    checked(own, vocabulary)
    normalization("", steps=own.steps)  # raises for others than there are
    if own.cut not in _WORDS:
        raise ValueError(f"cut: expected True, False or one of {', '.join(CUTS)}, got {own.cut!r}")
    if own.unknown is not None and own.unknown not in vocabulary:
        raise ValueError(f"vocabulary: expected the unknown token {own.unknown!r} among the tokens")
    if not 0 <= own.dropout <= 1:
        raise ValueError(f"dropout: expected a probability, got {own.dropout}")
    for pair in merges:
        if len(pair) != 2 or not all(part in vocabulary for part in (*pair, own._joined(*pair))):
            raise ValueError(f"merges: expected two tokens that together are a token too, got {pair!r}")
    if again := [pair for pair, number in Counter(map(tuple, merges)).items() if number > 1]:
        raise ValueError(f"merges: expected every pair once, {again[0]!r} comes again")
