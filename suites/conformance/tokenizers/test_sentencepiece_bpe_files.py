"""Laws of SentencePiece's byte-pair encoding: the files of a tokenizer, whole and broken ones, and its rules in all forms."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.piece_files import SHAPES, WHOLE, compiled, compiled_part, written
from fixtures.strategies.pieces import BARE, Table, ranked, spelled, table
from fixtures.strategies.texts import texts
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE


def loaded(implementation: Any, own: Table, shape: str, **changes: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return implementation.from_file(written(folder, own, shape, "BPE", **changes))


@pytest.mark.parametrize("shape", WHOLE)
@given(own=ranked(clear=True, byte_fallback=True), data=st.data())
def test_reads_a_tokenizer_json(implementation, shape: str, own: Table, data):
    """Spaces go where the parts of the file say, as under the options of SentencePiece that they stand for."""
    text = data.draw(spelled(own), label="text")
    truth = SentencepieceBPE(own.pieces, own.byte_fallback, **SHAPES[shape][2])
    judge.exact(loaded(implementation, own, shape).encode(text), truth.encode(text), "ids")


@pytest.mark.parametrize("shape", WHOLE)
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
    own = Table((*own.own[:2], ("▁a", 0.0, "normal"), own.own[3]))
    judge.exact(loaded(implementation, own, shape).encode("  a  a "), own.ids(*seen[shape]), "ids")


def test_rules_of_a_file_come_first(implementation):
    """A compiled table of rules is read, and comes before spaces are letters."""
    own = table("▁", "a", "b", "c")
    before = [compiled_part({"x": "a", "\u00a0": " ", "y": ""})]
    tokenizer = loaded(implementation, own, "Gemma's", before=before)
    judge.exact(tokenizer.encode("x\u00a0ybc"), own.ids("a", "▁", "b", "c"), "ids")


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
        '{"version": "1.0", "model": {"type": "BPE"}}',
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


RULED = st.text("ab\u00e9\u65e5 ", min_size=1, max_size=4)
RULES = st.dictionaries(RULED, st.text("ab▁ \u65e5", max_size=3), min_size=1, max_size=6)
COMPOSED = "ae\uff76\u3099\uff9e\u0301\u0323\u1112\u1161\u11ab\x01\u200b\u00a0\uff5e\ufb01"


@given(rules=RULES, text=st.text("ab\u00e9\u65e5 ", max_size=20))
def test_compiled_rules_are_the_same_rules(implementation, rules: dict[str, str], text: str):
    """A compiled table does what its rules do."""
    own = table("a", "b", "▁", "\u65e5", "\u00e9", "ab", byte_fallback=False)
    expected = SentencepieceBPE(own.pieces, rules=rules, **BARE).encode(text)
    judge.exact(implementation(own.pieces, rules=compiled(rules), **BARE).encode(text), expected, "ids")


@given(text=texts() | st.text(st.sampled_from(COMPOSED), max_size=9))
def test_the_default_rules_have_a_name(implementation, text: str):
    """`nmt_nfkc` by its name is SentencePiece's table: what a text becomes, and where its characters come from."""
    own = table("▁", *"aefi~\u00e9\u304b\u30ac\u30ab\ud55c")
    expected = SentencepieceBPE(own.pieces, rules="nmt_nfkc").tokens(text)
    judge.exact(implementation(own.pieces, rules="nmt_nfkc").tokens(text), expected, "tokens")


def test_the_default_rules_by_example(implementation):
    """Compatible forms, composition, characters that go and such as are spaces. Source: Kudo and Richardson 2018."""
    own = table("▁", *"fi\u00e9A\u30ac")
    tokenizer = implementation(own.pieces, rules="nmt_nfkc", add_dummy_prefix=False)
    text = "\ufb01e\u0301\x01\u200b\uff21\t\uff76\uff9e"
    judge.exact(tokenizer.encode(text), own.ids("f", "i", "\u00e9", "▁", "A", "▁", "\u30ac"), "ids")


def test_what_no_merge_makes_is_not_found(implementation):
    """A token longer than a letter that no merge of the file makes decodes, but no text leads to it."""
    own = table("▁", "a", "aa", "b")
    tokenizer = loaded(implementation, own, "Gemma's", merges=[])
    judge.exact(tokenizer.encode("aab"), own.ids("a", "a", "b"), "ids")


def test_merges_that_are_no_scores(implementation):
    """Where some halves of a piece are no merge the list of the file decides, pair by pair, not what they make."""
    own = table("a", "b", "c", ab=-1.0, bc=-2.0, abc=-3.0)
    tokenizer = loaded(implementation, own, "Gemma's", merges=[["b", "c"], ["a", "b"], ["ab", "c"]])
    judge.exact(tokenizer.encode("abc"), own.ids("a", "bc"), "ids")
    tokenizer = loaded(implementation, own, "Gemma's", merges=[["a", "b"], ["b", "c"], ["ab", "c"]])
    judge.exact(tokenizer.encode("abcbc"), own.ids("abc", "bc"), "ids")


