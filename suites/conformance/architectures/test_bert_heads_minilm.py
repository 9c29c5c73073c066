"""Laws of BERT's heads on the real weights of all-MiniLM-L6-v2, which kept a pooler."""

from __future__ import annotations

import torch

from fixtures import judge
from fixtures.subject import Unsupported
from fixtures.zoo import minilm

SENTENCES = (
    "Was it Grace Hopper who wrote the first compiler?",
    "Grace Hopper's team wrote it in 1952.",
    "Bread needs flour, water, salt and time.",
)


@judge.every_dtype
def test_real_sentences_through_the_pooler(implementation):
    """On the trained weights of all-MiniLM-L6-v2 and real text the pooled vectors are the reference's."""
    weights, ids = minilm_reading()
    judge.agree(implementation, weights, ids, task="pooler", **minilm.scalars())


def minilm_reading():
    try:
        weights, texts = minilm.reading(*SENTENCES)
    except minilm.NotInstalled as missing:
        raise Unsupported(str(missing)) from None
    return weights, torch.stack(texts)  # each has 12 tokens
