"""What SentencePiece's two models share: the kinds of pieces, whitespace that becomes a letter, bytes, and decoding."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import regex

from reference.tokenizers._added import checked_text
from reference.tokenizers.normalization import Span, normalization

SPACE = "\u2581"
"""What stands for a space in pieces: U+2581, LOWER ONE EIGHTH BLOCK."""
KINDS = ("normal", "unknown", "control", "user-defined", "unused", "byte")

_FLOAT32 = struct.Struct("f")

PieceLike = tuple[str, float, str]
Token = tuple[str, tuple[int, int]]
"""A piece, or the text that stands for it where it is unknown, and (start, end) in the text as given."""


class Trie:
    """Which keys begin at a place of a text."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.root: dict = {}
        for key in keys:
            node = self.root
            for letter in key:
                node = node.setdefault(letter, {})
            node[""] = key

    def begins(self, letter: str) -> bool:
        """Whether any key begins with it."""
        return letter in self.root

    def prefixes(self, text: str, start: int) -> list[str]:
        """The keys that begin there, the shortest first."""
        node: dict = self.root
        found: list[str] = []
        for i in range(start, len(text)):
            if text[i] not in node:
                break
            node = node[text[i]]
            if "" in node:
                found.append(node[""])
        return found


class Normalized(NamedTuple):
    """A text as the model sees it; `origins[i]` is where its i-th character comes from, the last entry the end."""

    text: str
    origins: list[int]

    def moved(self, places: Sequence[Span]) -> Normalized:
        """The same, where the text that it was made from came from `places` itself."""
        starts = [*(start for start, _ in places), places[-1][1] if places else 0]
        return Normalized(self.text, [starts[origin] for origin in self.origins])


class Normalizer(NamedTuple):
    """SentencePiece's: replacements of the longest match, whitespace by three switches, symbols left as they are."""

    symbols: Trie
    rules: Any
    replacements: Any
    add_dummy_prefix: bool | str
    remove_extra_whitespaces: bool | str
    escape_whitespaces: bool
    steps: Sequence[Any] = ()

    def __call__(self, text: str) -> Normalized:
        """Raises ValueError for what is no text."""
        checked_text(text)
        if self.steps:
            changed, spans = normalization(text, steps=self.steps)
            return self._replace(steps=())(changed).moved([*spans, (len(text), len(text))])
        trim = self.remove_extra_whitespaces in (True, "stripped", "words")
        parts, end, first = list(self._replaced(text)), len(text), 0
        if self.remove_extra_whitespaces in ("stripped", "words"):
            while parts and not (kept := regex.sub(r"\s+\Z", "", parts[-1][0])):
                end = parts.pop()[1]
            parts[-1:] = [(kept, origin) for _, origin in parts[-1:]]
        while trim and first < len(parts) and parts[first][0] == " ":
            first += 1
        if first == len(parts):
            return Normalized("", [end])
        space, prefix = SPACE if self.escape_whitespaces else " ", self.add_dummy_prefix
        letters, origins = ([" "], [parts[first][1]]) if prefix is True else ([], [])
        after_space = trim
        for part, origin in parts[first:]:
            if after_space:
                part = part.lstrip(" ")
                if self.remove_extra_whitespaces == "words" and part.startswith(SPACE) and letters:
                    del letters[-1], origins[-1]  # that space is the one before the word
            letters += part
            origins += [origin] * len(part)
            if part:  # subtle: what a rule deletes does not end a run of spaces
                after_space = bool(self.remove_extra_whitespaces) and part[-1] == " "
        made = "".join(letters).replace(" ", space)
        made = made.rstrip(space) if self.remove_extra_whitespaces is True else made
        origins = [*origins, end][: len(made) + 1]
        if prefix in ("missing", "first") and made and made[0] not in (" ", SPACE):
            made, origins = space + made, [origins[0], *origins]
        return Normalized(made, origins)

    def _replaced(self, text: str) -> Iterator[tuple[str, int]]:
        """Symbols, what the rules make, and other characters as they are, each with its place."""
        at = 0
        while at < len(text):
            part, width = text[at], 1
            if self.symbols.begins(part) and (symbols := self.symbols.prefixes(text, at)):
                part, width = symbols[-1], len(symbols[-1])
            elif self.rules.begins(part) and (rules := self.rules.prefixes(text, at)):
                part, width = self.replacements[rules[-1]], len(rules[-1])
            yield part, at
            at += width


