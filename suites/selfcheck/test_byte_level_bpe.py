"""What the reference of byte-level byte-pair encoding promises beyond the laws: clear errors, and little cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.strategies.vocabularies import Tables
from reference.tokenizers.byte_level_bpe import BYTES, ByteLevelBPE

LETTERS = Tables().vocabulary
PRE_TOKENIZER = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
GOOD = {"normalizer": None, "pre_tokenizer": PRE_TOKENIZER, "model": {"type": "BPE", "vocab": LETTERS, "merges": []}}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ByteLevelBPE(LETTERS, []).encode("a\ud800"), "lone surrogate at position 1"),
        (lambda: ByteLevelBPE(LETTERS, []).decode([0, 999]), "got 999"),
        (lambda: ByteLevelBPE(LETTERS, []).decode([-1]), "got -1"),
        (lambda: ByteLevelBPE({k: v for k, v in LETTERS.items() if k != "Ġ"}, []), "got 255, without 'Ġ'"),
        (lambda: ByteLevelBPE(LETTERS | {"two words": 256}, []), "byte letters, got 'two words'"),
        (lambda: ByteLevelBPE(LETTERS | {"ab": 7}, []), "every id once, 7"),
        (lambda: ByteLevelBPE(LETTERS, [("a", "b")]), r"concatenation is a token too, got \('a', 'b'\)"),
        (lambda: ByteLevelBPE(LETTERS | {"ab": 256}, [("a", "b"), ("a", "b")]), "comes again"),
        (lambda: ByteLevelBPE.train(["a"], 255), "at least 256, one for each byte, got 255"),
        (lambda: ByteLevelBPE.train("a", 300), "several texts, got one str"),
    ],
)
def test_the_reference_says_what_is_wrong(call: Callable[[], Any], message: str) -> None:
    """Each mistake has its own sentence."""
    with pytest.raises(ValueError, match=message):
        call()


def cuts(first: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A pre-tokenizer and ByteLevel after it."""
    return {"type": "Sequence", "pretokenizers": [first, PRE_TOKENIZER | options]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Precompiled"}}, "expected a normalizer of NFC, .*, or none, got Precompiled"),
        ({"pre_tokenizer": None}, "expected pre_tokenizer with one ByteLevel, got None"),
        ({"pre_tokenizer": {"type": "Sequence"}}, "pretokenizers in a Sequence, a list of objects, got None"),
        ({"pre_tokenizer": cuts({"type": "BertPreTokenizer"})}, "Split, Digits or Punctuation beside .* got Bert"),
        ({"pre_tokenizer": cuts({"type": "Digits"}, add_prefix_space=True)}, "add_prefix_space to be False"),
        ({"model": {"type": "WordPiece"}}, "model.type to be 'BPE'"),
        ({"model": GOOD["model"] | {"byte_fallback": True}}, "byte_fallback to be False"),  # type: ignore[operator]
        ({"model": {"type": "BPE", "vocab": LETTERS}}, "model.merges, a list"),
        ({"model": {"type": "BPE", "vocab": LETTERS, "merges": ["a b c"]}}, "one space between"),
    ],
)
def test_other_tokenizers_are_told_apart(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """A `tokenizer.json` that works in another way is refused, not misread."""
    (tmp_path / "tokenizer.json").write_text(json.dumps(GOOD | change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        ByteLevelBPE.from_file(tmp_path)


def test_files_in_their_variations(tmp_path: Path) -> None:
    """Merges as pairs or strings, line ends of Windows, with and without a first line, one file or two."""
    vocabulary = LETTERS | {"##": 256, "###": 257}
    merges = [("#", "#"), ("##", "#")]
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    for text in ("#version: 0.2\n# #\n## #\n", "# #\n## #", "#version: 0.2\r\n# #\r\n## #\r\n"):
        (tmp_path / "merges.txt").write_bytes(text.encode())
        assert list(ByteLevelBPE.from_file(tmp_path).merges) == merges
        assert list(ByteLevelBPE.from_file(tmp_path / "vocab.json", tmp_path / "merges.txt").merges) == merges
    for written in ([list(pair) for pair in merges], [" ".join(pair) for pair in merges]):
        model = {"type": "BPE", "vocab": vocabulary, "merges": written}
        (tmp_path / "tokenizer.json").write_text(json.dumps(GOOD | {"model": model}), encoding="utf-8")
        assert list(ByteLevelBPE.from_file(tmp_path).merges) == merges


def test_every_byte_has_its_letter() -> None:
    """256 letters, none of them a space or a control character, and 0x20 is Ġ."""
    assert sorted(BYTES.values()) == list(range(256))
    assert all(letter.isprintable() and not letter.isspace() for letter in BYTES)
    assert BYTES["Ġ"] == 0x20


def test_a_long_word_costs_little() -> None:
    """Eight times the letters cost about eight times the time, where looking again after each merge costs 64 times."""
    tokenizer = ByteLevelBPE(Tables((("a", "b"), ("ab", "ab"))).vocabulary, [("a", "b"), ("ab", "ab")])

    def seconds(letters: int) -> float:
        best = float("inf")
        for shift in range(3):  # another word each time, so that none is remembered
            started = time.process_time()
            tokenizer.encode("ab" * (letters // 2) + "c" * shift)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(160_000) < 24 * seconds(20_000)
