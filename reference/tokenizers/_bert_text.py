"""BERT's view of a text: cleaned, folded, and cut into words, each character with its place in the original."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import regex

_SPACE = regex.compile(r"\p{White_Space}")
_PUNCTUATION = regex.compile(r"[!-/:-@\[-`{-~\p{P}]")
_IDEOGRAPH = regex.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\uf900-\ufaff\U0002f800-\U0002fa1f]"
)
_CONTROL = ("Cc", "Cf", "Co")

Place = tuple[int, int]
Characters = list[tuple[str, Place]]
"""characters, each with the begin and end of what it stands for in the original"""


def bert_words(
    text: str,
    *,
    clean_text: bool = True,
    handle_chinese_chars: bool = True,
    strip_accents: bool | None = None,
    lowercase: bool = True,
) -> list[tuple[str, list[Place]]]:
    """The words of a text, normalized, and the place in the original of each of their characters."""
    letters: Characters = [(c, (i, i + 1)) for i, c in enumerate(text)]
    if clean_text:
        letters = [(" " if _SPACE.match(c) else c, place) for c, place in letters if not _is_dirt(c)]
    if handle_chinese_chars:
        letters = [(part, place) for c, place in letters for part in (f" {c} " if _IDEOGRAPH.match(c) else c)]
    if lowercase if strip_accents is None else strip_accents:
        parts = [(part, place) for c, place in letters for part in unicodedata.normalize("NFD", c)]
        letters = [(c, place) for c, place in parts if unicodedata.category(c) != "Mn"]
    if lowercase:
        letters = [(part, place) for c, place in letters for part in c.lower()]
    return _cut(letters)


def _is_dirt(c: str) -> bool:
    return c not in "\t\n\r" and (c == "\ufffd" or unicodedata.category(c) in _CONTROL)


def _cut(letters: Characters) -> list[tuple[str, list[Place]]]:
    """At spaces, which are left out, and around every mark of punctuation."""
    alone = [bool(_SPACE.match(c) or _PUNCTUATION.match(c)) for c, _ in letters]
    cuts = [i for i in range(len(letters) + 1) if i in (0, len(letters)) or alone[i - 1] or alone[i]]
    runs = [letters[begin:end] for begin, end in pairwise(cuts)]
    return [("".join(c for c, _ in run), [place for _, place in run]) for run in runs if not _SPACE.match(run[0][0])]
