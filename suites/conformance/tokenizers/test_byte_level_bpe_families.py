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


def written(folder: str, tables: Tables, family: str) -> dict[str, Any]:
    """The family's `tokenizer.json` in the folder; returns the fields of the reference that it stands for."""
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
