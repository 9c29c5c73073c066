r"""GPT-2: a Transformer decoder that predicts the next token.

**Key idea.** A text is a product of next-token probabilities, so a model of the next token is a model of text.
Every position attends to itself and to what came before, never to what comes after; one pass over a text
therefore gives a prediction, and a loss, at every position. Asked the right way, the same predictor answers,
translates and summarises without further training.

Keys and values of the past do not depend on the future, so decoding keeps them (the *cache*) and computes new
positions only.

**Equations.** With token $w_i$ at position $p_i$, layers $x \to x'$, and the word table $E$ used twice:

$$x_i^{(0)} = E_{w_i} + P_{p_i}$$
$$u = x + \mathrm{attention}(\mathrm{LN}_1(x))\, W_O + b_O, \qquad
  x' = u + \mathrm{GELU}(\mathrm{LN}_2(u)\, W_1 + b_1)\, W_2 + b_2$$
$$\mathrm{logits} = \mathrm{LN}_f(x^{(L)})\, E^\top, \qquad
  \mathrm{loss} = -\frac{1}{n} \sum_{i:\, y_{i+1} \ne -100} \log \mathrm{softmax}(\mathrm{logits}_i)_{y_{i+1}}$$
$$\mathrm{GELU}(x) \approx \frac{x}{2}\left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right)$$

where $n$ counts the labels that are kept. The norms stand *before* each half (pre-norm), and one more at the end.

**Papers.**

- Radford, Wu, Child, Luan, Amodei, Sutskever, *Language Models are Unsupervised Multitask Learners* (OpenAI,
  2019): the model, its norms' place and the observation that tasks are learnt from text alone.
- Radford, Narasimhan, Salimans, Sutskever, *Improving Language Understanding by Generative Pre-Training* (OpenAI,
  2018): its predecessor, which brought GELU to language models.
- Vaswani et al., *Attention Is All You Need* (2017, arXiv 1706.03762): masked self-attention.
- Press, Wolf, *Using the Output Embedding to Improve Language Models* (2016, arXiv 1608.05859): one table for
  input and output.
- Hendrycks, Gimpel, *Gaussian Error Linear Units* (2016, arXiv 1606.08415): GELU and its approximation.

**Notation.** $E$ -> `wte`, $P$ -> `wpe`, $W_O$ -> `attn.c_proj`, $W_1$ -> `mlp.c_fc`, $W_2$ -> `mlp.c_proj`,
$\mathrm{LN}_1, \mathrm{LN}_2, \mathrm{LN}_f$ -> `ln_1`, `ln_2`, `ln_f`, $L$ -> `layers`, $y$ -> `labels`.

**Pitfalls.**

- Linear layers are stored (in, out), since the original called them convolutions of width 1; `lm_head` alone is
  (out, in).
- `c_attn` holds queries, keys and values as thirds of its columns; other families interleave them head by head.
- Labels are shifted *inside*: pass the input as labels. A label of -100 is not counted; the padding mask alone
  removes none. Where no label is left, or the text has one token, the mean of nothing is nan.
- A text padded on the left needs `position_ids` that count from its first token: the mask alone does not move
  positions.
- Positions that start anew do not separate texts packed into one row; attention still crosses the seam.
- A position that sees padding only (left of a left-padded text) attends to nothing. Its attention is 0 here;
  libraries differ, and the laws leave those positions out.
- The position table ends. What goes beyond must be an error, not a repetition of the last row.
"""

import math
import re
from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product

LINEARS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
NORMS = ("ln_1", "ln_2")
IGNORED = -100

EXTENSIONS = ("returns", "scale_by_layer")
"""Options that came later: an implementation without them is one all the same."""