ADDED = {"[X]": {}, "<m>": {"lstrip": True}, "<n>": {"normalized": True}, "a b": {}}


@pytest.mark.parametrize("shape", WHOLE)
@given(own=ranked(clear=True, byte_fallback=True), data=st.data())
def test_added_tokens_of_a_file(implementation, shape: str, own: Table, data):
    """Added tokens are found in a text, and what is between them is a text of its own: of Llama's files the older ones
    put a space in front of each, the newer ones in front of the first alone.
    Source: https://github.com/huggingface/transformers/issues/24565"""
    parts = st.lists(spelled(own, 6) | st.sampled_from([*ADDED, *ADDED, " ", "[X", "</s>"]), max_size=8)
    text = "".join(data.draw(parts, label="parts"))
    first = len(own.pieces)
    ids = {**dict(zip(ADDED, range(first, first + len(ADDED)), strict=True)), "<unk>": 0, "<s>": 1, "</s>": 2}
    truth = SentencepieceBPE(
        own.pieces,
        own.byte_fallback,
        **SHAPES[shape][2],
        special=ids,
        lstrip=["<m>"],
        normalized=["<n>"],
        spaces_last=shape in ("Llama's", "no prefix"),
    )
    added = [(name, ids[name], flags) for name, flags in ADDED.items()]
    judge.exact(loaded(implementation, own, shape, added=added).encode(text), truth.encode(text), "ids")


@pytest.mark.parametrize(
    ("shape", "text", "pieces"),
    [
        ("Llama's first", "a<m>a a", ["▁a", "<m>", "▁a", "▁a"]),
        ("Llama's", "a<m>a a", ["▁a", "<m>", "a", "▁a"]),
        ("Llama's", "<m>a", ["<m>", "a"]),
        ("Gemma's", "a<m>a a", ["a", "<m>", "a", "▁a"]),
    ],
)
def test_spaces_behind_added_tokens(implementation, shape: str, text: str, pieces: list[str]):
    """What follows an added token begins with a space of its own in Llama's first files alone."""
    own = Table((*table("▁", "a").own, ("▁a", 0.0, "normal")))
    id = len(own.pieces)
    found = loaded(implementation, own, shape, added=[("<m>", id, {})]).encode(text)
    judge.exact(found, [id if piece == "<m>" else own.ids(piece)[0] for piece in pieces], "ids")


def test_added_tokens_are_pieces_too(implementation):
    """Gemma's runs of spaces are added tokens, and pieces that merges make: spaces lead to them, and they decode so."""
    own = Table((*table("▁", "a").own, ("▁▁", 0.0, "normal")))
    parts = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"}]
    added = [("▁▁", own.ids("▁▁")[0], {"special": False})]
    decoder = {"type": "Sequence", "decoders": parts}
    tokenizer = loaded(implementation, own, "Gemma's", added=added, decoder=decoder)
    judge.exact(tokenizer.encode("a  ▁▁"), own.ids("a", "▁▁", "▁▁"), "ids")
    judge.exact(tokenizer.decode(own.ids("a", "▁▁", "a")), "a  a", "text")


@pytest.mark.parametrize("change", [{"dropout": 0.5}, {"fuse_unk": False}, {"ignore_merges": True}], ids=str)
def test_other_models_of_merges_are_rejected(implementation, change: dict[str, Any]):
    """What SentencePiece has not, dropout in the file or unknown neighbours one by one, raises."""
    judge.rejects(loaded, implementation, table("a", "b", ab=-1.0), "Llama's", **change)


@pytest.mark.parametrize("merge", ["a z", "z a", "b a"], ids=ascii)
def test_merges_outside_the_vocabulary_are_rejected(implementation, merge: str):
    """A merge whose part or result is no token raises when the file is read."""
    own = table("a", "b", "▁", ab=-1.0)
    judge.exact(loaded(implementation, own, "Llama's", merges=["a b"]).encode("ab"), own.ids("▁", "ab"), "ids")
    judge.rejects(loaded, implementation, own, "Llama's", merges=["a b", merge])


@pytest.mark.parametrize("vocabulary", [{"<unk>": 0, "a": "x"}, {"<unk>": 0, "a": None}, [["a", 0]]], ids=str)
def test_ids_that_are_none_are_rejected(implementation, vocabulary: Any):
    """A vocabulary with something else in the place of an id raises when the file is read."""
    judge.rejects(loaded, implementation, table("a"), "Llama's", vocab=vocabulary)
