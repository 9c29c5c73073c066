"""Tokens that stand beside a model: found in a text before it is cut, with ids of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import regex

from reference.tokenizers._cutting import any_of
from reference.tokenizers.normalization import Span, normalization

_SPACE, _WORD = regex.compile(r"\s"), regex.compile(r"\w")
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


class Part(NamedTuple):
    """An added token, or text between such; `places` are those of its characters, counted from `begin`."""

    token: str | None
    text: str
    begin: int
    places: Sequence[Span]

    @property
    def place(self) -> Span:
        return self.begin + self.places[0][0], self.begin + self.places[-1][1]


Read = Callable[[str], tuple[str, Sequence[Span]]]


@dataclass(frozen=True, kw_only=True)
class Added:
    """What all tokenizers know of them.

    special: text -> id; lstrip, rstrip: those that take the spaces before or after them along; single_word: those that
    count only where no word goes on; normalized: those that are looked for after normalization, as that makes them.
    """

    special: Mapping[str, int] = field(default_factory=dict)
    lstrip: Collection[str] = ()
    rstrip: Collection[str] = ()
    single_word: Collection[str] = ()
    normalized: Collection[str] = ()

    def _parts(self, text: str, read: Read, allowed: Collection[str] | None = None) -> Iterator[Part]:
        """The added tokens of a text that are allowed, by default all, and what `read` makes of what is around them."""
        checked_text(text)
        allowed = self.special if allowed is None else allowed
        spelt = {token: token for token in allowed if token not in self.normalized}
        late = {read(token)[0]: token for token in allowed if token in self.normalized}
        for begin, end, token in self._split(text, spelt):
            if token is not None:
                yield Part(token, text[begin:end], begin, [(0, end - begin)])
                continue
            made, places = read(text[begin:end])
            for first, last, other in self._split(made, late):
                yield Part(other, made[first:last], begin, places[first:last])

    def _split(self, text: str, names: Mapping[str, str]) -> Iterator[tuple[int, int, str | None]]:
        """Begin and end of each token, by the text that it has, and of what is before, between and after them."""
        at = 0
        for found in any_of(frozenset(filter(None, names))).finditer(text) if any(names) else ():
            token, begin, end = names[found[0]], found.start(), found.end()
            if token in self.single_word and (_WORD.match(text[max(begin - 1, 0) : begin]) or _WORD.match(text, end)):
                continue
            while token in self.lstrip and begin > at and _SPACE.match(text[begin - 1]):
                begin -= 1
            while token in self.rstrip and _SPACE.match(text, end):
                end += 1
            if begin > at:
                yield at, begin, None
            yield begin, end, token
            at = end
        if at < len(text):
            yield at, len(text), None


def placed(text: str, steps: Sequence[Any] = ()) -> tuple[str, Sequence[Span]]:
    """A text after the steps of `normalization`, and for each of its characters the place of what it was made from."""
    return normalization(text, steps=steps) if steps else (text, [(at, at + 1) for at in range(len(text))])


def trimmed(token: str, place: Span, kept: bool) -> Span:
    """The place of a token without the spaces at its ends, also those in byte letters; kept: but with one in front."""
    begin, end = place
    if (spaces := regex.match(r"[\sĠ]+", token)) and not (kept and len(spaces[0]) == 1):
        begin = min(begin + len(spaces[0]), end)
    if spaces := regex.search(r"[\sĠ]+\Z", token):
        end = max(end - len(spaces[0]), begin)
    return begin, end


def checked_text(text: object) -> None:
    """Raises ValueError for what is no text, and for lone surrogates."""
    if not isinstance(text, str):
        raise ValueError(f"encode expects a str, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"encode expects text, got a lone surrogate at position {error.start}") from error


def checked(own: Added, vocabulary: Mapping[str, int], spelt: Callable[[str], str] = str) -> None:
    """Raises ValueError for ids that belong to several tokens, and for added tokens that contradict themselves.

    spelt: how the vocabulary writes the text of a token.
    """
    if not all(isinstance(token, str) and type(id) is int for token, id in own.special.items()):
        raise ValueError("special: expected tokens (str) and their ids (int)")
    if "" in own.special:
        raise ValueError("special: expected tokens of one character at least, got ''")
    named = {*vocabulary.items(), *((spelt(token), id) for token, id in own.special.items())}
    if below := [(token, id) for token, id in named if id < 0]:
        raise ValueError(f"vocabulary: expected ids from 0, got {below[0][1]} for {below[0][0]!r}")
    if twice := [id for id, number in Counter(id for _, id in named).items() if number > 1]:
        raise ValueError(f"vocabulary: expected every id once, {twice[0]} belongs to several tokens")
    if stray := {token for flag in _FLAGS for token in getattr(own, flag)} - own.special.keys():
        raise ValueError(f"{', '.join(_FLAGS)}: expected special tokens, got {sorted(stray)[0]!r}")


def added_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Added`, from a `tokenizer.json`. Raises ValueError where it has none of their form."""
    added = content.get("added_tokens") or []
    if not isinstance(added, list):
        raise ValueError(f"expected added_tokens, a list, got {added!r}")
    for one in added:
        if not isinstance(one, dict) or not isinstance(one.get("content"), str) or type(one.get("id")) is not int:
            raise ValueError(f"expected added_tokens, objects with content (str) and id (int), got {one!r}")
    return {
        "special": {one["content"]: one["id"] for one in added},
        **{flag: frozenset(one["content"] for one in added if one.get(flag)) for flag in _FLAGS},
    }
