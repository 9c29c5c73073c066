r"""BART: a Transformer that reads a damaged text whole and writes the undamaged one, word by word.

**Key idea.** BERT reads in both directions and cannot write; GPT writes and can only look back. BART joins them, as
the first Transformer did for translation: an *encoder* without causal mask reads the source, and a *decoder* predicts
the next word of the target from the words before it and, by *cross-attention*, from everything that was read. Trained
to restore texts whose words were masked, deleted or cut out and whose sentences were shuffled, it is a start for
whatever turns one text into another: summaries, translations, answers.

**Equations.** With source $w$, target $y$, word table $E$ and position tables $P, P'$, each with two rows that nobody uses:

$$x_i^{(0)} = \mathrm{LN}(c\, E_{w_i} + P_{i+2}), \qquad z_i^{(0)} = \mathrm{LN}(c\, E_{v_i} + P'_{i+2}), \qquad
  v = (\mathrm{start}, y_1, \dots, y_{n-1})$$
$$u = \mathrm{LN}(x + \mathrm{A}(x, x)), \qquad x' = \mathrm{LN}(u + \mathrm{F}(u))$$
$$r = \mathrm{LN}(z + \mathrm{A}_{\le}(z, z)), \qquad q = \mathrm{LN}(r + \mathrm{A}(r, x^{(L)})), \qquad
  z' = \mathrm{LN}(q + \mathrm{F}(q))$$
$$\mathrm{A}(x, s) = \left[\mathrm{head}_1; \dots; \mathrm{head}_h\right] W_O^\top + b_O, \qquad
  \mathrm{F}(x) = \mathrm{GELU}(x W_1^\top + b_1)\, W_2^\top + b_2$$
$$\mathrm{logits} = z^{(L')} E^\top + b, \qquad
  \mathrm{loss} = -\frac{1}{n} \sum_{i:\, y_i \ne -100} \log \mathrm{softmax}(\mathrm{logits}_i)_{y_i}$$

A head takes its queries from $x$, keys and values from $s$; $\le$ marks the causal one. Every LN, A and F has parameters
of its own, and the norms stand *after* each sum (post-norm). The cache keeps keys and values of the target so far, and
those that cross-attention makes of the source: it is encoded once.

**Papers.**

- Lewis, Liu, Goyal, Ghazvininejad, Mohamed, Levy, Stoyanov, Zettlemoyer, *BART: Denoising Sequence-to-Sequence
  Pre-training for Natural Language Generation, Translation, and Comprehension* (2019, arXiv 1910.13461): the model
  and the ways to damage texts. GELU is its one change of the layers.
- Vaswani et al., *Attention Is All You Need* (2017, arXiv 1706.03762): encoder, decoder, cross-attention, and the
  factor $\sqrt d$ on embeddings.
- Liu et al., *Multilingual Denoising Pre-training for Neural Machine Translation* (2020, arXiv 2001.08210): mBART,
  which has one more norm at the end of each half. Its port is pre-norm and scales embeddings: not this function.
- Hendrycks, Gimpel, *Gaussian Error Linear Units* (2016, arXiv 1606.08415): GELU.

**Notation.** $E$ -> `shared`, $P, P'$ -> `embed_positions`, $c$ -> `embedding_scale`, $w$ -> `input_ids`, $v$ ->
`decoder_input_ids`, $y$ -> `labels`, $W_O$ -> `out_proj`, $W_1$ -> `fc1`, $W_2$ -> `fc2`, $b$ -> `final_logits_bias`, $h$
-> `heads` and `decoder_heads`.

**Pitfalls.**

- Position 0 is row 2: the tables have two rows more than the model has positions.
- Positions count columns, padding or not, and nobody can choose others: padding on the left moves a text. Hiding it
  with a mask keeps it out of attention and moves nothing back.
- An id of padding hides nothing by itself, in either text; masks do. The source's mask counts in cross-attention too.
- Labels stand where their predictions stand: it is the decoder's input that is shifted right, -100 becoming padding.
  To shift again in the loss, as GPT-2 does, teaches the word after next.
- The decoder starts with the end of a text (id 2), not with its beginning.
- The embeddings are normalised before the first layer. $\epsilon$ is $10^{-5}$, GELU the exact one.
- `final_logits_bias` is 0 in most checkpoints, and added all the same. It is no parameter of the library's model.
- A source that is hidden altogether, or a target's position that sees padding only, attends to nothing. That is 0 here;
  libraries differ, and the laws leave it out.
- PyTorch ports give the word table a `padding_idx`, whose row learns nothing where it is read. The laws on gradients
  leave that id out.
"""

