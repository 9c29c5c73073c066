"""What the references say of broken files: a ValueError that names the file, when it is read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fixtures.strategies.piece_files import compiled, written
from fixtures.strategies.pieces import table
from reference.tokenizers._sentencepiece_rules import CompiledRules
from reference.tokenizers.byte_level_bpe import BYTES, ByteLevelBPE
from reference.tokenizers.byte_pair_encoding import BytePairEncoding
from reference.tokenizers.pre_tokenization import GPT2, GPT4, GPT4O
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram
from reference.tokenizers.wordpiece import WordPiece

ODD: list[Any] = [None, 5, -1, "x", [], {}, [None], ["a"], [[1]], True, 1.5, {"type": "Nope"}]
ADDED = [{"content": "<s>", "id": 300, "special": True}]
FRAME = [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[CLS]"}}]
SPLIT = {"type": "WhitespaceSplit"}
RULES = {"\u00e9": "e", "\u65e5": "ab", "x": ""}
FILES: dict[type[Any], dict[str, Any]] = {
    WordPiece: {
        "normalizer": {"type": "BertNormalizer", "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": FRAME, "pair": [*FRAME, {"Sequence": {"id": "B"}}]},
        "decoder": {"cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2},
        },
    },
    BytePairEncoding: {
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {
            "type": "BPE",
            "dropout": 0.0,
            "unk_token": "?",
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3},
            "merges": [["a", "b"]],
        },
    },
    ByteLevelBPE: {
        "added_tokens": ADDED,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "model": {"type": "BPE", "vocab": {c: n for n, c in enumerate(BYTES)} | {"ab": 256}, "merges": [["a", "b"]]},
    },
}


def _pieces(folder: Path, algorithm: str) -> dict[str, Any]:
    content = Path(written(str(folder), table("\u2581", "a"), "Llama's first", algorithm), "tokenizer.json").read_text(
        "utf-8"
    )
    whole: dict[str, Any] = json.loads(content)
    rules = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(compiled(RULES)).decode()}
    whole["normalizer"]["normalizers"].insert(0, rules)
    return whole


def _places(part: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in a file, but of lists and tables the first four entries."""
    for key in list(part if isinstance(part, dict) else range(len(part)))[:8]:
        yield (*place, key)
        if isinstance(part[key], dict | list):
            yield from _places(part[key], (*place, key))


