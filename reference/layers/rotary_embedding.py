r"""Rotary position embedding: a vector is turned by an angle that grows with its position.

Queries and keys are taken apart into pairs of features, and each pair is turned like the hand of a clock: the first pair
by one radian a position, every following one more slowly. Turning changes no length, and the inner product of two turned
vectors depends on the angle *between* them. So a query at $m$ matches a key at $n$ by what both contain and by $m - n$,
never by where the two stand: absolute positions go in, relative ones come out, and nothing is learned.

$$
\begin{pmatrix} y_a \\ y_b \end{pmatrix} =
\begin{pmatrix} \cos m\theta_i & -\sin m\theta_i \\ \sin m\theta_i & \cos m\theta_i \end{pmatrix}
\begin{pmatrix} x_a \\ x_b \end{pmatrix},
\qquad \theta_i = b^{-2i/w}, \qquad \langle R_m q, R_n k \rangle = \langle R_{m-n}\, q, k \rangle
$$

Which features are the $i$-th pair is a convention, and weights are trained for one: $(2i, 2i + 1)$, *interleaved*, in
RoFormer, GPT-J and Meta's Llama; $(i, i + w/2)$, *halves*, in GPT-NeoX and in Hugging Face's Llama.

## Longer texts than those of training

Slow pairs have not come round once in training, so angles of later positions are new to the model. Let a pair make
$r_i = L\theta_i / 2\pi$ turns within the length $L$ of training, and let $s$ be `factor`:

| `rope_type` | what becomes of $\theta_i$ |
|---|---|
| `linear` | $\theta_i / s$: positions are squeezed into the known range |
| `dynamic` | $\theta_i\, g^{-i/(w/2 - 1)}$, $g = s l/L - (s - 1)$, for texts of $l > L$ tokens |
| `llama3` | $\gamma\theta_i + (1 - \gamma)\theta_i / s$, $\gamma$ from 0 at `low_freq_factor` turns to 1 at `high_freq_factor` |
| `yarn` | the same from `beta_slow` to `beta_fast` turns, $\gamma$ linear in $i$; $y$ times $1 + \ln(s)/10$ |
| `longrope` | $\theta_i / \lambda_i$, one list of $\lambda$ up to $L$ and one beyond; $y$ times $\sqrt{1 + \ln s / \ln L}$ |

## Notation

| symbol | name | meaning |
|---|---|---|
| $m, n$ | `positions` | where the vector stands in its text; the largest one and one more is $l$ |
| $b$ | `base` | 10000 in most models, 500000 in Llama 3 (`rope_theta`) |
| $w$ | `width` | how many features turn, the first ones; the others stay |
| $\theta_i$ | `speeds` | radians a position (elsewhere `inv_freq`) |
| $L$ | `original_max_position_embeddings` | length of the texts of training |

## Papers

- Su, Lu, Pan, Murtadha, Wen, Liu (2021), *RoFormer*, arXiv 2104.09864: the idea; equations 14, 15 and 34.
- Chen, Wong, Chen, Tian (2023), *Extending Context Window of Large Language Models via Positional Interpolation*,
  arXiv 2306.15595: squeezed positions need little fine-tuning.
- Peng, Quesnelle, Fan, Shippole (2023), *YaRN*, arXiv 2309.00071: slow pairs squeezed and fast ones left (3.2), scales
  that grow with the text (3.3), and the growth (3.4).
- Llama Team (2024), *The Llama 3 Herd of Models*, arXiv 2407.21783: a base of 500000; its code has the mean of `llama3`.
- Ding et al. (2024), *LongRoPE*, arXiv 2402.13753: a factor for each pair, found by search.

## Pitfalls

- Weights of one layout in a model of the other give a model that is wrong and does not look broken: converters permute
  the rows of the query and key projections.
- In float32 a speed is off by some $10^{-8}$ of itself and the angle by that times the position: far out in a long text
  the angles of fast pairs are wrong by a hundredth. In bfloat16 positions above 256 are not even whole numbers any more,
  and angles mean nothing: positions, speeds and angles are float32 here whatever `x` is, and float64 if it is.
- The exponent counts in widths that turn, not in widths of the head.
- The published code of YaRN counts pairs, and rounds the ends of the ramp to whole ones; its paper counts turns.
- With `dynamic` and `longrope` the speeds depend on the length: keys that a cache has kept were turned at other ones.
- Elsewhere `original_max_position_embeddings` may stand beside the scaling, or be the model's `max_position_embeddings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotary_embedding(
    x: Float[Tensor, "*batch t d"],
    positions: Int[Tensor, "..."],
    *,
    base: float,
    layout: str,
    width: int | None = None,
    scaling: Mapping[str, Any] | None = None,
) -> Float[Tensor, "*batch t d"]:
    """`x` with each pair of its features turned by position times speed (Su et al. 2021, equation 34).

    `positions`, broadcastable to `(*batch, t)`, may be any whole numbers. `base` is positive. `layout` says which features
    are a pair: `"interleaved"`, neighbours, or `"halves"`, those `width / 2` apart. The first `width` features turn, all if
    not given. `scaling` is `rope_scaling` or `rope_parameters` of a Hugging Face configuration; base and width in it are
    not read. Computed in float32 at least, and rounded to the dtype of `x` once.

    Raises `ValueError` for a width that is odd or not within `d`, for positions that do not fit, a base that is not
    positive, an unknown layout or type of scaling, and a scaling that lacks something.
    """
    width, positions = check(x, positions, base, layout, width)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = torch.arange(width // 2, dtype=wide.dtype, device=x.device)
    speeds, growth = scaled(base ** (-2 * pairs / width), base, positions, scaling or {})
    angles = positions[..., None].to(wide.dtype) * speeds
    cos, sin = growth * angles.cos(), growth * angles.sin()

    turned, rest = wide[..., :width], wide[..., width:]
    a, b = turned.chunk(2, dim=-1) if layout == "halves" else (turned[..., 0::2], turned[..., 1::2])
    a, b = a * cos - b * sin, a * sin + b * cos
    turned = torch.cat([a, b], dim=-1) if layout == "halves" else torch.stack([a, b], dim=-1).flatten(-2)
    result = torch.cat([turned, rest], dim=-1)
    return result.to(x.dtype)


def check(x: Tensor, positions: Tensor, base: float, layout: str, width: int | None) -> tuple[int, Tensor]:
    """How many features turn, and a position for each vector; or ValueError for what does not fit."""
    d = x.shape[-1]
    width = d if width is None else width
    if not 0 < width <= d or width % 2:
        raise ValueError(f"width must be even and from 2 to {d}, the width of x, got {width}")
    if layout not in ("halves", "interleaved"):
        raise ValueError(f"layout must be halves or interleaved, got {layout!r}")
    if not base > 0:
        raise ValueError(f"base must be positive, got {base}")
    try:
        return width, positions.expand(x.shape[:-1])
    except RuntimeError:
        wanted, got = tuple(x.shape[:-1]), tuple(positions.shape)
        raise ValueError(f"positions must be broadcastable to {wanted}, got {got}") from None


def scaled(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """Speeds (w / 2) for the texts that a model was scaled to, and by how much its queries and keys grow."""
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in SCALINGS:
        raise ValueError(f"rope_type must be one of {', '.join(SCALINGS)}, got {kind!r}")
    try:
        return SCALINGS[kind](speeds, base, positions, given)
    except KeyError as missing:
        raise ValueError(f"scaling of rope_type {kind!r} lacks {missing}") from None


def linear(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """Position interpolation (Chen et al. 2023, equation 4)."""
    return speeds / given["factor"], 1.0


def dynamic(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """A larger base, the longer the text (Peng et al. 2023, section 3.3): the slowest pair is slowed by g."""
    factor, growth = given["factor"], _length(positions) / given["original_max_position_embeddings"]
    g = max(factor * growth - (factor - 1), 1.0)
    return speeds * g ** -torch.linspace(0, 1, len(speeds), dtype=speeds.dtype, device=speeds.device), 1.0


def llama3(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """Pairs that make few turns in training are slowed; those that make many are not (Llama 3's `apply_scaling`)."""
    turns = given["original_max_position_embeddings"] * speeds / (2 * math.pi)
    low, high = given["low_freq_factor"], given["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return speeds * kept + speeds / given["factor"] * (1 - kept), 1.0


def yarn(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """As `llama3`, with a ramp over the numbers of the pairs (Peng et al. 2023, sections 3.2 to 3.4, and its code)."""
    length, factor = given["original_max_position_embeddings"], given["factor"]

    def pair(turns):  # the one that makes so many turns in training
        return len(speeds) * math.log(length / (2 * math.pi * turns)) / math.log(base)

    first, last = pair(given.get("beta_fast") or 32), pair(given.get("beta_slow") or 1)
    if given.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, 2 * len(speeds) - 1)
    last = last + 0.001 if first == last else last
    pairs = torch.arange(len(speeds), dtype=speeds.dtype, device=speeds.device)
    slowed = ((pairs - first) / (last - first)).clamp(0, 1)

    growth = given.get("attention_factor")
    if growth is None:
        some, all_dim = given.get("mscale"), given.get("mscale_all_dim")
        part = math.log(max(factor, 1)) / 10
        # DeepSeek V2 grows by one factor here and by another in the scale of its attention.
        growth = (some * part + 1) / (all_dim * part + 1) if some and all_dim else part + 1
    return speeds * (1 - slowed) + speeds / factor * slowed, float(growth)


def longrope(speeds: Tensor, base: float, positions: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, float]:
    """A factor for each pair, others for long texts than for short ones (Ding et al. 2024; Phi-3)."""
    length = given["original_max_position_embeddings"]
    factors = given["long_factor" if _length(positions) > length else "short_factor"]
    if len(factors) != len(speeds):
        raise ValueError(f"expected one factor for each of {len(speeds)} pairs, got {len(factors)}")
    growth = given.get("attention_factor")
    if growth is None:
        growth = math.sqrt(1 + math.log(max(given["factor"], 1)) / math.log(length))
    return speeds / torch.tensor(factors, dtype=speeds.dtype, device=speeds.device), float(growth)


def _length(positions: Tensor) -> int:
    return int(positions.max()) + 1 if positions.numel() else 0


SCALINGS: dict[str, Callable[..., tuple[Tensor, float]]] = {
    "default": lambda speeds, base, positions, given: (speeds, 1.0),
    "linear": linear,
    "dynamic": dynamic,
    "llama3": llama3,
    "yarn": yarn,
    "longrope": longrope,
}
