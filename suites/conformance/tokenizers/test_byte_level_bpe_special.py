"""Laws of byte-level byte-pair encoding: special tokens spelled in a text, and the places of all tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.special_tokens import Marked, marked, strips
from fixtures.strategies.texts import texts
from fixtures.strategies.vocabularies import Problem, Tables, built, in_letters, problems, reference
from reference.tokenizers.byte_level_bpe import ByteLevelBPE

END = "<|endoftext|>"


def with_special(implementation: Any, tables: Any, special: Any, **options: Any) -> Any:
    return implementation(dict(tables.vocabulary), list(tables.merges), special=dict(special), **options)


def truth(problem: Marked, **flags: Any) -> ByteLevelBPE:
    tables = problem.tables
    return ByteLevelBPE(tables.vocabulary, tables.merges, special=problem.special, **flags)


# Special tokens


@given(problem=marked())
def test_special_tokens_in_a_text(implementation, problem: Marked):
    """Wherever a special token stands it is one id, and what lies around it is encoded as the reference does."""
    tokenizer = with_special(implementation, problem.tables, problem.special)
    judge.exact(tokenizer.encode(problem.text), truth(problem).encode(problem.text), "ids")


@given(problem=problems(), right=texts(4))
def test_texts_around_a_special_token_are_texts(implementation, problem: Problem, right: str):
    """Before and after it a text begins and ends: the last space before it belongs to no word."""
    left, id = f"{problem.text} a  ", len(problem.tables.vocabulary)
    tokenizer = with_special(implementation, problem.tables, {"<|im_start|>!": id})
    plain = built(implementation, problem.tables)
    ids = tokenizer.encode(f"{left}<|im_start|>!{right}")
    judge.exact(ids, [*plain.encode(left), id, *plain.encode(right)], "ids")


@given(problem=marked())
def test_special_tokens_that_are_not_allowed_are_text(implementation, problem: Marked):
    """With `allowed_special=()` nobody ends a text by writing so: it is encoded as without special tokens."""
    tokenizer = with_special(implementation, problem.tables, problem.special)
    expected = reference(problem.tables).encode(problem.text)
    judge.exact(tokenizer.encode(problem.text, allowed_special=()), expected, "ids")


def test_merges_stop_at_special_tokens(implementation):
    """`xaby` is x, ab, y where `ab` is special, though merges make all of it one token."""
    tables = Tables((("a", "b"), ("x", "ab"), ("xab", "y")))
    id = len(tables.vocabulary)
    tokenizer = with_special(implementation, tables, {"-ab-": id})
    judge.exact(tokenizer.encode("xaby x-ab-y"), [*tables.ids("xaby", " ", "x"), id, *tables.ids("y")], "ids")


def test_only_those_that_are_allowed(implementation):
    """Of two special tokens one may be read as such while the other is text."""
    tables = Tables()
    special = {END: 256, "<|fim|>": 257}
    tokenizer = with_special(implementation, tables, special)
    expected = [*tables.ids(*END), 257, *tables.ids("a")]
    judge.exact(tokenizer.encode(f"{END}<|fim|>a", allowed_special={"<|fim|>"}), expected, "ids")


@pytest.mark.parametrize("text", [END, f"a{END}b", f"{END}<|fim|>"])
def test_disallowed_special_tokens_raise(implementation, text: str):
    """With `disallowed_special="all"` a text that spells one that is not allowed raises, as tiktoken does by default."""
    tokenizer = with_special(implementation, Tables(), {END: 256, "<|fim|>": 257})
    judge.exact(tokenizer.encode("<|fim|>", allowed_special={"<|fim|>"}, disallowed_special="all"), [257], "ids")
    judge.rejects(tokenizer.encode, text, allowed_special={"<|fim|>"}, disallowed_special="all")
    judge.rejects(tokenizer.encoding, text, allowed_special={"<|fim|>"}, disallowed_special="all")


def test_what_is_neither_allowed_nor_disallowed_is_text(implementation):
    """`disallowed_special` names what raises; special tokens that it does not name are text."""
    tables = Tables()
    tokenizer = with_special(implementation, tables, {END: 256, "<|fim|>": 257})
    ids = tokenizer.encode("<|fim|>", allowed_special=(), disallowed_special={END})
    judge.exact(ids, tables.ids(*"<|fim|>"), "ids")
    judge.rejects(tokenizer.encode, END, allowed_special=(), disallowed_special={END})


@pytest.mark.parametrize("names", [("<|a|>", "<|a|>b", "<|a|>bc"), ("<|a|>bc", "<|a|>b", "<|a|>")], ids=["up", "down"])
def test_the_longest_special_token_counts(implementation, names: tuple[str, ...]):
    """Of special tokens that begin at the same place the longest is meant, in whatever order they were given."""
    tables, special = Tables(), {name: 256 + n for n, name in enumerate(names)}
    ids = with_special(implementation, tables, special).encode("<|a|><|a|>b<|a|>bc")
    judge.exact(ids, [special["<|a|>"], special["<|a|>b"], special["<|a|>bc"]], "ids")


@given(problem=marked())
def test_special_tokens_are_decoded_to_their_text(implementation, problem: Marked):
    """Every text comes back, special tokens included."""
    tokenizer = with_special(implementation, problem.tables, problem.special)
    judge.exact(tokenizer.decode(tokenizer.encode(problem.text)), problem.text, "text")


@pytest.mark.parametrize("token", ["<\u00e9>", "\u0120x", "<\uff5cend\u2581of\uff5c>"], ids=ascii)
def test_special_tokens_of_any_characters(implementation, token: str):
    """A special token is text and no byte letters, in encoding and in decoding."""
    tokenizer = with_special(implementation, Tables(), {token: 256})
    judge.exact(tokenizer.encode(f"{token}{token}"), [256, 256], "ids")
    judge.exact(tokenizer.decode([256]), token, "text")


def test_a_special_token_may_stand_in_the_vocabulary(implementation):
    """As `<|endoftext|>` does in GPT-2's: one token, one id, and allowed or not makes the difference."""
    tables = Tables(unmerged=(END,), order=3)
    id = tables.vocabulary[END]
    tokenizer = with_special(implementation, tables, {END: id})
    judge.exact(tokenizer.encode(f"a{END}"), [*tables.ids("a"), id], "ids")
    judge.exact(tokenizer.encode(f"a{END}", allowed_special=()), tables.ids("a", *END), "ids")
    judge.exact(tokenizer.decode([id]), END, "text")


