r"""T5: an encoder that reads a text and a decoder that writes another one.

**Key idea.** Translation, summaries, questions, classes: every task is a text in and a text out, so one model, one loss
and one way of decoding serve all. The encoder reads its whole text in both directions, once. The decoder writes token by
token; each of its positions attends to what has been written, and then to the encoder's output (*cross-attention*).

No position has a vector. Self-attention knows how far apart two tokens are by a learned bias of their score, one table
a stack; cross-attention knows no positions at all. So a text may be padded on either side, if the padding is masked.

**Equations.** With $\mathrm{N}(x) = g \odot x / \sqrt{\overline{x^2} + \epsilon}$ (no mean, no bias, anywhere) and
embeddings $x_i^{(0)} = E_{w_i}$ in both stacks:

$$\mathrm{A}(x, m) = \left[\mathrm{head}_1; \dots; \mathrm{head}_h\right] W_O^\top, \qquad
  \mathrm{head}_j = \mathrm{softmax}(q_j k_j^\top + B_j)\, v_j, \quad q = x W_Q^\top,\; k = m W_K^\top,\; v = m W_V^\top$$
$$u = x + \mathrm{A}(\mathrm{N}_1(x), \mathrm{N}_1(x)), \qquad
  c = u + \mathrm{A}(\mathrm{N}_2(u), m) \;\text{(decoder only, } B = 0), \qquad x' = c + \mathrm{F}(\mathrm{N}_3(c))$$
$$\mathrm{F}(x) = a(x W_i^\top)\, W_o^\top \quad\text{or, gated,}\quad
  \left(a(x W_{i0}^\top) \odot x W_{i1}^\top\right) W_o^\top, \qquad m = \mathrm{N}_f\bigl(x_{\mathrm{encoder}}^{(L)}\bigr)$$
$$\mathrm{logits} = s\, \mathrm{N}_f\bigl(x_{\mathrm{decoder}}^{(L)}\bigr)\, H^\top, \qquad
  \mathrm{loss} = -\frac1n \sum_{i:\, y_i \ne -100} \log \mathrm{softmax}(\mathrm{logits}_i)_{y_i}$$

| | head $H$ | $s$ | $\mathrm F$ | $a$ |
|---|---|---|---|---|
| T5 1.0 | $E$ | $d^{-1/2}$ | plain | ReLU |
| T5 1.1, mT5, Flan-T5 | its own | 1 | gated | GELU by tanh (`gelu_new`) |
| UL2 | its own | 1 | gated | SiLU |

**Papers.**

- Raffel et al., *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer* (2019, arXiv
  1910.10683): the model, its span-corruption objective, the relative position bias.
- Shazeer, *GLU Variants Improve Transformer* (2020, arXiv 2002.05202): the gated halves of T5 1.1.
- Vaswani et al., *Attention Is All You Need* (2017, arXiv 1706.03762): encoder and decoder.
- Zhang, Sennrich, *Root Mean Square Layer Normalization* (2019, arXiv 1910.07467): the norm.
- Xue et al., *mT5* (2020, arXiv 2010.11934). Tay et al., *UL2* (2022, arXiv 2205.05131).

**Notation.** $E$ -> `shared`, $H$ -> `lm_head`, $W_Q, W_K, W_V, W_O$ -> `q k v o`, $W_i, W_{i0}, W_{i1}, W_o$ ->
`wi wi_0 wi_1 wo`, $B$ -> `bias`, $m$ -> `memory`, $y$ -> `labels`, $L$ -> `layers`, $s$ -> `scaled_head`.

**Pitfalls.**

- Scores are not divided by $\sqrt{d_{kv}}$: the initialisation of $W_Q$ has taken the division in.
- Heads need not share the model's width out: $h \cdot d_{kv}$ may differ from $d$.
- The table of the bias lies in block 0 of each stack and serves all its blocks. Cross-attention has none, even though
  early checkpoints carry one for it.
- Whether the head is scaled cannot be seen from the state dict: old checkpoints of 1.0 carry a copy of $E$ as
  `lm_head.weight`. The gate is wi_0 and stands first; the configuration's `gated-gelu` means the tanh approximation.
- Labels are *not* shifted for the loss. They are shifted right to become the decoder's input, which begins with the
  start token (the padding id, 0); a label of -100 becomes that id in the input, and is not counted in the loss.
- The loss does not know the masks. Where no label counts, it is nan.
- transformers takes the mean square of a norm in float32 even of float64, so its results in float64 are good for
  float32's digits only. In float16 it clamps the stream to finite numbers.
- A position that sees padding only attends to nothing. Its attention is 0 here; libraries differ, and the laws leave
  those positions out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product
from reference.layers.activations import gelu_tanh, silu
from reference.layers.relative_position_bias import relative_position_bias
from reference.layers.rms_norm import rms_norm
from reference.losses.cross_entropy import cross_entropy

ACTIVATIONS = {"relu": torch.relu, "gelu_new": gelu_tanh, "silu": silu}
RETURNS = ("logits", "hidden_states", "attentions", "cross_attentions", "encoder_hidden_states", "encoder_attentions")
TABLE = "block.0.layer.0.SelfAttention.relative_attention_bias"
IGNORED = -100


def t5(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch s"],
    decoder_input_ids: Int[Tensor, "batch t"] | None = None,
    *,
    heads: int,
    epsilon: float,
    max_distance: int,
    activation: str,
    scaled_head: bool,
    attention_mask: Int[Tensor, "batch s"] | Bool[Tensor, "batch s"] | None = None,
    decoder_attention_mask: Int[Tensor, "batch past_plus_t"] | Bool[Tensor, "batch past_plus_t"] | None = None,
    labels: Int[Tensor, "batch t"] | None = None,
    decoder_start: int = 0,
    cache: list | None = None,
    returns: str = "logits",
) -> Float[Tensor, "..."]:
    """Logits (batch, t, vocab) of the token at each position of the target; with `labels`, their mean cost in nats instead.

    `weights` is the state dict of Hugging Face's T5ForConditionalGeneration as it is; without `lm_head.weight` the head
    is `shared.weight`, and blocks with `wi_0` are gated. `epsilon` is added to the mean square in every norm.
    `max_distance`: see `layers.relative_position_bias`. `activation`: relu, gelu_new or silu. `scaled_head`: whether what
    the head is given is multiplied by d ** -0.5.

    `decoder_input_ids`: what is written so far; if not given, `labels` shifted right: `decoder_start` first, and in the
    place of -100. Masks: 1 for text, 0 for padding that nobody attends to; the decoder's covers past and new positions.
    `labels`: -100 where a token is not to be predicted. `cache`: a list that keeps the past; pass [] first, and the same
    list with only the new `decoder_input_ids` afterwards. `input_ids` are not read again then.

    `returns`: `"logits"`, or instead, for every layer: `"hidden_states"` of the decoder, embeddings first and the last one
    normed (layers + 1, batch, t, d), `"encoder_hidden_states"`; the weights `"attentions"` of the decoder (layers, batch,
    heads, t, past + t), `"cross_attentions"`, `"encoder_attentions"`. Those of the encoder are there in the call that encodes.

    Raises ValueError if the state dict lacks something, if the tables of the bias are not for so many heads, if ids or
    labels lie outside the vocabulary, if there is nothing to write, if a shape does not fit, and for an unknown name.
    Source: Raffel et al. 2019, section 2.1.
    """
    if decoder_input_ids is None and labels is not None:
        decoder_input_ids = shifted_right(labels, decoder_start)
    kept = [] if cache is None else cache
    past = kept[1].shape[1] if kept[1:] else 0
    layers = check(weights, heads, activation, returns, past)
    check_ids(len(weights["shared.weight"]), input_ids, decoder_input_ids, labels, returns)
    seen: dict[str, list[Tensor]] = {returns: []}  # only what is asked for is kept
    model = _Model(weights, heads, epsilon, max_distance, ACTIVATIONS[activation], seen)

    source = visible("attention_mask", attention_mask, input_ids, 0)
    if not past:
        kept[:1] = [_encoded(model, layers["encoder"], input_ids, source)]
    if not returns.startswith("encoder"):
        assert decoder_input_ids is not None  # or check_ids would have raised
        target = visible("decoder_attention_mask", decoder_attention_mask, decoder_input_ids, past)
        x = _decoded(model, layers["decoder"], decoder_input_ids, target, source, past, kept)
    if returns != "logits":
        return torch.stack(seen[returns])

    if scaled_head:
        x = x * x.shape[-1] ** -0.5
    logits = x @ weights.get("lm_head.weight", weights["shared.weight"]).mT
    return logits if labels is None else cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def shifted_right(labels: Int[Tensor, "batch t"], start: int) -> Int[Tensor, "batch t"]:
    """What the decoder reads to predict `labels`: one token later, behind `start`, which also stands for -100."""
    shifted = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == IGNORED, start)


@dataclass(frozen=True)
class _Model:
    """What both stacks are made of."""

    weights: Mapping[str, Tensor]
    heads: int
    epsilon: float
    max_distance: int
    activation: Callable[[Tensor], Tensor]
    seen: dict[str, list[Tensor]]
    """what is to be returned, by name"""

    def norm(self, name: str, x: Tensor) -> Tensor:
        return rms_norm(x, self.weights[f"{name}.weight"], eps=self.epsilon)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].mT

    def bias(self, stack: str, past: int, length: int) -> Tensor:
        """That of all blocks of a stack, for the positions after the past (heads, length, past + length)."""
        table = self.weights[f"{stack}.{TABLE}.weight"]
        positions = torch.arange(past + length, device=table.device)
        both = stack == "encoder"
        return relative_position_bias(
            table, positions[past:], positions, bidirectional=both, max_distance=self.max_distance
        )

    def attend(self, kind: str, name: str, x: Tensor, memory: Tensor, **options: Any) -> Tensor:
        """Of each of `x` to all of `memory`. No scale: it is in the weights of the queries."""
        query, key, value = (
            self.linear(f"{name}.{part}", y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, y in (("q", x), ("k", memory), ("v", memory))
        )
        if kind in self.seen:  # attention gives its weights where the values are one-hot
            one_hot = torch.eye(key.shape[-2], dtype=x.dtype, device=x.device).expand(*key.shape[:-1], -1)
            self.seen[kind].append(scaled_dot_product(query, key, one_hot, scale=1.0, **options))
        attended = scaled_dot_product(query, key, value, scale=1.0, **options)
        return self.linear(f"{name}.o", attended.transpose(1, 2).flatten(-2))

    def feed_forward(self, name: str, x: Tensor) -> Tensor:
        if f"{name}.wi_0.weight" in self.weights:
            inner = self.activation(self.linear(f"{name}.wi_0", x)) * self.linear(f"{name}.wi_1", x)
        else:
            inner = self.activation(self.linear(f"{name}.wi", x))
        return self.linear(f"{name}.wo", inner)

    def note(self, kind: str, x: Tensor) -> Tensor:
        if kind in self.seen:
            self.seen[kind].append(x)
        return x


def _encoded(model: _Model, layers: int, ids: Tensor, visible: Tensor | None) -> Tensor:
    bias = model.bias("encoder", 0, ids.shape[1])
    x = model.weights["shared.weight"][ids]
    for block in (f"encoder.block.{index}.layer" for index in range(layers)):
        y = model.norm(f"{block}.0.layer_norm", model.note("encoder_hidden_states", x))
        x = x + model.attend("encoder_attentions", f"{block}.0.SelfAttention", y, y, mask=visible, bias=bias)
        x = x + model.feed_forward(f"{block}.1.DenseReluDense", model.norm(f"{block}.1.layer_norm", x))
    return model.note("encoder_hidden_states", model.norm("encoder.final_layer_norm", x))


def _decoded(
    model: _Model,
    layers: int,
    ids: Tensor,
    target: Tensor | None,
    source: Tensor | None,
    past: int,
    kept: list[Tensor],
) -> Tensor:
    """`kept` has the encoder's states and, for each layer, the past of what it attends to; what is new is added."""
    bias = model.bias("decoder", past, ids.shape[1])
    x = model.weights["shared.weight"][ids]
    for index in range(layers):
        block = f"decoder.block.{index}.layer"
        y = model.norm(f"{block}.0.layer_norm", model.note("hidden_states", x))
        text = torch.cat([kept[1 + index], y], dim=1) if past else y
        kept[1 + index : 2 + index] = [text]  # replaces the layer's entry, or appends it the first time
        x = x + model.attend("attentions", f"{block}.0.SelfAttention", y, text, mask=target, causal=True, bias=bias)
        y = model.norm(f"{block}.1.layer_norm", x)
        x = x + model.attend("cross_attentions", f"{block}.1.EncDecAttention", y, kept[0], mask=source)
        x = x + model.feed_forward(f"{block}.2.DenseReluDense", model.norm(f"{block}.2.layer_norm", x))
    return model.note("hidden_states", model.norm("decoder.final_layer_norm", x))


