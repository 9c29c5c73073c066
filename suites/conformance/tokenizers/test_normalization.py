"""Laws of normalization."""

from __future__ import annotations

import unicodedata
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.implementations import Unsupported
from fixtures.strategies.unicode import composable, settled_texts
from reference.tokenizers.normalization import bert_steps
from reference.tokenizers.normalization import normalization as reference

FORMS = ("nfc", "nfd", "nfkc", "nfkd")
by_form = pytest.mark.parametrize("form", FORMS)
every_text = settled_texts(6) | composable()


def text_of(implementation: Any, text: str, *steps: Any) -> str:
    return implementation(text, steps=steps)[0]


def offsets_of(implementation: Any, text: str, *steps: Any) -> Any:
    offsets = implementation(text, steps=steps)[1]
    if offsets is None:
        raise Unsupported("it keeps no offsets")
    return offsets


def agrees(implementation: Any, text: str, *steps: Any) -> None:
    judge.exact(text_of(implementation, text, *steps), reference(text, steps=steps)[0], "text")


def agrees_in_offsets(implementation: Any, text: str, *steps: Any) -> None:
    judge.exact(offsets_of(implementation, text, *steps), reference(text, steps=steps)[1], "offsets")


# Pits

FORMED = {
    "a composed letter": ("\u00e9", "\u00e9", "e\u0301", "\u00e9", "e\u0301"),
    "a decomposed letter": ("e\u0301", "\u00e9", "e\u0301", "\u00e9", "e\u0301"),
    "a ligature": ("\ufb01", "\ufb01", "\ufb01", "fi", "fi"),
    "marks out of order": ("q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"),
    "a mark between": ("a\u0323\u0302", "\u1ead", "a\u0323\u0302", "\u1ead", "a\u0323\u0302"),
    "a mark that blocks": ("a\u0308\u0301", "\u00e4\u0301", "a\u0308\u0301", "\u00e4\u0301", "a\u0308\u0301"),
    "a lower class between": ("a\u0327\u0301", "\u00e1\u0327", "a\u0327\u0301", "\u00e1\u0327", "a\u0327\u0301"),
    "an equal class between": ("a\u0305\u0301", *["a\u0305\u0301"] * 4),
    "two that block": ("c\u0327\u0328", "\u00e7\u0328", "c\u0327\u0328", "\u00e7\u0328", "c\u0327\u0328"),
    "Hangul": ("\u1112\u1161\u11ab", "\ud55c", "\u1112\u1161\u11ab", "\ud55c", "\u1112\u1161\u11ab"),
    "a syllable with a final": ("\ud558\u11ab", "\ud55c", "\u1112\u1161\u11ab", "\ud55c", "\u1112\u1161\u11ab"),
    "a singleton": ("\u212b", "\u00c5", "A\u030a", "\u00c5", "A\u030a"),
    "an exclusion": ("\u0958", "\u0915\u093c", "\u0915\u093c", "\u0915\u093c", "\u0915\u093c"),
    "wide letters": ("\uff21\uff11", "\uff21\uff11", "\uff21\uff11", "A1", "A1"),
    "a superscript": ("x\u00b2", "x\u00b2", "x\u00b2", "x2", "x2"),
    "two starters": ("\u09c7\u09be", "\u09cb", "\u09c7\u09be", "\u09cb", "\u09c7\u09be"),
    "starters apart": ("\u09c7\u0323\u09be", *["\u09c7\u0323\u09be"] * 4),
    "a mark of nothing": ("\u0301e", *["\u0301e"] * 4),
}


@by_form
@pytest.mark.parametrize("what", FORMED)
def test_what_each_form_makes(implementation, what: str, form: str):
    """The four forms of small texts. Source: Unicode Standard Annex 15."""
    text, *forms = FORMED[what]
    judge.exact(text_of(implementation, text, form), forms[FORMS.index(form)], "text")


def test_lower_case_may_be_longer(implementation):
    """A capital I with a dot turns into two characters, and a sharp s stays one."""
    judge.exact(
        text_of(implementation, "\u0130\u1e9e\u00c9\u0141\u01c5\u2126", "lowercase"),
        "i\u0307\u00df\u00e9\u0142\u01c6\u03c9",
        "text",
    )


