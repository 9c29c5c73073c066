r"""BERT: a Transformer encoder that reads a whole text at once.

**Key idea.** Every token looks at every other one, left and right, in each of a stack of equal layers. There is
no causal mask, so the model cannot be trained to guess the next word; it is trained to fill in words that were
hidden. What comes out is one vector a token and layer, in which the token is described by its context. Search,
classification and tagging build on these vectors, and this file computes all of them (heads and the pooler lie
above).

A layer has two halves, attention and feed-forward. Each adds its result to its input and normalises *the sum*
(post-norm), so that no path through the network avoids a norm.

**Equations.** With token $w_i$, position $p_i$ and segment $s_i$:

$$x_i^{(0)} = \mathrm{LN}(E_{w_i} + P_{p_i} + S_{s_i})$$
$$u = \mathrm{LN}\left(x + \left[\mathrm{head}_1; \dots; \mathrm{head}_h\right] W_O^\top + b_O\right), \qquad
  \mathrm{head}_j = \mathrm{softmax}\left(\frac{q_j k_j^\top}{\sqrt{d/h}}\right) v_j$$
$$x' = \mathrm{LN}\left(u + \mathrm{GELU}(u W_1^\top + b_1)\, W_2^\top + b_2\right)$$
$$\mathrm{LN}(x) = g \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b, \qquad \mathrm{GELU}(x) = x\,\Phi(x)$$

where $\mu, \sigma^2$ are mean and (biased) variance over the $d$ features of one token.

**Papers.**

- Devlin, Chang, Lee, Toutanova, *BERT: Pre-training of Deep Bidirectional Transformers for Language
  Understanding* (2018, arXiv 1810.04805): the model, its masked-word objective and the recipe of fine-tuning one
  encoder for many tasks.
- Vaswani et al., *Attention Is All You Need* (2017, arXiv 1706.03762): the encoder layer.
- Ba, Kiros, Hinton, *Layer Normalization* (2016, arXiv 1607.06450): LN.
- Hendrycks, Gimpel, *Gaussian Error Linear Units* (2016, arXiv 1606.08415): GELU.
- Wang et al., *MiniLM* (2020, arXiv 2002.10957): distilled small encoders of this form; one serves here as a test
  on real weights.

**Notation.** $d$ -> `d`, $h$ -> `heads`, $\epsilon$ -> `epsilon`, $x^{(l)}$ -> `hidden[l]`, $E, P, S$ -> the tables
`word_embeddings`, `position_embeddings`, `token_type_embeddings`, $W_O$ -> `attention.output.dense`,
$W_1$ -> `intermediate.dense`, $W_2$ -> `output.dense`, $g, b$ -> `LayerNorm.weight`, `LayerNorm.bias`.

**Pitfalls.**

- Segment 0 has a vector too, and it is *added*, also where the caller gives no segments.
- $\epsilon$ is $10^{-12}$ in BERT's checkpoints, not the $10^{-5}$ of most libraries; it shows where activations
  are small.
- GELU is the exact one (with erf). GPT-2's tanh approximation differs by up to $5 \cdot 10^{-4}$.
- Positions count from the first column, padding or not: a text padded on the left needs `position_ids`.
- What a padded position itself holds is well defined (it attends to the text) and meaningless. A row of the batch
  that is all padding attends to nothing; here its attention is 0, libraries differ, and the laws leave such rows
  out.
- PyTorch ports give the word table a `padding_idx`: no gradient ever reaches the row of `[PAD]` (id 0), although
  the function has one there if the token is used. The laws on gradients leave id 0 out.
"""

import math
import re
from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.attention.scaled_dot_product import scaled_dot_product

EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")
LINEARS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
           "intermediate.dense", "output.dense")  # fmt: skip
NORMS = ("attention.output.LayerNorm", "output.LayerNorm")

EXTENSIONS = ("returns",)
"""An option that came later: an implementation without it is one all the same."""