@pytest.mark.parametrize("reference", [*FILES, SentencepieceBPE, SentencepieceUnigram], ids=lambda cls: cls.__name__)
def test_every_damage_is_named_when_the_file_is_read(reference: Any, tmp_path: Path) -> None:
    """Whatever stands in a wrong place, or lacks: the file is read, or a ValueError names it; nothing comes later."""
    algorithms = {SentencepieceBPE: "BPE", SentencepieceUnigram: "Unigram"}
    whole = FILES[reference] if reference in FILES else _pieces(tmp_path, algorithms[reference])
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    reference.from_file(path).encode("ab a \u65e5")
    refused = 0
    for place in _places(whole):
        for odd in [..., *ODD]:
            content = deepcopy(whole)
            part: Any = content
            for key in place[:-1]:
                part = part[key]
            if odd is ...:
                del part[place[-1]]
            else:
                part[place[-1]] = odd
            path.write_text(json.dumps(content), encoding="utf-8")
            try:
                read = reference.from_file(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: "), error
                refused += 1
            else:
                read.encode("ab a \u65e5")
    assert refused > 50


MESSAGES: dict[str, tuple[type[Any], tuple[Any, ...], Any, str]] = {
    "a merge of absent tokens": (BytePairEncoding, ("model", "merges"), [["q", "zz"]], "('q', 'zz')"),
    "a merge of three": (ByteLevelBPE, ("model", "merges"), ["a b c"], "('a', 'b', 'c')"),
    "a merge again": (BytePairEncoding, ("model", "merges"), ["a b", "a b"], "('a', 'b') comes again"),
    "no merges": (ByteLevelBPE, ("model", "merges"), ..., "model.merges"),
    "one id for two": (WordPiece, ("model", "vocab", "a"), 1, "1 belongs to several tokens"),
    "an id below 0": (WordPiece, ("model", "vocab", "a"), -1, "-1 for 'a'"),
    "an id in quotes": (BytePairEncoding, ("model", "vocab", "ab"), "3", "'3' for 'ab'"),
    "an unknown token that is none": (WordPiece, ("model", "unk_token"), "<unk>", "unknown token '<unk>'"),
    "an unknown token of no type": (BytePairEncoding, ("model", "unk_token"), [5], "model.unk_token"),
    "a vocabulary that is a list": (ByteLevelBPE, ("model", "vocab"), ["a"], "model.vocab"),
    "a normalizer without a type": (ByteLevelBPE, ("normalizer",), {"kind": "NFC"}, "normalizers"),
    "a normalizer of another name": (ByteLevelBPE, ("normalizer",), {"type": "Nope"}, "got Nope"),
    "no list of normalizers": (ByteLevelBPE, ("normalizer", "normalizers"), 5, "normalizers"),
    "a prefix where none is known": (ByteLevelBPE, ("model", "continuing_subword_prefix"), "##", "continuing_subword_"),
    "a suffix without its letters": (ByteLevelBPE, ("model", "end_of_word_suffix"), "</w>", "as ends of words too"),
    "an added token without its id": (ByteLevelBPE, ("added_tokens",), [{"content": "<s>"}], "added_tokens"),
    "a frame without tokens": (WordPiece, ("post_processor",), {"type": "BertProcessing"}, "post_processor"),
}
"""What is changed in a file, at which place, and what the message says of it."""


@pytest.mark.parametrize("what", MESSAGES)
def test_a_message_says_what_is_wrong_and_where(what: str, tmp_path: Path) -> None:
    """Not only that something is: the place in the file, and what stands there."""
    reference, place, value, says = MESSAGES[what]
    content = deepcopy(FILES[reference])
    part: Any = content
    for key in place[:-1]:
        part = part[key]
    if value is ...:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        reference.from_file(path)
    assert "has its form" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tokenizer.json", b"", "an empty file"),
        ("tokenizer.json", b'{"model": {"type', "line 1"),
        ("tokenizer.json", b'{"\xff\xfe": 1}', "UTF-8"),
        ("tokenizer.json", b"\xef\xbb\xbf{}", "without a byte order mark"),
        ("tokenizer.json", b'{"model": 1, "model": 2}', "'model' comes again"),
        ("tokenizer.json", b'{"model": {"vocab": {"a": 0, "b": 1, "a": 2}}}', "'a' comes again"),
        ("tokenizer.json", None, "expected a"),
        ("vocab.json", b"{}", "merges.txt"),
        ("tokenizer.model", b"\x0a\x0e\x0a\x05", "tokenizer.json"),
    ],
)
def test_files_that_cannot_be_read_say_why(name: str, content: bytes | None, says: str, tmp_path: Path) -> None:
    """Empty, cut off, of other bytes than UTF-8, with a mark of these in front, with one key for two things, a folder in
    the file's place, half of a pair, another format."""
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    references: dict[str, list[Any]] = {
        "vocab.json": [BytePairEncoding, ByteLevelBPE],
        "tokenizer.model": [SentencepieceBPE],
    }
    for reference in references.get(name, [*FILES, SentencepieceBPE, SentencepieceUnigram]):
        with pytest.raises(ValueError, match=says):
            reference.from_file(tmp_path if name == "vocab.json" else path)


def test_lines_of_a_vocabulary(tmp_path: Path) -> None:
    """Lines may end as Windows ends them; one that comes again is named by its number; no mark is part of the first."""
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"[UNK]\r\na\r\n##b\r\n")
    assert dict(WordPiece.from_file(path).vocabulary) == {"[UNK]": 0, "a": 1, "##b": 2}
    path.write_bytes(b"[UNK]\na\nb\na\n")
    with pytest.raises(ValueError, match="'a' in line 4"):
        WordPiece.from_file(path)
    path.write_bytes(b"\xef\xbb\xbf[UNK]\na\n")
    with pytest.raises(ValueError, match="without a byte order mark"):
        WordPiece.from_file(path)