@pytest.mark.parametrize("text", ["\u039f\u0394\u039f\u03a3", "\u03a3\u0391\u03a3 \u03a3\u0391\u03a3."], ids=ascii)
def test_the_last_sigma_of_a_word(implementation, text: str):
    """Lower case looks around: the last sigma of a word is another letter. Source: SpecialCasing of Unicode."""
    judge.exact(text_of(implementation, text, "lowercase"), text.lower(), "text")


def test_spacing_marks_are_no_accents(implementation):
    """Vowels of Hindi are spacing marks: without them nothing is left to read."""
    judge.exact(text_of(implementation, "\u0915\u093e\u0928\u094d", "strip_accents"), "\u0915\u093e\u0928", "text")


def test_accents_stay_where_they_are_composed(implementation):
    """Only a mark that is a character of its own is left out; the composed letter is none."""
    judge.exact(
        text_of(implementation, "\u00e9e\u0301\u0142\u05e9\u05b8", "strip_accents"), "\u00e9e\u0142\u05e9", "text"
    )


def test_accents_of_decomposed_letters_go(implementation):
    """Decomposed first, every accent goes; the stroke of an l is no accent."""
    judge.exact(text_of(implementation, "\u00e9\u0142\u1ea5\u00f1", "nfd", "strip_accents"), "e\u0142an", "text")


CLEANED = {
    "NUL": ("a\x00b", "ab"),
    "what cannot be read": ("a\ufffdb", "ab"),
    "control": ("a\x07b\x7fc\x85d", "abcd"),
    "format": ("a\u200bb\u200dc\ufeffd\u00ade", "abcde"),
    "private use": ("a\ue000b\U000f0000c", "abc"),
    "vertical tab and form feed": ("a\x0bb\x0cc", "abc"),
    "spaces": ("\t\n\r\u00a0\u3000\u2009\u1680", " " * 7),
    "no spaces": ("a\u2800b\u3164", "a\u2800b\u3164"),
    "two spaces": (" a  b ", " a  b "),
}


@pytest.mark.parametrize("what", CLEANED)
def test_what_clean_leaves(implementation, what: str):
    """Control characters go, spaces turn to U+0020, all else stays. Source: BERT's `_clean_text`."""
    text, cleaned = CLEANED[what]
    judge.exact(text_of(implementation, text, "clean"), cleaned, "text")


def test_unassigned_characters_stay(implementation):
    """What a later version of Unicode may assign is no control character."""
    judge.exact(text_of(implementation, "a\u0378b\U0003ffffc", "clean"), "a\u0378b\U0003ffffc", "text")


def test_line_and_paragraph_separators_are_spaces(implementation):
    """U+2028 and U+2029 are spaces of categories of their own."""
    judge.exact(text_of(implementation, "a\u2028b\u2029", "clean"), "a b ", "text")


EDGES = (
    "\u4e00\u9fff\u3400\u4dbf\uf900\ufaff\U00020000\U0002a6df\U0002a700\U0002b73f"
    "\U0002b740\U0002b81f\U0002ceaf\U0002f800\U0002fa1f"
)


def test_chinese_characters_stand_alone(implementation):
    """From the first to the last character of each block; beside them, and in Japanese and Korean, nothing changes."""
    judge.exact(text_of(implementation, f"a{EDGES}b", "cjk"), f"a{''.join(f' {c} ' for c in EDGES)}b", "text")
    others = (
        "\u33ff\u4dc0\ua000\uf8ff\ufb00\U0002a6e0\U0002a6ff\U0002ceb0\U0002f7ff\U0002fa20\u3042\u30a2\uac00\u3007\u3001"
    )
    judge.exact(text_of(implementation, others, "cjk"), others, "text")


@pytest.mark.parametrize("character", ["\U0002b820", "\U0002b825", "\U0002b91f"], ids=ascii)
def test_chinese_characters_of_extension_e(implementation, character: str):
    """The block CJK Extension E begins at U+2B820."""
    judge.exact(text_of(implementation, f"a{character}", "cjk"), f"a {character} ", "text")


