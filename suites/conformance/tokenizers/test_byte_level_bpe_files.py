"""Laws of byte-level byte-pair encoding: the files of a tokenizer, whole and broken ones."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.vocabularies import Tables


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