def visible(name: str, mask: Tensor | None, ids: Tensor, past: int) -> Tensor | None:
    """The mask over heads and queries, or ValueError if it is not for so many tokens."""
    wanted = (len(ids), past + ids.shape[1])
    if mask is not None and mask.shape != wanted:
        raise ValueError(f"expected {name} of shape {wanted}; it has {tuple(mask.shape)}")
    return None if mask is None else mask.bool()[:, None, None, :]


def check(weights: Mapping[str, Tensor], heads: int, activation: str, returns: str, past: int) -> dict[str, int]:
    """Number of layers of each stack of the state dict, or ValueError for what does not fit."""
    for what, given, known in (("activation", activation, ACTIVATIONS), ("returns", returns, RETURNS)):
        if given not in known:
            raise ValueError(f"expected {what} to be one of {', '.join(known)}; it is {given!r}")
    if past and returns.startswith("encoder"):
        raise ValueError(f"expected {returns} to be asked for in the call that encodes, not with a past")
    inward = ["wi_0", "wi_1"] if any(name.endswith(".wi_0.weight") for name in weights) else ["wi"]
    found, names = {}, ["shared"]
    for stack, kinds in (("encoder", ["SelfAttention"]), ("decoder", ["SelfAttention", "EncDecAttention"])):
        numbers = [int(m[1]) for name in weights if (m := re.match(rf"{stack}\.block\.(\d+)\.", name))]
        found[stack] = 1 + max(numbers, default=0)
        names += [f"{stack}.{TABLE}", f"{stack}.final_layer_norm"]
        for block in (f"{stack}.block.{index}.layer" for index in range(found[stack])):
            names += [f"{block}.{place}.layer_norm" for place in range(len(kinds) + 1)]
            names += [f"{block}.{place}.{kind}.{part}" for place, kind in enumerate(kinds) for part in "qkvo"]
            names += [f"{block}.{len(kinds)}.DenseReluDense.{part}" for part in (*inward, "wo")]
    if missing := [name for name in names if f"{name}.weight" not in weights]:
        raise ValueError(f"expected the state dict of a T5ForConditionalGeneration; it lacks {', '.join(missing)}")
    for stack in found:
        if (own := weights[f"{stack}.{TABLE}.weight"].shape[1]) != heads:
            raise ValueError(f"expected as many heads as the table of the {stack} has, {own}; heads is {heads}")
    return found


def check_ids(vocabulary: int, ids: Tensor, decoder_ids: Tensor | None, labels: Tensor | None, returns: str) -> None:
    """ValueError for ids outside the vocabulary, and for shapes that do not fit together."""
    if decoder_ids is None:
        if not returns.startswith("encoder"):
            raise ValueError("expected decoder_input_ids, or labels to make them from")
        decoder_ids = ids[:, :1]
    tables = [("input_ids", ids, ids.shape), ("decoder_input_ids", decoder_ids, (len(ids), decoder_ids.shape[1]))]
    if labels is not None:
        tables += [("labels", labels.masked_fill(labels == IGNORED, 0), decoder_ids.shape)]
    for name, given, shape in tables:
        if given.shape != shape:
            raise ValueError(f"expected {name} of shape {tuple(shape)}; they have {tuple(given.shape)}")
        if given.numel() and not 0 <= given.min() <= given.max() < vocabulary:
            raise ValueError(f"expected {name} from 0 to {vocabulary - 1}; they are {given.min()} to {given.max()}")
