r"""Attention masks: which query may attend to which key.

A mask is where a model's idea of order stands. The same weights are a decoder under one mask and an encoder under
another; the same batch is one text under one mask and ten under another. Every kind in use is a condition on the places
of a query and of a key, and the kinds are put together by "and", save one: the keys of a prefix are open to everybody,
whatever the conditions on places say.

Let query $i$ of $t$ stand at place $p = i + s - t$ of a text of $s$ tokens, so that the last query stands at the last key.
It may attend to key $j$ if

$$
\bigl(\underbrace{j \le p}_{\text{causal}} \wedge \underbrace{|p - j| < w}_{\text{window}} \wedge
\underbrace{\lfloor \tfrac{p - f}{c} \rfloor = \lfloor \tfrac{j - f}{c} \rfloor}_{\text{chunk}} \;\vee\;
\underbrace{j - f < n}_{\text{prefix}}\bigr) \wedge \underbrace{r_j}_{\text{padding}} \wedge
\underbrace{g_p = g_j}_{\text{segments}}
$$

where $f$ is the place of the text's first real token: 0, or the number of padding tokens before it. Conditions that are
not asked for are left out.

A window and a chunk both make attention cheap, and differ in what they give up: each layer of a window passes word on by
$w - 1$ places, so depth reaches further; a chunk is a wall, and other layers have to look over it.

## Notation

| symbol | name | meaning |
|---|---|---|
| $t$, $s$ | `t`, `s` | number of queries, and of keys |
| $w$ | `window` | how many keys a causal query sees, itself among them |
| $c$ | `chunk` | how many tokens attend to each other only |
| $n$ | `prefix` | how many tokens at the beginning are open to all |
| $r$ | `padding` | whether a key is a real token |
| $g$ | `segments` | which text of several in one row a token belongs to |
| $f$ | `first` | place of the first real token |

## Papers

- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.2.3: the causal mask of a decoder.
- Raffel et al. (2019), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer*,
  arXiv 1910.10683, section 3.2.1: causal with a prefix, compared with the two others.
- Beltagy, Peters, Cohan (2020), *Longformer*, arXiv 2004.05150: a window, and a few tokens that see and are seen by all.
- Krell, Kosec, Perez, Fitzgibbon (2021), *Efficient Sequence Packing without Cross-contamination*, arXiv 2107.02027:
  several texts in one row, each its own segment.
- Jiang et al. (2023), *Mistral 7B*, arXiv 2310.06825, section 2: a causal window, and how far it reaches through layers.
- Meta (2025), *The Llama 4 herd* (model card and code): chunks, in three of four layers.

## Pitfalls

- `True` means "may attend" here, as in torch's `scaled_dot_product_attention`; in `torch.nn.MultiheadAttention` it means
  the opposite.
- Window sizes differ by one. Here, as in Mistral and Keras, a causal query sees `window` keys. FlashAttention counts those
  to the left, without the query itself, and so do the windows of transformers that are not causal.
- With fewer queries than keys (a cache) some libraries align the first query with the first key.
- A prefix is seen through a window. Who takes "causal or prefix" first and the window after loses it after `window` tokens.
- With padding on the left the first real token does not stand at place 0: chunks and prefixes are counted from it.
- A row may be empty: that of a padding token, for example. It stays so; what attention makes of it is attention's affair.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def masks(
    t: int,
    s: int,
    *,
    causal: bool = False,
    window: int | None = None,
    chunk: int | None = None,
    prefix: int | Int[Tensor, "batch"] | None = None,
    padding: Bool[Tensor, "batch s"] | None = None,
    segments: Int[Tensor, "batch s"] | None = None,
) -> Bool[Tensor, "*texts t s"]:
    """Which of `s` keys each of `t` queries may attend to; the last query stands at the last key.

    `causal`: no key after the query. `window`: keys nearer than that to the query, which counts itself. `chunk`: keys of
    the query's own chunk, of so many tokens. `prefix`: so many tokens at the beginning of each text may be seen by all,
    whatever the three before say. `padding`: True for real tokens, the only ones that may be seen. `segments`: keys with
    the query's own number. The result has an axis for the batch if one of the last three is given as a tensor.

    Raises `ValueError` for lengths and a prefix below 0, for a window and a chunk below 1, for tensors of other shapes or
    kinds, and for segments where there are more queries than keys, so that some have none.
    """
    if t < 0 or s < 0:
        raise ValueError(f"lengths must not be negative, got {t} and {s}")
    for name, size in {"window": window, "chunk": chunk}.items():
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if padding is not None and padding.dtype != torch.bool:
        raise ValueError(f"padding must be boolean (True = a real token), got {padding.dtype}")
    for name, numbers in {"prefix": prefix, "segments": segments}.items():
        if isinstance(numbers, Tensor) and (numbers.is_floating_point() or numbers.dtype == torch.bool):
            raise ValueError(f"{name} must be whole numbers, got {numbers.dtype}")
    if prefix is not None and torch.as_tensor(prefix).lt(0).any():
        raise ValueError(f"prefix must not be negative, got {prefix}")
    if segments is not None and t > s:
        raise ValueError(f"each query needs a segment, got {t} queries and {s} keys")

    shapes = [tuple(x.shape) for x in (padding, segments) if x is not None]
    shapes += [(*prefix.shape, s)] if isinstance(prefix, Tensor) else []
    if any(shape != (*shapes[0][:1], s) for shape in shapes):
        raise ValueError(f"padding and segments must be (batch, {s}) and prefix (batch,), got {shapes}")

    device = next((x.device for x in (padding, segments, prefix) if isinstance(x, Tensor)), None)
    key = torch.arange(s, device=device)
    query = torch.arange(s - t, s, device=device)[:, None]
    first = torch.zeros(1, 1, 1, dtype=torch.long, device=device)
    if padding is not None:
        first = (padding.cumsum(-1) == 0).sum(-1)[:, None, None]

    visible = torch.ones(1, t, s, dtype=torch.bool, device=device)
    if causal:
        visible = visible & (key <= query)
    if window is not None:
        visible = visible & ((query - key).abs() < window)
    if chunk is not None:
        visible = visible & ((query - first) // chunk == (key - first) // chunk)
    if prefix is not None:
        visible = visible | (key - first < torch.as_tensor(prefix, device=device).reshape(-1, 1, 1))
    if padding is not None:
        visible = visible & padding[:, None, :]
    if segments is not None:
        visible = visible & (segments[:, s - t :, None] == segments[:, None, :])
    return visible if shapes else visible[0]
