r"""WordPiece: BERT's tokenizer, which takes from each word the longest piece that it knows, and again from the rest.

The text is brought into one form (control characters go, letters lose their accents and capitals) and cut at spaces and
around punctuation. Each word is then read once, from the left: the longest token that it begins with is taken, and what
is left is treated likewise. A token that stands within a word is written with a prefix, `##`. A word of which any part
finds no token is unknown as a whole.

For a word of characters $c_0 \dots c_{n-1}$ let $V$ be the tokens that begin a word and $V_\#$ those that continue one.
From $p_0 = 0$ on

$$
p_{k+1} = \max \{ q : p_k < q \le n, \ c_{p_k} \dots c_{q-1} \in V_k \}, \qquad V_0 = V, \quad V_{k > 0} = V_\#
$$

until $p_k = n$. If no $q$ is left at some $k$, or $n$ is greater than `longest`, the word is the one token `unknown`.
No $q$ need be tried further from $p_k$ than the longest token is long, which makes the cost linear in the text.

Training here is that of byte-pair encoding on letters that know whether they begin a word: $c_0$, `##`$c_1$, ...
It appends the token that joins the most frequent pair of neighbours $\arg\max_{(x, y)} N(x, y)$, and leaves out the
prefix of $y$. Wu et al. chose the pair that raises the likelihood of the corpus most, whose score is
$N(x, y) / (N(x) N(y))$ for small counts; that code was never published, and the libraries that train WordPiece count
pairs. First come the special tokens, then the letters that occur, by code point, then prefixed letters in the order in
which the corpus shows them. Of equally frequent pairs the one whose left token has the smallest id wins, then the
smallest right id. The merges are forgotten: encoding asks for tokens alone.

## Notation

| symbol | name | meaning |
|---|---|---|
| $V$, $V_\#$ | `vocabulary` | token -> id; those with `prefix` continue a word |
| $n$ | | characters of a word, after normalization |
| $N$ | `count` | occurrences in the corpus |
| `[CLS] A [SEP] B [SEP]` | `begin`, `end`, `frames` | what is around one text or two |
| | `types` | 0 for the first text and its frame, 1 for the second |

## Papers

- Schuster, Nakajima (2012), *Japanese and Korean Voice Search*, ICASSP: word pieces, chosen by likelihood.
- Wu et al. (2016), *Google's Neural Machine Translation System*, arXiv 1609.08144: the pieces in translation.
- Devlin et al. (2019), *BERT*, arXiv 1810.04805: the vocabulary and the frame; longest match first is in its code.
- Song et al. (2021), *Fast WordPiece Tokenization*, arXiv 2012.15524: the same result in one pass over the word.

## Pitfalls

- One character without a token makes the whole word unknown, however well its beginning is known.
- Longest match never looks back: with `ab`, `abc`, `##cd` the word `abcd` is unknown.
- `longest` is 100 in today's libraries and 200 in BERT's first code. It counts characters after normalization.
- A capital sigma that ends a word becomes `ς`, which BERT's vocabulary has, since Google's code lowers whole words;
  `tokenizers` lowers each letter by itself and makes it `σ`.
- Accents go when capitals go, unless `strip_accents` says otherwise: `lowercase=False` keeps `É`.
- All of ASCII that is no letter, digit or space is punctuation here, `$` and `+` too, though Unicode calls them symbols.
  Outside ASCII a symbol such as `€` is a letter like any other.
- Vertical tab and U+0085 are control characters: they vanish and cut nothing. A no-break space cuts.
- Offsets point into the text as it was given: characters that went are within the token around them, or in none.
- MPNet, which has RoBERTa's frame, puts two tokens between two texts, and all of it is of type 0.
- Of two texts that are too long the longer one loses its last token, the second one where they are equally long.
- Decoding puts a space before what has no prefix. With `cleanup` it takes the one before `.`, `,`, `?` and `!` away,
  and nothing brings capitals and accents back.
- `[MASK]` in a text is three words, unless it is among `special`, where a `tokenizer.json` has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

from reference.tokenizers._added import Added, checked, placed
from reference.tokenizers._files import named
from reference.tokenizers._pair_counts import learn
from reference.tokenizers._wordpiece_files import wordpiece_fields
from reference.tokenizers.normalization import Span, bert_steps, normalization
from reference.tokenizers.pre_tokenization import pre_tokenization

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_TEXTS = ("$A", "$B")
_CLEANED = (" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're")


class Encoding(NamedTuple):
    """One or two texts in tokens, each with its place in its text, (0, 0) for the frame, and the number of that text."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    types: list[int]