import re
from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product
from reference.layers.activations import activations
from reference.layers.layer_norm import layer_norm
from reference.losses.cross_entropy import cross_entropy

STATES = ("hidden_states", "encoder_hidden_states", "attentions", "cross_attentions", "encoder_attentions")
OFFSET = 2
IGNORED = -100


def bart(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch s"],
    decoder_input_ids: Int[Tensor, "batch t"] | None = None,
    *,
    heads: int,
    decoder_heads: int,
    epsilon: float,
    embedding_scale: float = 1.0,
    activation: str = "gelu",
    attention_mask: Int[Tensor, "batch s"] | Bool[Tensor, "batch s"] | None = None,
    decoder_attention_mask: Int[Tensor, "batch past_plus_t"] | Bool[Tensor, "batch past_plus_t"] | None = None,
    labels: Int[Tensor, "batch t"] | None = None,
    decoder_start: int = 2,
    padding: int = 1,
    cache: list | None = None,
    returns: str = "logits",
) -> Float[Tensor, "..."]:
    """Logits (batch, t, vocab) of the word at each position of the target; with `labels`, their mean cost in nats instead.

    `weights` is the state dict of Hugging Face's BartForConditionalGeneration as it is. The head, and the word tables of
    encoder and decoder, are `model.shared.weight` unless it has `lm_head.weight` or their `embed_tokens.weight`. `heads` of
    the encoder, `decoder_heads` of both attentions of the decoder. `epsilon` is added to the variance in every norm.
    `embedding_scale` multiplies word embeddings, not the head. `activation`: a name of `layers.activations`.

    `decoder_input_ids`: what is written so far; if not given, `labels` shifted right (or `input_ids`, if there are none
    either): `decoder_start` first, and `padding` in the place of -100. Masks: 1 for text, 0 for padding that nobody attends
    to; the decoder's covers past and new positions. `labels`: -100 where a word is not to be predicted. `cache`: a list that
    keeps the past; pass [] first, and the same list with only the new `decoder_input_ids` afterwards. `input_ids` are not
    read again then.

    `returns`: `"logits"`, or instead, for every layer: `"hidden_states"` of the decoder, embeddings first (layers + 1,
    batch, t, d), `"encoder_hidden_states"`; the weights `"attentions"` of the decoder (layers, batch, heads, t, past + t),
    `"cross_attentions"`, `"encoder_attentions"`. Those of the encoder are there in the call that encodes.

    Raises ValueError if the state dict lacks something, if d is not a multiple of both numbers of heads, if ids, positions
    or labels lie outside their tables, if a shape does not fit, and for an unknown name. Source: arXiv 1910.13461, section 2.
    """
    if decoder_input_ids is None:
        decoder_input_ids = shifted_right(input_ids if labels is None else labels, decoder_start, padding)
    kept = [] if cache is None else cache
    past, s = (kept[0][0].shape[-2], kept[0][2].shape[-2]) if kept else (0, input_ids.shape[1])
    encoder, decoder = check(weights, heads, decoder_heads, past, input_ids, decoder_input_ids, labels)
    masks = [("attention_mask", attention_mask, s)]
    masks += [("decoder_attention_mask", decoder_attention_mask, past + decoder_input_ids.shape[1])]
    source, target = (visible(name, mask, (len(input_ids), length)) for name, mask, length in masks)
    if returns not in ("logits", *STATES) or (past and returns.startswith("encoder")):
        raise ValueError(f"expected logits or one of {STATES}, the encoder's in the call that encodes; got {returns!r}")

    seen: dict[str, list[Tensor]] = {returns: []}  # only what is asked for is kept
    embed, pair = partial(_embed, weights, epsilon, embedding_scale), partial(_pair, weights)
    attend, feed_forward = partial(_attend, weights, epsilon), partial(_feed_forward, weights, epsilon, activation)

    if not past:
        states = [embed("encoder", input_ids, 0)]
        for layer in (f"encoder.layers.{index}" for index in range(encoder)):
            own = pair(f"{layer}.self_attn", heads, states[-1])
            x = attend(f"{layer}.self_attn", states[-1], own, source, seen.get("encoder_attentions"))
            states.append(feed_forward(layer, x))
        encoded = states[-1]
        seen["encoder_hidden_states"] = states
    states = [embed("decoder", decoder_input_ids, past)]
    for index, layer in enumerate(f"decoder.layers.{index}" for index in range(decoder)):
        key, value = pair(f"{layer}.self_attn", decoder_heads, states[-1])
        if past:
            key, value = torch.cat([kept[index][0], key], dim=-2), torch.cat([kept[index][1], value], dim=-2)
        read = kept[index][2:] if past else pair(f"{layer}.encoder_attn", decoder_heads, encoded)
        kept[index : index + 1] = [(key, value, *read)]  # replaces the layer's entry, or appends it the first time
        x = attend(f"{layer}.self_attn", states[-1], (key, value), target, seen.get("attentions"), causal=True)
        x = attend(f"{layer}.encoder_attn", x, read, source, seen.get("cross_attentions"))
        states.append(feed_forward(layer, x))
    seen["hidden_states"] = states
    if returns != "logits":
        return torch.stack(seen[returns])
    head = weights.get("lm_head.weight", weights["model.shared.weight"])
    logits = states[-1] @ head.mT + weights["final_logits_bias"]
    return logits if labels is None else cross_entropy(logits.flatten(0, 1), labels.flatten())


