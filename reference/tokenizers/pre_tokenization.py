r"""Pre-tokenization: cut a text into words before a model of subwords looks at it.

Nothing that a tokenizer learns crosses these cuts, so they decide what can be a token at all: whether a space belongs
to the word after it, whether `2024` is one word or four, whether `don't` is one, two, or three. Every scheme in use is
one regular expression, matched again and again from the left: what it matches are the words, what it leaves is dropped.

Let $P$, $N$, $L$, $S$ be classes of characters (punctuation, numbers, letters, spaces) and $\bar{C}$ what is not in $C$.

| `scheme` | words | options |
|---|---|---|
| `whitespace_split` | $\bar{S}^+$ | |
| `whitespace` | $W^+ \mid \overline{W \cup S}^+$ with $W$ what may stand in an identifier | |
| `bert` | $P \mid \overline{P \cup S}^+$ | |
| `gpt2` | GPT-2's expression: a space goes with the word after it | |
| `gpt4` | the expression of `cl100k_base`, and of Llama 3 | |
| `gpt4o` | the expression of `o200k_base`, which also cuts where lower case turns to upper | |
| `metaspace` | spaces turn to $r$ = `▁`, then $r\bar{r}^* \mid \bar{r}^+$ | `replacement`, `prepend`, `split`, `beginning` |
| `digits` | $N \mid \bar{N}^+$, or $N^+ \mid \bar{N}^+$ unless `individual` | `individual` |
| `punctuation` | as `behavior` says, below | `behavior` |

| `behavior` | words | `a--b` |
|---|---|---|
| `removed` | $\bar{P}^+$ | `a`, `b` |
| `isolated` | $P \mid \bar{P}^+$ | `a`, `-`, `-`, `b` |
| `contiguous` | $P^+ \mid \bar{P}^+$ | `a`, `--`, `b` |
| `merged_with_previous` | $\bar{P}^+ P \mid P \mid \bar{P}^+$ | `a-`, `-`, `b` |
| `merged_with_next` | $P \bar{P}^+ \mid P \mid \bar{P}^+$ | `a`, `-`, `-b` |

Metaspace puts $r$ before a text that does not begin with it, so that a word at the beginning is the same token as
elsewhere: `always`, `never`, or only if the text is the `first` of its input, which `beginning` says: what follows a
special token is not.

## Notation

| symbol | name | meaning |
|---|---|---|
| | word, piece | what is cut out; in the result with (start, end), its place in the text, counted in characters |
| $P$ | `PUNCTUATION` | category P of Unicode, and all of ASCII that is neither letter, digit, space nor control: `$`, `+`, `<` |
| $N$ | `\p{N}` | category N: digits of all scripts, also `²`, `½`, `Ⅷ` |
| $S$ | `\s` | property White_Space, 25 characters |
| $W$ | `\w` | letters, marks, decimal digits, connectors such as `_`, joiners (Unicode's Technical Standard 18) |
| $r$ | `replacement` | one character that stands for a space |

## Papers

- Devlin et al. (2019), *BERT: Pre-training of Deep Bidirectional Transformers*, arXiv 1810.04805; its code cuts at
  spaces and around punctuation.
- Radford et al. (2019), *Language Models are Unsupervised Multitask Learners*: the expression that keeps merges of
  bytes within words.
- Kudo, Richardson (2018), *SentencePiece*, arXiv 1808.06226: a space is a character like any other, written `▁`.
- Singh, Strouse (2024), *Tokenization counts*, arXiv 2402.14903: groups of three digits, cut from the left, and what
  they do to arithmetic.

## Pitfalls

- A symbol is punctuation for BERT only if it is ASCII: `$` is cut out, `€` is not.
- Python's `str.split` cuts at four more characters, U+001C to U+001F, and its `re` knows another `\w`: without
  combining marks, so that it tears Hindi apart, but with `½`.
- GPT-2's contractions are in lower case, GPT-4's in any; there the long s counts as an s.
- GPT-4 takes spaces up to the last line break of a run as one word. `tiktoken` changed its expression for speed and
  since then takes the rest too where the text ends: of `a \n  ` it makes two words, its earlier releases and all
  copies made three.
- GPT-4 takes any one character but a letter, digit or line break into the word after it: `(a` is one word.
- With `merged_with_previous` a second mark has nothing to merge with: it stays alone.
- What is metaspaced is no slice of the text: `(start, end)` covers the space, or nothing for what was prepended.
- A `▁` that stands in the text cannot be told from a space afterwards.
- Versions of Unicode differ in what is punctuation. `tokenizers` has the tables of Unicode 8 (2015), so marks that came
  later are letters to it, and `᙭` (U+166D), a symbol since Unicode 12, is still punctuation. `regex` follows Unicode
  closely, Python's own `unicodedata` with its release.
"""