# Spaces and words around them


@given(problem=marked(), flag=st.sampled_from(["lstrip", "rstrip"]))
def test_special_tokens_that_take_spaces_along(implementation, problem: Marked, flag: str):
    """Spaces before (`lstrip`) or after (`rstrip`) such a token are its own: they have no ids, and no more is taken."""
    flags: dict[str, Any] = {flag: list(problem.special)}
    text = strips(problem)
    tokenizer = with_special(implementation, problem.tables, problem.special, **flags)
    judge.exact(tokenizer.encode(text), truth(problem, **flags).encode(text), "ids")


@pytest.mark.parametrize("space", [" ", "\n", "\u3000", "\u0085", "\x1c", "\u200b"], ids=ascii)
def test_which_spaces_are_taken_along(implementation, space: str):
    """What has the property White_Space, however many; not what only looks like a space, or is one to Python."""
    tables, flags = Tables(), {"lstrip": ["<m>"], "rstrip": ["<m>"]}
    tokenizer = with_special(implementation, tables, {"<m>": 256}, **flags)
    around = [] if space not in "\x1c\u200b" else [tables.vocabulary[letter] for letter in in_letters(space * 2)]
    ids = [*tables.ids("a"), *around, 256, *around, *tables.ids("b")]
    judge.exact(tokenizer.encode(f"a{space * 2}<m>{space * 2}b"), ids, "ids")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("foo", 1),
        ("a foo!", 1),
        ("food", 0),
        ("afoo", 0),
        ("abfoo", 0),
        ("foo_", 0),
        ("foo1", 0),
        ("foo\u0301", 0),
        ("(foo)foo-", 2),
    ],
)
def test_special_tokens_that_are_single_words(implementation, text: str, found: int):
    """With `single_word` a token counts where no letter, digit, mark or underscore touches it."""
    tokenizer = with_special(implementation, Tables(), {"foo": 256}, single_word=["foo"])
    judge.exact(tokenizer.encode(text).count(256), found, "number of special tokens")


