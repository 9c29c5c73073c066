r"""The regular expressions of a `tokenizer.json`, which Oniguruma reads, in the words of Python's `regex`.

Both know the same operators, but some mean something else: `^` and `$` are about lines, `\w` has other letters, `\h` is a
hexadecimal digit, `{1,3}+` is no possessive quantifier, sets are nested and cut with each other. Those are translated.
What has no counterpart raises. Source: Oniguruma's `doc/RE`, and what it answers for every character.
"""

from __future__ import annotations

from typing import NoReturn

import regex

_WORD = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"
_LATIN = "\u00b2\u00b3\u00b9\u00bc-\u00be"  # numbers, no digits, but in \w all the same, unless that stands in a set
_HEX = "0-9A-Fa-f"
_NAMED = {
    "alnum": r"\p{Alphabetic}\p{Nd}",
    "alpha": r"\p{Alphabetic}",
    "ascii": r"\x00-\x7f",
    "blank": r"\t\p{Zs}",
    "cntrl": r"\p{Cc}",
    "digit": r"\p{Nd}",
    "lower": r"\p{Lowercase}",
    "punct": r"\p{P}\p{S}",
    "space": r"\s",
    "upper": r"\p{Uppercase}",
    "word": _WORD,
    "xdigit": _HEX,
}
_CATEGORIES = regex.compile("[LMNPSZC]|L[ultmo]|M[nce]|N[dlo]|P[cdseifo]|S[mcko]|Z[slp]|C[cfon]")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_LETTER = f"[{_WORD}{_LATIN}]"
_PLACES = {
    "^": r"(?:\A|(?<=\n)(?!\Z))",
    "$": r"(?=\n|\Z)",
    r"\A": r"\A",
    r"\z": r"\Z",
    r"\Z": r"(?=\n?\Z)",
    r"\b": rf"(?:(?<={_LETTER})(?!{_LETTER})|(?<!{_LETTER})(?={_LETTER}))",
    r"\B": rf"(?:(?<={_LETTER})(?={_LETTER})|(?<!{_LETTER})(?!{_LETTER}))",
    r"\w": _LETTER,
    r"\W": f"[^{_WORD}{_LATIN}]",
    r"\N": r"[^\n]",
    r"\O": r"(?s:.)",
    r"\R": r"(?>\r\n|[\n-\r\x85\u2028\u2029])",
}
_ESCAPE = regex.compile(
    r"\\(?:([pP])\{(\^?)(\w+)\}|(?:x\{(?<code>\p{XDigit}{1,6})\}|x(?<code>[0-7]\p{XDigit})|u(?<code>\p{XDigit}{4}))|(.))",
    regex.DOTALL | regex.ASCII,
)
_GROUP = regex.compile(r"\((?:\?(?:[:=!>]|<[=!]|<\p{L}\w*>|(?<on>[im]*)(?:-(?<off>[im]*))?:)|(?!\?))")
_TIMES = regex.compile(r"[*+?][+?]?|\{(?:\d+,\d*|,\d+)\}\??|\{\d+\}")
_POSIX = regex.compile(r"\[:(\^?)(\w+):\]")
_SPECIAL = r"\[]^-&~|"
"""What has a meaning in a set."""
_FOLDED = regex.compile(r"(?i)ss|st|f[fil]|[^\x00-\x7f]")  # where more than one letter is another's other case


def translated(expression: str) -> str:
    """The same expression for `regex`. Raises ValueError for what cannot be translated, or is none."""
    try:
        made = _Reader(expression).read()
        regex.compile(made)
    except (regex.error, ValueError) as error:
        raise ValueError(
            f"expected an expression of Oniguruma that `regex` can read, got {expression!r}: {error}"
        ) from error
    return made