from __future__ import annotations

from typing import Any

import regex

Piece = tuple[str, tuple[int, int]]

PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT4 = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE, _AFTER = r"[^\r\n\p{L}\p{N}]?", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = (
    # subtle: a mark may be what is before the letters as well as one of them, so this is no one alternative
    f"{_BEFORE}{_UPPER}*{_LOWER}+{_AFTER}|{_BEFORE}{_UPPER}+{_LOWER}*{_AFTER}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CUTS = {
    "whitespace_split": r"\S+",
    "whitespace": r"\w+|[^\w\s]+",
    "bert": rf"[{PUNCTUATION}]|[^{PUNCTUATION}\s]+",
    "gpt2": GPT2,
    "gpt4": GPT4,
    "gpt4o": GPT4O,
}
BEHAVIORS = {
    "removed": "[^{0}]+",
    "isolated": "[{0}]|[^{0}]+",
    "contiguous": "[{0}]+|[^{0}]+",
    "merged_with_previous": "[^{0}]+[{0}]?|[{0}]",
    "merged_with_next": "[{0}]?[^{0}]+|[{0}]",
}
OPTIONS: dict[str, dict[str, Any]] = {
    **{scheme: {} for scheme in CUTS},
    "metaspace": {"replacement": "▁", "prepend": "always", "split": True, "beginning": True},
    "digits": {"individual": False},
    "punctuation": {"behavior": "isolated"},
}
"""Every scheme with its options and what they are by default."""


def pre_tokenization(text: str, *, scheme: str, **options: Any) -> list[Piece]:
    """The words of a text, each with (start, end), counted in characters of the text.

    scheme and options: see the tables above. Raises ValueError for others, and for text that is none: lone surrogates.
    """
    if not isinstance(text, str):
        raise ValueError(f"pre_tokenization expects a str, got {type(text).__name__}")
    if lone := regex.search(r"\p{Cs}", text):
        raise ValueError(f"pre_tokenization expects text, got a lone surrogate at position {lone.start()}")
    chosen = _options(scheme, options)
    if scheme == "metaspace":
        return _metaspace(text, **chosen)
    if scheme == "digits":
        pattern = BEHAVIORS["isolated" if chosen["individual"] else "contiguous"].format(r"\p{N}")
    elif scheme == "punctuation":
        pattern = BEHAVIORS[chosen["behavior"]].format(PUNCTUATION)
    else:
        pattern = CUTS[scheme]
    return [(found[0], found.span()) for found in regex.finditer(pattern, text)]


def _metaspace(text: str, *, replacement: str, prepend: str, split: bool, beginning: bool) -> list[Piece]:
    marked = text.replace(" ", replacement)
    wanted = prepend == "always" or (prepend == "first" and beginning)
    added = int(wanted and marked != "" and marked[0] != replacement)
    marked = replacement * added + marked
    mark = regex.escape(replacement)
    pieces = regex.finditer(f"{mark}[^{mark}]*|[^{mark}]+" if split else "(?s:.+)", marked)
    return [(found[0], (max(found.start() - added, 0), found.end() - added)) for found in pieces]


def _options(scheme: str, given: dict[str, Any]) -> dict[str, Any]:
    """All options of the scheme, checked."""
    if scheme not in OPTIONS:
        raise ValueError(f"scheme: expected one of {', '.join(OPTIONS)}, got {scheme!r}")
    known = OPTIONS[scheme]
    if odd := given.keys() - known.keys():
        raise ValueError(f"{scheme} has no option {sorted(odd)[0]!r}, only: {', '.join(known) or 'none'}")
    chosen = {**known, **given}
    for name, value in chosen.items():
        if type(value) is not type(known[name]):
            raise ValueError(f"{name}: expected a {type(known[name]).__name__}, got {value!r}")
    if chosen.get("behavior", "removed") not in BEHAVIORS:
        raise ValueError(f"behavior: expected one of {', '.join(BEHAVIORS)}, got {chosen['behavior']!r}")
    if chosen.get("prepend", "never") not in ("always", "first", "never"):
        raise ValueError(f"prepend: expected always, first or never, got {chosen['prepend']!r}")
    if len(chosen.get("replacement", "▁")) != 1:
        raise ValueError(f"replacement: expected one character, got {chosen['replacement']!r}")
    return chosen
