"""What the tokenizers' references promise beyond the laws: they learn the same in every process."""

from __future__ import annotations

import subprocess
import sys

LEARNT = """
from fixtures.strategies.renaming import tied
from reference.tokenizers.byte_level_bpe import ByteLevelBPE
from reference.tokenizers.byte_pair_encoding import BytePairEncoding
from reference.tokenizers.sentencepiece_bpe import SentencepieceBPE
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram
from reference.tokenizers.wordpiece import WordPiece
print(ByteLevelBPE.train(tied(), 330).merges)
marked = BytePairEncoding.train(tied(), 99, continuing="##", end_of_word="</w>")
print(marked.merges, marked.vocabulary)
print(SentencepieceBPE.train(tied(), 99).pieces)
print(SentencepieceUnigram.train(tied(), 100).pieces)
print(WordPiece.train(tied(), 99).vocabulary)
"""


def test_tokenizers_learn_the_same_in_every_process() -> None:
    """Hash seeds change nothing."""
    first, other = (
        subprocess.run(
            [sys.executable, "-c", LEARNT], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    )
    assert first.count("\n") == 5
    assert other == first
