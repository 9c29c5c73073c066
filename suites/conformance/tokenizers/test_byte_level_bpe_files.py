"""Laws of byte-level byte-pair encoding: the files of a tokenizer, whole and broken ones."""

from __future__ import annotations

import base64
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.vocabularies import Learnt, Problem, Tables, in_letters, problems
from reference.tokenizers.byte_level_bpe import BYTES
from reference.tokenizers.pre_tokenization import CUTS, GPT4


def written(folder: str, tables: Tables, whole: bool) -> str:
    """The tables as `tokenizer.json`, or as `vocab.json` and `merges.txt`."""
    if whole:
        options = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        content: dict[str, Any] = {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", **options},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", **options},
            "model": {"type": "BPE", "vocab": tables.vocabulary, "merges": [" ".join(pair) for pair in tables.merges]},
        }
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    else:
        lines = ["#version: 0.2", *map(" ".join, tables.merges)]
        Path(folder, "vocab.json").write_text(json.dumps(tables.vocabulary), encoding="utf-8")
        Path(folder, "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("whole", [True, False], ids=["tokenizer.json", "vocab.json and merges.txt"])
def test_reads_its_files(implementation, whole: bool):
    """A tokenizer read from the files of its tables is the same; in them `# #` is a merge and no comment."""
    tables = Tables((("#", "#"), ("Ġ", "##"), ("Ã", "©"), ("a", "Ã©")), order=1)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = implementation.from_file(written(folder, tables, whole))
    judge.exact(tokenizer.encode("## ##aé"), tables.ids("##", " ##", "aé"), "ids")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", '{"version": "1.0"}'),
        ("tokenizer.json", '{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}}}'),
        ("vocab.json", '{"a": 0}'),
    ],
    ids=["not JSON", "not an object", "no model", "no merges", "no merges.txt"],
)
def test_broken_files_are_rejected(implementation, name: str, content: str):
    """A file that is damaged or incomplete raises."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(content, encoding="utf-8")
        judge.rejects(implementation.from_file, folder)


def test_a_folder_without_files_is_rejected(implementation):
    """A folder without a tokenizer raises, instead of giving an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        judge.rejects(implementation.from_file, folder)


ADDED = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}


def gpt4s(tables: Tables, ignore: bool, inverted: bool) -> dict[str, Any]:
    """A `tokenizer.json` as conversions of GPT-4's and Llama 3's tokenizers have it."""
    split = {"behavior": "Removed" if inverted else "Isolated", "invert": inverted}
    size = len(tables.vocabulary)
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": size, "content": "<|end|>", **ADDED},
            {"id": size + 1, "content": "<mask>", **ADDED, "lstrip": True, "special": False},
            {"id": size + 2, "content": "foo", **ADDED, "single_word": True},
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": GPT4}, **split},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "ignore_merges": ignore,
            "vocab": tables.vocabulary,
            "merges": [list(pair) for pair in tables.merges],
        },
    }


@pytest.mark.parametrize("inverted", [False, True], ids=["matches kept", "gaps removed"])
@pytest.mark.parametrize("ignore", [False, True], ids=["merges", "whole words"])
def test_reads_a_split_and_added_tokens(implementation, ignore: bool, inverted: bool):
    """GPT-4's expression in a `Split`, whole words first or not, and added tokens with their flags."""
    tables = Tables((("'", "S"), ("1", "2"), ("12", "3"), ("123", "4")), unmerged=("abc",))
    size = len(tables.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(json.dumps(gpt4s(tables, ignore, inverted)), encoding="utf-8")
        tokenizer = implementation.from_file(folder)
    parts = ["A", "'S", " ", "123", "4", "!"], ["abc"] if ignore else ["a", "b", "c"], "food-"
    before, between, after = (tables.ids(*part) for part in parts)
    ids = [*before, size, *between, size + 1, *after, size + 2]
    judge.exact(tokenizer.encode("A'S 1234!<|end|>abc  <mask>food-foo"), ids, "ids")


NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        *({"type": kind} for kind in ("NFD", "StripAccents")),
        {"type": "Replace", "pattern": {"Regex": r"[\s\h]{2,}"}, "content": "-"},
        {"type": "Replace", "pattern": {"String": ".."}, "content": "!"},
        {"type": "Lowercase"},
    ],
}
"""`\\h` is a hexadecimal digit to Oniguruma."""


