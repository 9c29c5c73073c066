"""What SentencePiece replaces before all else, in three forms: plain rules, `nmt_nfkc` by its name, or a compiled table.

Each is a pair of what says which rules begin at a place of a text (`prefixes`, the shortest first), and what they make.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Protocol

import regex

from reference.tokenizers._sentencepiece import Trie
from reference.tokenizers.normalization import LONGEST, NMT_REMOVED, NMT_SPACES, _tabled


class Rules(Protocol):
    """Which rules begin at a place of a text, and what they make."""

    def begins(self, letter: str) -> bool: ...

    def prefixes(self, text: str, start: int) -> list[str]: ...

    def __getitem__(self, rule: str) -> str: ...


def compiled(rules: Mapping[str, str] | str | bytes | Rules) -> tuple[Any, Any]:
    """Raises ValueError for what are no rules."""
    if isinstance(rules, Mapping):
        return Trie(rules), rules
    if isinstance(rules, bytes):
        rules = CompiledRules(rules)
    if isinstance(rules, str):
        if rules != "nmt_nfkc":
            raise ValueError(f"rules: expected nmt_nfkc or a table, got {rules!r}")
        rules = NmtNfkc()
    return rules, rules


class NmtNfkc:
    """SentencePiece's default, without its table: see `normalization`."""

    def begins(self, letter: str) -> bool:
        return True  # with what combines with it, if not alone

    def prefixes(self, text: str, start: int) -> list[str]:
        longest = LONGEST if text[start + 1 : start + 2] >= "\u0300" else 1  # what combines comes after all of Latin-1
        for n in range(min(longest, len(text) - start), 1, -1):
            if _tabled(text[start : start + n]):
                return [text[start : start + n]]
        return [text[start]] if self[text[start]] != text[start] else []

    def __getitem__(self, rule: str) -> str:
        if len(rule) == 1 and ord(rule) in NMT_REMOVED:
            return ""
        return " " if len(rule) == 1 and ord(rule) in NMT_SPACES else _tabled(rule)


class CompiledRules:
    """`precompiled_charsmap`: the size of a double-array trie of UTF-8, the trie, and results that end with NUL.

    A node is 32 bits: its label, whether a rule ends there, and how far its children are, who stand where their labels
    say: at the node's place xor the distance xor the label.
    """

    def __init__(self, content: bytes) -> None:
        size = int.from_bytes(content[:4], "little")
        if len(content) < 4 or size % 4 or not 4 <= size <= len(content) - 4:
            raise ValueError(f"rules: expected a trie of {size} bytes and results, got {len(content)} bytes")
        self._nodes: tuple[int, ...] = struct.unpack(f"<{size // 4}I", content[4 : 4 + size])
        self._results = content[4 + size :]
        self._check()

    def begins(self, letter: str) -> bool:
        return True

    def prefixes(self, text: str, start: int) -> list[str]:
        raw = text[start : start + 32].encode()
        return [raw[:n].decode() for n, _ in self._found(raw)]

    def __getitem__(self, rule: str) -> str:
        raw = rule.encode()
        return self._made(next(place for n, place in self._found(raw) if n == len(raw)))

    def _made(self, place: int) -> str:
        return self._results[place : self._results.index(b"\0", place)].decode()

    def _check(self) -> None:
        """Raises ValueError where a rule ends within a character, or makes what is not there."""
        children: dict[int, list[int]] = {}
        for place, node in enumerate(self._nodes):
            if not node >> 31:
                children.setdefault(place ^ node & 0xFF, []).append(place)
        rest = [(0, 0)]  # places in the trie, and the number of bytes that a character lacks there
        seen = set(rest)
        while rest:
            place, lacking = rest.pop()
            node = self._nodes[place]
            place ^= _distance(node)
            if node >> 8 & 1:
                if lacking:
                    raise ValueError("rules: expected every rule to end with a character")
                try:
                    self._made(self._nodes[place] & 0x7FFFFFFF)
                except (IndexError, ValueError) as error:
                    raise ValueError("rules: expected a result for every rule") from error
            for child in children.get(place, []):
                byte = self._nodes[child] & 0xFF
                state = child, lacking - 1 if lacking else sum(byte >= lead for lead in (0xC0, 0xE0, 0xF0))
                rest += {state} - seen
                seen.add(state)

    def _found(self, raw: bytes) -> list[tuple[int, int]]:
        """Length in bytes, and the place of the result, of each rule that begins there."""
        found, place = [], _distance(self._nodes[0])
        for n, byte in enumerate(raw, 1):
            place ^= byte
            if place >= len(self._nodes) or self._nodes[place] & 0x800000FF != byte:
                break
            node = self._nodes[place]
            place ^= _distance(node)
            if node >> 8 & 1:
                found.append((n, self._nodes[place] & 0x7FFFFFFF))
        return found


class Spaced:
    """Other rules or none, but every character of whitespace becomes a space."""

    def __init__(self, rules: Rules | None) -> None:
        self._rules = rules

    def begins(self, letter: str) -> bool:
        return True

    def prefixes(self, text: str, start: int) -> list[str]:
        if regex.match(r"\s", text[start]):
            return [text[start]]
        return self._rules.prefixes(text, start) if self._rules else []

    def __getitem__(self, rule: str) -> str:
        made = self._rules[rule] if self._rules and not regex.match(r"\s", rule) else rule
        return regex.sub(r"\s", " ", made)


def _distance(node: int) -> int:
    return node >> 10 << ((node & 0x200) >> 6)
