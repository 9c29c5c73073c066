"""Laws of SentencePiece's unigram model: the files of a tokenizer, whole and broken ones, and its rules in all forms."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.piece_files import SHAPES, compiled, compiled_part, written
from fixtures.strategies.pieces import BARE, Table, spelled, table, tables
from fixtures.strategies.texts import texts
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram


def loaded(implementation: Any, own: Table, shape: str, **changes: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return implementation.from_file(written(folder, own, shape, "Unigram", **changes))


@pytest.mark.parametrize("shape", SHAPES)
@given(own=tables(), data=st.data())
def test_reads_a_tokenizer_json(implementation, shape: str, own: Table, data):
    """Spaces go where the parts of the file say, as under the options of SentencePiece that they stand for."""
    words = [piece for piece in own.own if "▁" not in piece[0][1:] and piece[0] != "▁"]
    own = Table((("▁", -9.0, "normal"), *words), own.byte_fallback)
    text = data.draw(spelled(own), label="text")
    truth = SentencepieceUnigram(own.pieces, own.byte_fallback, precision="double", **SHAPES[shape][2])
    judge.exact(loaded(implementation, own, shape).encode(text), truth.encode(text), "ids")


@pytest.mark.parametrize("shape", SHAPES)
def test_reads_spaces_as_its_file_says(implementation, shape: str):
    """A space in front, two between words and one at the end, as each shape of file has them."""
    own = table("▁", "a", "▁a", "\t")
    seen = {
        "Llama's first": ["▁", "▁", "▁a", "▁", "▁a", "▁"],
        "Llama's": ["▁", "▁a", "▁", "▁a", "▁"],
        "Gemma's": ["▁", "▁a", "▁", "▁a", "▁"],
        "no prefix": ["▁", "▁a", "▁", "▁a", "▁"],
        "T5's": ["▁a", "▁a"],
        "trimmed": ["▁a", "▁a"],
        "runs": ["▁a", "▁a", "▁"],
    }
    own = Table((*own.own[:2], ("▁a", -0.5, "normal"), own.own[3]))
    judge.exact(loaded(implementation, own, shape).encode("  a  a "), own.ids(*seen[shape]), "ids")


def test_words_of_a_file_are_cut_one_by_one(implementation):
    """Where a file cuts at spaces, no text leads to a piece with a space inside."""
    own = Table((*table("▁", "a").own, ("▁a▁a", -0.5, "normal")))
    judge.exact(loaded(implementation, own, "T5's").encode("a a"), own.ids("▁", "a", "▁", "a"), "ids")


def test_scores_add_up_word_by_word(implementation):
    """Pit: `a` + `aa` is as good as `aa` + `a`, but where a file cuts at spaces floats add up from 0 in every word."""
    own = Table((("▁", -1.0, "normal"), ("a", -6.0, "normal"), ("aa", -0.1, "normal"), ("b", -4.5, "normal")))
    text = "b aaa aaaaa b aaa"
    encode = SentencepieceUnigram(own.pieces, precision="double").encode
    expected = [id for word in text.split() for id in encode(word)]
    judge.exact(loaded(implementation, own, "T5's").encode(text), expected, "ids")


def test_words_of_a_file_end_at_all_spaces(implementation):
    """T5's tokenizer cuts at line breaks, tabs and wide spaces too."""
    own = table("▁", "a", "\n")
    found = loaded(implementation, own, "T5's").encode("a\n\ta\u3000\u2003a\u0085")
    judge.exact(found, own.ids("▁", "a", "▁", "a", "▁", "a"), "ids")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a ▁a", ["▁", "a", "▁", "a"]),
        ("a▁a", ["▁", "a", "▁", "a"]),
        ("a ▁", ["▁", "a", "▁"]),
        ("▁▁ a", ["▁", "▁", "▁", "a"]),
    ],
)
def test_the_letter_for_a_space_in_a_text(implementation, text: str, pieces: list[str]):
    """A `▁` that begins a word is the space before it; one that is a word by itself is no space that could be removed."""
    own = table("▁", "a")
    judge.exact(loaded(implementation, own, "T5's").encode(text), own.ids(*pieces), "ids")


