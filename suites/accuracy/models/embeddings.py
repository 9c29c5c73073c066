"""Sentence embeddings: an encoder's token states, pooled, compared by cosine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suites.accuracy.models.base import NotEvaluated, Ranker
from suites.accuracy.models.loading import load, read_json

LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
LONGEST = 512
BATCH = 32


def pool(states: Tensor, mask: Tensor, mode: str) -> Tensor:
    """One vector a text, (batch, width); zeros for a text without tokens.

    states: (batch, tokens, width); mask: (batch, tokens), 1 at tokens and 0 at padding.
    """
    if mask.shape[1] == 0:
        return states.new_zeros(len(states), states.shape[-1])
    weight = mask[..., None].to(states.dtype)
    if mode == "mean":
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
    if mode == "max":
        return states.masked_fill(weight == 0, -torch.inf).amax(1).masked_fill(~mask.any(1, keepdim=True), 0.0)
    # Padding may stand on either side: the first and last token are where the mask says.
    positions = torch.arange(mask.shape[1], device=mask.device)
    chosen = (mask * (positions.flip(0) + 1)).argmax(1) if mode == "cls" else (mask * (positions + 1)).argmax(1)
    return states[torch.arange(len(states), device=mask.device), chosen] * mask.any(1, keepdim=True)


class SentenceEncoder(Ranker):
    """An encoder whose passages and queries are compared by the cosine of their pooled states."""

    def __init__(
        self, model: Any, tokenizer: Any, *, mode: str, longest: int, lower: bool, prompts: dict[str, str]
    ) -> None:
        super().__init__()
        self.model, self.tokenizer = model.eval(), tokenizer
        self.mode, self.longest, self.lower, self.prompts = mode, longest, lower, prompts
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # masked out; only the shape of the batch needs it

    @torch.inference_mode()
    def embed(self, texts: list[str]) -> Tensor:
        """Unit vectors, (texts, width), in float32 on the CPU and in the order of the texts."""
        texts = [text.lower() if self.lower else text for text in texts]
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors: list[Tensor] = [torch.empty(0)] * len(texts)
        for start in range(0, len(order), BATCH):
            chunk = order[start : start + BATCH]
            batch = self.tokenizer(
                [texts[i] for i in chunk], padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
            ).to(self.model.device)
            if batch["input_ids"].shape[1]:
                states = self.model(**batch).last_hidden_state
            else:
                states = torch.zeros(len(chunk), 0, self.model.config.hidden_size)
            pooled = pool(states, batch["attention_mask"], self.mode)
            for i, vector in zip(chunk, torch.nn.functional.normalize(pooled.float(), dim=-1).cpu(), strict=True):
                vectors[i] = vector
        return torch.stack(vectors)

    def similarities(self, pairs: list[tuple[str, str]]) -> list[float]:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        vectors = dict(zip(texts, self.embed(texts), strict=True))
        return [float(vectors[one] @ vectors[other]) for one, other in pairs]

    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        asked = self.embed([self.prompts.get("query", "") + query for query in queries])
        kept = self.embed([self.prompts.get("document", self.prompts.get("passage", "")) + text for text in passages])
        return (asked @ kept.T).numpy()


def from_folder(folder: Path, device: str) -> SentenceEncoder:
    """An encoder from a Hugging Face or sentence-transformers directory. Raises `NotEvaluated`.

    Mean pooling, unless the directory has sentence-transformers' modules that say otherwise; a module that this
    adapter does not know (a dense layer, say) would change the vectors, so such a model is `unsupported`.
    """
    from transformers import AutoModel

    body, mode = folder, "mean"
    settings: dict[str, Any] = {}
    prompts: dict[str, str] = {}
    if (folder / "modules.json").exists():
        for module in read_json(folder / "modules.json"):
            kind = module["type"].rsplit(".", 1)[-1]
            if kind == "Transformer":
                body = folder / module["path"]
            elif kind == "Pooling":
                mode = pooling(read_json(folder / module["path"] / "config.json"))
            elif kind != "Normalize":
                raise NotEvaluated("unsupported", f"its modules.json asks for a module {kind}, which is not known here")
    if (body / "sentence_bert_config.json").exists():
        settings = read_json(body / "sentence_bert_config.json")
    if (folder / "config_sentence_transformers.json").exists():
        prompts = read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    model, tokenizer = load(body, AutoModel, device, unneeded=("pooler.",))
    # subtle: RoBERTa's positions begin after the padding id, so that two of those it declares cannot be used.
    positions = getattr(model.config, "max_position_embeddings", LONGEST + 2) - 2
    longest = settings.get("max_seq_length") or min(tokenizer.model_max_length, positions, LONGEST)
    return SentenceEncoder(
        model, tokenizer, mode=mode, longest=longest, lower=bool(settings.get("do_lower_case")), prompts=prompts
    )


def pooling(settings: dict[str, Any]) -> str:
    """The pooling that a 1_Pooling/config.json names, in its older form (a flag a mode) or its newer one."""
    flags = [name for name, value in settings.items() if name.startswith("pooling_mode_") and value is True]
    modes = settings.get("pooling_mode") or flags
    names = [LEGACY.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes)]
    if len(names) != 1 or names[0] not in LEGACY.values():
        known = ", ".join(LEGACY.values())
        raise NotEvaluated(
            "unsupported", f"its pooling is {', '.join(names) or 'none'}; known are {known}, one at a time"
        )
    return str(names[0])
