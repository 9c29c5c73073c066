r"""Llama: a Transformer decoder that was stripped to what helps, and the form that most open language models copy.

**Key idea.** GPT-2's decoder with four parts exchanged. Positions turn queries and keys (rotary embedding) instead of
being added to words, so that only distances count. Vectors are divided by their root mean square, without a mean and
without biases. The feed-forward layer has a gate: one projection says what could pass, another, through SiLU, how much
of it. And several heads of queries may share one head of keys and values (grouped-query attention), which makes the
cache of the past as many times smaller.

**Equations.** With token $w_i$ at position $p_i$, $R_p$ turning each head by its position, and
$\mathrm{RMS}(x) = x / \sqrt{\overline{x^2} + \epsilon} \odot g$:

$$x_i^{(0)} = E_{w_i}, \qquad y = \mathrm{RMS}_1(x), \qquad q_i = R_{p_i} W_Q\, y_i, \quad k_i = R_{p_i} W_K\, y_i,
  \quad v_i = W_V\, y_i$$
$$u = x + W_O\, \mathrm{attention}(q, k, v), \qquad
  x' = u + W_D \left(\mathrm{SiLU}(W_G\, z) \odot W_U\, z\right), \quad z = \mathrm{RMS}_2(u)$$
$$\mathrm{logits} = W\, \mathrm{RMS}_f(x^{(L)}), \qquad
  \mathrm{loss} = -\frac{1}{n} \sum_{i:\, y_{i+1} \ne -100} \log \mathrm{softmax}(\mathrm{logits}_i)_{y_{i+1}}$$

where query head $h$ of $H$ attends to the keys and values of head $\lfloor h G / H \rfloor$ of $G$, and $n$ counts the
labels that are kept.

**Papers.**

- Touvron et al., *LLaMA* (2023, arXiv 2302.13971): the model.
- Touvron et al., *Llama 2* (2023, arXiv 2307.09288): grouped-query attention in its larger models.
- Llama Team, *The Llama 3 Herd of Models* (2024, arXiv 2407.21783): a base of 500,000, and speeds for long texts.
- Su et al., *RoFormer* (2021, arXiv 2104.09864): rotary position embedding.
- Shazeer, *GLU Variants Improve Transformer* (2020, arXiv 2002.05202): the gate.
- Shazeer, *Fast Transformer Decoding* (2019, arXiv 1911.02150): one head of keys for all queries; Ainslie et al., *GQA*
  (2023, arXiv 2305.13245): one for a group.
- Zhang, Sennrich, *Root Mean Square Layer Normalization* (2019, arXiv 1910.07467).

**Notation.** $E$ -> `embed_tokens`, $W_Q, W_K, W_V, W_O$ -> `self_attn.{q,k,v,o}_proj`, $W_G, W_U, W_D$ ->
`mlp.{gate,up,down}_proj`, $\mathrm{RMS}_1, \mathrm{RMS}_2, \mathrm{RMS}_f$ -> `input_layernorm`,
`post_attention_layernorm`, `norm`, $W$ -> `lm_head`, $H, G$ -> `heads`, `kv_heads`, $y$ -> `labels`.

**Pitfalls.**

- Hugging Face's weights are for pairs of features that are half a head apart; Meta's own, for neighbours. The rows of
  `q_proj` and `k_proj` were permuted, and the wrong ones give a model that babbles.
- Head $h$ of the queries goes with head $\lfloor h G / H \rfloor$ of the keys: neighbours share (`repeat_interleave`,
  not `repeat`).
- The width of a head is that of the rows of `q_proj` over `heads`. It need not be d / `heads`.
- Only differences of positions count: a text padded on the left needs no `position_ids`, and positions that all start
  at 1000 change nothing. Positions may be anything; beyond those of training they are just unfamiliar.
- In half precision the normalised vector is rounded *before* it is multiplied with its gain, as Llama was trained.
- Old checkpoints hold `rotary_emb.inv_freq`, which is no parameter.
- A position that sees padding only attends to nothing. Its attention is 0 here; libraries differ, and the laws leave
  those positions out.
- With `dynamic` and `longrope` scaling, keys in the cache were turned at the speeds of a shorter text.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product
from reference.layers.activations import silu
from reference.layers.rms_norm import rms_norm
from reference.layers.rotary_embedding import rotary_embedding
from reference.losses.cross_entropy import cross_entropy

ATTENTION = tuple(f"self_attn.{part}_proj" for part in "qkvo")
LAYER = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")


def llama(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    heads: int,
    kv_heads: int,
    epsilon: float,
    base: float,
    scaling: Mapping[str, Any] | None = None,
    attention_mask: Int[Tensor, "batch past_plus_t"] | Bool[Tensor, "batch past_plus_t"] | None = None,
    position_ids: Int[Tensor, "batch t"] | None = None,
    labels: Int[Tensor, "batch t"] | None = None,
    cache: list | None = None,
    returns: str = "logits",
) -> Float[Tensor, "batch t vocab"] | Float[Tensor, ""] | Float[Tensor, "..."]:
    """Logits of the token after each position; with `labels`, their mean cross-entropy in nats instead.

    `weights` is the state dict of Hugging Face's LlamaForCausalLM as it is; without `lm_head.weight` the head is
    `model.embed_tokens.weight`, and what is not there of the projections' biases is 0. `heads` heads of queries,
    `kv_heads` of keys and values. `epsilon` is added to the mean square in every norm. `base` and `scaling` are those of
    the rotary embedding. `attention_mask`: 1 for text, 0 for padding that nobody attends to, over past and new positions;
    all 1 if not given. `position_ids`: if not given they count on from the past. `labels`: the text itself, -100 where a
    token is not to be predicted. `cache`: a list that keeps the past; pass [] with the first tokens and the same list
    with only the new ones afterwards. `returns`: "logits"; "hidden_states", (layers + 1, batch, t, d), what goes into
    each layer, and last what goes into the head; or "attentions", (layers, batch, heads, t, past + t), the weights.

    Raises ValueError if the state dict lacks something, if `heads` do not fit its shapes or `kv_heads` do not divide
    them, if ids or labels lie outside the vocabulary, if a shape does not fit, and for an unknown `returns`.
    Source: Touvron et al. 2023, section 2.2.
    """
    batch, t = input_ids.shape
    past = cache[0][0].shape[-2] if cache else 0
    if position_ids is None:
        position_ids = torch.arange(past, past + t, device=input_ids.device).expand(batch, t)
    layers = check(weights, heads, kv_heads, past, input_ids, position_ids, labels, attention_mask, returns)
    visible = None if attention_mask is None else attention_mask.bool()[:, None, None, :]  # over heads and queries

    linear, norm = partial(_linear, weights), partial(_norm, weights, epsilon)
    turn = partial(rotary_embedding, positions=position_ids[:, None], base=base, layout="halves", scaling=scaling)

    embedding = weights["model.embed_tokens.weight"]
    x = embedding[input_ids]
    states, attentions = [x], []
    for index in range(layers):
        name = f"model.layers.{index}"
        y = norm(f"{name}.input_layernorm", x)
        query = turn(_split(heads, linear(f"{name}.self_attn.q_proj", y)))
        key = turn(_split(kv_heads, linear(f"{name}.self_attn.k_proj", y)))
        value = _split(kv_heads, linear(f"{name}.self_attn.v_proj", y))
        if cache is not None:
            if past:
                key, value = torch.cat([cache[index][0], key], dim=-2), torch.cat([cache[index][1], value], dim=-2)
            cache[index : index + 1] = [(key, value)]  # replaces the layer's entry, or appends it the first time
        key, value = (kept.repeat_interleave(heads // kv_heads, dim=1) for kept in (key, value))
        attend = partial(scaled_dot_product, query, key, mask=visible, causal=True)
        if returns == "attentions":  # the mean of unit vectors is the weights
            attentions.append(attend(torch.eye(past + t, dtype=x.dtype, device=x.device).expand(batch, heads, -1, -1)))
        x = x + linear(f"{name}.self_attn.o_proj", attend(value).transpose(1, 2).flatten(-2))
        z = norm(f"{name}.post_attention_layernorm", x)
        gated = silu(linear(f"{name}.mlp.gate_proj", z)) * linear(f"{name}.mlp.up_proj", z)
        x = x + linear(f"{name}.mlp.down_proj", gated)
        states.append(x)
    states[-1] = norm("model.norm", x)

    if returns == "hidden_states":
        return torch.stack(states)
    if returns == "attentions":
        return torch.stack(attentions)
    logits = states[-1] @ weights.get("lm_head.weight", embedding).mT
    if labels is None:
        return logits
    return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    y = x @ weights[f"{name}.weight"].mT
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def _norm(weights: Mapping[str, Tensor], epsilon: float, name: str, x: Tensor) -> Tensor:
    return rms_norm(x, eps=epsilon) * weights[f"{name}.weight"]  # rounded in between, as Llama does it


def _split(heads: int, x: Tensor) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (batch, t, heads * width) -> (batch, heads, t, width)


def check(
    weights: Mapping[str, Tensor],
    heads: int,
    kv_heads: int,
    past: int,
    ids: Tensor,
    positions: Tensor,
    labels: Tensor | None,
    mask: Tensor | None,
    returns: str,
) -> int:
    """Number of layers of the state dict, or ValueError for what does not fit."""
    layers = 1 + max((int(m[1]) for name in weights if (m := re.match(r"model\.layers\.(\d+)\.", name))), default=0)
    names = [f"layers.{index}.{part}" for index in range(layers) for part in LAYER]
    if missing := [name for name in ("embed_tokens", "norm", *names) if f"model.{name}.weight" not in weights]:
        raise ValueError(f"expected the state dict of a LlamaForCausalLM; its model lacks {', '.join(missing)}")
    rows, kv_rows = (weights[f"model.layers.0.self_attn.{part}_proj.weight"].shape[0] for part in "qk")
    if heads < 1 or kv_heads < 1 or heads % kv_heads or rows % heads or rows // heads * kv_heads != kv_rows:
        raise ValueError(
            f"expected heads of one width, and kv_heads to divide heads; queries have {rows} features, "
            f"keys {kv_rows}, heads is {heads}, kv_heads is {kv_heads}"
        )
    wanted = (ids.shape[0], past + ids.shape[1])
    if mask is not None and mask.shape != wanted:
        raise ValueError(f"expected attention_mask of shape {wanted}; it has {tuple(mask.shape)}")
    for name, given in (("position_ids", positions), ("labels", ids if labels is None else labels)):
        if given.shape != ids.shape:
            raise ValueError(f"expected {name} of shape {tuple(ids.shape)}; they have {tuple(given.shape)}")
    vocabulary = weights["model.embed_tokens.weight"].shape[0]
    if ids.numel() and not 0 <= ids.min() <= ids.max() < vocabulary:
        raise ValueError(f"expected input_ids from 0 to {vocabulary - 1}; they are {ids.min()} to {ids.max()}")
    if returns not in ("logits", "hidden_states", "attentions"):
        raise ValueError(f"expected returns to be logits, hidden_states or attentions; it is {returns!r}")
    return layers
