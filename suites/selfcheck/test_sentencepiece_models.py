"""SentencePiece's `.model` files, as the library's protobuf writes and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures import sentencepiece_models
from fixtures.strategies.piece_files import compiled
from fixtures.strategies.pieces import BYTES, SPECIAL
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

pytest.importorskip("sentencepiece")
PIECES = [*SPECIAL, *BYTES, ("▁", -1.0, "normal"), ("a", -1.5, "normal"), ("▁a", -0.5, "normal"), ("b", 0.0, "unused")]
OPTIONS = {"byte_fallback": True, "remove_extra_whitespaces": False, "unknown_surface": "?"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(sentencepiece_models.written("bpe", PIECES, **OPTIONS))
    return path


def test_a_model_comes_back(model: Path):
    """Pieces and options that were written are read, and the reference takes them."""
    algorithm, pieces, options = sentencepiece_models.read(model)
    assert (algorithm, pieces) == ("bpe", PIECES)
    assert {name: options[name] for name in OPTIONS} == OPTIONS
    assert SentencepieceBPE(pieces, **options).encode("a a") == [261, 261]


@pytest.mark.parametrize("rules", [{"x": "a"}, compiled({"x": "a"}), "nmt_nfkc"], ids=["mapping", "compiled", "name"])
def test_rules_come_back(rules: object):
    """Rules in any form are read as rules that do the same."""
    content = sentencepiece_models.written("unigram", PIECES, byte_fallback=True, rules=rules)
    _, pieces, options = sentencepiece_models.parsed(content)
    text = "\uff41" if rules == "nmt_nfkc" else "x"
    assert SentencepieceUnigram(pieces, **options).encode(text) == [261]


def test_a_truncated_model_is_one_clear_error(model: Path):
    """A file that was cut short is told by its name, wherever it was cut: also between two pieces."""
    content = model.read_bytes()
    for left in {*range(0, len(content), 7), *range(len(content) - 120, len(content))}:
        model.write_bytes(content[:left])
        with pytest.raises(ValueError, match=r"tokenizer\.model: expected a SentencePiece model"):
            sentencepiece_models.read(model)


def test_a_missing_model_is_one_clear_error(tmp_path: Path):
    """So is a file that is not there."""
    with pytest.raises(ValueError, match="expected a SentencePiece model, got FileNotFoundError"):
        sentencepiece_models.read(tmp_path / "none.model")


def test_spaces_behind_words_are_refused():
    """A model that was trained with spaces as suffixes says something else by its pieces."""
    changed = sentencepiece_models._schema().ModelProto()
    changed.ParseFromString(sentencepiece_models.written("unigram", PIECES, byte_fallback=True))
    changed.trainer_spec.treat_whitespace_as_suffix = True
    with pytest.raises(ValueError, match="mine: expected spaces before words, got treat_whitespace_as_suffix"):
        sentencepiece_models.parsed(changed.SerializeToString(), "mine")
