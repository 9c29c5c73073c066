"""Laws of normalization: agreement with the reference, and what holds whatever the text."""

from __future__ import annotations

import unicodedata
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.normalized import agrees, offsets_of, text_of
from fixtures.strategies.unicode import composable, every_kind, settled_texts
from reference.tokenizers.normalization import bert_steps

by_form = pytest.mark.parametrize("form", ["nfc", "nfd", "nfkc", "nfkd"])
every_text = settled_texts(6) | composable()
UNLIKE = {"\u2028", "\u2029", "\u200d", "\u061c", "\U0002b820"}  # each has a law of its own


def cleaned_alike(character: str) -> bool:
    """Whether no law of its own says what becomes of it when a text is cleaned."""
    return character not in ("\u2028", "\u2029") and unicodedata.category(character) != "Cn"


@by_form
@given(text=every_text)
def test_agrees_on_forms(implementation, form: str, text: str):
    """Unicode's forms are the reference's."""
    agrees(implementation, text, form)


@given(text=settled_texts())
def test_agrees_on_lower_case(implementation, text: str):
    """Lower case is the reference's; the last sigma has a law of its own."""
    agrees(implementation, text.replace("\u03a3", "\u0396"), "lowercase")


@given(text=every_text)
def test_agrees_on_accents(implementation, text: str):
    """What is left without accents is the reference's; marks that are no accents have laws of their own."""
    plain = "".join(c for c in text if unicodedata.category(c) not in ("Mc", "Me"))
    agrees(implementation, plain, "nfd", "strip_accents")


@given(text=settled_texts())
def test_agrees_on_clean_texts(implementation, text: str):
    """What BERT's cleaning leaves is the reference's."""
    agrees(implementation, "".join(filter(cleaned_alike, text)), "clean")


@given(text=settled_texts())
def test_agrees_on_chinese(implementation, text: str):
    """Spaces are put where the reference puts them."""
    agrees(implementation, text, "cjk")


@given(text=settled_texts())
def test_agrees_on_nmt(implementation, text: str):
    """What SentencePiece's extra rules make is the reference's."""
    agrees(implementation, text.replace("\u200d", ""), "nmt")


@example(text="a\u0300\u0300")
@given(text=every_text)
def test_agrees_on_the_table_of_sentencepiece(implementation, text: str):
    """What SentencePiece makes of any text is the reference's."""
    agrees(implementation, text, "nmt_nfkc")


@given(text=settled_texts(), old=st.text("a .", min_size=1, max_size=2), new=st.text("a .\u2581", max_size=3))
def test_agrees_on_replacements(implementation, text: str, old: str, new: str):
    """What a replacement makes is the reference's."""
    agrees(implementation, f"a. .{text}aa .", ("replace", old, new))


@given(
    text=settled_texts(5),
    steps=st.permutations(["nfkc", ("strip", True, True), ("prepend", " a"), ("replace", "a", " A")]),
)
def test_agrees_on_sequences(implementation, text: str, steps: list[Any]):
    """What steps make in any order is the reference's."""
    agrees(implementation, text, *steps)


EVERY_KIND: dict[str, tuple[Any, ...]] = {
    **{form: (form,) for form in ("nfc", "nfd", "nfkc", "nfkd")},
    **{step: (step,) for step in ("lowercase", "clean", "cjk", "nmt", "strip_marks")},
    "accents": ("nfd", "strip_accents"),
    "bert": bert_steps(lowercase=True),
}


@pytest.mark.parametrize("what", EVERY_KIND)
def test_agrees_on_every_kind_of_character(implementation, what: str):
    """Both ends of every range of characters that are alike, each beside a letter: none is left out, in any plane."""
    text = "x".join(c for c in every_kind() if c not in UNLIKE)
    if what in ("clean", "bert"):
        text = "".join(filter(cleaned_alike, text))
    agrees(implementation, text, *EVERY_KIND[what])


@pytest.mark.parametrize("step", [("prepend", "a"), ("replace", "ab", "b"), ("substitute", "^a", "")], ids=str)
def test_a_step_may_come_again(implementation, step: tuple[str, ...]):
    """A step that is named twice is done twice."""
    agrees(implementation, "aabab", step, step)
    agrees(implementation, "aabab", step, "lowercase", step)