def bert(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    heads: int,
    epsilon: float,
    attention_mask: Int[Tensor, "batch t"] | Bool[Tensor, "batch t"] | None = None,
    token_type_ids: Int[Tensor, "batch t"] | None = None,
    position_ids: Int[Tensor, "batch t"] | None = None,
    returns: str = "hidden_states",
) -> Float[Tensor, "layers_plus_1 batch t d"] | Float[Tensor, "layers batch heads t t"]:
    """All hidden states of BERT: the normalised embeddings first, then the output of each layer.

    `weights` is the state dict of Hugging Face's BertModel as it is (linear layers (out, in)); what is not needed
    here, such as the pooler, is ignored. `heads` attention heads of d / heads features each. `epsilon` is added
    to the variance in every norm. `attention_mask`: 1 where there is text, 0 where there is padding that nobody
    attends to; all 1 if not given. `token_type_ids`: segments, all 0 if not given. `position_ids`: rows of the
    position table, 0, 1, 2, ... if not given. `returns`: "hidden_states", or "attentions" for the weights of every
    layer and head instead, rows of queries that add up to 1; a row that sees no token is 0.

    Raises ValueError if the state dict lacks something, if d is not a multiple of `heads`, if ids, segments or
    positions lie outside their tables, if a shape is not that of `input_ids`, and for an unknown `returns`.
    Source: arXiv 1810.04805, section 3.
    """
    batch, t = input_ids.shape
    if token_type_ids is None:
        token_type_ids = torch.zeros_like(input_ids)
    if position_ids is None:
        position_ids = torch.arange(t, device=input_ids.device).expand(batch, t)
    layers = check(weights, heads, attention_mask, (input_ids, position_ids, token_type_ids), returns)
    visible = None if attention_mask is None else attention_mask.bool()[:, None, None, :]  # over heads and queries

    linear, norm, split = partial(_linear, weights), partial(_norm, weights, epsilon), partial(_split, heads)

    word, position, segment = (weights[f"embeddings.{name}.weight"] for name in EMBEDDINGS)
    x = norm("embeddings.LayerNorm", word[input_ids] + position[position_ids] + segment[token_type_ids])
    hidden = [x]
    attentions, width = [], x.shape[-1] // heads
    for layer in (f"encoder.layer.{index}" for index in range(layers)):
        query = split(linear(f"{layer}.attention.self.query", x))
        key = split(linear(f"{layer}.attention.self.key", x))
        value = split(linear(f"{layer}.attention.self.value", x))
        if returns == "attentions":  # beside the values, unit vectors: their mean is the weights
            value = torch.cat([value, torch.eye(t, dtype=x.dtype, device=x.device).expand(batch, heads, t, t)], dim=-1)
        attended = scaled_dot_product(query, key, value, mask=visible)
        attentions.append(attended[..., width:])
        attended = attended[..., :width].transpose(1, 2).flatten(-2)
        x = norm(f"{layer}.attention.output.LayerNorm", x + linear(f"{layer}.attention.output.dense", attended))
        inner = gelu(linear(f"{layer}.intermediate.dense", x))
        x = norm(f"{layer}.output.LayerNorm", x + linear(f"{layer}.output.dense", inner))
        hidden.append(x)
    return torch.stack(hidden if returns == "hidden_states" else attentions)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].mT + weights[f"{name}.bias"]


def _norm(weights: Mapping[str, Tensor], epsilon: float, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + epsilon).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _split(heads: int, x: Tensor) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (batch, t, d) -> (batch, heads, t, d / heads)


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x times the probability that a standard normal variable lies below x (arXiv 1606.08415)."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def check(weights: Mapping[str, Tensor], heads: int, mask: Tensor | None, ids: tuple[Tensor, ...], returns: str) -> int:
    """Number of layers of the state dict, or ValueError for what does not fit."""
    layers = 1 + max((int(m[1]) for name in weights if (m := re.match(r"encoder\.layer\.(\d+)\.", name))), default=0)
    modules = [f"encoder.layer.{index}.{name}" for index in range(layers) for name in LINEARS + NORMS]
    modules += ["embeddings.LayerNorm"]
    names = [f"embeddings.{name}.weight" for name in EMBEDDINGS]
    names += [f"{name}.{part}" for name in modules for part in ("weight", "bias")]
    if missing := [name for name in names if name not in weights]:
        raise ValueError(f"expected the state dict of a BertModel; it lacks {', '.join(missing)}")
    if heads < 1 or (d := weights[names[0]].shape[1]) % heads:
        raise ValueError(f"expected heads to divide d; d is {d}, heads is {heads}")
    shape = ids[0].shape
    if mask is not None and mask.shape != shape:
        raise ValueError(f"expected attention_mask of shape {tuple(shape)}; it has {tuple(mask.shape)}")
    for name, given in zip(EMBEDDINGS, ids, strict=True):
        rows = weights[f"embeddings.{name}.weight"].shape[0]
        if given.shape != shape:
            raise ValueError(f"expected ids of shape {tuple(shape)} for {name}; they have {tuple(given.shape)}")
        if given.numel() and not 0 <= given.min() <= given.max() < rows:
            raise ValueError(f"expected ids from 0 to {rows - 1} for {name}; they are {given.min()} to {given.max()}")
    if returns not in ("hidden_states", "attentions"):
        raise ValueError(f"expected returns to be hidden_states or attentions; it is {returns!r}")
    return layers
