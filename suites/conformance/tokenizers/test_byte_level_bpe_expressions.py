"""Laws of byte-level byte-pair encoding: the expressions in a `tokenizer.json`, which are Oniguruma's."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.vocabularies import Tables, glueing
from fixtures.subject import ImplementationError

EXPRESSIONS: dict[str, tuple[str, list[str]]] = {
    "the end of a line": (r"a+$", ["b", "aa", "\nb", "a", "\n"]),
    "the beginning of a line": (r"^a", ["x\n", "a", "y\n"]),
    "letters": (r"\w+", ["\u00e9\u0301_\u0663\u00b2\u0903", " ", "\u2167", "-"]),
    "hexadecimal digits": (r"\h+", ["fAb9", "g", "0", " "]),
    "no possessive quantifier": (r"\d{1,2}+5", ["12345", "a5"]),
    "a quantifier of a quantifier": (r"(?:a\d){2}?c", ["x", "a1a2c", "x", "c"]),
    "a set within a set": (r"[^(\s|[.,])]+", ["ab", "(", "c-1", ".|", "d"]),
    "what two sets share": (r"[a-z&&[^aeiou]]+", ["a", "bcd", "e", "f", "A"]),
    "a bracket of POSIX": (r"[[:alpha:][:digit:]]+", ["\u00e9a1", "\u0301!", "\u0663b"]),
    "no letters": (r"[[:^alpha:]]+", ["a", "1-", "b"]),
    "all of a text": (r"(?m:b.a)", ["a", "b\na", "ba"]),
    "what may be a brace": (r"a{e}", ["aab", "a{e}", "a"]),
    "a group with a name": (r"(?<one>a\d)+", ["a", "a1a2", "b"]),
    "case ignored": (r"(?i)ab|c", ["AB", "xx", "C"]),
    "of a script": (r"\p{Han}+|\p{^L}", ["a", "\u65e5\u672c", "\u3042", "1", "2"]),
    "where a word ends": (r"\b-", ["a", "-", "--b", "-"]),
    "an escaped line break": ("a\\\nb", ["x", "a\nb", "a"]),
    "any character but a line break": (r"a.", ["ab", "a\nx", "aa"]),
    "case within case": (r"(?i:a(?-i:b))", ["Ab", "xAB"]),
    "no hexadecimal digits": (r"\H+", ["g-", "fA", "x"]),
    "a bracket by its name": (r"\p{alnum}+|\P{punct}", ["a1", "-", "\u0663b", " ", " ", ".."]),
    "what a set and a bracket share": (r"[!-z&&[:digit:]a-c]+", ["x", "a1", "&"]),
    "what is not in a bracket": (r"[[:^digit:]]", ["1", "a", "b", "23"]),
    "letters in a set": (r"[\p{word}]", ["a", "b", "\u00b2\u00b9"]),
    "a range of one": (r"[a-a]+", ["aa", "b"]),
    "a set, case ignored": (r"(?i)[st]+", ["ST", "x"]),
    "what is not of a category": (r"\P{L}", ["ab", "1", "2"]),
    "what is not none of a category": (r"\P{^L}", ["a", "b", "12"]),
    "what is never given back": (r"(?>a|ab)c", ["ac", "xabc"]),
    "all of a text, in a group of a group": (r"(?m:(?:a.))", ["a\n", "b"]),
    "case ignored, but no line break": (r"(?i:a.)", ["AB", "a\nx"]),
    "a bracket that is the first of a set": (r"[]a]+", ["]a", "b"]),
    "by code": (r"\u0061\x{e9}|\x62", ["a", "a\u00e9", "c", "b"]),
}
RARE: dict[str, tuple[str, list[str]]] = {
    "what a group has found": (r"(a)\1", ["aa", "b"]),
    "what a group of a name has found": (r"(?<one>a)\k<one>", ["aa", "b"]),
    "what is left out of a match": (r"a\Kb", ["a", "b"]),
    "a character with its marks": (r"\X", ["e\u0301", "x"]),
    "two letters that are another's other case": (r"(?i)ss", ["\u00df", "x"]),
    "a letter whose other case is two": (r"(?i)stra\u00dfe", ["STRASSE", "X"]),
    "a category, case ignored": (r"(?i)\p{Lu}", ["ab", "C"]),
    "spaces that mean nothing": (r"(?x)a b", ["ab", "c"]),
    "a remark": (r"(?#note)a", ["b", "a"]),
    "the lesser number last": (r"a{2,1}", ["aa", "a"]),
    "a property that is neither category nor script": (r"\p{Emoji}+", ["a", "1\U0001f600", "b"]),
    "a code in eights": (r"\101", ["x", "A", "x"]),
}
BROKEN = ["(a", "a)", "[a", "*a", r"\p{Nothing}", "[z-a]", r"[\w-z]", r"[a-\d]", "(?"]


def read(implementation: Any, expression: str, tables: Tables) -> Any:
    """The tokenizer of a file that cuts there."""
    octets = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    content: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, octets]},
        "decoder": octets,
        "model": {"type": "BPE", "vocab": tables.vocabulary, "merges": [list(pair) for pair in tables.merges]},
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        return implementation.from_file(folder)


@pytest.mark.parametrize("what", EXPRESSIONS)
def test_reads_expressions_as_they_are_meant(implementation, what: str):
    """Pit: the expressions of a `tokenizer.json` are Oniguruma's, and some mean something else in other languages.
    Source: https://github.com/kkos/oniguruma/blob/master/doc/RE"""
    expression, words = EXPRESSIONS[what]
    tables = glueing(words)
    judge.exact(read(implementation, expression, tables).encode("".join(words)), tables.ids(*words), "ids")


@pytest.mark.parametrize("what", RARE)
def test_reads_expressions_as_they_are_meant_or_not_at_all(implementation, what: str):
    """What no known tokenizer needs may be refused. Taken for what it means in another language, it would cut elsewhere
    without a word."""
    expression, words = RARE[what]
    tables = glueing(words)
    try:
        ids = read(implementation, expression, tables).encode("".join(words))
    except ImplementationError:
        return
    judge.exact(ids, tables.ids(*words), "ids")


@pytest.mark.parametrize("expression", BROKEN)
def test_broken_expressions_of_a_file_are_rejected(implementation, expression: str):
    """What is no expression raises when the file is read, at the latest when a text is encoded."""
    judge.rejects(lambda: read(implementation, expression, Tables()).encode("a"))
