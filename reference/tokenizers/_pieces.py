"""What both models of SentencePiece are: a table of pieces and the options of a normalizer. How a text is cut is theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

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

SPECIAL: list[PieceLike] = [("<unk>", 0.0, "unknown"), ("<s>", 0.0, "control"), ("</s>", 0.0, "control")]


@dataclass(frozen=True)
class PieceModel(ABC):
    """A model from its table. Raises ValueError where that contradicts itself.

    pieces: (text, score, kind), by id; rules: what to replace before all else, the longest match first, as a mapping,
    by the name `nmt_nfkc`, or compiled; add_dummy_prefix: or "missing", only where a text begins without a space;
    remove_extra_whitespaces: or "inner", of several spaces one and none at the ends; steps: those of `normalization`.
    """

    pieces: Sequence[PieceLike]
    byte_fallback: bool = False
    add_dummy_prefix: bool | str = True
    remove_extra_whitespaces: bool | str = True
    escape_whitespaces: bool = True
    rules: Any = field(default_factory=dict)
    unknown_surface: str = " \u2047 "
    steps: Sequence[Any] = ()

    def __post_init__(self) -> None:
        checked_pieces(self.pieces, self.byte_fallback)
        compiled(self.rules)  # raises for what are no rules

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError for what UTF-8 cannot hold."""
        return [id for id, _ in self._found(text)]

    def tokens(self, text: str) -> list[Token]:
        """The pieces of the same cut, each with where it comes from in the text."""
        return [token for _, token in self._found(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids. Raises ValueError for an id that no piece has."""
        dropped = "drop all" if self.remove_extra_whitespaces else "drop" if self.add_dummy_prefix else "keep"
        return decoded(self.pieces, ids, dropped, self.unknown_surface)

    def _found(self, text: str) -> list[tuple[int, Token]]:
        normalized = self._normalizer(text)
        return self._named(normalized, self._path(normalized.text))

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

    def _words(self, texts: Iterable[str]) -> dict[str, int]:
        """Normalized words with the space before them, counted."""
        if isinstance(texts, str):
            raise ValueError("train expects several texts, got one str")
        return counted((self._normalizer(text).text for text in texts), SPACE)