class _Reader:
    """From the left, part by part."""

    def __init__(self, expression: str) -> None:
        whole = expression.startswith("(?i)")
        self.text, self.at, self.nested = f"(?i:{expression[4:]})" if whole else expression, 0, False
        self.flags = [(False, False)]
        """Of the groups that are open: whether case is ignored, and whether `.` is a line break too."""

    def read(self) -> str:
        made: list[str] = []
        groups: list[int] = []
        last, repeated = -1, False  # where the part begins that may be repeated, and whether it is already
        while self.at < len(self.text):
            if times := self._next(_TIMES):
                if last < 0:
                    self._refuse(times[0])
                part = "".join(made[last:])
                made[last:] = [(f"(?:{part})" if repeated else part) + times[0].replace("{,", "{0,")]
                repeated = True
                continue
            character, repeated = self.text[self.at], False
            if character == "(":
                groups.append(len(made))
                made.append(self._group())
                last = -1
            elif character in ")|":
                self.at += 1
                made.append(character)
                last = -1
                if character == ")":
                    if not groups:
                        self._refuse(character)
                    self.flags.pop()
                    last = groups.pop()
            else:
                last = len(made)
                made.append(self._set() if character == "[" else self._single())
        return "(?V1)" * self.nested + "".join(made)

    def _group(self) -> str:
        found = self._next(_GROUP) or self._refuse(self.text[self.at : self.at + 3])
        on, off = found["on"] or "", found["off"] or ""
        folding, dotted = self.flags[-1]
        self.flags.append(("i" in on or (folding and "i" not in off), "m" in on or (dotted and "m" not in off)))
        if found["on"] is None:
            return "(?:" if found[0].endswith(">") and found[0] != "(?>" else found[0]
        return "(?i:" if self.flags[-1][0] else "(?-i:"

    def _single(self) -> str:
        """One character, one of some, or a place between two."""
        special = self.text[self.at : self.at + 1 + (self.text[self.at] == "\\")]
        if special in (*_PLACES, "."):
            self.at += len(special)
            return _PLACES.get(special, "(?s:.)" if self.flags[-1][1] else ".")
        character, some = self._character()
        if not some:
            return _escaped(character, r"\.^$*+?{}[]|()")
        return some if some[0] == "[" or regex.fullmatch(r"\\(?:\w|[pP]\{\w+\})", some) else f"[{some}]"

    def _set(self) -> str:
        """`[...]`, also within one."""
        self.at += 1
        negated = "^" if self.text.startswith("^", self.at) else ""
        self.at += len(negated)
        parts, begin = [""], self.at
        while self.at == begin or not self.text.startswith("]", self.at):
            if self.text.startswith("&&", self.at):
                self.at += 2
                parts.append("")
            elif found := self._next(_POSIX):
                parts[-1] += self._named(found[2], found[1] == "^")
            else:
                parts[-1] += self._set() if self.text.startswith("[", self.at) else self._item()
        self.at += 1
        self.nested |= len(parts) > 1 or "[" in regex.sub(r"\\.", "", parts[0])
        return f"[{negated}{parts[0]}]" if len(parts) == 1 else f"[{negated}{'&&'.join(f'[{part}]' for part in parts)}]"

    def _item(self) -> str:
        """A character, a range of them, or some."""
        character, some = self._character(within=True)
        if some:
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self._refuse("a range from more than one character")
            return some
        if not self.text.startswith("-", self.at) or self.text.startswith("-]", self.at):
            return _escaped(character, _SPECIAL)
        self.at += 1
        if self.text.startswith("[", self.at):
            self._refuse("[")
        end, some = self._character(within=True)
        if some or end < character:
            self._refuse(f"a range from {character}")
        return f"{_escaped(character, _SPECIAL)}-{_escaped(end, _SPECIAL)}"

    def _character(self, within: bool = False) -> tuple[str, str]:
        """The next one, or what a set must hold that has the same characters as the next escape."""
        if self.flags[-1][0] and (found := _FOLDED.match(self.text, self.at)) and not (within and found[0].isascii()):
            self._refuse(f"(?i){found[0]}")
        if not self.text.startswith("\\", self.at):
            self.at += 1
            return self.text[self.at - 1 : self.at] or self._refuse("]"), ""
        found = self._next(_ESCAPE) or self._refuse("\\")
        if found[3]:
            name, negated = found[3], (found[1] == "P") != bool(found[2])
            alike = {"word": _WORD if within else _WORD + _LATIN, "punct": r"\p{P}"}.get(name)  # not so as a bracket
            return "", f"[{'^' * negated}{alike}]" if alike else self._named(name, negated)
        if found["code"]:
            return chr(int(found["code"], 16)), ""
        letter: str = found[5]
        if letter in "wWhH":
            some = _WORD if letter in "wW" else _HEX
            return "", f"[^{some}]" if letter in "WH" else some
        if letter in "dDsS":
            return "", rf"\{letter}"
        if letter in _CONTROLS or not letter.isascii() or not letter.isalnum():
            return _CONTROLS.get(letter, letter), ""
        self._refuse(found[0])

    def _named(self, name: str, negated: bool) -> str:
        """By the name of a category, of a script, or of one of POSIX's brackets."""
        if self.flags[-1][0] and name.lower() in ("lu", "ll", "lt", "lower", "upper"):
            self._refuse(f"(?i){name}")
        if _CATEGORIES.fullmatch(name):
            return rf"\{'P' if negated else 'p'}{{{name}}}"
        if name in _NAMED:
            return f"[^{_NAMED[name]}]" if negated else _NAMED[name]
        return rf"\{'P' if negated else 'p'}{{Script={name}}}"

    def _next(self, wanted: regex.Pattern[str]) -> regex.Match[str] | None:
        found = wanted.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{what!r} at {self.at} cannot be translated")


def _escaped(character: str, special: str) -> str:
    return f"\\{character}" if character in special else character
