"""Laws of byte-level byte-pair encoding: normalization, a space in front, and several cuts one after the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.texts import excerpts, texts
from fixtures.strategies.vocabularies import Problem, Tables, built, glueing, problems
from reference.tokenizers.byte_level_bpe import ByteLevelBPE

END = "<|endoftext|>"
STEPS: tuple[Any, ...] = (("nfc",), ("nfkc",), ("nfd", "lowercase"), ("lowercase", ("replace", "a", "bb")))
SEVERAL: tuple[list[str], ...] = (
    [r"\p{N}", "gpt2"],
    ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\p{N}"],
    [r"\p{N}{1,3}", "[\u4e00-\u9fa5]+", "gpt4"],
    ["gpt2", r"ab|\s"],
    [],
    ["[!-/]+", "gpt2", "bytes", r"\p{N}+", "[0-9][0-9]"],
    ["bytes", "Ġ"],
)


def made(implementation: Any, tables: Any, **options: Any) -> Any:
    return implementation(dict(tables.vocabulary), list(tables.merges), **options)


@pytest.mark.parametrize("patterns", SEVERAL, ids=lambda patterns: " then ".join(map(ascii, patterns)) or "none")
@given(problem=problems(), text=texts(4))
def test_several_expressions_cut_one_after_the_other(implementation, patterns: list[str], problem: Problem, text: str):
    """Each expression cuts what those before it have left, and sees nothing beyond; without any nothing is cut."""
    tables, text = problem.tables, f"ab1{problem.text}12ab  {text}a"
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, patterns).encode(text)
    judge.exact(made(implementation, tables, pattern=patterns).encode(text), expected, "ids")


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ([r"\p{N}", "gpt2"], ["a", " ", "1", "2", "b"]),
        (["gpt2", r"\p{N}"], ["a", " ", "1", "2", "b"]),
        ([r"\p{N}+", "gpt2"], ["a", " ", "12", "b"]),
        (["gpt2"], ["a", " 12", "b"]),
        ([r"12", r" 12"], ["a ", "12", "b"]),
        ([r" 12", r"12"], ["a", " ", "12", "b"]),
        ([], ["a 12b"]),
        (["gpt2", "bytes", "Ġ1"], ["a", " 1", "2", "b"]),
        (["bytes", " "], ["a 12b"]),
        (["bytes"], ["a 12b"]),
    ],
    ids=str,
)
def test_what_is_cut_stays_cut(implementation, patterns: list[str], words: list[str]):
    """StarCoder's digits stand alone, and the space before them too; a later expression finds nothing across a cut."""
    tables = glueing(words)
    judge.exact(made(implementation, tables, pattern=patterns).encode("a 12b"), tables.ids(*words), "ids")


@given(corpus=st.lists(excerpts() | texts(4), max_size=3), size=st.integers(256, 280))
def test_learns_within_several_cuts(implementation, corpus: list[str], size: int):
    """Merges are learnt within the words that all expressions leave."""
    corpus, patterns = [*corpus, "x12 x12 x12 12 12"], [r"\p{N}", "gpt2"]
    expected = ByteLevelBPE.train(corpus, size, pattern=patterns)
    learnt = implementation.train(corpus, size, pattern=patterns)
    judge.exact([tuple(pair) for pair in learnt.merges], list(expected.merges), "merges")


@pytest.mark.parametrize("steps", STEPS, ids=str)
@given(problem=problems(), text=texts(4))
@example(problem=Problem(Tables((("Ã", "©"),)), "e\u0301"), text="E\u0301\ufb01\u212b")
def test_text_is_normalized_before_it_is_cut(implementation, steps: tuple[Any, ...], problem: Problem, text: str):
    """Ids are those of the normalized text, also where that has other words: Qwen's vocabulary expects NFC."""
    tables, text = problem.tables, f"{problem.text}Ae\u0301 {text}A"
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, steps=steps).encode(text)
    judge.exact(made(implementation, tables, steps=steps).encode(text), expected, "ids")


@pytest.mark.parametrize("steps", [("lowercase",), (("replace", "bb", "c"),)], ids=str)
def test_places_are_those_of_the_text_as_given(implementation, steps: tuple[Any, ...]):
    """Offsets count the characters of the given text, not of the normalized one, behind special tokens as well."""
    tables = Tables((("b", "c"),))
    tokenizer = made(implementation, tables, steps=steps, special={END: 999})
    found = tokenizer.encoding(f"abbc{END}Xbb")
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, steps=steps, special={END: 999})
    judge.exact([tuple(place) for place in found.offsets], expected.encoding(f"abbc{END}Xbb").offsets, "offsets")


