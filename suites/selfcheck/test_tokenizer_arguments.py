"""What the references of tokenizers say of arguments that mean nothing: a ValueError that names them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fixtures.strategies.pieces import table
from fixtures.strategies.vocabularies import Tables
from reference.tokenizers.byte_level_bpe import ByteLevelBPE
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

MODELS: list[Any] = [SentencepieceBPE, SentencepieceUnigram]


@pytest.mark.parametrize("pattern", ["gpt5", "gpt-2", "cl100k_base", ["gpt2", "gpt_4"]], ids=str)
def test_a_pattern_of_no_name_is_no_expression(pattern: Any) -> None:
    """A misspelt name would cut out where it is spelt in a text: it is named beside those that there are."""
    odd = pattern if isinstance(pattern, str) else pattern[1]
    with pytest.raises(ValueError, match=re.escape(f"gpt2, gpt4, gpt4o, or an expression, got {odd!r}")):
        ByteLevelBPE(Tables().vocabulary, [], pattern)
    with pytest.raises(ValueError, match="an expression"):
        ByteLevelBPE.train(["a"], 300, pattern=pattern)
    spelt = ByteLevelBPE(Tables().vocabulary, [], f"(?:{odd})")
    assert spelt.decode(spelt.encode(odd)) == odd


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("add_dummy_prefix", "mising"),
        ("add_dummy_prefix", None),
        ("remove_extra_whitespaces", "both"),
        ("remove_extra_whitespaces", "first"),
        ("escape_whitespaces", "inner"),
        ("byte_fallback", "no"),
        ("spaces_last", 2),
        ("steps", ["nfq"]),
        ("tidied", [("strip", 1, 1)]),
    ],
)
def test_switches_have_their_values(model: Any, switch: str, value: Any) -> None:
    """Whatever is not false would be taken for true."""
    with pytest.raises(ValueError, match=f"{'steps' if switch == 'tidied' else switch}: expected"):
        model(table("a").pieces, **{switch: value})


@pytest.mark.parametrize(
    ("model", "alpha"),
    [
        *((SentencepieceUnigram, alpha) for alpha in (float("nan"), float("inf"), -0.5)),
        *((SentencepieceBPE, alpha) for alpha in (float("nan"), 1.5, -0.5)),
    ],
)
def test_samples_need_an_alpha(model: Any, alpha: float) -> None:
    """Of no number there are no samples, and a share below 0 is none."""
    with pytest.raises(ValueError, match="sample expects"):
        model(table("a").pieces).sample("a", alpha=alpha, times=1, seed=0)
