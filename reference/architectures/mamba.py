r"""Mamba: a language model without attention, whose memory of all that came before is one state of fixed size.

**Key idea.** A Transformer keeps its whole past and looks through it at every token. Mamba keeps a state that each
token updates, and lets the token choose how: how much to forget, what to take in, what to read out. Cost is linear in
the length of the text, and decoding costs the same for every token, however many came before.

A layer is one *mixer*: no attention, no separate MLP. Its input is projected to two branches of twice the width. One
goes through a short causal convolution, which shows each position its last few neighbours, and the selective scan; the
other one gates the result.

**Equations.** With token $w_i$, layers $x \to x'$, the selective scan of `layers.selective_scan`, and the word table $E$
used twice:

$$x_i^{(0)} = E_{w_i}, \qquad (u, z) = W_\mathrm{in}\, \mathrm{RMSNorm}(x), \qquad
  v_i = \mathrm{SiLU}\Bigl(\sum_{j=0}^{k-1} K_j \odot u_{i-k+1+j} + b\Bigr)$$
$$(r, B, C) = W_x v, \qquad \Delta = \mathrm{softplus}(W_\Delta r + b_\Delta), \qquad A = -\exp(A_{\log})$$
$$x' = x + W_\mathrm{out}\, \mathrm{scan}(v, \Delta, A, B, C, D, z), \qquad
  \mathrm{logits} = \mathrm{RMSNorm}_f(x^{(L)})\, E^\top$$

The loss is that of every decoder: the mean of $-\log \mathrm{softmax}(\mathrm{logits}_i)_{y_{i+1}}$ over labels other
than -100.

**Papers.**

- Gu, Dao, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces* (2023, arXiv 2312.00752): the model;
  section 3.4 and figure 3 for the mixer, section 3.6 and appendix E for its initial values.
- Fu, Dao, Saab, Thomas, Rudra, Ré, *Hungry Hungry Hippos* (H3, 2022, arXiv 2212.14052): the block that it simplifies,
  with a short convolution and a gate around a state space.
- Zhang, Sennrich, *Root Mean Square Layer Normalization* (2019, arXiv 1910.07467): its norms.

**Notation.** $E$ -> `embeddings`, $W_\mathrm{in}$ -> `in_proj`, $K, b$ -> `conv1d` ($k$ wide), $W_x$ -> `x_proj`,
$W_\Delta, b_\Delta$ -> `dt_proj`, $A_{\log}, D$ -> `A_log`, `D`, $W_\mathrm{out}$ -> `out_proj`, $u$ before the
convolution, $v$ after it -> `u`, $L$ -> `layers`, $y$ -> `labels`. All sizes are those of the tensors.

**Pitfalls.**

- Padding on the left is no zero: the convolution has a bias, and steps do not stop. It must be blanked *before and
  after* the convolution. Padding on the right does no harm, since nobody looks there. A hole amid a text is not as if
  the text had been closed up: the state goes on decaying over it, and the laws leave it out.
- The mask is about the tokens that are given, not about those in the cache: what was padding has left nothing there.
- A cache holds the last $k - 1$ *inputs* of the convolution besides the state; the first text may be shorter.
- `dt_proj`'s bias is inside softplus. $W_\Delta$ sees the first `rank` columns of `x_proj`, then come $B$ and $C$.
- The stream between layers is float32 at least (`residual_in_fp32`), and so are $A$ and the scan.
- The hidden states are those *after* each layer, and once more after the last norm; the embeddings are not among them,
  as they are in most other models of the same library.
- The original's vocabulary is padded to a multiple of 8; the table says how many rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.layers.activations import silu
from reference.layers.rms_norm import rms_norm
from reference.layers.selective_scan import selective_scan
from reference.losses.cross_entropy import cross_entropy

PARAMETERS = (
    "norm.weight",
    "mixer.in_proj.weight",
    "mixer.conv1d.weight",
    "mixer.x_proj.weight",
    "mixer.dt_proj.weight",
    "mixer.dt_proj.bias",
    "mixer.A_log",
    "mixer.D",
    "mixer.out_proj.weight",
)
OPTIONAL = ("mixer.conv1d.bias", "mixer.in_proj.bias", "mixer.out_proj.bias")
RETURNS = ("logits", "hidden_states")
IGNORED = -100


def mamba(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    epsilon: float,
    attention_mask: Int[Tensor, "batch t"] | Bool[Tensor, "batch t"] | None = None,
    labels: Int[Tensor, "batch t"] | None = None,
    cache: list | None = None,
    returns: str = "logits",
) -> Float[Tensor, "batch t vocab"] | Float[Tensor, "states batch t d"] | Float[Tensor, ""]:
    """Logits of the token after each position; with `labels`, their mean cross-entropy in nats instead.

    `weights` is the state dict of Hugging Face's MambaForCausalLM as it is; without `lm_head.weight` the head is
    `backbone.embeddings.weight`. `epsilon` is added to the mean square in every norm. `attention_mask`: 1 for text, 0
    for padding on the left or on the right, over the given positions; all 1 if not given. `labels`: the text itself, -100
    where a token is not to be predicted; they are shifted inside. `cache`: a list that keeps the past; pass [] with the
    first tokens and the same list with only the new ones afterwards. `returns="hidden_states"` gives the stream after
    each of the layers and, last, after the final norm, whether or not there are labels.

    Raises ValueError if the state dict lacks something, if ids or labels lie outside the table, if a shape does not fit,
    and for something else to return. Source: Gu, Dao 2023, section 3.4.
    """
    layers = check(weights, input_ids, labels, attention_mask, returns)
    visible = None if attention_mask is None else attention_mask.bool()[:, None]  # over channels

    embedding = weights["backbone.embeddings.weight"]
    x = embedding[input_ids]
    dtype, wide = x.dtype, torch.promote_types(x.dtype, torch.float32)
    hidden, kept = [], []
    for index in range(layers):
        own = f"backbone.layers.{index}."
        layer = {name.removeprefix(own): tensor for name, tensor in weights.items() if name.startswith(own)}
        past = cache[index] if cache else None
        mixed, past = mixer(layer, rms_norm(x.to(dtype), layer["norm.weight"], eps=epsilon), visible, past)
        x = x.to(wide) + mixed
        hidden.append(x)
        kept.append(past)
    if cache is not None:
        cache[:] = kept
    x = rms_norm(x, weights["backbone.norm_f.weight"], eps=epsilon)
    if returns == "hidden_states":
        return torch.stack([*hidden, x]).to(dtype)
    logits = x.to(dtype) @ weights.get("lm_head.weight", embedding).mT
    if labels is None:
        return logits
    return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)


def mixer(
    layer: Mapping[str, Tensor], x: Float[Tensor, "batch t d"], visible: Tensor | None, past: tuple | None
) -> tuple[Float[Tensor, "batch t d"], tuple[Tensor, Tensor]]:
    """The mixer's share of the stream, and what it keeps: last inputs of the convolution, and the state (figure 3)."""
    batch, t, _ = x.shape
    inner, _, width = layer["mixer.conv1d.weight"].shape
    rank, n = layer["mixer.dt_proj.weight"].shape[1], layer["mixer.A_log"].shape[1]
    window, state = past if past is not None else (x.new_zeros(batch, inner, width - 1), None)

    u, z = _linear(layer, "in_proj", x).mT.chunk(2, dim=1)  # (batch, inner, t)
    u = _blanked(u, visible)
    window = torch.cat([window, u], dim=-1)
    u = torch.einsum("bitk,ik->bit", window.unfold(-1, width, 1), layer["mixer.conv1d.weight"][:, 0])
    if "mixer.conv1d.bias" in layer:
        u = u + layer["mixer.conv1d.bias"][:, None]
    u = _blanked(silu(u), visible)
    r, B, C = _linear(layer, "x_proj", u.mT).mT.split([rank, n, n], dim=1)
    delta = layer["mixer.dt_proj.weight"] @ r  # its bias goes inside softplus
    A = -torch.exp(layer["mixer.A_log"].to(torch.promote_types(x.dtype, torch.float32)))
    bias = layer["mixer.dt_proj.bias"]
    y, state = selective_scan(u, delta, A, B, C, layer["mixer.D"], z=z, delta_bias=bias, softplus=True, state=state)
    return _linear(layer, "out_proj", y.mT), (window[..., t:], state)


