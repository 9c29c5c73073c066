"""Transformers with a classification head, which names its classes in `id2label`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from suites.accuracy.models.base import NotEvaluated
from suites.accuracy.models.classifiers import Classifier
from suites.accuracy.models.loading import load

BATCH = 32


class Head(Classifier):
    """Log-probabilities of the classes; a task whose classes have other names is refused."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
        if all(label == f"LABEL_{index}" for index, label in enumerate(labels)):
            raise NotEvaluated("error", "its config.json names its classes LABEL_0, ...: give them names in id2label")
        if tokenizer.pad_token_id is None or model.config.pad_token_id is None:
            raise NotEvaluated("unsupported", "it has no padding token, so it cannot read texts of unequal length")
        self.labels, self.model, self.tokenizer = labels, model.eval(), tokenizer
        positions = getattr(model.config, "max_position_embeddings", 514) - 2
        self.longest = min(tokenizer.model_max_length, positions, 512)

    @torch.inference_mode()
    def scores(self, texts: list[str]) -> np.ndarray[Any, Any]:
        rows = []
        for start in range(0, len(texts), BATCH):
            batch = self.tokenizer(
                texts[start : start + BATCH],
                padding=True,
                truncation=True,
                max_length=self.longest,
                return_tensors="pt",
            ).to(self.model.device)
            rows.append(self.model(**batch).logits.float().log_softmax(-1).cpu().numpy())
        return np.concatenate(rows)


def from_folder(folder: Path, device: str) -> Head:
    """A sequence classifier from a Hugging Face directory. Raises `NotEvaluated`."""
    from transformers import AutoModelForSequenceClassification

    return Head(*load(folder, AutoModelForSequenceClassification, device))
