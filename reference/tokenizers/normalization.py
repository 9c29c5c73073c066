r"""Normalization: make texts that look alike the same before they are cut, and remember where each character came from.

`é` is one character or two, `ﬁ` one or two, `Ａ` is `A` to most readers. A model of words sees different words unless
somebody decides which differences count. Each decision is a step, and a normalizer is a sequence of steps. A step may
change how long the text is, so each character of the result carries the span of the original from which it was made.

Unicode's own four forms are built of three moves. *Decompose* every character as its table says ($D$ canonically, $K$
also where only the look is alike); *reorder* every run of combining marks by their class, a stable sort; *compose*,
from the left, a starter with a mark after it where nothing between them has the class of the mark or a higher one:

$$
\mathrm{NFD} = \mathrm{reorder} \circ D, \quad \mathrm{NFC} = \mathrm{compose} \circ \mathrm{NFD}, \quad
\mathrm{NFKD} = \mathrm{reorder} \circ K, \quad \mathrm{NFKC} = \mathrm{compose} \circ \mathrm{NFKD}
$$

SentencePiece has no such algorithm but a table $T$ of strings, and replaces from the left the longest string that $T$
holds. For each character $c$ it has $c \mapsto \mathrm{NFKC}(c)$, and where $c$ is composed all of $\mathrm{NFD}(c)$,
with each part also in its compatible forms, $\mapsto c$. On most texts that is NFKC.

| step | does |
|---|---|
| `"nfc"`, `"nfd"`, `"nfkc"`, `"nfkd"` | Unicode's forms |
| `"lowercase"` | full lower case of the whole text: `İ` turns into two characters, `Σ` at the end of a word into `ς` |
| `"strip_accents"` | leaves out nonspacing marks (category Mn); what is composed keeps its accents |
| `"clean"` | BERT's: leaves out NUL, U+FFFD, control, format and private characters; every space turns to U+0020 |
| `"cjk"` | BERT's: a space on either side of every Chinese character |
| `"nmt"` | SentencePiece's: leaves out control characters; line breaks, spaces without width, `▁` and others are spaces |
| `"nmt_nfkc"` | `nmt`, then SentencePiece's table; `～` (U+FF5E) stays, since Japanese has another use for `~` |
| `"strip_marks"` | leaves out marks of all kinds (category M) |
| `("replace", old, new)` | every `old`, from the left, becomes `new` |
| `("substitute", expression, new)` | the same of what an expression of `regex` matches |
| `("strip", left, right)` | leaves out the spaces at the beginning, at the end |
| `("prepend", s)` | puts `s` before a text that is not empty |

## Notation

| symbol | name | meaning |
|---|---|---|
| | offsets | for each character of the result (start, end) in the original, in characters |
| | span | from the first to the last character that had a part in it |
| | starter | a character of combining class 0 |

What is put in belongs to what it was put beside: spaces around a Chinese character have its span, what is prepended has
that of the first character. What is composed or replaced has the span of all of it.

## Papers

- Davis, Whistler, *Unicode Normalization Forms*, Unicode Standard Annex 15: the four forms.
- Devlin et al. (2019), *BERT*, arXiv 1810.04805: its uncased models lose case and accents.
- Kudo, Richardson (2018), *SentencePiece*, arXiv 1808.06226: normalization as a table of strings, kept in the model.

## Pitfalls

- `strip_accents` of an uncased BERT is `nfd` first: `bert_steps`. Asked for nothing, it follows `lowercase`.
- `tokenizers` lowers each character by itself, so that Greek words end in `σ`, while BERT was trained with Python's
  `lower`, and `ς`; it misses 256 Chinese characters (U+2B820 to U+2B91F, a slip of a digit); and its step
  `StripAccents` is `strip_marks`, which takes the vowels of Hindi as well, for they are spacing marks.
- Which characters BERT's `clean` leaves out depends on whom one asks: Google's code keeps those of private use, the
  Python code of `transformers` leaves out unassigned ones too; here, as in `tokenizers`, neither.
- `clean` leaves out U+000B and U+000C, though they are spaces, so that two words become one.
- SentencePiece does not reorder: `s` with dot above and dot below stays as it is if the dot below comes second, and a
  composed letter takes no second accent. So `nmt_nfkc` is not idempotent, nor is it NFKC.
- U+200D, which joins emoji, was a space in SentencePiece's first tables and is in `tokenizers`' `Nmt` still.
- `tokenizers` gives a composed character the place of its first part, what replaces a string that of its last
  character, and reordered marks each other's.
- An expression may match nothing, as `^` and `x*` do. Right after another match `tokenizers` finds no such match, while
  `regex` does: of `ab` and `b*` they make one replacement, or two.
- A form holds for one version of Unicode. Characters that are assigned keep theirs for ever; `tokenizers` does not know
  those that came after Unicode 9, SentencePiece's table and Python's `unicodedata` have their own versions.
- NFC of two texts is not NFC of both together: a mark that begins the second joins the first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, Literal

import regex

Span = tuple[int, int]
Line = list[tuple[str, Span]]
"""Characters, each with the span of the original that it was made from."""

CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)),
    *((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
NMT_REMOVED = {*range(0x01, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F}
NMT_SPACES = {0x09, 0x0A, 0x0C, 0x0D, 0x061C, 0x1680, 0x200B, 0x200C, 0x200E, 0x200F, 0x2028, 0x2029}
NMT_SPACES |= {0x2581, 0xFEFF, 0xFFFD}
LONGEST = 4  # of the strings in SentencePiece's table


def normalization(text: str, *, steps: Sequence[Any]) -> tuple[str, tuple[Span, ...]]:
    """The text after all steps, in their order, and for each of its characters (start, end) in the original.

    steps: see the table above. Raises ValueError for others, and for text that is none: lone surrogates.
    """
    if not isinstance(text, str):
        raise ValueError(f"normalization expects a str, got {type(text).__name__}")
    if lone := regex.search(r"\p{Cs}", text):
        raise ValueError(f"normalization expects text, got a lone surrogate at position {lone.start()}")
    chosen = [_step(step) for step in steps]
    line: Line = [(character, (i, i + 1)) for i, character in enumerate(text)]
    for step, options in chosen:
        line = step(line, *options)
    return "".join(character for character, _ in line), tuple(span for _, span in line)


def bert_steps(
    *, clean_text: bool = True, handle_chinese_chars: bool = True, strip_accents: bool | None = None, lowercase: bool
) -> tuple[str, ...]:
    """The steps of BERT's normalizer under its four options."""
    accents = lowercase if strip_accents is None else strip_accents
    steps = {"clean": clean_text, "cjk": handle_chinese_chars, "lowercase": lowercase}
    return (*(name for name, wanted in steps.items() if wanted), *(("nfd", "strip_accents") if accents else ()))


