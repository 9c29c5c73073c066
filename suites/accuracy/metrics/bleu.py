"""BLEU by sacrebleu, an `evaluate` module: `evaluate.load(".../bleu.py")`, or just `bleu(...)`.

Papineni et al., *BLEU: a method for automatic evaluation of machine translation*, 2002; Post, *A call for clarity in
reporting BLEU scores*, 2018, arXiv:1804.08771. The geometric mean of the shares of n-grams (n to 4) that a reference
has too, over the whole corpus, times exp(1 - r / c) where the corpus is shorter (c words) than the references (r).
On a scale to 100, with sacrebleu's words ("13a").

Two pitfalls. The mean of sentences' BLEU is not the corpus' BLEU. And a corpus without any 4-gram is worth 0 however
right it is: three words, the same as the reference, have corpus BLEU 0 but sentence BLEU 100, which leaves out the
orders that the sentence is too short for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import sacrebleu


def bleu(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU of a corpus, in [0, 100]. `references`: for each prediction one or more; not all need have as many.

    Raises `ValueError` on no predictions, other lengths, and predictions without a reference.
    """
    checked(predictions, references)
    most = max(map(len, references))
    # None stands for no i-th reference, but sacrebleu's types do not say so.
    streams: list[Any] = [[of[i] if i < len(of) else None for of in references] for i in range(most)]
    return min(100.0, sacrebleu.corpus_bleu(list(predictions), streams).score)


def sentence_bleu(prediction: str, references: Sequence[str]) -> float:
    """BLEU of one sentence, in [0, 100], over the orders that it is long enough for; zero counts are smoothed ("exp")."""
    checked([prediction], [references])
    return min(100.0, sacrebleu.sentence_bleu(prediction, list(references)).score)


def checked(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if isinstance(predictions, str) or len(predictions) != len(references) or not len(references):
        raise ValueError(f"expected a list of references a prediction, got {len(references)} for {len(predictions)}")
    if any(isinstance(of, str) or not of for of in references):
        raise ValueError("expected a list of at least one reference for each prediction")


class Bleu(evaluate.Metric):  # type: ignore[misc]
    """`bleu` of the corpus."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="BLEU of a corpus, by sacrebleu",
            citation="Papineni et al. 2002, Post 2018",
            inputs_description="predictions: texts; references: lists of texts",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        return {"bleu": bleu(predictions, references)}
