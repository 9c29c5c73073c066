"""Masked language models: pseudo-log-likelihood (Salazar et al. 2020, arXiv:1910.14659).

A masked model gives no probability of a text, so it is never scored as if it were causal: each token of the sentence
that a choice completes is masked in turn and scored from both sides, and these scores are summed. They rank choices;
they are no nats of a text, so bits per byte are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from suites.accuracy.models.base import Adapter, NotEvaluated, WrongKind
from suites.accuracy.models.loading import load

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

BATCH = 64


class Masked(Adapter):
    """Scores the choices of a blank by the pseudo-log-likelihood of the sentence that they complete."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        if tokenizer.mask_token_id is None:
            raise NotEvaluated("unsupported", "its tokenizer has no mask token")
        self.model, self.tokenizer = model.eval(), tokenizer
        positions = getattr(model.config, "max_position_embeddings", 514) - 2
        self.longest = min(tokenizer.model_max_length, positions, 512)

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        if any("before" not in request.doc and "prompt" not in request.doc for request in requests):
            raise WrongKind("a masked language model answers tasks that fill a blank")
        scores = [self.score(*request.args) for request in requests]
        return [(score, False) for score in scores]

    @torch.inference_mode()
    def score(self, before: str, filled: str) -> float:
        """Pseudo-log-likelihood of the last sentence of `before` with `filled` behind it, whose end it has."""
        text, begin = f"{before}{filled}", before.rfind(". ") + 1
        encoded = self.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        special = encoded["special_tokens_mask"]
        places = [i for i, (start, end) in enumerate(offsets) if not special[i] and end > max(begin, start)]
        # The end of the text is what is compared: of a longer one its beginning goes.
        cut = max(0, len(ids) - self.longest)
        if cut:
            ids = [ids[0], *ids[cut + 1 :]]
            places = [place - cut for place in places if place > cut]
        total = 0.0
        rows = torch.tensor(ids)
        for start in range(0, len(places), BATCH):
            chunk = torch.tensor(places[start : start + BATCH])
            batch = rows.repeat(len(chunk), 1)
            batch[torch.arange(len(chunk)), chunk] = self.tokenizer.mask_token_id
            logits = self.model(batch.to(self.model.device)).logits.float().cpu()
            picked = logits[torch.arange(len(chunk)), chunk].log_softmax(-1)
            total += float(picked[torch.arange(len(chunk)), rows[chunk]].double().sum())
        return total


def from_folder(folder: Path, device: str) -> Masked:
    """A masked language model from a Hugging Face directory. Raises `NotEvaluated`."""
    from transformers import AutoModelForMaskedLM

    return Masked(*load(folder, AutoModelForMaskedLM, device))