def test_special_tokens_are_found_before_normalization(implementation):
    """What spells a special token after normalization alone is text; what spells it before is the token."""
    tokenizer = made(implementation, Tables(), steps=("lowercase",), special={"<b>": 256, "<C>": 257})
    judge.exact(tokenizer.encode("<b><B><C><c>"), [256, *Tables().ids(*"<b>"), 257, *Tables().ids(*"<c>")], "ids")


@given(problem=problems(), text=texts(3))
@example(problem=Problem(Tables(), "<B>"), text="a")
def test_special_tokens_that_are_normalized(implementation, problem: Problem, text: str):
    """With `normalized` a token is found in the normalized text, in the form that normalization gives it: what
    transformers' `add_tokens` adds to Qwen's tokenizer. Others come before."""
    tables, steps = problem.tables, ("nfkc", "lowercase")
    options: dict[str, Any] = {
        "steps": steps,
        "special": {"<B>": 999, "\ufb01n": 1000, "<C>": 1001},
        "normalized": ["<B>", "\ufb01n"],
        "lstrip": ["\ufb01n"],
    }
    text = f"<b>{problem.text}<\uff22> <c><C>{text} \uff46in<B>"
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, **options)
    tokenizer = made(implementation, tables, **options)
    judge.exact(tokenizer.encode(text), expected.encode(text), "ids")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<b><B>", [256, 256]),
        ("<c><C>", ["<c>", 257]),
        ("a<\uff22>c", ["a", 256, "c"]),
        ("<<B>>", ["<", 256, ">"]),
    ],
)
def test_normalized_tokens_by_example(implementation, text: str, parts: list[Any]):
    """`<B>` among `normalized` is also `<b>` where text is brought into lower case; `<C>`, which is not, is itself."""
    tables, special = Tables(), {"<B>": 256, "<C>": 257}
    tokenizer = made(implementation, tables, steps=("nfkc", "lowercase"), special=special, normalized=["<B>"])
    ids = [id for part in parts for id in ([part] if isinstance(part, int) else tables.ids(*part))]
    judge.exact(tokenizer.encode(text), ids, "ids")


def test_places_of_normalized_tokens(implementation):
    """A token that is found after normalization has the place of all that it was made from, in the text as given."""
    options: dict[str, Any] = {
        "steps": ("nfkc", "lowercase"),
        "special": {"<B>": 256, "<C>": 257},
        "normalized": ["<B>"],
    }
    found = made(implementation, Tables(), **options).encoding("a<\uff22>c<C>b<b>")
    places = [(0, 1), (1, 4), (4, 5), (5, 8), (8, 9), (9, 12)]
    judge.exact([tuple(place) for place in found.offsets], places, "offsets")


@given(problem=problems())
def test_a_text_gets_a_space_in_front(implementation, problem: Problem):
    """With `add_prefix_space` a text that begins without a space is encoded as if it had one: RoBERTa's option."""
    text = problem.text.lstrip(" ")
    spaced = made(implementation, problem.tables, add_prefix_space=True)
    plain = built(implementation, problem.tables)
    judge.exact(spaced.encode(text), plain.encode(f" {text}" if text else ""), "ids")
    judge.exact(spaced.encode(f" {text}"), plain.encode(f" {text}"), "ids of a text with a space")


def test_the_space_comes_before_every_part(implementation):
    """Behind a special token a text begins anew, and gets its space; other white space is no space."""
    tables = glueing([" a", " b"])
    tokenizer = made(implementation, tables, special={END: 999}, add_prefix_space=True)
    expected = [*tables.ids(" a"), 999, *tables.ids(" b"), 999, *tables.ids(" ", "\n"), *tables.ids("b")]
    judge.exact(tokenizer.encode(f"a{END}b{END}\nb"), expected, "ids")
    judge.exact([tuple(place) for place in tokenizer.encoding("ab").offsets], [(0, 1), (1, 2)], "offsets")


@pytest.mark.parametrize(
    "options",
    [{"steps": ["nfx"]}, {"steps": [("replace", "a")]}, {"pattern": ["gpt2", "(a"]}],
    ids=str,
)
def test_unknown_steps_and_broken_cuts_are_rejected(implementation, options: dict[str, Any]):
    """A step that there is not, and an expression that cannot be read, raise."""
    judge.rejects(lambda: made(implementation, Tables(), **options).encode("a"))
