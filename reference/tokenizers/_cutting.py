"""Cutting a text where an expression matches, or where one of some tokens stands."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import regex


def tiles(expression: regex.Pattern[str], text: str) -> list[str]:
    """What the expression matches, again and again from the left, and what lies between: together the whole text."""
    found, at = [], 0
    for match in expression.finditer(text):
        begin, end = match.span()
        if begin > at:
            found.append(text[at:begin])
        if end > begin:
            found.append(text[begin:end])
        at = end
    return [*found, text[at:]] if at < len(text) else found


def is_name(expression: str) -> bool:
    """Whether it is written as names are (`gpt-2`), and can hardly be meant for an expression."""
    return regex.fullmatch(r"(?ai)[a-z][\w-]{2,}", expression) is not None


@lru_cache
def any_of(tokens: frozenset[str]) -> regex.Pattern[str]:
    """An expression for any of the tokens; of those that begin at one place for the longest."""
    return regex.compile("|".join(map(regex.escape, sorted(tokens, key=len, reverse=True))))


def chosen(name: str, wanted: str | Collection[str], among: Collection[str]) -> frozenset[str]:
    """The wanted ones, or "all". Raises ValueError, under the name of the option, for any that there is not."""
    found = frozenset(among if wanted == "all" else [wanted] if isinstance(wanted, str) else wanted)
    if odd := sorted(found - frozenset(among)):
        raise ValueError(f"{name}: expected special tokens of this tokenizer, or 'all', got {odd[0]!r}")
    return found
