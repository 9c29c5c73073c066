"""Encoders with a decoder, through lm-eval's own adapter: what is asked is encoded, what answers is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM

from suites.accuracy.models.base import NotEvaluated
from suites.accuracy.models.loading import load

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


class Seq2Seq(HFLM):
    """Scores a continuation by the decoder, given the context in the encoder; the softmax is in float32 at least."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(
            pretrained=model.eval(),
            backend="seq2seq",
            tokenizer=tokenizer,
            softmax_dtype=None if model.dtype == torch.float64 else torch.float32,
            batch_size=8,
        )

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        # lm-eval would encode one token and give a number that is no probability of the text.
        raise NotEvaluated("unsupported", "an encoder with a decoder has no log-likelihood of a whole text")


def from_folder(folder: Path, device: str) -> Seq2Seq:
    """A sequence-to-sequence model from a Hugging Face directory. Raises `NotEvaluated`."""
    from transformers import AutoModelForSeq2SeqLM

    return Seq2Seq(*load(folder, AutoModelForSeq2SeqLM, device))