NMT = {
    "removed": "\x01\x08\x0b\x0e\x1f\x7f\x8f\x9f",
    "spaces": "\t\n\x0c\r \u1680\u200b\u200c\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd",
}


def test_what_nmt_makes_of_controls(implementation):
    """Control characters go, others are spaces, among them SentencePiece's own mark. Source: its `builder.cc`."""
    text = f"a{NMT['removed']}b{NMT['spaces']}c\u00a0\x85\u3000\x80"
    judge.exact(text_of(implementation, text, "nmt"), f"ab{' ' * len(NMT['spaces'])}c\u00a0\x85\u3000\x80", "text")


JOINERS = {"ZERO WIDTH JOINER": "\u200d", "ARABIC LETTER MARK": " "}


@pytest.mark.parametrize("name", JOINERS)
def test_what_nmt_makes_of_joiners(implementation, name: str):
    """What joins emoji stays; a mark of direction is a space. Source: SentencePiece's `builder.cc`."""
    judge.exact(text_of(implementation, f"a{unicodedata.lookup(name)}b", "nmt"), f"a{JOINERS[name]}b", "text")


TABLED = {
    "a letter and its accent": ("a\u0301", "\u00e1"),
    "a wide letter and its accent": ("\uff21\u030a\u0301", "\u01fa"),
    "a composed letter takes no accent": ("\u00c5\u0301", "\u00c5\u0301"),
    "no reordering": ("s\u0307\u0323", "\u1e61\u0323"),
    "in order": ("s\u0323\u0307", "\u1e69"),
    "a syllable takes no final": ("\uac00\u11a8", "\uac00\u11a8"),
    "a syllable of three": ("\u1100\u1161\u11a8", "\uac01"),
    "a ligature": ("\ufb01x", "fix"),
    "the tilde of Japanese": ("\uff5e~", "\uff5e~"),
    "emoji": ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    "three that compose to two": ("DZ\u030c", "D\u017d"),
    "controls": ("a\x00\x01\tb", "a\x00 b"),
    "spaces": ("a\u3000\u00a0b", "a  b"),
}


@pytest.mark.parametrize("what", TABLED)
def test_what_the_table_of_sentencepiece_makes(implementation, what: str):
    """The longest string of a table is replaced, nothing is reordered, nothing looked at twice."""
    text, made = TABLED[what]
    judge.exact(text_of(implementation, text, "nmt_nfkc"), made, "text")


def test_a_replacement_is_not_looked_at_again(implementation):
    """From the left, without overlaps, and once."""
    judge.exact(text_of(implementation, "aaab", ("replace", "aa", "ab")), "abab", "text")
    judge.exact(text_of(implementation, "a b", ("replace", " ", "\u2581"), ("replace", "b", "")), "a\u2581", "text")


def test_a_replacement_is_no_expression(implementation):
    """What is replaced is a text, letter by letter."""
    judge.exact(
        text_of(implementation, "a.b+c\\d", ("replace", ".", "$1"), ("replace", "\\d", "[d]")), "a$1b+c[d]", "text"
    )


@pytest.mark.parametrize(("left", "right"), [*product([True, False], repeat=2)])
def test_strips_either_end(implementation, left: bool, right: bool):
    """Spaces of any kind go at the ends that are named; blank texts are all end."""
    text, step = "\u3000 \ta b\u2029\n", ("strip", left, right)
    judge.exact(
        text_of(implementation, text, step), f"{'' if left else text[:3]}a b{'' if right else text[6:]}", "text"
    )
    judge.exact(text_of(implementation, " \n ", step), "" if left or right else " \n ", "text")


def test_prepends_to_texts_only(implementation):
    """Every text gets it, also one that begins so already; nothing stays nothing."""
    judge.exact(text_of(implementation, "ab", ("prepend", "\u2581")), "\u2581ab", "text")
    judge.exact(text_of(implementation, "\u2581b", ("prepend", "\u2581")), "\u2581\u2581b", "text")
    judge.exact(text_of(implementation, "", ("prepend", "\u2581")), "", "text")


