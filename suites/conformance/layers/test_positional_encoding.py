"""Laws of positional encoding: sinusoids."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.places import A_FEW, BASES, FAR, KINDS, LENGTHS, ODD, PASTS, Placing, placings
from fixtures.subject import Subject as Implementation

of_every_kind = pytest.mark.parametrize("kind", KINDS)
with_and_without_offset = pytest.mark.parametrize("offset", [{}, {"offset": 2}], ids=["from 0", "from 2"])
"""Libraries have one or the other"""


@judge.every_dtype
@of_every_kind
@given(drawn=placings())
def test_agrees_with_the_reference(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Values are the reference's, from the beginning of a text on."""
    judge.agree(implementation, drawn.x, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings())
def test_places_after_a_past_agree(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Pit: in bfloat16 a place of 257 is 256, so whoever counts in it gives neighbours the same place.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/pegasus_x/modeling_pegasus_x.py
    """
    judge.agree(implementation, drawn.x, past=drawn.past, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings(pasts=st.sampled_from([9, 100, 900])))
def test_places_that_are_given_agree(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Places may come in any order and again, each text its own."""
    judge.agree(implementation, drawn.x, None, drawn.positions, **KINDS[kind])


@of_every_kind
@A_FEW
@given(drawn=placings(batches=st.just((2, 3)), pasts=st.just(9)), own=st.sampled_from([(1, 1), (1, 3), (2, 1)]))
def test_texts_may_share_their_places(implementation: Implementation, kind: str, drawn: Placing, own: tuple) -> None:
    """Places are given for each text or for several, and one for all tokens of a text."""
    positions = drawn.positions[: own[0], : own[1]]
    judge.agree(implementation, drawn.x, None, positions, **KINDS[kind])
    judge.agree(implementation, drawn.x, None, positions[..., :1], **KINDS[kind])


@of_every_kind
@A_FEW
@given(drawn=placings())
def test_places_before_the_first_agree(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Any whole number is a place for a sine, also one below 0."""
    judge.agree(implementation, drawn.x, None, torch.arange(-3, drawn.t - 3), **KINDS[kind])


@judge.every_dtype
@of_every_kind
@with_and_without_offset
@A_FEW
@given(drawn=placings(pasts=FAR, widths=st.sampled_from([16, 34, 64])))
def test_far_out_in_a_long_text(implementation: Implementation, kind: str, offset: dict, drawn: Placing) -> None:
    """Values are the reference's at place 131,072 too. Pit: angles in float32 where there is float64."""
    judge.agree(implementation, drawn.x, past=drawn.past, **offset, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@with_and_without_offset
@A_FEW
@given(drawn=placings(widths=ODD))
def test_odd_widths_agree(implementation: Implementation, kind: str, offset: dict, drawn: Placing) -> None:
    """Pit: the last sine of an odd width has no cosine; with an endpoint there is a 0 instead, and speeds count whole pairs.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/pegasus_x/modeling_pegasus_x.py
    """
    judge.agree(implementation, drawn.x, **offset, **KINDS[kind])


@of_every_kind
@with_and_without_offset
@pytest.mark.parametrize("width", [1, 2, 3])
def test_one_pair_turns_at_speed_1(implementation: Implementation, kind: str, offset: dict, width: int) -> None:
    """Pit: d / 2 - 1 is 0 for a single pair, which is the fastest and the slowest at once."""
    x = torch.zeros(5, width, dtype=torch.float64)
    judge.agree(implementation, x + 0.25, **offset, **KINDS[kind])


@of_every_kind
@A_FEW
@given(drawn=placings(), base=BASES, past=st.sampled_from([0, 50]))
def test_agrees_at_any_base(implementation: Implementation, kind: str, drawn: Placing, base: float, past: int) -> None:
    """Values are the reference's whatever the base."""
    judge.agree(implementation, drawn.x, base=base, past=past, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings(batches=st.sampled_from([(1,), (3,)])), offset=st.sampled_from([1, 2, 5]))
def test_an_offset_numbers_the_first_place(
    implementation: Implementation, kind: str, drawn: Placing, offset: int
) -> None:
    """Sinusoids of models with a padding token begin at the number after it."""
    judge.agree(implementation, drawn.x, offset=offset, past=drawn.past, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings(pasts=st.just(0), offset=2))
def test_padding_is_not_counted(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Pit: the first token that is no padding has the first place, wherever the padding stands."""
    judge.agree(implementation, drawn.x, mask=drawn.mask, offset=2, **KINDS[kind])


@of_every_kind
@A_FEW
@given(drawn=placings(pasts=PASTS.filter(bool), sides=("right", "none"), batches=st.just((3,)), offset=2))
def test_padding_of_a_text_that_goes_on(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Pit: with a past, padding still has no place, nor the place of a past.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/fsmt/modeling_fsmt.py
    """
    mask = drawn.mask.clone()
    mask[..., : drawn.past] = True
    mask[0, -1] = False
    judge.agree(implementation, drawn.x, mask=mask, past=drawn.past, offset=2, **KINDS[kind])


@of_every_kind
@A_FEW
@given(drawn=placings(pasts=st.sampled_from([1, 7, 100]), sides=("left", "both", "holes"), offset=2))
def test_padding_in_the_past_is_not_counted(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Pit: a cache that holds padding on the left is longer than its text."""
    mask = drawn.mask.clone()
    mask[..., 0], mask[..., -1] = False, True
    judge.agree(implementation, drawn.x, mask=mask, past=drawn.past, offset=2, **KINDS[kind])


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings(sides=("left", "right", "holes", "all"), pasts=st.just(0), offset=2))
def test_padding_is_left_as_it_is(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Sinusoids add exactly nothing where there is no token."""
    x = implementation.rounded(drawn.x)
    found = implementation(x, mask=drawn.mask, offset=2, **KINDS[kind])
    absent = ~drawn.here.to(found.device)
    judge.exact(found[absent].tolist(), x.to(found.device)[absent].tolist(), "vectors of padding")


@of_every_kind
@A_FEW
@given(drawn=placings())
def test_without_padding_the_mask_says_nothing(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """A mask of tokens only gives what no mask gives."""
    options: dict[str, Any] = {"past": drawn.past, "offset": 2, **KINDS[kind]}
    mask = torch.ones_like(drawn.mask)
    judge.holds(implementation, lambda f: (f(drawn.x, mask=mask, **options), f(drawn.x, **options)))


@of_every_kind
@A_FEW
@given(drawn=placings(), more=LENGTHS)
def test_a_text_in_parts_is_the_text(implementation: Implementation, kind: str, drawn: Placing, more: int) -> None:
    """The past counts: what is encoded in two steps is what is encoded at once."""
    x = torch.cat([drawn.x, drawn.x.flip(-2)], dim=-2)
    at = min(more, x.shape[-2] - 1)

    def experiment(f):
        parts = f(x[..., :at, :], **KINDS[kind]), f(x[..., at:, :], past=at, **KINDS[kind])
        return torch.cat(parts, dim=-2), f(x, **KINDS[kind])

    judge.holds(implementation, experiment)


@of_every_kind
@A_FEW
@given(drawn=placings())
def test_what_is_added_does_not_depend_on_what_is_there(
    implementation: Implementation, kind: str, drawn: Placing
) -> None:
    """The encoding of a place is the same in all texts, and x is added as it is."""

    def experiment(f):
        nothing = f(torch.zeros_like(drawn.x), **KINDS[kind])
        return f(drawn.x, **KINDS[kind]), drawn.x.to(nothing) + nothing

    judge.holds(implementation, experiment)


@of_every_kind
@A_FEW
@given(drawn=placings(pasts=st.sampled_from([0, 40])), step=st.sampled_from([1, 5, 30]))
def test_products_depend_on_the_distance(implementation: Implementation, kind: str, drawn: Placing, step: int) -> None:
    """The inner product of two encodings tells how far apart they are, wherever they are; with itself it is half the width."""
    zeros = torch.zeros(drawn.t + step, drawn.d, dtype=torch.float64)

    def experiment(f):
        found = f(zeros, past=drawn.past, **KINDS[kind])
        products = (found[step:] * found[: drawn.t]).sum(-1)
        own = found.square().sum(-1)
        return (products, own), (products[:1].expand_as(products), torch.full_like(own, drawn.d / 2))

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("kind", ["interleaved", "halves"])
@A_FEW
@given(drawn=placings())
def test_the_paper_gives_the_numbers(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """Sine and cosine of the place over 10000 to the power of 2i/d, place by place and pair by pair.

    Source: arXiv 1706.03762, section 3.5
    """
    angles = [[place * 10_000.0 ** (-2 * i / drawn.d) for i in range(drawn.d // 2)] for place in range(drawn.t)]
    rows = [[(math.sin(angle), math.cos(angle)) for angle in row] for row in angles]
    if kind == "interleaved":
        right = [[number for pair in row for number in pair] for row in rows]
    else:
        right = [[pair[which] for which in (0, 1) for pair in row] for row in rows]
    zeros = torch.zeros(drawn.t, drawn.d, dtype=torch.float64)
    expected = torch.tensor(right, dtype=torch.float64)
    judge.holds(implementation, lambda f: (f(zeros, **KINDS[kind]), expected))


@pytest.mark.parametrize("kind", ["interleaved to the end", "halves to the end"])
def test_the_last_pair_ends_at_the_base(implementation: Implementation, kind: str) -> None:
    """Pit: tensor2tensor's slowest pair turns by one radian in 10000 places; the paper's never gets there."""
    zeros = torch.zeros(3, 6, dtype=torch.float64)
    sine, cosine = (2, 5) if kind.startswith("halves") else (4, 5)
    angles = torch.tensor([700.0, 701.0, 702.0], dtype=torch.float64) / 10_000

    def experiment(f):
        found = f(zeros, past=700, **KINDS[kind])
        return found[:, [sine, cosine]], torch.stack([angles.sin(), angles.cos()], dim=-1)

    judge.holds(implementation, experiment)


@judge.every_dtype
@of_every_kind
@A_FEW
@given(drawn=placings())
def test_gradients_agree(implementation: Implementation, kind: str, drawn: Placing) -> None:
    """What comes from above goes to x as it is."""
    judge.agree_gradients(implementation, drawn.x, **KINDS[kind])


@of_every_kind
@pytest.mark.parametrize("name", ["int16", "int32", "uint8"])
def test_positions_of_any_width_are_positions(implementation: Implementation, kind: str, name: str) -> None:
    """Whole numbers of any width are the same places, and their sums do not run over."""
    x = torch.full((3, 8), 0.5, dtype=torch.float64)
    judge.agree(implementation, x, None, torch.tensor([0, 100, 127]).to(getattr(torch, name)), **KINDS[kind])


@of_every_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_in_memory_gives_the_same(implementation: Implementation, kind: str, layout: str) -> None:
    """Numbers are where the strides say, not side by side."""
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    judge.agree(implementation, LAYOUTS[layout](x), **KINDS[kind])


@of_every_kind
@pytest.mark.parametrize("shape", [(0, 8), (2, 0, 8), (0, 3, 8)], ids=str)
def test_no_tokens_have_no_places(implementation: Implementation, kind: str, shape: tuple[int, ...]) -> None:
    """Limit: without tokens, or without texts, there is nothing to add to."""
    found = implementation(torch.zeros(shape, dtype=torch.float64), **KINDS[kind])
    judge.exact(tuple(found.shape), shape, "shape")


BAD: dict[str, dict[str, Any]] = {
    "an unknown layout": {"layout": "quarters"},
    "no layout and no table": {},
    "a base of 0": {"layout": "halves", "endpoint": True, "base": 0.0},
    "a negative base": {"layout": "halves", "endpoint": True, "base": -10_000.0},
    "a mask of another length": {"layout": "halves", "endpoint": True, "offset": 2, "mask": torch.ones(2, 4) > 0},
    "a mask of the present only": {
        "layout": "halves",
        "endpoint": True,
        "offset": 2,
        "past": 2,
        "mask": torch.ones(2, 5) > 0,
    },
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_raises(implementation: Implementation, what: str) -> None:
    """Options that do not fit raise."""
    judge.rejects(implementation, torch.ones(2, 5, 8, dtype=torch.float64), **BAD[what])


@pytest.mark.parametrize("texts", [((2,), (1,)), ((1,), (2,)), ((2,), ()), ((2, 1), (2, 3))], ids=str)
def test_a_mask_of_other_texts_raises(implementation: Implementation, texts: tuple[tuple[int, ...], ...]) -> None:
    """A mask says of each text what is there: one is not stretched over many, nor many over one."""
    x, mask = torch.ones(*texts[0], 5, 8, dtype=torch.float64), torch.ones(*texts[1], 5) > 0
    judge.rejects(implementation, x, mask=mask, layout="halves", endpoint=True, offset=2)


@pytest.mark.parametrize("kind", ["interleaved", "halves to the end"])
@pytest.mark.parametrize("shape", [(4,), (3, 5), (1, 2, 5), (2, 1, 5)], ids=str)
def test_positions_that_do_not_fit_raise(implementation: Implementation, kind: str, shape: tuple[int, ...]) -> None:
    """One place for each vector: neither fewer, nor more than there are texts."""
    positions = torch.ones(shape, dtype=torch.long)
    judge.rejects(implementation, torch.ones(2, 5, 8, dtype=torch.float64), None, positions, **KINDS[kind])


@pytest.mark.parametrize("also", ["past", "mask"])
def test_positions_beside_what_is_counted_raise(implementation: Implementation, also: str) -> None:
    """Places are given or counted, not both."""
    options: dict[str, Any] = {"past": 3} if also == "past" else {"mask": torch.ones(2, 5) > 0, "offset": 2}
    x = torch.ones(2, 5, 8, dtype=torch.float64)
    judge.rejects(implementation, x, None, torch.arange(5), layout="halves", endpoint=True, **options)