SWITCHES = [
    dict(zip(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), bits, strict=True))
    for bits in product([True, False], repeat=4)
]


@given(text=settled_texts(), options=st.sampled_from(SWITCHES[:-1]))
def test_agrees_on_bert(implementation, text: str, options: dict[str, bool]):
    """Under each of BERT's options the text is the reference's."""
    plain = "".join(filter(cleaned_alike, text.replace("\u03a3", "")))
    agrees(implementation, plain, *bert_steps(**options))


@by_form
def test_long_texts_take_no_longer(implementation, form: str):
    """A thousand composed letters, and as many marks on one, are formed as the reference forms them."""
    for text in ("e\u0301\uac01" * 1_000, "a" + "\u0301\u0323" * 500):
        agrees(implementation, text, form)


# What holds whatever the text


@by_form
@given(text=every_text)
def test_a_form_is_final(implementation, form: str, text: str):
    """What is in a form already stays as it is."""
    once = text_of(implementation, text, form)
    judge.exact(text_of(implementation, once, form), once, "text")


@given(text=every_text)
def test_forms_build_on_each_other(implementation, text: str):
    """Decomposing first changes no form; composing last forgets nothing."""
    judge.exact(text_of(implementation, text, "nfd", "nfc"), text_of(implementation, text, "nfc"), "text")
    judge.exact(text_of(implementation, text, "nfc", "nfkd"), text_of(implementation, text, "nfkd"), "text")
    judge.exact(text_of(implementation, text, "nfkd", "nfc"), text_of(implementation, text, "nfkc"), "text")


@pytest.mark.parametrize("steps", [("strip_accents",), ("clean",), ("nmt",), (("strip", True, True),)], ids=str)
@given(text=settled_texts(5))
def test_a_clean_text_is_clean(implementation, steps: tuple[Any, ...], text: str):
    """What a step has left out is not there to be left out again."""
    once = text_of(implementation, text, *steps)
    judge.exact(text_of(implementation, once, *steps), once, "text")


@by_form
@given(left=every_text, right=every_text)
def test_forms_of_texts_join_at_letters(implementation, form: str, left: str, right: str):
    """Where the second text begins with a letter that nothing composes with, each can be formed by itself."""
    both = text_of(implementation, f"{left}x{right}", form)
    judge.exact(both, text_of(implementation, left, form) + text_of(implementation, f"x{right}", form), "text")


@given(
    text=settled_texts(5),
    steps=st.sampled_from([("nfd", "cjk"), ("clean", ("prepend", "x")), ("nmt", ("strip", True, True))]),
)
def test_steps_follow_each_other(implementation, text: str, steps: tuple[Any, ...]):
    """Two steps make of a text what the second makes of what the first made."""
    made = text_of(implementation, text_of(implementation, text, steps[0]), steps[1])
    judge.exact(text_of(implementation, text, *steps), made, "text")


@given(text=st.text("ab \u00e9\ufb01", min_size=1, max_size=8))
def test_steps_are_left_alone(implementation, text: str):
    """The list of steps stays the caller's."""
    steps = ["nfkc", "lowercase", ("replace", "a", "b"), ("prepend", "c")]
    implementation(text, steps=steps)
    judge.exact(steps, ["nfkc", "lowercase", ("replace", "a", "b"), ("prepend", "c")], "steps")


@given(text=settled_texts(3))
def test_no_steps_change_nothing(implementation, text: str):
    """Without a step each character stays, and is from where it is."""
    judge.exact(text_of(implementation, text), text, "text")
    judge.exact(offsets_of(implementation, text), tuple((i, i + 1) for i in range(len(text))), "offsets")


def test_nothing_stays_nothing(implementation):
    """The empty text has one form and no offsets."""
    judge.exact(text_of(implementation, "", "nfkc", "lowercase"), "", "text")
    judge.exact(offsets_of(implementation, "", "nfkc", "lowercase"), (), "offsets")