def decompose(line: Line, form: Literal["NFD", "NFKD"]) -> Line:
    """Each character as its table says, each run of marks sorted by class. form: NFD or NFKD."""
    parts = [(part, span) for character, span in line for part in unicodedata.normalize(form, character)]
    runs = groupby(parts, key=lambda part: unicodedata.combining(part[0]) > 0)
    return [
        part
        for marks, run in runs
        for part in (sorted(run, key=lambda part: unicodedata.combining(part[0])) if marks else run)
    ]


def compose(line: Line) -> Line:
    """Starters with what combines with them, from the left."""
    done: Line = []
    starter, last = -1, 0
    for character, span in line:
        now = unicodedata.combining(character)
        # subtle: a second starter combines only with the one right before it, as the vowels and finals of Hangul do
        if starter >= 0 and (last < now or len(done) == starter + 1):
            whole = unicodedata.normalize("NFC", done[starter][0] + character)
            if len(whole) == 1:
                done[starter] = whole, _hull([done[starter][1], span])
                continue
        if not now:
            starter = len(done)
        last = now
        done.append((character, span))
    return done


def lowercase(line: Line) -> Line:
    """Lower case depends on what is around a character, its length does not."""
    text = "".join(character for character, _ in line)
    spans = [span for character, span in line for _ in character.lower()]
    return list(zip(text.lower(), spans, strict=True))


def strip_accents(line: Line) -> Line:
    return [(character, span) for character, span in line if unicodedata.category(character) != "Mn"]


def strip_marks(line: Line) -> Line:
    return [(character, span) for character, span in line if unicodedata.category(character)[0] != "M"]


def clean(line: Line) -> Line:
    return [(kept, span) for character, span in line if (kept := _cleaned(character))]


@cache
def _cleaned(character: str) -> str:
    """A space, the character itself, or nothing."""
    if character in "\t\n\r" or (regex.match(r"\s", character) and unicodedata.category(character) != "Cc"):
        return " "
    gone = character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co")
    return "" if gone else character


