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

Where words end is an expression's business: GPT-2's, or those of GPT-4 and GPT-4o, which Llama 3 and many others took
over. Special tokens stand outside of all this: they have ids and no bytes of their own, are found in the text before
it is cut, and what is between two of them is encoded as a text by itself.

## Notation

| symbol | name | meaning |
|---|---|---|
| $w$ | `word` | one match of `pattern`, or what lies between two; no merge crosses its ends |
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
- GPT-2 splits contractions in lower case only, wherever an apostrophe begins a word: `'salt` is `'s` and `alt`, `'S` is
  `'` and `S`, and in ` 's` the space has taken the apostrophe already.
- Rank decides, not length, and only a listed pair merges. To be a token is not enough, so a file of tokens alone
  (tiktoken's) stands for the list of all pairs that make a token, in the order of the tokens they make; and there a
  word that is a token is taken whole, as Llama 3 does with `ignore_merges`.
- In tiktoken's files ids are ranks, and the ids of bytes are not in the order of the bytes.
- A list may name a token before the merge that makes it. The rule above holds for such lists too, but where a pair
  repeats in a word libraries differ: some look for a lower rank after each single replacement.
- Tokens need not be valid UTF-8. Decoding joins the bytes of all tokens first; of what is still invalid each maximal
  beginning of a character becomes one U+FFFD.
- A lone surrogate is not text: UTF-8 cannot hold it, and `encode` raises.
- Who writes `<|endoftext|>` into a text ends it, if that token is special and allowed. `tokenizers` allows all by
  default, and so does `encode`; `tiktoken` raises. For text of strangers say `allowed_special=()`: then it is text.
- Of special tokens that begin at the same place the longest is meant. `tiktoken` takes any one of them.
- A special token may take the spaces around it along (`lstrip`, `rstrip`: RoBERTa's `<mask>`): they are in its offsets,
  and gone when it is decoded. `single_word` keeps it from being found within a longer word.
- CLIP knows where words end (`</w>`), and drops the spaces between; decoding shows the marks as they are.
- Some files say that a token's place has no spaces at its ends (`trim_offsets`), RoBERTa's among them, not GPT-2's.
- Offsets count characters. A token that is a part of a character has the place of the whole.
- `tokenizers` reads a special token of byte letters as bytes when it decodes: of `<é>` it makes `<\ufffd>`.
- Which characters are letters or numbers depends on the version of Unicode, so libraries cut the latest ones apart.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import regex

from reference.tokenizers._added import Added, Part, checked, checked_text, placed, trimmed
from reference.tokenizers._byte_level_files import byte_level_fields
from reference.tokenizers._cutting import any_of, chosen, is_name, tiles
from reference.tokenizers._files import named
from reference.tokenizers._pair_counts import learn
from reference.tokenizers.normalization import Span, normalization
from reference.tokenizers.pre_tokenization import CUTS

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
LETTERS = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + n) for n, byte in enumerate(_OTHERS)}
BYTES = {letter: byte for byte, letter in LETTERS.items()}

Texts = str | Collection[str]
"""Some special tokens, or the word `all`."""