@pytest.mark.parametrize("space", [" ", "\n", "\u0085", "\u00a0", "\u3000", "\u200b", "\ufeff"], ids=ascii)
@pytest.mark.parametrize("ruled", [False, True], ids=["no rules", "rules"])
def test_which_spaces_are_stripped(implementation, space: str, ruled: bool):
    """`Strip` of a file takes all of White_Space from the end of a text, U+0085 too, but nothing without width."""
    own = table("▁", "a", space) if space != " " else table("▁", "a")
    before = [compiled_part({"x": "a"})] if ruled else []
    kept = ["▁", "a", *([space] if space in "\u200b\ufeff" else [])]
    found = loaded(implementation, own, "trimmed", before=before).encode(f"a{space}")
    judge.exact(found, own.ids(*kept), "ids")


ADDED = {"[X]": {}, "<m>": {"lstrip": True}, "<n>": {"rstrip": True}, "a b": {}}


@pytest.mark.parametrize("shape", SHAPES)
@given(own=tables(), data=st.data())
def test_added_tokens_of_a_file(implementation, shape: str, own: Table, data):
    """Added tokens are found in a text, and what is between them is a text of its own."""
    words = [piece for piece in own.own if "▁" not in piece[0]]
    own = Table((("▁", -9.0, "normal"), *words), own.byte_fallback)
    parts = st.lists(spelled(own, 6) | st.sampled_from([*ADDED, *ADDED, " ", "[X", "</s>"]), max_size=8)
    text = "".join(data.draw(parts, label="parts"))
    first = len(own.pieces)
    ids = {**dict(zip(ADDED, range(first, first + len(ADDED)), strict=True)), "<unk>": 0, "<s>": 1, "</s>": 2}
    options = {**SHAPES[shape][2], "special": ids, "lstrip": ["<m>"], "rstrip": ["<n>"]}
    if shape in ("T5's", "trimmed"):
        options |= {"add_dummy_prefix": "missing"}
    truth = SentencepieceUnigram(own.pieces, own.byte_fallback, precision="double", **options)
    added = [(name, ids[name], flags) for name, flags in ADDED.items()]
    judge.exact(loaded(implementation, own, shape, added=added).encode(text), truth.encode(text), "ids")


TIDIED: dict[str, tuple[Any, ...]] = {
    "runs": (("substitute", " {2,}", "▁"),),
    "trimmed": (("strip", False, True), ("substitute", " {2,}", "▁")),
}


@pytest.mark.parametrize("shape", TIDIED)
@given(text=st.lists(st.sampled_from(["a", "b", " ", " ", "<n>", "a b", "b ", "X"]), max_size=9).map("".join))
@example(text="a  <n> a  b b ")
def test_normalized_tokens_among_spaces(implementation, shape: str, text: str):
    """Normalized tokens, which `add_tokens` adds to XLM-R's file, are looked for once rules, `Strip` and runs of spaces
    are done with, and before spaces are letters and words get theirs in front."""
    own = table("▁", "a", "b", "▁a", "▁b", "ab")
    added = {name: len(own.pieces) + n for n, name in enumerate(["<n>", "a b", "b ", "X"])}
    normalized = ["a b", "b ", "X"]
    rows = [(name, id, {"normalized": name in normalized, "rstrip": name == "X"}) for name, id in added.items()]
    truth = SentencepieceUnigram(
        own.pieces,
        add_dummy_prefix="missing",
        remove_extra_whitespaces=False,
        rules={"b": "a"},
        precision="double",
        special={"<unk>": 0, "<s>": 1, "</s>": 2, **added},
        normalized=normalized,
        rstrip=["X"],
        spaces_last=True,
        tidied=TIDIED[shape],
    )
    tokenizer = loaded(implementation, own, shape, before=[compiled_part({"b": "a"})], added=rows)
    judge.exact(tokenizer.encode(text), truth.encode(text), "ids")


def test_added_tokens_are_decoded(implementation):
    """An id of an added token is its text, also of one that is special."""
    own = table("▁", "a", "▁a")
    id = len(own.pieces)
    tokenizer = loaded(implementation, own, "Gemma's", added=[("<m>", id, {})])
    judge.exact(tokenizer.encode("a<m></s>"), [*own.ids("a"), id, 2], "ids")
    judge.exact(tokenizer.tokens("a<m>")[1], ("<m>", (1, 4)), "token")


