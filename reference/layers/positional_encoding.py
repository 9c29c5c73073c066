r"""Positional encoding: attention sees a set of vectors, so each is told its place by a vector that is added to it.

Vaswani et al. add, to the embedding of the token at place $n$, either a row that is learned for that place, or numbers
that need no learning: sines and cosines of $n$ at speeds from one radian a place to a ten-thousandth, a clock with many
hands. A step of $k$ places turns each hand by the same angle wherever the step begins, so a linear map can ask for "the
word $k$ before"; and the inner product of two encodings tells how far apart they are.

$$
y_n = x_n + e_{n + o}
\qquad
e_p = \begin{cases}
  T_p & \text{learned} \\
  (\ldots, \sin p\,\theta_i, \ldots, \cos p\,\theta_i, \ldots) & \text{sinusoids}
\end{cases}
$$

$$
\theta_i = b^{-2i/d} \quad\text{or, with an endpoint,}\quad b^{-i/(d/2 - 1)}
$$

The paper puts the sine and the cosine of one speed beside each other, *interleaved*, and its speeds do not reach $1/b$.
The code that it was made with, tensor2tensor, has all sines and then all cosines, *halves*, and reaches $1/b$ with the
last: so do M2M100 and Whisper, while XLM is with the paper, and Marian has the paper's speeds in halves. Of an odd width
the last sine has no cosine; with `endpoint` there are whole pairs, and a 0. A single pair turns at speed 1.

## Which place

Places are `positions`, if these are given, or are counted from `past` on, after what a cache already holds. A `mask` says
which tokens of the past and the present are there: places count only those, so padding on the left shifts nothing.
Padding itself has no place. Sinusoids add nothing to it; a table has a row for it, the one before that of place 0, which
does not learn.

Hence the offset $o$: where the padding token is 1, it has row 1 and the first place row 2, as in BART, OPT and RoBERTa.

## Which precision, and where it is rounded

Angles are computed in float32 at least, and in float64 if $x$ is; sines and cosines are rounded. In bfloat16 places above
256 are not whole numbers any more. In float32 the fast pairs are wrong by a hundredth at place 100000.

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `x` | embedded tokens, $d$ numbers each |
| $n$ | `positions` | its place |
| $o$ | `offset` | the number that place 0 has in the table, or among the sinusoids |
| $T$ | `table` | learned encodings, one row for each place |
| $\theta_i$ | `speeds` | radians a place, of pair $i$ |
| $b$ | `base` | 10000 |

## Papers

- Gehring, Auli, Grangier, Yarats, Dauphin (2017), *Convolutional Sequence to Sequence Learning*, arXiv 1705.03122: a
  learned vector for each place, added to the word's.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.5: sinusoids, as good as learned ones.
- Liu et al. (2019), *RoBERTa*, arXiv 1907.11692, and Lewis et al. (2019), *BART*, arXiv 1910.13461: learned, with an offset.

## Pitfalls

- Weights are trained for one layout and its speeds. With another a model is wrong and does not look broken.
- Counting padding, or the padding in a cache, gives all tokens after it another place.
- A place beyond the table has no encoding. A slice of the table that ends too soon may be one row, which is then added
  to all places.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn.functional import pad


def positional_encoding(
    x: Float[Tensor, "*batch t d"],
    table: Float[Tensor, "rows d"] | None = None,
    positions: Integer[Tensor, "..."] | None = None,
    *,
    layout: str | None = None,
    endpoint: bool = False,
    base: float = 10_000.0,
    offset: int = 0,
    past: int = 0,
    mask: Bool[Tensor, "*batch s"] | None = None,
) -> Float[Tensor, "*batch t d"]:
    """`x` with the encoding of its place added to each vector: a row of `table`, or sinusoids (Vaswani et al. 2017, 3.5).

    Sinusoids have a `layout`, `"interleaved"` or `"halves"`, speeds that reach 1 / `base` if `endpoint`, and any whole
    numbers for places. `positions` are broadcastable to `(*batch, t)`; without them `past` tokens came before, and of
    these and the `t` of `x` the `mask` is True where there is a token. `offset` is the number of place 0.

    Raises `ValueError` unless there is one of `table` and `layout`; for an unknown layout, a base that is not positive,
    positions or a mask that do not fit, positions beside a past or a mask, a table of another width, and places without
    a row in it: padding's, too, if `offset` is below 1.
    """
    shape, d = tuple(x.shape[:-1]), x.shape[-1]
    if (table is None) == (layout is None):
        raise ValueError("expected a table, or the layout of sinusoids, and not both")
    absent = None
    if positions is None:
        places = torch.arange(past, past + shape[-1], device=x.device)
        if mask is not None:
            places, absent = _counted(mask, past, shape)
    elif past or mask is not None:
        raise ValueError("positions that are given are not counted: expected no past and no mask")
    else:
        places = _fitting(positions.long(), shape)
    places = places + offset
    encoding = _sinusoids(places, x, layout, endpoint, base) if table is None else _rows(table, places, d)
    if absent is not None:
        encoding = torch.where(absent[..., None], encoding.detach() if layout is None else 0.0, encoding)
    return x + encoding.to(x.dtype)


def _counted(mask: Tensor, past: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Places (*batch, t) of the tokens after the past, -1 for what is absent; and what that is."""
    if mask.shape != (wanted := (*shape[:-1], past + shape[-1])):
        raise ValueError(f"mask must be {wanted}, past and present, got {tuple(mask.shape)}")
    absent = ~mask[..., past:]
    return (mask.cumsum(-1)[..., past:] - 1).masked_fill(absent, -1), absent


def _fitting(positions: Tensor, shape: tuple[int, ...]) -> Tensor:
    got = tuple(positions.shape)
    if len(got) > len(shape) or any(n not in (1, m) for n, m in zip(got[::-1], shape[::-1], strict=False)):
        raise ValueError(f"positions must be broadcastable to {shape}, got {got}")
    return positions


def _rows(table: Tensor, places: Tensor, d: int) -> Tensor:
    if table.shape[1] != d:
        raise ValueError(f"the table must be as wide as x, {d}, got {table.shape[1]}")
    if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < len(table):
        raise ValueError(f"places {int(places.min())} to {int(places.max())} are not all in a table of {len(table)}")
    # Wide before it is indexed, so that what many texts teach a row is summed in float32.
    return table.to(torch.promote_types(table.dtype, torch.float32))[places]


def _sinusoids(places: Tensor, x: Tensor, layout: str | None, endpoint: bool, base: float) -> Tensor:
    if layout not in ("interleaved", "halves"):
        raise ValueError(f"layout must be interleaved or halves, got {layout!r}")
    if not base > 0:
        raise ValueError(f"base must be positive, got {base}")
    d, wide = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
    pairs = torch.arange(d // 2 if endpoint else (d + 1) // 2, dtype=wide, device=x.device)
    speeds = base ** -(pairs / max(len(pairs) - 1, 1) if endpoint else 2 * pairs / d)
    angles = places[..., None].to(wide) * speeds
    both = torch.stack([angles.sin(), angles.cos()], dim=-2 if layout == "halves" else -1).flatten(-2)
    return pad(both, (0, d - both.shape[-1]))  # of an odd width it cuts the last cosine off, or adds a 0
