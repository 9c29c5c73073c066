"""What both models of SentencePiece are: a table of pieces and the options of a normalizer. How a text is cut is theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reference.tokenizers._added import Added, Part, checked, placed
from reference.tokenizers._sentencepiece import (
    SPACE,
    Normalized,
    Normalizer,
    PieceLike,
    Token,
    Trie,
    checked_pieces,
    counted,
    decoded,
    found_tokens,
)
from reference.tokenizers._sentencepiece_rules import compiled
from reference.tokenizers.normalization import Span, normalization

SPECIAL: list[PieceLike] = [("<unk>", 0.0, "unknown"), ("<s>", 0.0, "control"), ("</s>", 0.0, "control")]

_SWITCHES = {
    "byte_fallback": (True, False),
    "add_dummy_prefix": (True, False, "missing", "first"),
    "remove_extra_whitespaces": (True, False, "inner", "stripped", "words"),
    "escape_whitespaces": (True, False),
    "spaces_last": (True, False),
}


@dataclass(frozen=True)
class PieceModel(Added, ABC):
    """A model from its table. Raises ValueError where that contradicts itself.

    pieces: (text, score, kind), by id; rules: what to replace before all else, the longest match first, as a mapping,
    by the name `nmt_nfkc`, or compiled; add_dummy_prefix: or "missing", only where a text begins without a space, or
    "first", the same unless a token of `special` is before it; remove_extra_whitespaces: or "inner", of several spaces
    one and none at the ends, or "stripped", where at the end all White_Space goes, or "words", where besides a `▁` that
    begins a word is its space; steps: those of `normalization`;
    spaces_last: whether tokens of `normalized` are looked for before spaces are handled, or after all; tidied: steps of
    `normalization` after the rules, before those tokens are looked for.
    """

    pieces: Sequence[PieceLike]
    byte_fallback: bool = False
    add_dummy_prefix: bool | str = True
    remove_extra_whitespaces: bool | str = True
    escape_whitespaces: bool = True
    rules: Any = field(default_factory=dict)
    unknown_surface: str = " \u2047 "
    steps: Sequence[Any] = ()
    spaces_last: bool = False
    tidied: Sequence[Any] = ()

    def __post_init__(self) -> None:
        for switch, values in _SWITCHES.items():
            if (chosen := getattr(self, switch)) not in values:
                raise ValueError(f"{switch}: expected one of {', '.join(map(repr, values))}, got {chosen!r}")
        checked_pieces(self.pieces, self.byte_fallback)
        compiled(self.rules)  # raises for what are no rules
        normalization("", steps=[*self.steps, *self.tidied])  # raises for others than there are
        checked(self, {text: id for id, (text, *_) in enumerate(self.pieces)})

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError for what UTF-8 cannot hold."""
        return [id for id, _ in self._found(text)]

    def tokens(self, text: str) -> list[Token]:
        """The pieces of the same cut, each with where it comes from in the text."""
        return [token for _, token in self._found(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids. Raises ValueError for an id that no piece has."""
        dropped = "drop all" if self.remove_extra_whitespaces else "drop" if self.add_dummy_prefix else "keep"
        added = {id: token for token, id in self.special.items()}
        return decoded(self.pieces, ids, dropped, self.unknown_surface, added)

    def _found(self, text: str) -> list[tuple[int, Token]]:
        if not self.special:
            return self._cut(self._normalizer(text))
        found: list[tuple[int, Token]] = []
        for part in self._parts(text, self._read):
            if part.token is None:
                found += self._cut(self._prepared(part))
            else:
                found.append((self.special[part.token], (part.token, part.place)))
        return found

    def _cut(self, normalized: Normalized) -> list[tuple[int, Token]]:
        return self._named(normalized, self._path(normalized.text))

    def _read(self, text: str) -> tuple[str, Sequence[Span]]:
        """What is done to a text before tokens of `normalized` are looked for."""
        if not self.normalized:
            return placed(text)
        made = self._without_spaces(text) if self.spaces_last else self._normalizer(text)
        tidy, places = placed(made.text, self.tidied)
        return tidy, [(made.origins[start], made.origins[end]) for start, end in places]

    def _prepared(self, part: Part) -> Normalized:
        """What is done to a part of a text after that."""
        made = Normalized(part.text, list(range(len(part.text) + 1)))
        if self.spaces_last or not self.normalized:
            normalizer = self._spaces if self.normalized else self._normalizer
            if normalizer.add_dummy_prefix == "first" and part.place[0] > 0:
                normalizer = normalizer._replace(add_dummy_prefix=False)
            made = normalizer(part.text)
        return made.moved([(part.begin + start, part.begin + end) for start, end in part.places])

    def _named(self, normalized: Normalized, path: Iterable[tuple[int, int, int]]) -> list[tuple[int, Token]]:
        return found_tokens(normalized, path, self._unknown_id, self._bytes)

    @abstractmethod
    def _path(self, text: str) -> Iterable[tuple[int, int, int]]:
        """How a normalized text is cut: (start, end, id)."""

    @cached_property
    def _unknown_id(self) -> int:
        return next(id for id, piece in enumerate(self.pieces) if piece[2] == "unknown")

    @cached_property
    def _bytes(self) -> dict[int, int] | None:
        found = {int(text[3:5], 16): id for id, (text, _, kind) in enumerate(self.pieces) if kind == "byte"}
        return found if self.byte_fallback else None

    @cached_property
    def _symbols(self) -> Trie:
        return Trie(text for text, _, kind in self.pieces if kind == "user-defined")

    @cached_property
    def _normalizer(self) -> Normalizer:
        spaces = self.add_dummy_prefix, self.remove_extra_whitespaces, self.escape_whitespaces
        rules, replacements = compiled(self.rules)
        return Normalizer(self._symbols, rules, replacements, *spaces, self.steps)

    @cached_property
    def _without_spaces(self) -> Normalizer:
        return self._normalizer._replace(
            add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False
        )

    @cached_property
    def _spaces(self) -> Normalizer:
        rules, replacements = compiled({})
        return self._normalizer._replace(rules=rules, replacements=replacements, steps=())

    def _words(self, texts: Iterable[str]) -> dict[str, int]:
        """Normalized words with the space before them, counted."""
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        return counted((self._normalizer(text).text for text in texts), SPACE)
