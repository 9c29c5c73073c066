"""Laws of normalization: pits, named after the trap."""

from __future__ import annotations

import unicodedata
from itertools import product

import pytest

from fixtures import judge
from fixtures.normalized import text_of
from reference.tokenizers.normalization import bert_steps

FORMS = ("nfc", "nfd", "nfkc", "nfkd")
by_form = pytest.mark.parametrize("form", FORMS)

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


@pytest.mark.parametrize("step", ["lowercase", "nfc"])
def test_long_texts_are_read_to_the_end(implementation, step: str):
    """120,004 characters: nothing is cut off."""
    text = "E\u0301a " * 30_001
    judge.exact(
        text_of(implementation, text, step), text.lower() if step == "lowercase" else "\u00c9a " * 30_001, "text"
    )


def test_lower_case_may_be_longer(implementation):
    """A capital I with a dot turns into two characters, and a sharp s stays one."""
    judge.exact(
        text_of(implementation, "\u0130\u1e9e\u00c9\u0141\u01c5\u2126", "lowercase"),
        "i\u0307\u00df\u00e9\u0142\u01c6\u03c9",
        "text",
    )


SIGMAS = {
    "alone": "\u039f\u0394\u039f\u03a3",
    "first and last": "\u03a3\u0391\u03a3 \u03a3\u0391\u03a3.",
    # subtle: marks, full stops, apostrophes, colons and soft hyphens are looked through, on either side
    "beside what has no case": "\u0391\u03a3\u0301 \u0391\u0301\u03a3 \u0391.\u03a3 1\u03a3 \u03a3\u0301 "
    "\u0391\u03a3'\u0391 \u0391\u03a3\u00ad\u0391 \u0391\u03a3:\u0391 \u0391\u03a3\u0301\u0391 \u24b6\u03a3 \u0391\u03a31",
}


@pytest.mark.parametrize("what", SIGMAS)
def test_the_last_sigma_of_a_word(implementation, what: str):
    """Lower case looks around: the last sigma of a word is another letter. Source: SpecialCasing of Unicode."""
    text = SIGMAS[what]
    judge.exact(text_of(implementation, text, "lowercase"), text.lower(), "text")


def test_spacing_marks_are_no_accents(implementation):
    """Vowels of Hindi are spacing marks: without them nothing is left to read."""
    judge.exact(text_of(implementation, "\u0915\u093e\u0928\u094d", "strip_accents"), "\u0915\u093e\u0928", "text")


def test_marks_of_all_kinds_are_marks(implementation):
    """Nonspacing, spacing and enclosing marks go; what only looks like one stays. Source: `StripAccents` of tokenizers."""
    text = "\u0915\u093e\u0928\u094d e\u0301 \u00e9 1\u20dd a\u0903 ^\u00b4\u02c6\u3099"
    judge.exact(text_of(implementation, text, "strip_marks"), "\u0915\u0928 e \u00e9 1 a ^\u00b4\u02c6", "text")


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
    text = "a\u0378b\U0003ffffc\ufffed\uffffe\ufdd0f\U00050000"
    judge.exact(text_of(implementation, text, "clean"), text, "text")


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
        "\u33ff\u4dc0\u4dff\ua000\uf8ff\ufb00\U0001ffff\U0002a6e0\U0002a6ff\U0002ceb0\U0002f7ff\U0002fa20"
        "\u3042\u30a2\uac00\u3007\u3001"
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
    "four in a row": ("\u03b1\u0313\u0300\u0345", "\u1f82"),
    "narrow letters": ("\uff76\uff9e\uff71", "\u30ac\u30a2"),
    "nothing to do, at length": ("ab" * 200, "ab" * 200),
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


def test_matches_of_an_expression_are_replaced(implementation):
    """Runs of spaces as CLIP's file has them; what is put in is a text, and letters have a case."""
    judge.exact(text_of(implementation, " a\t\n b\u3000", ("substitute", r"\s+", " ")), " a b ", "text")
    judge.exact(text_of(implementation, "aaab", ("substitute", "aa", "ab")), "abab", "text")
    judge.exact(text_of(implementation, "abAB", ("substitute", "(a)(b)", r"\2\1")), r"\2\1AB", "text")
    judge.exact(text_of(implementation, "x1y23", ("substitute", "[0-9]", "")), "xy", "text")


@pytest.mark.parametrize("expression", ["^", "$", "x*", r"\b"])
def test_matches_of_nothing_are_places(implementation, expression: str):
    """An expression that matches between characters puts its text there; no place is in the empty text."""
    step, made = ("substitute", expression, "_"), {"^": "_ab", "$": "ab_", "x*": "_a_b_", r"\b": "_ab_"}
    judge.exact(text_of(implementation, "ab", step), made[expression], "text")
    judge.exact(text_of(implementation, "", step), "", "text")


def test_a_replacement_has_a_case(implementation):
    """Letters of another case, and what looks alike, stay."""
    judge.exact(
        text_of(implementation, "aA\u00e9\u00c9E\u0301", ("replace", "\u00c9", "_")), "aA\u00e9_E\u0301", "text"
    )
    judge.exact(text_of(implementation, "kK\u212a", ("replace", "k", "_")), "_K\u212a", "text")


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