def shifted_right(ids: Int[Tensor, "batch t"], start: int, padding: int) -> Int[Tensor, "batch t"]:
    """What the decoder reads to predict `ids`: each of them one position later, behind `start`."""
    earlier = ids[:, :-1].masked_fill(ids[:, :-1] == IGNORED, padding)
    return torch.cat([torch.full_like(ids[:, :1], start), earlier], dim=1)


def _embed(weights: Mapping[str, Tensor], epsilon: float, scale: float, stack: str, ids: Tensor, first: int) -> Tensor:
    words = weights.get(f"model.{stack}.embed_tokens.weight", weights["model.shared.weight"])[ids]
    positions = weights[f"model.{stack}.embed_positions.weight"][OFFSET + first : OFFSET + first + ids.shape[1]]
    return _norm(weights, epsilon, f"{stack}.layernorm_embedding", scale * words + positions)


def _pair(weights: Mapping[str, Tensor], name: str, heads: int, x: Tensor) -> tuple[Tensor, Tensor]:
    key, value = (_linear(weights, f"{name}.{part}_proj", x) for part in "kv")
    return _split(heads, key), _split(heads, value)


def _attend(
    weights: Mapping[str, Tensor],
    epsilon: float,
    name: str,
    x: Tensor,
    read: tuple[Tensor, Tensor],
    mask: Tensor | None,
    seen: list[Tensor] | None,
    causal: bool = False,
) -> Tensor:
    key, value = read
    query = _split(key.shape[1], _linear(weights, f"{name}.q_proj", x))
    if seen is not None:  # the weights themselves are what is taken of unit vectors
        units = torch.eye(key.shape[-2], dtype=x.dtype, device=x.device).expand(*key.shape[:-1], -1)
        seen.append(scaled_dot_product(query, key, units, mask=mask, causal=causal))
    attended = scaled_dot_product(query, key, value, mask=mask, causal=causal).transpose(1, 2).flatten(-2)
    return _norm(weights, epsilon, f"{name}_layer_norm", x + _linear(weights, f"{name}.out_proj", attended))


