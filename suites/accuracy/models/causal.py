"""Causal language models of Hugging Face, through lm-eval's own adapter with settings under which it is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM

from suites.accuracy.models.base import NotEvaluated
from suites.accuracy.models.loading import load

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

LONGEST_CONTEXT = 1024
"""Models see at most so many tokens at once: logits of longer windows do not fit everywhere."""

BATCH = 8


class Causal(HFLM):
    """Scores text by the chain rule in disjoint windows, the first after the beginning-of-text token.

    Against lm-eval's defaults: before a whole text the tokenizer adds no tokens of its own (a second beginning-of-text
    token would be *scored* as if it were text), the softmax is taken in float32 at least, and logits are not shared
    among requests. Before a prompt the tokenizer adds what it always adds.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if first is None:
            raise NotEvaluated(
                "unsupported", "its tokenizer has no beginning- or end-of-text token to begin a text with"
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token_id = first
        size = model.get_input_embeddings().num_embeddings
        if first >= size:
            raise NotEvaluated("error", f"its tokenizer begins with token {first}, but the model knows only {size}")
        require_causal(model)
        super().__init__(
            pretrained=model.eval(),
            backend="causal",
            tokenizer=tokenizer,
            prefix_token_id=first,
            logits_cache=False,
            softmax_dtype=None if model.dtype == torch.float64 else torch.float32,
            batch_size=BATCH,
        )
        self._max_length = min(super().max_length, LONGEST_CONTEXT)

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        self.add_bos_token = False
        try:
            self._check(requests)
            return [float(nats) for nats in super().loglikelihood_rolling(requests, disable_tqdm)]
        finally:
            self.add_bos_token = None  # type: ignore[assignment]

    def _check(self, requests: list[Instance]) -> None:
        """Refuse texts that the tokenizer does not keep."""
        size = self.model.get_input_embeddings().num_embeddings
        for request in requests:
            (text,) = request.args
            ids = self.tok_encode(text)
            again = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            if again.lstrip(" ") != text.lstrip(" "):
                at = next((i for i, (a, b) in enumerate(zip(again, text, strict=False)) if a != b), len(again))
                raise NotEvaluated(
                    "unsupported",
                    "its tokenizer loses part of the text, so its bits are not bits of these bytes: "
                    f"{text[at : at + 20]!r} came back as {again[at : at + 20]!r}",
                )
            if max(ids, default=0) >= size:
                raise NotEvaluated("error", f"its tokenizer gives token {max(ids)}, but the model knows only {size}")

    def _loglikelihood_tokens(self, requests: Any, disable_tqdm: bool = False, override_bs: Any = None) -> Any:
        # lm-eval draws a progress bar for every batch of a rolling request.
        return super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs)


@torch.inference_mode()
def require_causal(model: Any) -> None:
    """Refuse a model whose logits depend on later tokens: its product of conditionals is no probability of a text.

    Seen by changing the last token: no earlier logit may move. The class's name does not tell: `BertLMHeadModel`
    attends both ways unless its configuration says `is_decoder`, and lm-eval scores it all the same.
    """
    size = model.get_input_embeddings().num_embeddings
    ids = torch.arange(8, device=model.device)[None] * 7 % size
    other = ids.clone()
    other[0, -1] = (other[0, -1] + 1) % size
    model.eval()
    before, after = model(ids).logits[0, :-1], model(other).logits[0, :-1]
    if not torch.isfinite(before).all():
        raise NotEvaluated("error", "its logits are not all finite")
    if (before - after).abs().max() > 1e-3 * before.std():
        raise NotEvaluated("unsupported", "its logits depend on later tokens, so it is no causal language model")


def from_folder(folder: Path, device: str) -> Causal:
    """A causal language model from a Hugging Face directory. Raises `NotEvaluated`."""
    from transformers import AutoModelForCausalLM

    return Causal(*load(folder, AutoModelForCausalLM, device))


def untrained_twin(folder: Path, device: str, seed: int = 0) -> Causal:
    """A model of the same configuration and tokenizer as it is before training."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return Causal(model.to(device), AutoTokenizer.from_pretrained(folder, local_files_only=True))