def found_tokens(
    normalized: Normalized, path: Iterable[tuple[int, int, int]], unknown: int, bytes_: Mapping[int, int] | None
) -> list[tuple[int, Token]]:
    """Ids and tokens of a cut: unknown neighbours are one, or their bytes, of which only the last has a surface."""
    result: list[tuple[int, Token]] = []
    for start, end, id in path:
        piece, begin, stop = normalized.text[start:end], normalized.origins[start], normalized.origins[end]
        if id == unknown and bytes_ is not None:
            raw = piece.encode()
            result += [(bytes_[b], (f"<0x{b:02X}>", (begin, begin))) for b in raw[:-1]]
            result.append((bytes_[raw[-1]], (f"<0x{raw[-1]:02X}>", (begin, stop))))
        elif id == unknown and result and result[-1][0] == unknown:
            before, (begin, _) = result.pop()[1]
            result.append((unknown, (before + piece, (begin, stop))))
        else:
            result.append((id, (piece, (begin, stop))))
    return result


def decoded(
    pieces: Sequence[PieceLike], ids: Iterable[int], first_space: str, surface: str, added: Mapping[int, str]
) -> str:
    """The text of any ids. `first_space`: "keep", "drop" the first, or "drop all" at the beginning.

    Raises ValueError for an id that no piece has.
    """
    text, raw, dropped = "", bytearray(), first_space == "keep"
    for id in ids:
        if id not in added and (type(id) is not int or not 0 <= id < len(pieces)):
            raise ValueError(f"decode expects ids from 0 to {len(pieces) - 1}, got {id!r}")
        piece, _, kind = (added[id], 0.0, "normal") if id in added else pieces[id]
        if kind == "byte":
            raw.append(int(piece[3:5], 16))
            continue
        text, raw = text + _read(raw), bytearray()
        if kind == "control":
            continue
        if kind == "unknown":
            text += surface
            continue
        dropped = dropped or bool(text)
        if not dropped and piece.startswith(SPACE):
            piece, dropped = piece[1:], first_space == "drop"
        text += piece.replace(SPACE, " ")
    return text + _read(raw)


def _read(raw: bytearray) -> str:
    """UTF-8; each byte that is not part of a character becomes a U+FFFD of its own."""
    letters = raw.decode(errors="surrogateescape")
    return "".join("\ufffd" if "\udc80" <= letter <= "\udcff" else letter for letter in letters)


def counted(texts: Iterable[str], space: str) -> Counter[str]:
    """Words of normalized texts, each with the space before it."""
    words = Counter[str]()
    for text in filter(None, texts):
        starts = [i for i, letter in enumerate(text) if letter == space or i == 0]
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            words[text[start:end]] += 1
    return words


def checked_pieces(pieces: Sequence[PieceLike], byte_fallback: bool) -> None:
    """Raises ValueError where the table contradicts itself."""
    seen: set[tuple[bool, str]] = set()
    for id, (text, score, kind) in enumerate(pieces):
        if kind not in KINDS:
            raise ValueError(f"pieces: expected a kind of {', '.join(KINDS)}, got {kind!r} for id {id}")
        if not isinstance(text, str) or not text or "\0" in text or not math.isfinite(score):
            raise ValueError(f"pieces: expected a text without NUL and a finite score, got {text!r}, {score!r}")
        key = kind in ("unknown", "control", "byte"), text
        if key in seen:
            raise ValueError(f"pieces: expected every piece once, {text!r} comes again")
        seen.add(key)
    kinds = [kind for *_, kind in pieces]
    if kinds.count("unknown") != 1:
        raise ValueError(f"pieces: expected one unknown piece, got {kinds.count('unknown')}")
    if not {"normal", "user-defined", "unused"} & set(kinds):
        raise ValueError("pieces: expected at least one that can occur in a text")
    wanted = {f"<0x{byte:02X}>" for byte in range(256)} if byte_fallback else set()
    if {text for text, _, kind in pieces if kind == "byte"} != wanted:
        raise ValueError(f"pieces: with byte_fallback={byte_fallback} expected {len(wanted)} pieces <0x00> to <0xFF>")


def single(x: float) -> float:
    """The nearest float32."""
    return _FLOAT32.unpack(_FLOAT32.pack(x))[0]