def _linear(layer: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    product = x @ layer[f"mixer.{name}.weight"].mT
    return product + layer[f"mixer.{name}.bias"] if f"mixer.{name}.bias" in layer else product


def _blanked(x: Tensor, visible: Tensor | None) -> Tensor:
    return x if visible is None else x.masked_fill(~visible, 0)


def check(weights: Mapping[str, Tensor], ids: Tensor, labels: Tensor | None, mask: Tensor | None, returns: str) -> int:
    """Number of layers of the state dict, or ValueError for what does not fit."""
    found = [int(m[1]) for name in weights if (m := re.match(r"backbone\.layers\.(\d+)\.", name))]
    layers = 1 + max(found, default=0)
    present = [name for name in OPTIONAL if any(key.endswith(f".{name}") for key in weights)]  # in one, so in all
    names = [f"layers.{index}.{name}" for index in range(layers) for name in (*PARAMETERS, *present)]
    if missing := [n for n in ("embeddings.weight", *names, "norm_f.weight") if f"backbone.{n}" not in weights]:
        raise ValueError(f"expected the state dict of a MambaForCausalLM; its backbone lacks {', '.join(missing)}")
    if returns not in RETURNS:
        raise ValueError(f"expected one of {', '.join(RETURNS)} to return, got {returns!r}")
    if mask is not None and mask.shape != ids.shape:
        raise ValueError(f"expected attention_mask of shape {tuple(ids.shape)}; it has {tuple(mask.shape)}")
    vocabulary = len(weights["backbone.embeddings.weight"])
    for name, given in [("input_ids", ids), ("labels", ids if labels is None else labels.where(labels != IGNORED, 0))]:
        if given.shape != ids.shape:
            raise ValueError(f"expected {name} of shape {tuple(ids.shape)}; they have {tuple(given.shape)}")
        if given.numel() and not 0 <= given.min() <= given.max() < vocabulary:
            raise ValueError(f"expected {name} from 0 to {vocabulary - 1}; they are {given.min()} to {given.max()}")
    return layers