def test_the_order_of_steps_counts(implementation):
    """Each step sees what the one before it made."""
    judge.exact(text_of(implementation, " A", ("strip", True, True), ("prepend", " ")), " A", "text")
    judge.exact(text_of(implementation, " A", ("prepend", " "), ("strip", True, True)), "A", "text")
    judge.exact(text_of(implementation, "Ab", "lowercase", ("replace", "a", "B")), "Bb", "text")


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"lowercase": True}, " cafe\u0142 \u4e2d "),
        ({"lowercase": False}, " Caf\u00e9\u0141 \u4e2d "),
        ({"lowercase": True, "strip_accents": False}, " caf\u00e9\u0142 \u4e2d "),
        ({"lowercase": False, "strip_accents": True}, " Cafe\u0141 \u4e2d "),
        ({"lowercase": True, "handle_chinese_chars": False}, " cafe\u0142\u4e2d"),
        ({"lowercase": True, "clean_text": False}, "\tcafe\x00\u0142 \u4e2d "),
    ],
    ids=str,
)
def test_accents_follow_lower_case(implementation, options: dict[str, bool], made: str):
    """Unless asked, BERT loses accents where it loses case. Source: `strip_accents=None` of its tokenizers."""
    judge.exact(text_of(implementation, "\tCaf\u00e9\x00\u0141\u4e2d", *bert_steps(**options)), made, "text")


# Offsets


def test_a_composed_character_is_from_all_its_parts(implementation):
    """Who marks `é` in the original marks its accent too."""
    judge.exact(
        offsets_of(implementation, "ae\u0323\u0302b\u1112\u1161\u11ab", "nfc"),
        ((0, 1), (1, 4), (4, 5), (5, 8)),
        "offsets",
    )


def test_reordered_marks_keep_their_places(implementation):
    """A mark that moves takes its place with it."""
    judge.exact(offsets_of(implementation, "q\u0307\u0323b", "nfd"), ((0, 1), (2, 3), (1, 2), (3, 4)), "offsets")


@pytest.mark.parametrize("new", ["_", "pqrs"])
def test_a_replacement_is_from_all_it_replaces(implementation, new: str):
    """Each character of what is put in has the span of what went out."""
    judge.exact(
        offsets_of(implementation, "xabcy", ("replace", "abc", new)), ((0, 1), *[(1, 4)] * len(new), (4, 5)), "offsets"
    )


def test_what_is_left_out_leaves_a_gap(implementation):
    """What stays keeps its place."""
    judge.exact(offsets_of(implementation, "a\x00b\tc", "clean"), ((0, 1), (2, 3), (3, 4), (4, 5)), "offsets")
    judge.exact(offsets_of(implementation, "  ab ", ("strip", True, True)), ((2, 3), (3, 4)), "offsets")
    judge.exact(offsets_of(implementation, "abcab", ("replace", "b", "")), ((0, 1), (2, 3), (3, 4)), "offsets")


def test_what_is_put_in_belongs_to_its_neighbour(implementation):
    """Spaces around a Chinese character, and what is prepended, have a place where something is."""
    judge.exact(offsets_of(implementation, "a\u4e2d", "cjk"), ((0, 1), (1, 2), (1, 2), (1, 2)), "offsets")
    judge.exact(offsets_of(implementation, "ab", ("prepend", "__")), ((0, 1), (0, 1), (0, 1), (1, 2)), "offsets")


def test_what_grows_is_from_one_character(implementation):
    """All characters of a decomposition are from where it stood."""
    judge.exact(offsets_of(implementation, "a\u1ea5\ufb01", "nfkd"), ((0, 1), *[(1, 2)] * 3, *[(2, 3)] * 2), "offsets")
    judge.exact(offsets_of(implementation, "a\u0130b", "lowercase"), ((0, 1), (1, 2), (1, 2), (2, 3)), "offsets")


# In order of what they undo: one sequence for each kind of change in length.
UNDISPUTED: list[tuple[Any, ...]] = [
    ("lowercase",),
    ("clean",),
    ("cjk",),
    (("replace", "a", "bcd"), ("strip", True, False)),
    (("strip", True, True), ("prepend", "\u2581")),
    ("clean", "cjk", ("replace", " ", ""), "lowercase", ("prepend", "ab")),
]