def test_rules_of_a_file_come_first(implementation):
    """A compiled table of rules is read, and comes before spaces are letters."""
    own = table("▁", "a", "b", "c")
    before = [compiled_part({"x": "a", "\u00a0": " ", "y": ""})]
    tokenizer = loaded(implementation, own, "Gemma's", before=before)
    judge.exact(tokenizer.encode("x\u00a0ybc"), own.ids("a", "▁", "b", "c"), "ids")


@pytest.mark.parametrize("marks", [1, 2, 3])
def test_rules_of_a_file_replace_what_they_name(implementation, marks: int):
    """Pit: of a letter with several accents a rule for the letter with one takes that one along, and no more."""
    own = table("▁", "e", "\u00e9", "\u0301")
    tokenizer = loaded(implementation, own, "Gemma's", before=[compiled_part({"e\u0301": "\u00e9"})])
    expected = own.ids("\u00e9", *["\u0301"] * (marks - 1), "e")
    judge.exact(tokenizer.encode("e" + "\u0301" * marks + "e"), expected, "ids")


@pytest.mark.parametrize("added", [[], [("<n>", 7, {"normalized": True})]], ids=["no tokens", "normalized tokens"])
@pytest.mark.parametrize(
    ("text", "pieces"), [(" a \n", ["▁a"]), ("\u200ba  \u200b a\u200b", ["▁a", "▁a", "▁"]), ("a\u200b ", ["▁a", "▁"])]
)
def test_what_is_stripped_before_rules(implementation, added: list[Any], text: str, pieces: list[str]):
    """Pit: DeBERTa's file strips a text first; spaces that its rules make at the ends stay."""
    own = Table((*table("▁", "a", "b").own, ("▁a", -0.5, "normal")))
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    before = [strip, compiled_part({"\u200b": " ", "\n": " "})]
    tokenizer = loaded(implementation, own, "runs", before=before, added=added)
    judge.exact(tokenizer.encode(text), own.ids(*pieces), "ids")


def test_steps_of_a_file_come_first(implementation):
    """Replacements, Unicode's forms and lower case before the model are read."""
    own = table("▁", "a", "e", '"')
    before = [
        {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
        *({"type": kind} for kind in ("NFKD", "StripAccents", "Lowercase")),
    ]
    tokenizer = loaded(implementation, own, "Gemma's", before=before)
    judge.exact(tokenizer.encode("``\u00c9\u093e\uff21 `"), own.ids('"', "e", "a", "▁", "<unk>"), "ids")


def test_special_tokens_of_a_file_are_known(implementation):
    """What the file names as special decodes to nothing or to itself, and other ids to their texts."""
    own = table("▁", "a", "▁a", "b")
    judge.exact(loaded(implementation, own, "Llama's first").encode("ab"), own.ids("▁a", "b"), "ids")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"version": "1.0"}',
        '{"version": "1.0", "model": {"type": "Unigram"}}',
        '{"model": {"type": "WordPiece"}}',
    ],
    ids=["not JSON", "not an object", "no model", "no vocabulary", "another model"],
)
def test_broken_files_are_rejected(implementation, content: str):
    """A file that is damaged, incomplete or of another model raises."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(content, encoding="utf-8")
        judge.rejects(implementation.from_file, folder)


def test_a_folder_without_files_is_rejected(implementation):
    """A folder without a tokenizer raises, instead of giving an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        judge.rejects(implementation.from_file, folder)


@pytest.mark.parametrize("size", [3, 9, 1 << 20])
def test_truncated_rules_are_rejected(implementation, size: int):
    """A table of rules that is cut short, or says that it is longer than it is, raises."""
    raw = size.to_bytes(4, "little") + b"abc"
    judge.rejects(lambda: implementation(table("a").pieces, rules=raw).encode("a"))


def test_rules_without_a_name_are_rejected(implementation):
    """Rules by a name that nobody knows raise."""
    judge.rejects(lambda: implementation(table("a").pieces, rules="nmt").encode("a"))