def gpt2(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    heads: int,
    epsilon: float,
    attention_mask: Int[Tensor, "batch past_plus_t"] | Bool[Tensor, "batch past_plus_t"] | None = None,
    position_ids: Int[Tensor, "batch t"] | None = None,
    labels: Int[Tensor, "batch t"] | None = None,
    cache: list | None = None,
    returns: str = "logits",
    scale_by_layer: bool = False,
) -> Float[Tensor, "batch t vocab"] | Float[Tensor, ""] | Float[Tensor, "..."]:
    """Logits of the token after each position; with `labels`, their mean cross-entropy in nats instead.

    `weights` is the state dict of Hugging Face's GPT2LMHeadModel as it is; without `lm_head.weight` the head is
    `transformer.wte.weight`. `heads` attention heads of d / heads features each. `epsilon` is added to the
    variance in every norm. `attention_mask`: 1 for text, 0 for padding that nobody attends to, over past and new
    positions; all 1 if not given. `position_ids`: rows of the position table; if not given they count on from the
    past. `labels`: the text itself, -100 where a token is not to be predicted. `cache`: a list that keeps the
    past; pass [] with the first tokens and the same list with only the new ones afterwards. `returns`: "logits";
    "hidden_states", (layers + 1, batch, t, d), what goes into each layer, and last what goes into the head; or
    "attentions", (layers, batch, heads, t, past + t), the weights, 0 in a row that sees no token. `scale_by_layer`:
    scores of layer i, counted from 0, are divided by i + 1 as well; no GPT-2 of OpenAI's does so.

    Raises ValueError if the state dict lacks something, if d is not a multiple of `heads`, if ids, positions or
    labels lie outside their tables, if a shape does not fit, and for an unknown `returns`. Source: Radford et al.
    2019, section 2.3.
    """
    batch, t = input_ids.shape
    past = cache[0][0].shape[-2] if cache else 0
    if position_ids is None:
        position_ids = torch.arange(past, past + t, device=input_ids.device).expand(batch, t)
    layers = check(weights, heads, past, input_ids, position_ids, labels, attention_mask, returns)
    visible = None if attention_mask is None else attention_mask.bool()[:, None, None, :]  # over heads and queries

    linear, norm, split = partial(_linear, weights), partial(_norm, weights, epsilon), partial(_split, heads)

    embedding = weights["transformer.wte.weight"]
    x = embedding[input_ids] + weights["transformer.wpe.weight"][position_ids]
    states, attentions, width = [x], [], x.shape[-1] // heads
    for index in range(layers):
        query, key, value = linear(f"h.{index}.attn.c_attn", norm(f"h.{index}.ln_1", x)).chunk(3, dim=-1)
        query, key, value = split(query), split(key), split(value)
        if scale_by_layer:  # Stanford's GPT-2s, which so keep the scores of deep layers within float16
            query = query / (index + 1)
        if cache is not None:
            if past:
                key, value = torch.cat([cache[index][0], key], dim=-2), torch.cat([cache[index][1], value], dim=-2)
            cache[index : index + 1] = [(key, value)]  # replaces the layer's entry, or appends it the first time
        if returns == "attentions":  # beside the values, unit vectors: their mean is the weights
            unit = torch.eye(past + t, dtype=x.dtype, device=x.device)
            value = torch.cat([value, unit.expand(batch, heads, -1, -1)], dim=-1)
        attended = scaled_dot_product(query, key, value, mask=visible, causal=True)
        attentions.append(attended[..., width:])
        attended = attended[..., :width].transpose(1, 2).flatten(-2)
        x = x + linear(f"h.{index}.attn.c_proj", attended)
        x = x + linear(f"h.{index}.mlp.c_proj", gelu(linear(f"h.{index}.mlp.c_fc", norm(f"h.{index}.ln_2", x))))
        states.append(x)
    states[-1] = norm("ln_f", x)
    if returns != "logits":
        return torch.stack(states if returns == "hidden_states" else attentions)
    logits = states[-1] @ weights.get("lm_head.weight", embedding).mT
    return logits if labels is None else next_token_loss(logits, labels)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ weights[f"transformer.{name}.weight"] + weights[f"transformer.{name}.bias"]


def _norm(weights: Mapping[str, Tensor], epsilon: float, name: str, x: Tensor) -> Tensor:
    gain, bias = weights[f"transformer.{name}.weight"], weights[f"transformer.{name}.bias"]
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + epsilon).sqrt() * gain + bias


def _split(heads: int, x: Tensor) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (batch, t, d) -> (batch, heads, t, d / heads)


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The tanh approximation of x Phi(x) that GPT-2 was trained with (arXiv 1606.08415, section 2)."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def next_token_loss(logits: Float[Tensor, "batch t vocab"], labels: Int[Tensor, "batch t"]) -> Float[Tensor, ""]:
    """Mean cross-entropy, in nats a token, of each label under the logits one position earlier; -100 is left out."""
    predictions, targets = logits[:, :-1].log_softmax(-1), labels[:, 1:]
    kept = targets != IGNORED
    return -predictions[kept].gather(-1, targets[kept][:, None]).mean()


def check(
    weights: Mapping[str, Tensor],
    heads: int,
    past: int,
    ids: Tensor,
    positions: Tensor,
    labels: Tensor | None,
    mask: Tensor | None,
    returns: str,
) -> int:
    """Number of layers of the state dict, or ValueError for what does not fit."""
    layers = 1 + max((int(m[1]) for name in weights if (m := re.match(r"transformer\.h\.(\d+)\.", name))), default=0)
    modules = ["ln_f"] + [f"h.{index}.{name}" for index in range(layers) for name in LINEARS + NORMS]
    names = ["wte.weight", "wpe.weight"] + [f"{name}.{part}" for name in modules for part in ("weight", "bias")]
    if missing := [name for name in names if f"transformer.{name}" not in weights]:
        raise ValueError(f"expected the state dict of a GPT2LMHeadModel; its transformer lacks {', '.join(missing)}")
    vocabulary, d = weights["transformer.wte.weight"].shape
    if heads < 1 or d % heads:
        raise ValueError(f"expected heads to divide d; d is {d}, heads is {heads}")
    wanted = (ids.shape[0], past + ids.shape[1])
    if mask is not None and mask.shape != wanted:
        raise ValueError(f"expected attention_mask of shape {wanted}; it has {tuple(mask.shape)}")
    tables = [("input_ids", ids, vocabulary), ("position_ids", positions, weights["transformer.wpe.weight"].shape[0])]
    if labels is not None:
        tables += [("labels", labels.masked_fill(labels == IGNORED, 0), vocabulary)]
    for name, given, rows in tables:
        if given.shape != ids.shape:
            raise ValueError(f"expected {name} of shape {tuple(ids.shape)}; they have {tuple(given.shape)}")
        if given.numel() and not 0 <= given.min() <= given.max() < rows:
            raise ValueError(f"expected {name} from 0 to {rows - 1}; they are {given.min()} to {given.max()}")
    if returns not in ("logits", "hidden_states", "attentions"):
        raise ValueError(f"expected returns to be logits, hidden_states or attentions; it is {returns!r}")
    return layers