# Places


@given(problem=problems())
def test_tokens_and_their_places(implementation, problem: Problem):
    """Tokens are byte letters; places count characters, and a part of a character has the place of the whole."""
    found = built(implementation, problem.tables).encoding(problem.text)
    expected = reference(problem.tables).encoding(problem.text)
    judge.exact([list(part) for part in found], [list(part) for part in expected], "ids, tokens and places")


@given(problem=marked())
def test_places_around_special_tokens(implementation, problem: Marked):
    """With special tokens in the text all places are still those of the whole text."""
    found = with_special(implementation, problem.tables, problem.special).encoding(problem.text)
    judge.exact([*map(tuple, found.offsets)], truth(problem).encoding(problem.text).offsets, "places")


@given(problem=problems())
def test_places_cover_the_text(implementation, problem: Problem):
    """Every token begins where the one before ended, unless they share a character; none is empty, and all is covered."""
    places = built(implementation, problem.tables).encoding(problem.text).offsets
    ends = [0, *(end for _, end in places)]
    pairs = zip(places, ends, strict=False)
    gaps = [(begin, end) for (begin, end), last in pairs if not last - 1 <= begin <= last <= end or begin == end]
    judge.exact(gaps, [], "tokens that leave a gap or go back")
    judge.exact(ends[-1], len(problem.text), "where the last token ends")


def test_places_of_a_character_of_several_tokens(implementation):
    """All four bytes of an emoji have its place, and the space belongs to the word after it."""
    found = built(implementation, Tables((("Ġ", "x"),))).encoding("\U0001f600 x")
    judge.exact([*map(tuple, found.offsets)], [(0, 1)] * 4 + [(1, 3)], "places")


def test_places_of_special_tokens_with_spaces(implementation):
    """The spaces that a special token takes along are in its place."""
    tokenizer = with_special(implementation, Tables(), {"<m>": 256}, lstrip=["<m>"], rstrip=["<m>"])
    judge.exact([*map(tuple, tokenizer.encoding("a  <m> b").offsets)], [(0, 1), (1, 7), (7, 8)], "places")


@pytest.mark.parametrize("letters", [0, 1, 300])
def test_no_space_is_taken_along_twice(implementation, letters: int):
    """What the token before took is gone; and before the beginning there is nothing, not the end of the text."""
    tables, before = Tables(), "a" * letters
    tokenizer = with_special(implementation, tables, {"<m>": 256}, lstrip=["<m>"], rstrip=["<m>"])
    found, a = tokenizer.encoding(f"{before}<m> <m>a "), tables.ids("a")
    judge.exact(list(found.ids), [*a * letters, 256, 256, *tables.ids("a", " ")], "ids")
    places = [
        (letters, letters + 4),
        (letters + 4, letters + 7),
        (letters + 7, letters + 8),
        (letters + 8, letters + 9),
    ]
    judge.exact([*map(tuple, found.offsets)][letters:], places, "places")


# Bad input


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "a token of nothing": {"": 256},
    "the id of a byte": {END: 64},
    "one id for two": {END: 256, "<|fim|>": 256},
    "an id that is no number": {END: "256"},
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_special_tokens_that_contradict_the_tables_are_rejected(implementation, what: str):
    """A special token of nothing, and one id for two tokens, raise, at the latest when they are used."""

    def used() -> None:
        special = CONTRADICTIONS[what]
        tokenizer = with_special(implementation, Tables(), special)
        tokenizer.decode([*tokenizer.encode(f"a{END}<|fim|>"), *special.values()])

    judge.rejects(used)
