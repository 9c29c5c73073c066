"""Laws of rotary position embedding: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS as IN_MEMORY
from fixtures.strategies.rotary import A_FEW, BASES, FAR, SEVERAL, Turning, parts, turnings
from fixtures.subject import Subject as Implementation

BASE = 10_000.0
in_both_layouts = pytest.mark.parametrize("layout", ["halves", "interleaved"])


@judge.every_dtype
@in_both_layouts
@given(drawn=turnings())
def test_agrees_with_the_reference(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Values are the reference's. Pit: in bfloat16 a position of 257 is 256, so whoever counts in it turns too little."""
    judge.agree(implementation, drawn.x, drawn.positions, base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings(), base=BASES)
def test_agrees_at_any_base(implementation: Implementation, layout: str, drawn: Turning, base: float) -> None:
    """Values are the reference's whatever the base, Llama 3's of 500000 too."""
    judge.agree(implementation, drawn.x, drawn.positions, base=base, layout=layout)


@judge.every_dtype
@in_both_layouts
@given(drawn=turnings(), data=st.data())
def test_only_the_first_features_turn(implementation: Implementation, layout: str, drawn: Turning, data: Any) -> None:
    """Pit: exponents and pairs count in the width that turns; the features after it are left as they are.

    Source: GPT-NeoX's rotary_pct of 0.25, GPT-J's rotary_dim, Phi's partial_rotary_factor.
    """
    width = data.draw(parts(drawn.d), label="width")
    judge.agree(implementation, drawn.x, drawn.positions, base=BASE, layout=layout, width=width)
    x = implementation.rounded(drawn.x)
    rest = implementation(x, drawn.positions, base=BASE, layout=layout, width=width)[..., width:]
    judge.exact(bool((rest == x[..., width:]).all()), True, "whether the other features are as they were")


@judge.every_dtype
@in_both_layouts
@A_FEW
@given(drawn=turnings(starts=FAR, widths=SEVERAL))
def test_far_out_in_a_long_text(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Values are the reference's at position 1,000,000 too. Pit: angles in float32 where there is float64.

    The record's value is the largest error, for features of about 1: in float32 it is a speed's last place times the
    position, whatever library it is.
    """
    options = {"base": BASE, "layout": layout}
    by = judge.yardstick(implementation, drawn.x, drawn.positions, **options)
    result = implementation(drawn.x, drawn.positions, **options)
    judge.compare(implementation, result, by)
    error, tally = float((result.double() - by.truth[0]).abs().max()), implementation.tally
    tally.value, tally.unit = max(tally.value or 0.0, error), "largest error"


@judge.every_dtype
@in_both_layouts
@A_FEW
@given(drawn=turnings())
def test_gradients_agree(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Gradients of the vectors are the reference's: what comes from above, turned back."""
    judge.agree_gradients(implementation, drawn.x, drawn.positions, base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings(), data=st.data())
def test_gradients_of_what_stays_agree(implementation: Implementation, layout: str, drawn: Turning, data: Any) -> None:
    """Gradients reach the features that do not turn as well, as they are."""
    width = data.draw(parts(drawn.d), label="width")
    judge.agree_gradients(implementation, drawn.x, drawn.positions, base=BASE, layout=layout, width=width)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.just((2, 3))), data=st.data())
def test_positions_broadcast(implementation: Implementation, layout: str, drawn: Turning, data: Any) -> None:
    """Positions of each text, the same for all of its heads, and positions of 32 bits are as good as any."""
    shape = data.draw(st.sampled_from([(2, 1, drawn.t), (3, drawn.t), (1, 1, drawn.t), (2, 3, drawn.t), (2, 1, 1)]))
    positions = drawn.start + torch.randint(0, 40, shape, generator=torch.Generator().manual_seed(drawn.seed))
    judge.agree(implementation, drawn.x, positions, base=BASE, layout=layout)
    judge.agree(implementation, drawn.x, positions.int(), base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.sampled_from([(3,), (2, 3)])))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Transposed, gapped and fused vectors and positions give what contiguous ones give."""
    for lying in IN_MEMORY.values():
        judge.agree(implementation, lying(drawn.x), lying(drawn.positions), base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.sampled_from([(3,), (2, 3)])))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda x: f(x, drawn.positions, base=BASE, layout=layout), drawn.x),
    )


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.sampled_from([(), (3,), (0,), (2, 0)])), empty=st.booleans())
def test_shape_and_dtype_stay(implementation: Implementation, layout: str, drawn: Turning, empty: bool) -> None:
    """The result has shape and dtype of the vectors, also where there is none."""
    t = 0 if empty else drawn.t
    x, positions = implementation.rounded(drawn.x[..., :t, :]), drawn.positions[..., :t]
    result = implementation(x, positions, base=BASE, layout=layout)
    judge.exact((tuple(result.shape), result.dtype), (tuple(x.shape), x.dtype), "shape and dtype")


LARGE: dict[str, dict[str, Any]] = {"text": {"t": 1030}, "head": {"d": 300}, "batch": {"batch": (1031,)}}


@in_both_layouts
@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, layout: str, what: str) -> None:
    """Values are the reference's beyond 1024 positions, 256 features and 1024 texts."""
    sizes: dict[str, Any] = {"batch": (2,), "t": 5, "d": 8} | LARGE[what]
    drawn = Turning(**sizes, start=3, order="counted", seed=0)
    judge.agree(implementation, drawn.x, drawn.positions, base=BASE, layout=layout)


WRONG: dict[str, list[dict[str, Any]]] = {
    "odd width": [{"width": 1}, {"width": 5}],
    "no width": [{"width": 0}, {"width": -2}],
    "too wide": [{"width": 10}],
    "base": [{"base": 0.0}, {"base": -BASE}],
}


@in_both_layouts
@pytest.mark.parametrize("wrong", WRONG)
def test_bad_options_raise(implementation: Implementation, layout: str, wrong: str) -> None:
    """A width that cannot be cut into pairs, or is not there, and a base without powers raise."""
    x = torch.ones(2, 3, 8, dtype=torch.float64)
    for options in WRONG[wrong]:
        judge.rejects(implementation, x, torch.arange(3), **({"base": BASE, "layout": layout} | options))


@in_both_layouts
def test_an_odd_vector_has_no_pairs(implementation: Implementation, layout: str) -> None:
    """Vectors of an odd width raise where all of it is to turn."""
    for d in (1, 7):
        x = torch.ones(2, 3, d, dtype=torch.float64)
        judge.rejects(implementation, x, torch.arange(3), base=BASE, layout=layout)


@in_both_layouts
def test_positions_that_do_not_fit_raise(implementation: Implementation, layout: str) -> None:
    """One position a vector: too few, too many, or those of other texts raise."""
    x = torch.ones(2, 3, 8, dtype=torch.float64)
    for shape in ((4,), (2,), (3, 3), (4, 2, 3)):
        judge.rejects(implementation, x, torch.zeros(shape, dtype=torch.long), base=BASE, layout=layout)


def test_an_unknown_layout_raises(implementation: Implementation) -> None:
    """There are two ways to pair features, and no third one that is taken for one of them."""
    judge.rejects(implementation, torch.ones(3, 8, dtype=torch.float64), torch.arange(3), base=BASE, layout="neox")
