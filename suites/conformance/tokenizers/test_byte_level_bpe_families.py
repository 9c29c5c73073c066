"""Laws of byte-level byte-pair encoding: `tokenizer.json` as families of models have it."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import excerpts, texts
from fixtures.strategies.vocabularies import Learnt, Tables
from reference.tokenizers.byte_level_bpe import ByteLevelBPE
from reference.tokenizers.pre_tokenization import GPT4, GPT4O

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = BYTES | {"use_regex": True}
NFC = {"type": "NFC"}
DIGITS = {"type": "Digits", "individual_digits": True}
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PUNCTUATION = r"[\p{P}$+<=>^`|~]+"


def split(expression: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


def sequence(*parts: Any) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(parts)}


FILES: dict[str, tuple[Any, list[Any], dict[str, Any], list[tuple[str, dict[str, bool]]]]] = {
    "GPT-2": (None, [GPT2], {}, [("<|endoftext|>", {"normalized": True})]),
    "RoBERTa": (None, [GPT2 | {"add_prefix_space": True}], {"add_prefix_space": True}, [("<mask>", {"lstrip": True})]),
    "GPT-NeoX": (NFC, [GPT2], {"steps": ["nfc"]}, [("  ", {"normalized": True}), ("   ", {"normalized": True})]),
    "ModernBERT": (
        NFC,
        [GPT2],
        {"steps": ["nfc"]},
        [("[MASK]", {"lstrip": True}), ("|||E\u0301|||", {"normalized": True}), ("  ", {"normalized": True})],
    ),
    "Llama 3": (None, [split(GPT4), BYTES], {"pattern": GPT4}, [("<|eot_id|>", {})]),
    "GPT-4o": (None, [split(GPT4O), BYTES], {"pattern": GPT4O}, [("<|endoftext|>", {})]),
    "Phi-4": (
        None,
        [split(GPT4) | {"behavior": "Removed", "invert": True}, BYTES],
        {"pattern": GPT4},
        [("<|im_start|>", {"lstrip": True, "rstrip": True})],
    ),
    "Qwen": (NFC, [split(QWEN), BYTES], {"pattern": QWEN, "steps": ["nfc"]}, [("<tool_call>", {})]),
    "StarCoder": (None, [DIGITS, GPT2], {"pattern": [r"\p{N}", "gpt2"]}, [("<fim_prefix>", {})]),
    "Command": (
        sequence(NFC),
        [{"type": "Digits", "individual_digits": False}, GPT2],
        {"pattern": [r"\p{N}+", "gpt2"], "steps": ["nfc"]},
        [],
    ),
    "DeepSeek": (
        sequence(),
        [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(r"\s+$"), DIGITS, BYTES],
        {"pattern": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\s+(?=\n|\Z)", r"\p{N}"]},
        [("<\uff5cUser\uff5c>", {"normalized": True})],
    ),
    "DeepSeek-V3": (
        sequence(),
        [split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK), BYTES],
        {"pattern": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK]},
        [("<think>", {"normalized": True})],
    ),
    "Falcon": (
        None,
        [
            {"type": "Punctuation", "behavior": "Contiguous"},
            GPT2,
            {"type": "Digits", "individual_digits": False},
            split("[0-9][0-9][0-9]"),
        ],
        {"pattern": [PUNCTUATION, "gpt2", "bytes", r"\p{N}+", "[0-9][0-9][0-9]"]},
        [(">>TITLE<<", {})],
    ),
    "BLOOM": (
        None,
        [split(r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"), BYTES],
        {"pattern": r" ?[^\s()|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c]+"},
        [("<s>", {})],
    ),
    "lower case": (
        sequence({"type": "NFKC"}, {"type": "Lowercase"}),
        [split(GPT4), BYTES],
        {"pattern": GPT4, "steps": ["nfkc", "lowercase"]},
        [("<B>", {"normalized": True}), ("\ufb01n", {"normalized": True, "lstrip": True}), ("<C>", {})],
    ),
    "a string": (None, [split("x") | {"pattern": {"String": "a."}}, BYTES], {"pattern": [r"a\."]}, []),
}


@cache
def learnt() -> Tables:
    found = Learnt(tuple(topics().values())[::8], 400)
    return Tables((*found.merges, ("1", "2"), ("e", "1"), ("Ġ", "1"), ("$", "^"), ("Ã", "©"), ("Â", "²"), ("Â²", "1")))


def written(folder: str, tables: Tables, family: str, **changes: Any) -> dict[str, Any]:
    """The family's `tokenizer.json` in the folder; returns the fields of the reference that it stands for.

    changes: other parts of the file.
    """
    normalizer, cuts, options, added = FILES[family]
    ids = {token: len(tables.vocabulary) + n for n, (token, _) in enumerate(added)}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content = {
        "version": "1.0",
        "added_tokens": [{"id": ids[token], "content": token, "special": True, **flags, **own} for token, own in added],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts} if len(cuts) > 1 else cuts[0],
        "post_processor": None,
        "decoder": BYTES,
        "model": {"type": "BPE", "vocab": tables.vocabulary, "merges": [" ".join(pair) for pair in tables.merges]},
        **changes,
    }
    Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    named = {flag: [token for token, own in added if own.get(flag)] for flag in flags}
    return {**options, "special": ids, **named}


LETTERS = "ab 1\u00b2\u0301\u00e9\n\u0085$^.'()|\u3042\u65e5\u0627S"


@pytest.mark.parametrize("family", FILES)
@given(text=texts(6) | excerpts(60), more=st.text(st.sampled_from(LETTERS), max_size=12))
@example(text="ae\u0301", more="")
def test_reads_the_file_of_a_family(implementation, family: str, text: str, more: str):
    """A `tokenizer.json` as these families have it: normalizer, cuts one after the other, added tokens."""
    text += "".join(f"{more} {token} x" for token, _ in FILES[family][3]) + f"{more}1234e1 12\u00b21 1"
    tables = learnt()
    with tempfile.TemporaryDirectory() as folder:
        options = written(folder, tables, family)
        tokenizer = implementation.from_file(folder)
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, **options)
    judge.exact(tokenizer.encode(text), expected.encode(text), "ids")


PLACES: dict[str, tuple[dict[str, Any], list[tuple[int, int]], tuple[int, int]]] = {
    "GPT-2": (
        BYTES | {"add_prefix_space": True, "trim_offsets": False},
        [(0, 2), (2, 3), (3, 5), (5, 12), (12, 13), (13, 15), (15, 19)],
        (0, 8),
    ),
    "RoBERTa": (
        BYTES | {"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1]},
        [(1, 2), (3, 3), (4, 5), (6, 12), (13, 13), (14, 15), (15, 18)],
        (2, 8),
    ),
    "GPT-NeoX": (
        BYTES | {"add_prefix_space": True},
        [(0, 2), (3, 3), (4, 5), (6, 12), (13, 13), (14, 15), (15, 18)],
        (2, 8),
    ),
    "Llama 3": (
        {"type": "Sequence", "processors": [BYTES]},
        [(1, 2), (3, 3), (4, 5), (6, 12), (13, 13), (14, 15), (15, 18)],
        (2, 8),
    ),
}


@pytest.mark.parametrize("family", PLACES)
def test_places_are_those_of_the_file(implementation, family: str):
    """Whether the spaces at the ends of a token are in its place is for the file to say, and whether one that may have
    been put in front is. Source: `trim_offsets` of ByteLevel."""
    processor, places, begin = PLACES[family]
    tables = Tables((("Ġ", "a"), ("Ġ", "b")))
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": 258, "content": "<mask>", "special": True, **flags, "lstrip": True},
        {"id": 259, "content": "<x>", "special": True, **flags, "rstrip": True},
    ]
    with tempfile.TemporaryDirectory() as folder:
        written(folder, tables, "GPT-2", post_processor=processor, added_tokens=added)
        tokenizer = implementation.from_file(folder)
    judge.exact([*map(tuple, tokenizer.encoding(" a  b <mask>  a<x> ").offsets)], places, "places")
    judge.exact([*map(tuple, tokenizer.encoding("  <mask>a").offsets)], [begin, (8, 9)], "places")


@pytest.mark.parametrize(
    ("normalizer", "text", "places"),
    [
        ({"type": "Strip", "strip_left": True, "strip_right": True}, "  a a", [(2, 3), (4, 5)]),
        ({"type": "Replace", "pattern": {"String": "x"}, "content": "a c"}, "xa", [(0, 1), (0, 1), (1, 2)]),
    ],
    ids=["stripped", "replaced"],
)
def test_a_space_that_was_put_in_front_stays(implementation, normalizer: Any, text: str, places: list[Any]):
    """Where a space is put in front its token has the place of its letter, though the text begins later; and so has
    every token that begins where the text does."""
    tables = Tables((("Ġ", "a"), ("Ġ", "c")))
    with tempfile.TemporaryDirectory() as folder:
        processor = BYTES | {"add_prefix_space": True}
        written(folder, tables, "RoBERTa", normalizer=normalizer, post_processor=processor, added_tokens=[])
        tokenizer = implementation.from_file(folder)
    judge.exact([*map(tuple, tokenizer.encoding(text).offsets)], places, "places")


CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@given(text=texts(6) | excerpts(60), more=st.text(st.sampled_from(LETTERS), max_size=12))
@example(text="It's a\u2003 TEST  ", more="a\x1c\u00c9")
def test_reads_clips_file(implementation, text: str, more: str):
    """The last letter of a word is another token than within it, and the spaces between words are none."""
    text += f"{more} ab <B>test"
    ends = tuple(f"{letter}</w>" for letter in sorted(Tables().vocabulary))
    merges = ("a b", "a b</w>", "e s", "e s</w>", "s t</w>", "t e", "te st</w>", "Ã ©", "Ã ©</w>", "1 2")
    tables = Tables(tuple((left, right) for left, right in map(str.split, merges)), ends)
    model = {"type": "BPE", "unk_token": "!", "end_of_word_suffix": "</w>", "vocab": tables.vocabulary}
    split_ = split(CLIP) | {"behavior": "Removed", "invert": True}
    spaces = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
    changes = {
        "normalizer": sequence(NFC, spaces, {"type": "Lowercase"}),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split_, GPT2]},
        "model": {**model, "merges": list(merges)},
    }
    with tempfile.TemporaryDirectory() as folder:
        options = written(folder, tables, "lower case", **changes)
        tokenizer = implementation.from_file(folder)
    options |= {"steps": ["nfc", ("substitute", r"\s+", " "), "lowercase"], "pattern": [CLIP, "gpt2"]}
    expected = ByteLevelBPE(tables.vocabulary, tables.merges, **options, end_of_word="</w>", drop_spaces=True)
    judge.exact(tokenizer.encode(text), expected.encode(text), "ids")