class Encoding(NamedTuple):
    """A text in tokens, each with its place in the text, counted in characters."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class ByteLevelBPE(Added):
    """A byte-level tokenizer from its tables. Raises ValueError where they contradict each other.

    vocabulary: token -> id; it holds the 256 byte letters and the result of every merge. merges: lowest rank first.
    pattern: one of `CUTS` of pre_tokenization (gpt2, gpt4, gpt4o), or an expression: what it matches, and what it
    leaves, are words; of several each cuts what the one before has left, and those after "bytes" cut byte letters.
    steps: those of `normalization`, before a text is cut; add_prefix_space: a text that begins without a space gets
    one; ignore_merges: a word that is a token needs no merges; end_of_word: what the last letter of a word is written
    with; drop_spaces: words of spaces have no tokens; trim_offsets: places leave out the spaces at the ends of tokens, or
    "but the first", which may have been put there, where it is one.

    special: text -> id, of tokens outside of all merges; lstrip, rstrip: those that take the spaces before or after
    them along; single_word: those that count only where no word goes on; normalized: those that are looked for after
    the steps, as those make them.
    """

    vocabulary: Mapping[str, int]
    merges: Sequence[tuple[str, str]]
    pattern: str | Sequence[str] = "gpt2"
    ignore_merges: bool = False
    steps: Sequence[Any] = ()
    add_prefix_space: bool = False
    end_of_word: str = ""
    drop_spaces: bool = False
    trim_offsets: bool | str = False

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.merges)}

    @cached_property
    def _tokens(self) -> dict[int, str]:
        return {id: token for token, id in self.vocabulary.items()}

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        own = {id: bytes(BYTES[letter] for letter in token) for id, token in self._tokens.items()}
        return own | {id: token.encode() for token, id in self.special.items()}

    @cached_property
    def _ids(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(maxsize=1 << 16)(self._encode_word)

    @cached_property
    def _cuts(self) -> tuple[list[regex.Pattern[str]], list[regex.Pattern[str]]]:
        """The expressions for text, and those for byte letters."""
        patterns = [self.pattern] if isinstance(self.pattern, str) else [*self.pattern]
        expressions = [regex.compile(CUTS.get(pattern, pattern)) for pattern in patterns]
        at = patterns.index("bytes") if "bytes" in patterns else len(patterns)
        return expressions[:at], expressions[at + 1 :]

    def _words(self, text: str) -> list[str]:
        return _tiled(self._cuts[0], text)

    def _read(self, text: str) -> tuple[str, Sequence[Span]]:
        return placed(text, self.steps)

    def _spaced(self, part: Part) -> Part:
        """A part of a text as it is cut: with a space in front."""
        if self.add_prefix_space and not part.text.startswith(" "):
            return part._replace(text=f" {part.text}", places=[part.places[0], *part.places])
        return part

    def encode(self, text: str, *, allowed_special: Texts = "all", disallowed_special: Texts = ()) -> list[int]:
        """The ids of a text; merges never cross the ends of words, nor special tokens.

        allowed_special: the special tokens that are read as such, or "all"; others are ordinary text, unless they are
        among disallowed_special, or that is "all". Raises ValueError for these, and for what UTF-8 cannot hold.
        """
        ids: list[int] = []
        for part in self._found(text, allowed_special, disallowed_special):
            if part.token is None:
                ids += [id for word in self._words(self._spaced(part).text) for id in self._ids(word)]
            else:
                ids.append(self.special[part.token])
        return ids

    def encoding(self, text: str, *, allowed_special: Texts = "all", disallowed_special: Texts = ()) -> Encoding:
        """What `encode` returns, with tokens and their places; a part of a character has the place of the whole."""
        rows: list[tuple[int, str, tuple[int, int]]] = []
        for part in self._found(text, allowed_special, disallowed_special):
            if part.token is not None:
                rows.append((self.special[part.token], part.token, self._trimmed(part.text, part.place, not rows)))
                continue
            _, read, begin, spans = self._spaced(part)
            places = [span for character, span in zip(read, spans, strict=True) for _ in character.encode()]
            at = 0
            for word in self._words(read):
                first, at = at, at + len(word.encode())
                for id in self._ids(word):
                    token = self._tokens[id]
                    last = first + len(token.removesuffix(self.end_of_word))
                    place = begin + places[first][0], begin + places[last - 1][1]
                    rows.append((id, token, self._trimmed(token, place, not rows)))
                    first = last
        return Encoding([id for id, _, _ in rows], [token for _, token, _ in rows], [place for _, _, place in rows])

    def _trimmed(self, token: str, place: Span, is_first: bool) -> Span:
        kept = self.trim_offsets == "but the first" and (is_first or place[0] == 0)
        return trimmed(token, place, kept) if self.trim_offsets else place

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, also such as `encode` never returns. Raises ValueError for an id that no token has."""
        ids = list(ids)
        if unknown := [id for id in ids if not isinstance(id, SupportsIndex) or id not in self._bytes]:
            raise ValueError(f"decode expects ids of the vocabulary, got {unknown[0]!r}")
        return b"".join(self._bytes[id] for id in ids).decode("utf-8", errors="replace")

    def _found(self, text: str, allowed_special: Texts, disallowed_special: Texts) -> Iterator[Part]:
        """Each special token that is allowed, and the text before, between and after them."""
        checked_text(text)
        allowed = chosen("allowed_special", allowed_special, self.special)
        refused = chosen("disallowed_special", disallowed_special, self.special) - allowed
        if refused and (found := any_of(refused).search(text)):
            raise ValueError(f"encode expects text without {found[0]!r}, got it at position {found.start()}")
        return self._parts(text, self._read, allowed)

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if self.drop_spaces and regex.fullmatch(r"\s+", word):
            return ()
        parts = [LETTERS[byte] for byte in word.encode()]
        if self._cuts[1]:
            return tuple(id for piece in _tiled(self._cuts[1], "".join(parts)) for id in self._merged([*piece]))
        return self._merged(parts)

    def _merged(self, parts: list[str]) -> tuple[int, ...]:
        """Linked list and heap: n log n, also for one word of a megabyte."""
        if self.ignore_merges and "".join(parts) in self.vocabulary:
            return (self.vocabulary["".join(parts)],)
        parts[-1] += self.end_of_word
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
    def train(cls, texts: Iterable[str], size: int, *, pattern: str | Sequence[str] = "gpt2") -> ByteLevelBPE:
        """Learn a vocabulary of at most `size` tokens: the byte letters by code point, then what merges make, in order.

        Raises ValueError for a size under 256, which leaves no room for the bytes.
        """
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        if size < len(BYTES):
            raise ValueError(f"train expects a size of at least 256, one for each byte, got {size}")
        tokens = sorted(BYTES)
        cut = cls({token: id for id, token in enumerate(tokens)}, [], pattern)._words
        words = Counter(word for text in texts for word in cut(text))
        corpus = {tuple(LETTERS[byte] for byte in word.encode()): times for word, times in words.items()}
        merges = learn(corpus, tokens, size, join=operator.add)
        return cls({token: id for id, token in enumerate(tokens)}, merges, pattern)

    @classmethod
    @named
    def from_file(cls, path: str | Path, merges: str | Path | None = None, **options: Any) -> ByteLevelBPE:
        """Load a `tokenizer.json`, a `vocab.json` with its `merges.txt`, a folder with either, or a file of ranks.

        options: fields that the file does not tell; of ranks, tiktoken's, the pattern at least. Tokens that a
        `tokenizer.json` adds beside its model are special.
        """
        return cls(**byte_level_fields(path, merges, LETTERS, **options))


