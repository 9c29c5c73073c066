r"""Byte-level byte-pair encoding: GPT-2's tokenizer, which glues frequent neighbours together, beginning with bytes.

Begin with the 256 bytes and glue together, again and again, the two neighbours that occur together most often in a
corpus; the list of gluings is the model. A new text is cut into words, every word into bytes, and the gluings are
replayed on it, earliest learnt first. Frequent words end as one token, rare ones as a few, and since every text is
bytes, nothing is unknown.

Encoding a word starts with its UTF-8 bytes $s = b_1 \dots b_n$. Let $r(x, y)$ be the place of the pair $(x, y)$ in the
list of merges, $\infty$ if it is not there. Until every pair of neighbours in $s$ has rank $\infty$, find the pair

$$
(x, y) = \arg\min_{(s_i, s_{i+1})} r(s_i, s_{i+1})
$$

and replace every $x\,y$ in $s$, from the left, by the one token $xy$. Training appends to the list the pair

$$
\arg\max_{(x, y)} \sum_w c(w) \, \left|\{i : (s_i, s_{i+1}) = (x, y) \text{ in } w\}\right|
$$

where $c(w)$ counts the word $w$ in the corpus, and replaces it likewise; overlapping pairs all count ($aaa$ holds $aa$
twice) but merge once. Of equally frequent pairs the one whose left token has the smallest id wins, then the smallest
right id (as in `tokenizers`). A corpus in which no pair is left ends the training early.

## Notation

| symbol | name | meaning |
|---|---|---|
| $w$ | `word` | one match of `PATTERN`; no merge crosses its ends |
| | byte letter | the printable character that stands for one byte in files: `Ġ` for the space |
| | `token` | a string of byte letters |
| | `vocabulary` | token -> id, in any order |
| $(x, y)$ | `pair` | two tokens; a merge if they are in the list |
| $r$ | `rank` | place in the list |

## Papers

- Gage (1994), *A New Algorithm for Data Compression*: gluing pairs, to make files smaller.
- Sennrich, Haddow, Birch (2016), *Neural Machine Translation of Rare Words with Subword Units*, arXiv 1508.07909:
  learning the merges on the words of a corpus, replaying them on words never seen.
- Radford et al. (2019), *Language Models are Unsupervised Multitask Learners*: bytes in place of characters, and the
  regular expression that keeps merges within words.
- Berglund, van der Merwe (2023), *Formalizing BPE Tokenization*, arXiv 2309.08715: what libraries mean by replaying,
  and when they mean the same.

## Pitfalls

- A space belongs to the word after it. Of several spaces before a word all but the last are a word of their own.
- Contractions are split in lower case only, wherever an apostrophe begins a word: `'salt` is `'s` and `alt`, `'S` is
  `'` and `S`, and in ` 's` the space has taken the apostrophe already.
- Rank decides, not length, and only a listed pair merges. To be a token is not enough, so a file of tokens alone
  (tiktoken's) can stand for a list of merges only if each token's own merges lead to it, as after training.
- A list may name a token before the merge that makes it. The rule above holds for such lists too, but where a pair
  repeats in a word libraries differ: some look for a lower rank after each single replacement.
- Tokens need not be valid UTF-8. Decoding joins the bytes of all tokens first; of what is still invalid each maximal
  beginning of a character becomes one U+FFFD.
- A lone surrogate is not text: UTF-8 cannot hold it, and `encode` raises. Special tokens are no part of the concept:
  `<|endoftext|>` in a text is ordinary text.
- Which characters are letters or numbers depends on the version of Unicode, so libraries cut the latest ones apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path

import regex

from reference.tokenizers._files import byte_level_tables

PATTERN = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
LETTERS = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + n) for n, byte in enumerate(_OTHERS)}
BYTES = {letter: byte for byte, letter in LETTERS.items()}


@dataclass(frozen=True)
class ByteLevelBPE:
    """GPT-2's tokenizer from its two tables. Raises ValueError where they contradict each other.

    vocabulary: token -> id; it holds the 256 byte letters and the result of every merge. merges: lowest rank first.
    """

    vocabulary: Mapping[str, int]
    merges: Sequence[tuple[str, str]]

    def __post_init__(self) -> None:
        _check(self.vocabulary, self.merges)

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.merges)}

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        return {id: bytes(BYTES[letter] for letter in token) for token, id in self.vocabulary.items()}

    @cached_property
    def _ids(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(maxsize=1 << 16)(self._encode_word)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; merges never cross a match of PATTERN. Raises ValueError for what UTF-8 cannot hold."""
        if not isinstance(text, str):
            raise ValueError(f"encode expects a str, got {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"encode expects text, got a lone surrogate at position {error.start}") from error
        return [id for word in PATTERN.findall(text) for id in self._ids(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, also such as `encode` never returns. Raises ValueError for an id that no token has."""
        ids = list(ids)
        unknown = [id for id in ids if id not in self._bytes]
        if unknown:
            raise ValueError(f"decode expects ids of the vocabulary, got {unknown[0]!r}")
        return b"".join(self._bytes[id] for id in ids).decode("utf-8", errors="replace")

    def _encode_word(self, word: str) -> tuple[int, ...]:
        """Linked list and heap: n log n, also for one word of a megabyte."""
        parts = [LETTERS[byte] for byte in word.encode()]
        before, after = list(range(-1, len(parts) - 1)), list(range(1, len(parts) + 1))
        heap = [(self._ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in self._ranks]
        heapify(heap)
        while heap:
            rank, places, merged = heap[0][0], [], []
            while heap and heap[0][0] == rank:
                places.append(heappop(heap)[1])
            left, right = self.merges[rank]
            for i in places:
                j = after[i]
                if parts[i] != left or j == len(parts) or parts[j] != right:
                    continue  # subtle: an earlier merge took one of the two away, as in 'aaa'
                parts[i], parts[j], after[i] = left + right, "", after[j]
                if after[j] < len(parts):
                    before[after[j]] = i
                merged.append(i)
            for i in {k for m in merged for k in (before[m], m) if k >= 0 and after[k] < len(parts)}:
                pair = parts[i], parts[after[i]]
                if pair in self._ranks:
                    heappush(heap, (self._ranks[pair], i))
        return tuple(self.vocabulary[part] for part in parts if part)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> ByteLevelBPE:
        """Learn a vocabulary of at most `size` tokens: the byte letters by code point, then what merges make, in order.

        Raises ValueError for a size under 256, which leaves no room for the bytes.
        """
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        if size < len(BYTES):
            raise ValueError(f"train expects a size of at least 256, one for each byte, got {size}")
        tokens, merges = sorted(BYTES), []
        letter = [tokens.index(LETTERS[byte]) for byte in range(256)]
        corpus = Counter(word for text in texts for word in PATTERN.findall(text))
        words, times = [[letter[byte] for byte in word.encode()] for word in corpus], list(corpus.values())
        count: Counter[tuple[int, int]] = Counter()
        places: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for n, word in enumerate(words):
            for pair in pairwise(word):
                count[pair] += times[n]
                places[pair].add(n)

        def entry(pair: tuple[int, int]) -> tuple[int, tuple[int, int]]:
            return -count[pair], pair

        heap = [entry(pair) for pair in count]
        heapify(heap)
        while heap and len(tokens) < size:
            number, *_, pair = heappop(heap)
            if count[pair] != -number:  # subtle: counts only fall, so an outdated entry comes too early, never too late
                if count[pair]:
                    heappush(heap, entry(pair))
                continue
            new = len(tokens)
            merges.append((tokens[pair[0]], tokens[pair[1]]))
            tokens.append("".join(merges[-1]))
            fresh = set()
            for n in places.pop(pair):
                for old in pairwise(words[n]):
                    count[old] -= times[n]
                words[n] = _replaced(words[n], pair, new)
                for made in pairwise(words[n]):
                    count[made] += times[n]
                    if new in made:
                        places[made].add(n)
                        fresh.add(made)
            for made in fresh:
                heappush(heap, entry(made))
        return cls({token: id for id, token in enumerate(tokens)}, merges)

    @classmethod
    def from_file(cls, path: str | Path, merges: str | Path | None = None) -> ByteLevelBPE:
        """Load a `tokenizer.json`, a `vocab.json` with its `merges.txt`, or a folder that holds either."""
        return cls(*byte_level_tables(path, merges))


def _replaced(word: list[int], pair: tuple[int, int], new: int) -> list[int]:
    result, i = [], 0
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        result.append(new if found else word[i])
        i += 2 if found else 1
    return result


def _check(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
    if not all(isinstance(token, str) and type(id) is int for token, id in vocabulary.items()):
        raise ValueError("vocabulary: expected tokens (str) and their ids (int)")
    if missing := [letter for letter in BYTES if letter not in vocabulary]:
        raise ValueError(f"vocabulary: expected all 256 byte letters, got {256 - len(missing)}, without {missing[0]!r}")
    if odd := [token for token in vocabulary if not token or not BYTES.keys() >= set(token)]:
        raise ValueError(f"vocabulary: expected tokens written in byte letters, got {odd[0]!r}")
    if twice := [id for id, number in Counter(vocabulary.values()).items() if number > 1]:
        raise ValueError(f"vocabulary: expected every id once, {twice[0]} belongs to several tokens")
    for pair in merges:
        if len(pair) != 2 or not all(part in vocabulary for part in (*pair, "".join(pair))):
            raise ValueError(f"merges: expected two tokens whose concatenation is a token too, got {pair!r}")
    if again := [pair for pair, number in Counter(map(tuple, merges)).items() if number > 1]:
        raise ValueError(f"merges: expected every pair once, {again[0]!r} comes again")