@dataclass(frozen=True)
class WordPiece(Added):
    """BERT's tokenizer. Raises ValueError for a vocabulary that contradicts itself or lacks `unknown`.

    vocabulary: token -> id; prefix: what tokens within a word begin with; longest: characters of a word, the longer
    ones are unknown; the four options of BERT's normalization; begin, end: the frame; cleanup: of decoded texts;
    frames: of one text and of two, if they are not BERT's: rows of (token, type), in which `$A` and `$B` are the texts.
    special: text -> id, of tokens that are found in a text before it is cut; for their flags see `byte_level_bpe`.
    """

    vocabulary: Mapping[str, int]
    unknown: str = "[UNK]"
    prefix: str = "##"
    longest: int = 100
    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True
    begin: str = "[CLS]"
    end: str = "[SEP]"
    cleanup: bool = True
    frames: Sequence[Sequence[tuple[str, int]]] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(token, str) and type(id) is int for token, id in self.vocabulary.items()):
            raise ValueError("vocabulary: expected tokens (str) and their ids (int)")
        if self.unknown not in self.vocabulary:
            raise ValueError(f"vocabulary: expected the unknown token {self.unknown!r} among the tokens")
        checked(self, self.vocabulary)
        texts = [sorted(name for name, _ in frame if name in _TEXTS) for frame in self._frames]
        if texts != [["$A"], ["$A", "$B"]]:
            raise ValueError(f"frames: expected one of $A and one of $A and $B, got {self.frames!r}")

    @cached_property
    def _frames(self) -> Sequence[Sequence[tuple[str, int]]]:
        one = [(self.begin, 0), ("$A", 0), (self.end, 0)]
        return self.frames or [one, [*one, ("$B", 1), (self.end, 1)]]

    @cached_property
    def _tokens(self) -> dict[int, str]:
        return {id: token for token, id in [*self.vocabulary.items(), *self.special.items()]}

    @cached_property
    def _reach(self) -> int:
        return max(map(len, self.vocabulary))

    @cached_property
    def _steps(self) -> tuple[str, ...]:
        return bert_steps(
            clean_text=self.clean_text,
            handle_chinese_chars=self.handle_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.lowercase,
        )

    @cached_property
    def _pieces(self) -> Callable[[str], list[tuple[str, int, int]]]:
        return lru_cache(maxsize=1 << 16)(self._between_spaces)

    def encode(
        self, text: str, other: str | None = None, *, special: bool = False, length: int | None = None
    ) -> list[int]:
        """The ids of `encoding`."""
        return self.encoding(text, other, special=special, length=length).ids

    def encoding(
        self, text: str, other: str | None = None, *, special: bool = False, length: int | None = None
    ) -> Encoding:
        """One text or two in tokens, in their frame if `special`, of at most `length` tokens together with it.

        Raises ValueError for what is no text or lone surrogates, for a length without room for the frame, and for a
        frame of tokens that the vocabulary lacks.
        """
        texts = [self._encode(part) for part in (text, other) if part is not None or part is text]
        frame = self._frames[len(texts) - 1]
        if length is not None:
            _truncate(texts, length - (len(frame) - len(texts)) * special, length)
        rows: list[tuple[int, str, tuple[int, int], int]] = []
        for name, type in frame:
            if name in _TEXTS:
                rows += [(*token, type) for token in texts[_TEXTS.index(name)]]
            elif special:
                rows.append((self._id(name), name, (0, 0), type))
        ids, tokens, offsets, types = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
        return Encoding(ids, tokens, offsets, types)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, with a space before each token that continues no word.

        Raises ValueError for an id that no token has.
        """
        ids = list(ids)
        if unknown := [id for id in ids if not isinstance(id, SupportsIndex) or id not in self._tokens]:
            raise ValueError(f"decode expects ids of the vocabulary, got {unknown[0]!r}")
        first, *others = [self._tokens[id] for id in ids] or [""]
        parts = [first, *(t.removeprefix(self.prefix) if t.startswith(self.prefix) else f" {t}" for t in others)]
        return "".join(_cleaned(part) if self.cleanup else part for part in parts)

    def _id(self, token: str) -> int:
        if token not in self.vocabulary:
            raise ValueError(f"vocabulary: expected the special token {token!r} among the tokens")
        return self.vocabulary[token]

    def _encode(self, text: str) -> list[tuple[int, str, tuple[int, int]]]:
        rows: list[tuple[int, str, tuple[int, int]]] = []
        for part in self._parts(text, self._read):
            if part.token is not None:
                rows.append((self.special[part.token], part.token, part.place))
                continue
            _, read, first, places = part
            at = 0
            for some in read.split(" "):  # subtle: no step and no cut looks across a space, so what is between is alone
                rows += [
                    (self.vocabulary[token], token, (first + places[at + begin][0], first + places[at + end - 1][1]))
                    for token, begin, end in self._pieces(some)
                ]
                at += len(some) + 1
        return rows

    def _read(self, text: str) -> tuple[str, Sequence[Span]]:
        """A text as `normalized` tokens are looked for in it, and the places of its characters."""
        return placed(text, self._steps if self.normalized else ())

    def _between_spaces(self, text: str) -> list[tuple[str, int, int]]:
        """The tokens of a text without spaces, and where in it they begin and end."""
        return [
            (token, places[begin][0], places[end - 1][1])
            for word, places in self._words(text)
            for token, begin, end in self._match(word)
        ]

    def _words(self, text: str) -> list[tuple[str, Sequence[Span]]]:
        """The words of what `_read` made of a text, each with the places of its characters."""
        read, places = normalization(text, steps=() if self.normalized else self._steps)
        return [(word, places[begin:end]) for word, (begin, end) in pre_tokenization(read, scheme="bert")]

    def _match(self, word: str) -> list[tuple[str, int, int]]:
        """The tokens of a word, and where in it they begin and end."""
        whole = [(self.unknown, 0, len(word))]
        if len(word) > self.longest:
            return whole
        found: list[tuple[str, int, int]] = []
        begin = 0
        while begin < len(word):
            mark = self.prefix if begin else ""
            ends = range(min(len(word), begin + self._reach), begin, -1)
            end = next((end for end in ends if mark + word[begin:end] in self.vocabulary), None)
            if end is None:
                return whole
            found.append((mark + word[begin:end], begin, end))
            begin = end
        return found

    @classmethod
    def train(
        cls, texts: Iterable[str], size: int, *, special: tuple[str, ...] = SPECIAL, minimum: int = 0, **options: Any
    ) -> WordPiece:
        """Learn a vocabulary of at most `size` tokens, unless special tokens and letters are more.

        minimum: how often a pair must occur to be joined; options: fields of the tokenizer that is made.
        """
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        blank = cls({options.get("unknown", cls.unknown): 0}, **options)
        words = Counter(word for text in texts for word, _ in blank._words(text))
        letters = sorted({c for word in words for c in word})
        corpus = {tuple(blank.prefix * (i > 0) + c for i, c in enumerate(word)): n for word, n in words.items()}
        tokens = list(dict.fromkeys([*special, *letters, *(part for word in corpus for part in word)]))
        learn(corpus, tokens, size, join=lambda left, right: left + right.removeprefix(blank.prefix), minimum=minimum)
        return cls({token: id for id, token in enumerate(tokens)}, **options)

    @classmethod
    @named
    def from_file(cls, path: str | Path) -> WordPiece:
        """Load a `tokenizer.json`, a `vocab.txt`, or a folder that holds either."""
        return cls(**wordpiece_fields(path))


def _cleaned(part: str) -> str:
    for found in _CLEANED:
        part = part.replace(found, found[1:])
    return part


def _truncate(texts: list[list[Any]], room: int, length: int) -> None:
    """Take the last token of the longest text away, of the second where they are equally long, until all fit."""
    if room < 0:
        raise ValueError(f"length: expected room for the special tokens at least, got {length}")
    while sum(map(len, texts)) > room:
        max(reversed(texts), key=len).pop()