def test_a_line_of_ranks_is_named(tmp_path: Path) -> None:
    """Base64 that is broken, by the number of its line."""
    path = tmp_path / "made.tiktoken"
    path.write_text("IQ== 0\nIg= 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        ByteLevelBPE.from_file(path, pattern="gpt4")


@pytest.mark.parametrize(
    "content",
    ["[" * 10_000, '{"model": ' + "9" * 5_000 + "}", "{", ""],
    ids=["too deep", "too large a number", "cut", "nothing"],
)
def test_what_is_no_json_names_its_file(content: str, tmp_path: Path) -> None:
    """Also where the parser gives up in another way than for a mistake."""
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    references: list[Any] = [*FILES, SentencepieceBPE, SentencepieceUnigram]
    for reference in references:
        with pytest.raises(ValueError, match=str(path)):
            reference.from_file(path)


def _damaged(whole: bytes) -> Iterator[bytes]:
    size = int.from_bytes(whole[:4], "little")
    yield from (whole[:n] for n in (0, 3, 4, size, size + 4, len(whole) - 1))
    for at in range(4 + size, len(whole)):
        yield whole[:at] + b"\xff" + whole[at + 1 :]
    for at in range(4, 4 + size, 4):
        if any(whole[at : at + 4]):
            for bit in range(32):
                node = int.from_bytes(whole[at : at + 4], "little") ^ 1 << bit
                yield whole[:at] + node.to_bytes(4, "little") + whole[at + 4 :]


def test_damaged_rules_are_refused_when_they_are_read() -> None:
    """A table of rules that is cut, or in which any bit is another: it is refused, or all that is in it can be used."""
    refused = 0
    for raw in _damaged(compiled(RULES)):
        try:
            rules = CompiledRules(raw)
        except ValueError as error:
            assert str(error).startswith("rules: "), error
            refused += 1
            continue
        for letter in (*map(chr, range(1, 0x180)), "\u65e5", "\u65e6"):
            for rule in rules.prefixes(letter, 0):
                assert isinstance(rules[rule], str)
    assert refused > 20


def test_damaged_rules_are_refused_before_a_text_comes() -> None:
    """Pieces with a table of rules that lacks its last results are no tokenizer."""
    for reference in (SentencepieceBPE, SentencepieceUnigram):
        with pytest.raises(ValueError, match="rules: expected a result for every rule"):
            reference(table("a").pieces, rules=compiled(RULES)[:-1])


@pytest.mark.parametrize("scheme", ["first", "never"])
def test_words_of_a_file_have_spaces_in_front(scheme: str, tmp_path: Path) -> None:
    """Where spaces are gone before words get theirs, all words must get one."""
    content = _pieces(tmp_path, "Unigram")
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": True}
    content |= {"normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, metaspace]}}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="prepend_scheme always after WhitespaceSplit"):
        SentencepieceUnigram.from_file(path)


REMOVED = {"type": "Split", "behavior": "Removed", "invert": True}


def _byte_level(tmp_path: Path, **changes: Any) -> ByteLevelBPE:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(FILES[ByteLevelBPE] | changes), encoding="utf-8")
    return ByteLevelBPE.from_file(path)


@pytest.mark.parametrize("wanted", [{"Regex": r"\p{L}+"}, {"String": "a"}])
def test_a_split_that_removes_something_is_refused(wanted: dict[str, str], tmp_path: Path) -> None:
    """What lies between the matches of an expression is gone; only GPT's expressions are known to leave nothing."""
    last = FILES[ByteLevelBPE]["pre_tokenizer"] | {"use_regex": False}

    def read(pattern: dict[str, str]) -> ByteLevelBPE:
        parts = [REMOVED | {"pattern": pattern}, last]
        return _byte_level(tmp_path, pre_tokenizer={"type": "Sequence", "pretokenizers": parts})

    assert [read({"Regex": whole}).decode(read({"Regex": whole}).encode("a 1")) for whole in (GPT2, GPT4, GPT4O)]
    with pytest.raises(ValueError, match="expected nothing to be removed"):
        read(wanted)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (r"(a)\1", r"'\\1' at 5 cannot be translated"),
        ("(?i)ss", r"'(?i)ss' at 4 cannot be translated"),
        (r"[\w-z]", "'a range from more than one character' at 3 cannot be translated"),
        (r"\p{Nothing}", "unknown property value"),
        ("(a", "missing )"),
    ],
)
def test_an_expression_that_cannot_be_read_is_named(expression: str, why: str, tmp_path: Path) -> None:
    """One sentence with the file, the expression, and what in it is in the way."""
    parts = [
        {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": expression}},
        FILES[ByteLevelBPE]["pre_tokenizer"] | {"use_regex": False},
    ]
    with pytest.raises(ValueError) as error:
        _byte_level(tmp_path, pre_tokenizer={"type": "Sequence", "pretokenizers": parts})
    begin = (
        f"{tmp_path / 'tokenizer.json'}: expected an expression of Oniguruma that `regex` can read, got {expression!r}"
    )
    assert str(error.value).startswith(f"{begin}: {why}")