@pytest.mark.parametrize("form", [dict, compiled], ids=["plain", "compiled"])
def test_rules_are_not_for_what_rules_make(implementation, form: Any):
    """Pit: case folding as a table is not `str.casefold`: `ẞ` becomes `ß` and stays so, though `ß` becomes `ss`.
    Source: SentencePiece's `nmt_nfkc_cf`."""
    own = table("\u00df", "s", "a", "b")
    rules = form({"\u1e9e": "\u00df", "\u00df": "ss", "A": "a", "a": "b"})
    found = implementation(own.pieces, rules=rules, **BARE).encode("\u1e9e\u00dfAa")
    judge.exact(found, own.ids("\u00df", "s", "s", "a", "b"), "ids")


RULED = st.text("ab\u00e9\u65e5 ", min_size=1, max_size=4)
RULES = st.dictionaries(RULED, st.text("ab▁ \u65e5", max_size=3), min_size=1, max_size=6)
COMPOSED = "ae\uff76\u3099\uff9e\u0301\u0323\u1112\u1161\u11ab\x01\u200b\u00a0\uff5e\ufb01"


@given(rules=RULES, text=st.text("ab\u00e9\u65e5 ", max_size=20))
def test_compiled_rules_are_the_same_rules(implementation, rules: dict[str, str], text: str):
    """A compiled table does what its rules do."""
    own = table("a", "b", "▁", "\u65e5", "\u00e9", "ab", byte_fallback=False)
    expected = SentencepieceUnigram(own.pieces, rules=rules, **BARE).encode(text)
    judge.exact(implementation(own.pieces, rules=compiled(rules), **BARE).encode(text), expected, "ids")


@given(text=texts() | st.text(st.sampled_from(COMPOSED), max_size=9))
def test_the_default_rules_have_a_name(implementation, text: str):
    """`nmt_nfkc` by its name is SentencePiece's table: what a text becomes, and where its characters come from."""
    own = table("▁", *"aefi~\u00e9\u304b\u30ac\u30ab\ud55c")
    expected = SentencepieceUnigram(own.pieces, rules="nmt_nfkc").tokens(text)
    judge.exact(implementation(own.pieces, rules="nmt_nfkc").tokens(text), expected, "tokens")


def test_the_default_rules_by_example(implementation):
    """Compatible forms, composition, characters that go and such as are spaces. Source: Kudo and Richardson 2018."""
    own = table("▁", *"fi\u00e9A\u30ac")
    tokenizer = implementation(own.pieces, rules="nmt_nfkc", add_dummy_prefix=False)
    text = "\ufb01e\u0301\x01\u200b\uff21\t\uff76\uff9e"
    judge.exact(tokenizer.encode(text), own.ids("f", "i", "\u00e9", "▁", "A", "▁", "\u30ac"), "ids")


PREFIXED = {
    "nothing is left": ("runs", {"q": ""}, "q", []),
    "nothing and spaces": ("trimmed", {"q": ""}, " q ", []),
    "deleted before a space": ("trimmed", {"q": ""}, "q a", ["▁", "a"]),
    "made of a space and more": ("trimmed", {"q": " a"}, "q", ["▁", "a"]),
    "deleted before a word": ("runs", {"q": ""}, "qa", ["▁", "a"]),
}


@pytest.mark.parametrize("what", PREFIXED)
def test_a_prefix_comes_when_all_else_is_done(implementation, what: str):
    """Whether a text gets a space in front is seen by what is left of it after rules and trimming."""
    shape, rules, text, found = PREFIXED[what]
    own = table("▁", "a")
    tokenizer = loaded(implementation, own, shape, before=[compiled_part(rules)])
    judge.exact(tokenizer.encode(text), own.ids(*found), "ids")


@pytest.mark.parametrize("row", [["a"], ["a", "x"], ["a", None], [5, -1.0], 5], ids=str)
def test_rows_that_are_no_pieces_are_rejected(implementation, row: Any):
    """A piece without its score, or with one that is no number, raises when the file is read."""
    judge.rejects(loaded, implementation, table("a"), "Llama's", vocab=[["<unk>", 0.0], row])
