"""Laws of byte-pair encoding: what must raise, and the files that it is read from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.pairs import Encoder, plain
from fixtures.strategies.vocabularies import Merge

AB = plain("ab", ("a", "b"))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(AB.built(implementation).encode, text)


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(AB.built(implementation).encode, text)


@pytest.mark.parametrize("id", [1000, -1])
def test_unknown_ids_are_rejected(implementation, id: int):
    """An id that no token has raises; -1 is not the last one."""
    judge.rejects(AB.built(implementation).decode, [0, id])


@pytest.mark.parametrize("id", [1.0, "1", None], ids=repr)
def test_ids_are_integers(implementation, id: Any):
    """What is only like an id raises."""
    judge.rejects(AB.built(implementation).decode, [0, id])


def test_ids_do_not_wrap_around(implementation):
    """Pit: 4,294,967,297 is no id, though it is 1 to who keeps the last 32 bits of it."""
    judge.rejects(AB.built(implementation).decode, [0, (1 << 32) + 1])


@pytest.mark.parametrize("pair", [("q", "u"), ("ab", "x"), ("b", "a")], ids=["nothing", "part", "result"])
def test_merges_outside_the_vocabulary_are_rejected(implementation, pair: Merge):
    """A merge whose part or result is no token raises, at the latest when it applies."""
    judge.rejects(lambda: implementation({**AB.vocabulary, "abx": 9}, [("a", "b"), pair]).encode("qu abx ba"))


def test_an_unknown_token_outside_the_vocabulary_is_rejected(implementation):
    """It raises, at the latest when a character is unknown."""
    judge.rejects(lambda: implementation(AB.vocabulary, [("a", "b")], unknown="<unk>").encode("ax"))


CONTRADICTIONS: dict[str, tuple[dict[str, int], list[Merge]]] = {
    "one id for two tokens": ({"ab": 2, "ac": 2}, [("a", "b")]),
    "a pair listed twice": ({"ab": 2, "bb": 3}, [("a", "b"), ("b", "b"), ("a", "b")]),
    "a token of nothing": ({"ab": 2, "": 3}, [("a", "b")]),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_tables_that_contradict_themselves_are_rejected(implementation, what: str):
    """Two tokens of one id, a pair of two ranks and a token of no characters raise, at the latest when used."""
    tokens, merges = CONTRADICTIONS[what]

    def used() -> None:
        tokenizer = implementation({"a": 0, "b": 1, **tokens}, merges)
        tokenizer.encode("ab abb")
        tokenizer.decode(tokens.values())

    judge.rejects(used)


@pytest.mark.parametrize("entry", [("ac", "256"), ("ac", 1.5), ("ac", -1), (7, 256)], ids=ascii)
def test_tokens_are_texts_and_ids_are_integers(implementation, entry: tuple[Any, Any]):
    """A vocabulary with anything else raises, at the latest when it is used."""
    judge.rejects(lambda: implementation({**AB.vocabulary, entry[0]: entry[1]}, [("a", "b")]).encode("ab"))


# Files


def whole(encoder: Encoder, cut: bool = True, **model: Any) -> dict[str, Any]:
    """The content of a `tokenizer.json`."""
    tables = {"vocab": encoder.vocabulary, "merges": [list(pair) for pair in encoder.merges]}
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"} if cut else None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "BPE", **tables, **model},
    }


def written(folder: str, files: dict[str, Any]) -> str:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        Path(folder, name).write_text(text, encoding="utf-8")
    return folder


MARKED = Encoder(
    ("a", "?", "#", "##", "##a", "##b", "##a</w>", "##b</w>", "a</w>"),
    (("a", "##b"), ("ab", "##b</w>")),
    (),
    5,
    {"continuing": "##"},
)


def test_reads_tables(implementation):
    """`vocab.json` and `merges.txt`; in the latter only the first line is a comment: `# #` is a merge."""
    encoder = plain("#ab", ("#", "#"), ("a", "b"), ("##", "ab"))
    lines = ["#version: 0.2", *map(" ".join, encoder.merges)]
    files = {"vocab.json": encoder.vocabulary, "merges.txt": "\n".join(lines) + "\n"}
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, files))
    judge.exact(made.encode("##ab b"), encoder.ids("##ab", "b"), "ids")


def test_reads_the_options_of_a_whole_tokenizer(implementation):
    """A `tokenizer.json` tells marks, the unknown token, and what becomes of unknown characters."""
    options: dict[str, Any] = {
        "unk_token": "?",
        "continuing_subword_prefix": "##",
        "end_of_word_suffix": "</w>",
        "fuse_unk": True,
    }
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"tokenizer.json": whole(MARKED, **options)}))
    judge.exact(made.encode("abb axy a"), MARKED.ids("abb</w>", "a", "?", "a</w>"), "ids")


@pytest.mark.parametrize("cut", [True, False])
def test_reads_what_cuts_a_text(implementation, cut: bool):
    """Without a pre-tokenizer spaces are characters."""
    encoder = plain("a b", ("a", " "))
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"tokenizer.json": whole(encoder, cut)}))
    judge.exact(made.encode("a b"), encoder.ids(*(["a", "b"] if cut else ["a ", "b"])), "ids")


def test_reads_what_is_done_before(implementation):
    """Marks that go, replaced expressions and lower case are read from the file of a tokenizer."""
    encoder = plain("ab-\u0915")
    replaced = {"type": "Replace", "pattern": {"Regex": r"[\s0-9]+"}, "content": "-"}
    parts = [{"type": "StripAccents"}, replaced, {"type": "Lowercase"}]
    content = {**whole(encoder), "normalizer": {"type": "Sequence", "normalizers": parts}}
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"tokenizer.json": content}))
    judge.exact(made.encode("A\u0301\u0915\u093e 7 b"), encoder.ids(*"a\u0915-b"), "ids")


@pytest.mark.parametrize("lowercase", [True, False])
def test_reads_berts_normalizer(implementation, lowercase: bool):
    """GPT's first tokenizer cleans texts as BERT's does, with the same switches."""
    encoder = plain("abAB\u65e5\u00c1", ("\u65e5", "a"), ("a", "b"))
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    content = {**whole(encoder), "normalizer": {**normalizer, "lowercase": lowercase}}
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"tokenizer.json": content}))
    expected = ["\u65e5", "ab", "a", "b"] if lowercase else ["\u65e5", "ab", "\u00c1", "B"]
    judge.exact(made.encode("\u65e5a\x00b\u00c1 B"), encoder.ids(*expected), "ids")


BROKEN: dict[str, dict[str, Any]] = {
    "not JSON": {"tokenizer.json": "{"},
    "not an object": {"tokenizer.json": "[]"},
    "no model": {"tokenizer.json": {"version": "1.0"}},
    "another model": {"tokenizer.json": whole(AB, type="Nothing")},
    "no merges": {"tokenizer.json": {**whole(AB), "model": {"type": "BPE", "vocab": AB.vocabulary}}},
    "an id that is none": {"tokenizer.json": whole(AB, vocab={**AB.vocabulary, "a": "x"})},
    "a mark that is none": {"tokenizer.json": whole(AB, continuing_subword_prefix=[5])},
    "merges of three": {"tokenizer.json": whole(AB, merges=["a b c"])},
    "no merges.txt": {"vocab.json": AB.vocabulary},
    "no vocabulary": {"merges.txt": "a b"},
    "no files": {},
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files_are_rejected(implementation, what: str):
    """What is damaged, incomplete or not there raises."""
    with tempfile.TemporaryDirectory() as folder:
        judge.rejects(implementation.from_file, written(folder, BROKEN[what]))
