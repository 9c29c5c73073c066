"""Laws of WordPiece: tokens that are found in a text before it is cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.wordpieces import LETTERS, Pieces, Problem, problems
from reference.tokenizers.wordpiece import WordPiece

NAMES = ("[MASK]", "<Foo>", "\u00e9", "a b", "[M", "<x>")
FLAGS = {"lstrip": ["[MASK]"], "rstrip": ["<x>"], "single_word": ["\u00e9"], "normalized": ["<Foo>", "\u00e9"]}


def numbered(pieces: Pieces) -> dict[str, int]:
    """`[MASK]` has its id in the vocabulary, the others come after all of it."""
    new = [name for name in NAMES if name not in pieces.vocabulary]
    return {**pieces.vocabulary, **{name: len(pieces.vocabulary) + n for n, name in enumerate(new)}}


def options(pieces: Pieces) -> dict[str, Any]:
    ids = numbered(pieces)
    return {"special": {name: ids[name] for name in NAMES}, **FLAGS}


@given(problem=problems(), data=st.data())
def test_special_tokens_in_a_text(implementation, problem: Problem, data):
    """Wherever such a token stands it is one id, at its place; what lies around is read as the reference does."""
    around = st.sampled_from(
        [*NAMES, *NAMES, " ", "  ", "\n", "<foo>", "E\u0301", "e\u0301a", "[MASK", "a", problem.text]
    )
    text = "".join(data.draw(st.lists(around, max_size=8), label="parts"))
    own = problem.vocabulary
    found, truth = (make(dict(own.vocabulary), **options(own)).encoding(text) for make in (implementation, WordPiece))
    judge.exact([*found.ids], truth.ids, "ids")
    judge.exact([*map(tuple, found.offsets)], truth.offsets, "offsets")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a  [MASK] b", ["a", "[MASK]", "b"]),
        ("a[MASK]b", ["a", "[MASK]", "b"]),
        ("<foo><FOO>a", ["<Foo>", "<Foo>", "a"]),
        ("\u00e9 e", ["\u00e9", "\u00e9"]),
        ("\u00e9a", ["e", "##a"]),
        ("a ba b", ["a b", "a b"]),
        ("[MASK][M", ["[MASK]", "[M"]),
    ],
    ids=ascii,
)
def test_special_tokens_by_example(implementation, text: str, tokens: list[str]):
    """`[MASK]` is one token; one of `normalized` is found in every case and with every accent; the longest counts."""
    ids = numbered(LETTERS)
    found = implementation(dict(LETTERS.vocabulary), **options(LETTERS)).encode(text)
    judge.exact(found, [ids[token] for token in tokens], "ids")


def test_special_tokens_take_all_spaces_along(implementation):
    """With `rstrip` the place of a token reaches to the next character that is no space, with `lstrip` to the last one."""
    special = {"<x>": len(LETTERS.vocabulary)}
    tokenizer = implementation(dict(LETTERS.vocabulary), special=special, rstrip=["<x>"], lstrip=["<x>"])
    found = tokenizer.encoding("a  <x>   b")
    judge.exact([*map(tuple, found.offsets)], [(0, 1), (1, 9), (9, 10)], "offsets")


def test_special_tokens_are_decoded(implementation):
    """An id of such a token is its text, as a word of its own."""
    tokenizer = implementation(dict(LETTERS.vocabulary), special={"<x>": len(LETTERS.vocabulary)})
    judge.exact(tokenizer.decode(tokenizer.encode("ab<x>c")), "ab <x> c", "text")


@pytest.mark.parametrize("special", [{"": 99}, {"<x>": 7, "<y>": 7}, {"<x>": "99"}], ids=str)
def test_special_tokens_that_contradict_themselves_are_rejected(implementation, special: dict[str, Any]):
    """A token of nothing, one id for two and an id that is no number raise, at the latest when they are used."""

    def used() -> None:
        tokenizer = implementation(dict(LETTERS.vocabulary), special=special)
        tokenizer.decode([*tokenizer.encode("a<x><y>"), *special.values()])

    judge.rejects(used)