@pytest.mark.parametrize("steps", UNDISPUTED, ids=str)
@given(text=settled_texts(5))
def test_agrees_in_offsets(implementation, steps: tuple[Any, ...], text: str):
    """Each character is from where the reference has it from, through all steps."""
    agrees_in_offsets(implementation, text, *steps)


@given(text=settled_texts(5))
def test_agrees_in_offsets_of_decompositions(implementation, text: str):
    """In decomposed texts too, where no mark changes places."""
    ordered = reference(text, steps=["nfc"])[0]
    agrees_in_offsets(implementation, "".join(c for c in ordered if len(reference(c, steps=["nfd"])[0]) <= 2), "nfkd")


@given(text=every_text)
def test_agrees_in_starts_of_the_table(implementation, text: str):
    """What the table of SentencePiece makes begins where the string that it replaced began."""
    starts = [start for start, _ in offsets_of(implementation, text, "nmt_nfkc")]
    judge.exact(starts, [start for start, _ in reference(text, steps=["nmt_nfkc"])[1]], "starts")


@given(text=every_text, steps=st.sampled_from([("nfd",), ("nfkc",), ("lowercase", "nfc"), ("cjk", "nfkd"), ("clean",)]))
def test_places_are_places_of_the_text(implementation, text: str, steps: tuple[Any, ...]):
    """There is one for each character, none empty, none outside."""
    made, offsets = implementation(text, steps=steps)[0], offsets_of(implementation, text, *steps)
    judge.exact(len(offsets), len(made), "number of offsets")
    judge.exact([span for span in offsets if not 0 <= span[0] < span[1] <= len(text)], [], "spans outside")


# Agreement


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
    """What is left without accents is the reference's."""
    agrees(implementation, text, "nfd", "strip_accents")


@given(text=settled_texts())
def test_agrees_on_clean_texts(implementation, text: str):
    """What BERT's cleaning leaves is the reference's."""
    agrees(implementation, text.replace("\u2028", "").replace("\u2029", ""), "clean")


@given(text=settled_texts())
def test_agrees_on_chinese(implementation, text: str):
    """Spaces are put where the reference puts them."""
    agrees(implementation, text, "cjk")


@given(text=settled_texts())
def test_agrees_on_nmt(implementation, text: str):
    """What SentencePiece's extra rules make is the reference's."""
    agrees(implementation, text.replace("\u200d", ""), "nmt")


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


SWITCHES = [
    dict(zip(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), bits, strict=True))
    for bits in product([True, False], repeat=4)
]


@given(text=settled_texts(), options=st.sampled_from(SWITCHES[:-1]))
def test_agrees_on_bert(implementation, text: str, options: dict[str, bool]):
    """Under each of BERT's options the text is the reference's."""
    plain = "".join(character for character in text if character not in "\u2028\u2029\u03a3")
    agrees(implementation, plain, *bert_steps(**options))


@by_form
def test_long_texts_take_no_longer(implementation, form: str):
    """Five thousand composed letters, and as many marks on one, are formed as the reference forms them."""
    for text in ("e\u0301\uac01" * 5_000, "a" + "\u0301\u0323" * 2_500):
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


# Bad input


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(implementation, text, steps=["nfc"])


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_normalized(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(implementation, text, steps=["nfc"])


@pytest.mark.parametrize("step", ["NFX", "", ("replace", "a"), ("strip",), 7, None, ()], ids=repr)
def test_unknown_steps_are_rejected(implementation, step: Any):
    """A step that is none, or lacks what it needs, raises, also for a text that it would not change."""
    judge.rejects(implementation, "x", steps=[step])


@pytest.mark.parametrize("step", [("replace", 1, "a"), ("prepend", None), ("prepend", 3)], ids=repr)
def test_options_of_another_type_are_rejected(implementation, step: Any):
    """What should be text and is not raises."""
    judge.rejects(implementation, "x", steps=[step])


def test_nothing_can_be_replaced(implementation):
    """To replace the empty text raises: it would be everywhere."""
    judge.rejects(implementation, "ab", steps=[("replace", "", "x")])