def test_reads_what_is_done_before(implementation):
    """Forms, marks that go, replaced texts and expressions, and lower case are read from the file of a tokenizer."""
    tables = Tables()
    content = {**gpt4s(tables, False, False), "normalizer": NORMALIZER}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        tokenizer = implementation.from_file(folder)
    judge.exact(tokenizer.encode("G\u00c9\u093e 7F \tx..hh"), tables.ids(*"g-x!hh"), "ids")


def ranks_of(tables: Tables | Learnt) -> str:
    """tiktoken's file of the tokens, in the order of the merges that make them; there a token's rank is its id."""
    tokens = dict.fromkeys([*sorted(BYTES), *map("".join, tables.merges), *tables.unmerged])
    code = [base64.b64encode(bytes(BYTES[letter] for letter in token)).decode() for token in tokens]
    return "".join(f"{token} {rank}\n" for rank, token in enumerate(code))


@given(problem=problems(), pattern=st.sampled_from(["gpt2", "gpt4", "gpt4o"]))
def test_reads_ranks(implementation, problem: Problem, pattern: str):
    """From ranks, with an expression and special tokens, come the ids that tiktoken's rule gives: of all neighbours
    that together are a token those merge first whose token has the lowest rank."""
    text, end = f"{problem.text}<|end|>{problem.text}a", 999
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.tiktoken")
        path.write_text(ranks_of(problem.tables), encoding="utf-8")
        tokenizer = implementation.from_file(str(path), pattern=pattern, special={"<|end|>": end})
    tokens = dict.fromkeys([*sorted(BYTES), *map("".join, problem.tables.merges), *problem.tables.unmerged])
    ranks = {token: rank for rank, token in enumerate(tokens)}
    expected: list[int] = []
    for part in (problem.text, None, f"{problem.text}a"):
        words = [] if part is None else regex.findall(CUTS[pattern], part)
        expected += [id for word in words for id in joined(in_letters(word), ranks)] if part is not None else [end]
    judge.exact(tokenizer.encode(text), expected, "ids")
    judge.exact(tokenizer.decode(expected), text, "text")


@pytest.mark.parametrize(("text", "tokens"), [("xyz", ["xyz"]), ("aabc", ["a", "abc"]), ("axyz", ["a", "x", "y", "z"])])
def test_ranks_know_no_pairs(implementation, text: str, tokens: list[str]):
    """A word that is a token is one, though no merges lead there; and any two parts merge that together are a token."""
    tables = Tables((("b", "c"), ("a", "b"), ("ab", "c")), unmerged=("xyz",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.tiktoken")
        path.write_text(ranks_of(tables), encoding="utf-8")
        tokenizer = implementation.from_file(str(path), pattern="gpt4")
    judge.exact(tokenizer.encode(text), tables.ids(*tokens), "ids")


def joined(letters: str, ranks: dict[str, int]) -> list[int]:
    """tiktoken's rule, word for word."""
    parts = [letters] if letters in ranks else list(letters)
    while near := [(ranks[x + y], i) for i, (x, y) in enumerate(pairwise(parts)) if x + y in ranks]:
        _, i = min(near)
        parts[i : i + 2] = ["".join(parts[i : i + 2])]
    return [ranks[part] for part in parts]


@pytest.mark.parametrize(
    "lines",
    ["IQ== 0\nIg==", "IQ== 0\nIg== x\n", "IQ== 0\nIQ= 1\n", "IQ== 0\nIQ== 1\n", "IQ== 0\n", "\x00\x01"],
    ids=["cut off", "no number", "no base64", "a token twice", "no alphabet", "no text"],
)
def test_broken_ranks_are_rejected(implementation, lines: str):
    """A file of ranks that is damaged or incomplete raises, at the latest when a text is encoded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "broken.tiktoken")
        path.write_text(lines, encoding="utf-8")
        judge.rejects(lambda: implementation.from_file(str(path), pattern="gpt4").encode("some text"))


ODD: dict[str, Any] = {
    "added tokens that are none": {"added_tokens": 5},
    "cuts that are none": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": 5}},
    "a vocabulary that is none": {"model": {"type": "BPE", "vocab": 5, "merges": []}},
}


@pytest.mark.parametrize("what", ODD)
def test_parts_that_are_none_are_rejected(implementation, what: str):
    """A whole file in which one part is something else raises."""
    with tempfile.TemporaryDirectory() as folder:
        content = gpt4s(Tables((), order=1), False, False) | ODD[what]
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        judge.rejects(implementation.from_file, folder)
