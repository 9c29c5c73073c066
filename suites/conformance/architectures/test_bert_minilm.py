"""Laws of BERT on the real weights of all-MiniLM-L6-v2."""

from __future__ import annotations

import torch

from fixtures import judge
from fixtures.subject import Unsupported
from fixtures.zoo import minilm

QUESTION = "Was it Grace Hopper who wrote the first compiler?"
ANSWER = "Grace Hopper's team wrote it in 1952."
ASIDE = "Bread needs flour, water, salt and time."
LONGER = "Unfashionably late, 3.5 % of the naïve crowd re-entered."


@judge.every_dtype
def test_real_sentences_through_minilm(implementation):
    """On the trained weights of all-MiniLM-L6-v2 and real text every hidden state of every layer is the reference's."""
    weights, texts = minilm_reading(QUESTION, ANSWER, ASIDE)  # each has 12 tokens
    judge.agree(implementation, weights, torch.stack(texts), **minilm.scalars())


def test_real_sentences_padded_into_one_batch(implementation):
    """MiniLM gives sentences of unequal length, padded into one batch, what it gives each of them alone."""
    weights, texts = minilm_reading(QUESTION, LONGER)
    ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)

    def experiment(f):
        together = f(weights, ids, attention_mask=mask, **minilm.scalars())
        alone = [f(weights, text[None], **minilm.scalars()) for text in texts]
        return tuple(together[:, i : i + 1, : len(text)] for i, text in enumerate(texts)), tuple(alone)

    judge.holds(implementation, experiment)


def test_minilm_finds_the_answer_to_a_question(implementation):
    """Mean-pooled, the question's vector lies nearer to its answer than to anything else."""
    others = [ASIDE, ANSWER, LONGER]
    weights, texts = minilm_reading(QUESTION, *others)
    vectors = [implementation(weights, text[None], **minilm.scalars())[-1, 0].mean(0) for text in texts]
    question, *candidates = (vector / vector.norm() for vector in vectors)
    nearest = max(zip(candidates, others, strict=True), key=lambda pair: float(question @ pair[0]))
    judge.exact(nearest[1], ANSWER, "nearest sentence")


def minilm_reading(*texts):
    try:
        return minilm.reading(*texts)
    except minilm.NotInstalled as missing:
        raise Unsupported(str(missing)) from None