def cjk(line: Line) -> Line:
    """A space on either side of Chinese characters, which also Japanese has, but not its own, nor Korean's."""
    return [
        (part, span) for character, span in line for part in (f" {character} " if _chinese(character) else character)
    ]


@cache
def _chinese(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in CJK)


def nmt(line: Line) -> Line:
    kept = [(character, span) for character, span in line if ord(character) not in NMT_REMOVED]
    return [(" " if ord(character) in NMT_SPACES else character, span) for character, span in kept]


def nmt_nfkc(line: Line) -> Line:
    """The longest string of the table, from the left."""
    line, done, i = nmt(line), [], 0
    while i < len(line):
        rest = "".join(character for character, _ in line[i : i + LONGEST])
        n = next((n for n in range(len(rest), 1, -1) if _tabled(rest[:n])), 1)
        span = _hull([span for _, span in line[i : i + n]])
        done += [(character, span) for character in _tabled(rest[:n])]
        i += n
    return done


def replace(line: Line, old: str, new: str) -> Line:
    return substitute(line, regex.escape(old, special_only=True), new)


def substitute(line: Line, expression: str, new: str) -> Line:
    text = "".join(character for character, _ in line)
    done: Line = []
    at = 0
    for found in regex.finditer(expression, text) if line else ():
        # subtle: a match of nothing, as of `^`, has the place of the character after it, or of the last one
        here = line[found.start() : found.end()] or line[found.start() :][:1] or line[-1:]
        span = _hull([span for _, span in here])
        done += [*line[at : found.start()], *((character, span) for character in new)]
        at = found.end()
    return done + line[at:]


def strip(line: Line, left: bool, right: bool) -> Line:
    solid = [i for i, (character, _) in enumerate(line) if not regex.match(r"\s", character)]
    begin, end = (solid[0], solid[-1] + 1) if solid else (len(line), 0)
    return line[begin if left else 0 : end if right else len(line)]


def prepend(line: Line, s: str) -> Line:
    return [*((character, line[0][1]) for character in s), *line] if line else []


STEPS: dict[str, tuple[Callable[..., Line], tuple[type, ...]]] = {
    "nfc": (lambda line: compose(decompose(line, "NFD")), ()),
    "nfd": (lambda line: decompose(line, "NFD"), ()),
    "nfkc": (lambda line: compose(decompose(line, "NFKD")), ()),
    "nfkd": (lambda line: decompose(line, "NFKD"), ()),
    "lowercase": (lowercase, ()),
    "strip_accents": (strip_accents, ()),
    "strip_marks": (strip_marks, ()),
    "clean": (clean, ()),
    "cjk": (cjk, ()),
    "nmt": (nmt, ()),
    "nmt_nfkc": (nmt_nfkc, ()),
    "replace": (replace, (str, str)),
    "substitute": (substitute, (str, str)),
    "strip": (strip, (bool, bool)),
    "prepend": (prepend, (str,)),
}


def _step(step: Any) -> tuple[Callable[..., Line], tuple[Any, ...]]:
    name, *options = step if isinstance(step, tuple | list) and step else (step,)
    if not isinstance(name, str) or name not in STEPS:
        raise ValueError(f"steps: expected one of {', '.join(STEPS)}, got {step!r}")
    function, types = STEPS[name]
    if [type(option) for option in options] != list(types):
        wanted = ", ".join([name, *(kind.__name__ for kind in types)])
        raise ValueError(f"steps: expected ({wanted}), got {step!r}")
    if name in ("replace", "substitute") and not options[0]:
        raise ValueError(f"steps: expected something to replace, got {step!r}")
    if name == "substitute":
        try:
            regex.compile(options[0])
        except regex.error as error:
            raise ValueError(f"steps: expected an expression of `regex`, got {step!r}: {error}") from error
    return function, tuple(options)


def _hull(spans: Iterable[Span]) -> Span:
    starts, ends = zip(*spans, strict=True)
    return min(starts), max(ends)


def _tabled(string: str) -> str:
    """What SentencePiece's table makes of a string, or nothing for one that it does not hold."""
    if len(string) == 1:
        return string if string == "\uff5e" else unicodedata.normalize("NFKC", string)
    forms = [unicodedata.normalize("NFKC", character) for character in string]
    parts = "".join(forms)
    whole = unicodedata.normalize("NFC", parts)
    joined = len(parts) == len(forms) and len(whole) == 1 and unicodedata.normalize("NFD", whole) == parts
    return whole if joined else ""