def _feed_forward(weights: Mapping[str, Tensor], epsilon: float, activation: str, layer: str, x: Tensor) -> Tensor:
    inner = activations(_linear(weights, f"{layer}.fc1", x), name=activation)
    return _norm(weights, epsilon, f"{layer}.final_layer_norm", x + _linear(weights, f"{layer}.fc2", inner))


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ weights[f"model.{name}.weight"].mT + weights[f"model.{name}.bias"]


def _norm(weights: Mapping[str, Tensor], epsilon: float, name: str, x: Tensor) -> Tensor:
    return layer_norm(x, weights[f"model.{name}.weight"], weights[f"model.{name}.bias"], eps=epsilon)


def _split(heads: int, x: Tensor) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (batch, t, d) -> (batch, heads, t, d / heads)


def visible(name: str, mask: Tensor | None, shape: tuple[int, int]) -> Tensor | None:
    """The mask over heads and queries, or ValueError if it is of another shape."""
    if mask is not None and mask.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}; it has {tuple(mask.shape)}")
    return None if mask is None else mask.bool()[:, None, None, :]


def check(
    weights: Mapping[str, Tensor],
    heads: int,
    decoder_heads: int,
    past: int,
    ids: Tensor,
    decoder_ids: Tensor,
    labels: Tensor | None,
) -> tuple[int, int]:
    """Numbers of layers of encoder and decoder, or ValueError for what does not fit."""
    attention = [f"self_attn.{part}_proj" for part in "kvq"] + ["self_attn.out_proj", "self_attn_layer_norm"]
    every = [*attention, "fc1", "fc2", "final_layer_norm"]
    parts = {"encoder": every, "decoder": every + [name.replace("self", "encoder") for name in attention]}
    names, layers = ["final_logits_bias", "model.shared.weight"], []
    for stack, modules in parts.items():
        found = (re.match(rf"model\.{stack}\.layers\.(\d+)\.", name) for name in weights)
        layers.append(1 + max((int(match[1]) for match in found if match), default=0))
        inside = ["layernorm_embedding"] + [f"layers.{index}.{name}" for index in range(layers[-1]) for name in modules]
        names += [f"model.{stack}.embed_positions.weight"]
        names += [f"model.{stack}.{name}.{part}" for name in inside for part in ("weight", "bias")]
    if missing := [name for name in names if name not in weights]:
        raise ValueError(f"expected the state dict of a BartForConditionalGeneration; it lacks {', '.join(missing)}")
    vocabulary, d = weights["model.shared.weight"].shape
    for name, count in (("heads", heads), ("decoder_heads", decoder_heads)):
        if count < 1 or d % count:
            raise ValueError(f"expected {name} to divide d; d is {d}, {name} is {count}")
    if len(ids) != len(decoder_ids) or (labels is not None and labels.shape != decoder_ids.shape):
        shapes = [tuple(given.shape) for given in (ids, decoder_ids, labels) if given is not None]
        raise ValueError(f"expected as many targets as sources, and a label for each word of a target; got {shapes}")
    for stack, given, end in (("encoder", ids, ids.shape[1]), ("decoder", decoder_ids, past + decoder_ids.shape[1])):
        if given.numel() and not 0 <= given.min() <= given.max() < vocabulary:
            raise ValueError(f"the {stack} expected ids from 0 to {vocabulary - 1}; got {given.min()} to {given.max()}")
        if end > (rows := weights[f"model.{stack}.embed_positions.weight"].shape[0] - OFFSET):
            raise ValueError(f"the {stack} expected at most {rows} positions; got {end}")
    return layers[0], layers[1]