def _tiled(expressions: Iterable[regex.Pattern[str]], text: str) -> list[str]:
    words = [text] if text else []
    for expression in expressions:
        words = [word for piece in words for word in tiles(expression, piece)]
    return words


def _check(own: ByteLevelBPE) -> None:
    vocabulary = own.vocabulary
    if not all(isinstance(token, str) and type(id) is int for token, id in vocabulary.items()):
        raise ValueError("vocabulary: expected tokens (str) and their ids (int)")
    if missing := [letter for letter in BYTES if letter not in vocabulary]:
        raise ValueError(f"vocabulary: expected all 256 byte letters, got {256 - len(missing)}, without {missing[0]!r}")
    if missing := [letter for letter in BYTES if letter + own.end_of_word not in vocabulary]:
        raise ValueError(f"vocabulary: expected all byte letters as ends of words too, without {missing[0]!r}")
    if own.trim_offsets not in (True, False, "but the first"):
        raise ValueError(f"trim_offsets: expected True, False or 'but the first', got {own.trim_offsets!r}")
    if odd := [token for token in vocabulary if not token or not BYTES.keys() >= set(token)]:
        raise ValueError(f"vocabulary: expected tokens written in byte letters, got {odd[0]!r}")
    checked(own, vocabulary, lambda token: "".join(LETTERS[byte] for byte in token.encode()))
    for pair in own.merges:
        if len(pair) != 2 or not all(part in vocabulary for part in (*pair, "".join(pair))):
            raise ValueError(f"merges: expected two tokens whose concatenation is a token too, got {pair!r}")
    if again := [pair for pair, number in Counter(map(tuple, own.merges)).items() if number > 1]:
        raise ValueError(f"merges: expected every pair once, {again[0]!r} comes again")
    normalization("", steps=own.steps)  # raises for others than there are
    patterns = [own.pattern] if isinstance(own.pattern, str) else own.pattern
    if unknown := [one for one in patterns if one not in (*CUTS, "bytes") and is_name(one)]:
        known = ", ".join(CUTS)
        raise ValueError(
            f"pattern: expected one of {known}, or an expression, got {unknown[0]!r}: (?:{unknown[0]}) would be one"
        )
    try:
        own._cuts  # noqa: B018
    except regex.error as error:
        raise ValueError(f"pattern: expected one of {', '.join(CUTS)}, or an expression, got {error}") from error
