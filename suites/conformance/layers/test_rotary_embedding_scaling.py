"""Laws of rotary position embedding: speeds that were scaled for longer texts than those of training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.rotary import A_FEW, BASES, SCALINGS, SEVERAL, Turning, parts, scalings, turnings
from fixtures.subject import Subject as Implementation

BASE = 10_000.0
in_both_layouts = pytest.mark.parametrize("layout", ["halves", "interleaved"])


@in_both_layouts
@pytest.mark.parametrize("kind", SCALINGS)
@A_FEW
@given(drawn=turnings(widths=SEVERAL), base=BASES, data=st.data())
def test_scaled_speeds_agree(
    implementation: Implementation, layout: str, kind: str, drawn: Turning, base: float, data: Any
) -> None:
    """Values are the reference's under every type of scaling, with and without its optional parameters."""
    scaling = data.draw(scalings(kind, drawn.d))
    judge.agree(implementation, drawn.x, drawn.positions, base=base, layout=layout, scaling=scaling)


@in_both_layouts
@A_FEW
@given(drawn=turnings(widths=SEVERAL), kind=st.sampled_from(SCALINGS), data=st.data())
def test_speeds_of_a_part_are_scaled_alike(
    implementation: Implementation, layout: str, drawn: Turning, kind: str, data: Any
) -> None:
    """Where some features turn only, scaling counts pairs among these; the others do not grow either."""
    width = data.draw(parts(drawn.d, least=2), label="width")
    options = {"base": BASE, "layout": layout, "width": width, "scaling": data.draw(scalings(kind, width))}
    judge.agree(implementation, drawn.x, drawn.positions, **options)


@in_both_layouts
@A_FEW
@given(drawn=turnings(widths=SEVERAL), kind=st.sampled_from(SCALINGS), data=st.data())
def test_gradients_agree_under_scaling(
    implementation: Implementation, layout: str, drawn: Turning, kind: str, data: Any
) -> None:
    """Gradients are the reference's, those of vectors that grow too."""
    options = {"base": BASE, "layout": layout, "scaling": data.draw(scalings(kind, drawn.d))}
    judge.agree_gradients(implementation, drawn.x, drawn.positions, **options)


LLAMA_3_1 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}


@judge.every_dtype
@pytest.mark.parametrize(
    "scaling, base", [(LLAMA_3_1, 5e5), (YARN, 1e6), ({"rope_type": "linear", "factor": 4.0}, 1e4)], ids=str
)
@in_both_layouts
def test_scalings_of_released_models(
    implementation: Implementation, layout: str, scaling: dict[str, Any], base: float
) -> None:
    """Llama 3.1's speeds and those of two others, on heads of 128 features, in every dtype."""
    drawn = Turning((2,), t=40, d=128, start=9000, order="counted", seed=0)
    judge.agree(implementation, drawn.x, drawn.positions, base=base, layout=layout, scaling=scaling)


RAMPS: dict[str, tuple[float, dict[str, Any]]] = {
    "between 32 turns and 1": (BASE, {"original_max_position_embeddings": 4096, "truncate": False}),
    "ends beyond the last pair": (10.0, {"original_max_position_embeddings": 10**6, "beta_fast": 6e4}),
    "begins beyond the last pair": (10.0, {"original_max_position_embeddings": 10**6}),
    "ends before the first pair": (BASE, {"original_max_position_embeddings": 6}),
    "the wrong way round": (
        BASE,
        {"original_max_position_embeddings": 4096, "truncate": False, "beta_fast": 1, "beta_slow": 32},
    ),
    "a step": (BASE, {"original_max_position_embeddings": 4096, "truncate": False, "beta_fast": 8, "beta_slow": 8}),
}


@in_both_layouts
@pytest.mark.parametrize("name", RAMPS)
def test_where_the_ramp_of_yarn_begins_and_ends(implementation: Implementation, layout: str, name: str) -> None:
    """Pit: it begins at the first pair at least and ends within the width of a head; a ramp of no length is a step."""
    drawn = Turning((2,), t=9, d=8, start=0, order="counted", seed=0)
    base, given = RAMPS[name]
    scaling = {"rope_type": "yarn", "factor": 4.0} | given
    judge.agree(implementation, drawn.x, drawn.positions, base=base, layout=layout, scaling=scaling)


@in_both_layouts
@pytest.mark.parametrize("kind", ["yarn", "longrope"])
def test_a_factor_below_one_does_not_shrink(implementation: Implementation, layout: str, kind: str) -> None:
    """Pit: the logarithm of such a factor is negative. Queries and keys grow for longer texts, and stay for shorter ones."""
    drawn = Turning((2,), t=9, d=8, start=0, order="counted", seed=0)
    scaling: dict[str, Any] = {"rope_type": kind, "factor": 0.5, "original_max_position_embeddings": 64}
    scaling |= {"short_factor": [1.5] * 4, "long_factor": [2.0] * 4} if kind == "longrope" else {}
    judge.agree(implementation, drawn.x, drawn.positions, base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
@A_FEW
@given(drawn=turnings(widths=SEVERAL))
def test_a_factor_of_one_scales_nothing(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Limit: a model scaled to the length that it has is the model; that of a short text too, where length decides."""
    ones, threes = [1.0] * (drawn.d // 2), [3.0] * (drawn.d // 2)
    more: dict[str, dict[str, Any]] = {
        "llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0},
        "longrope": {"short_factor": ones, "long_factor": threes},
    }

    def experiment(f):
        options = {"base": BASE, "layout": layout}
        scaled = [
            {"rope_type": kind, "factor": 1.0, "original_max_position_embeddings": 1100} | more.get(kind, {})
            for kind in SCALINGS
        ]
        found = [f(drawn.x, drawn.positions, scaling=scaling, **options) for scaling in [{}, *scaled]]
        return found, [f(drawn.x, drawn.positions, **options)] * len(found)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(), factor=st.sampled_from([2, 3, 16]))
def test_interpolation_squeezes_positions(
    implementation: Implementation, layout: str, drawn: Turning, factor: int
) -> None:
    """Position s m of a text squeezed by s is position m (Chen et al. 2023, equation 4)."""
    scaling = {"rope_type": "linear", "factor": float(factor)}

    def experiment(f):
        options = {"base": BASE, "layout": layout}
        squeezed = f(drawn.x, factor * drawn.positions, scaling=scaling, **options)
        return squeezed, f(drawn.x, drawn.positions, **options)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(
    drawn=turnings(widths=SEVERAL), length=st.sampled_from([41, 63, 64, 65, 300]), factor=st.sampled_from([1.5, 4.0])
)
def test_length_is_the_largest_position_and_one(
    implementation: Implementation, layout: str, drawn: Turning, length: int, factor: float
) -> None:
    """Pit: a text of L tokens is not scaled yet, one of L + 1 is; it is as long as its positions say, not its vectors."""
    scaling = {"rope_type": "dynamic", "factor": factor, "original_max_position_embeddings": length}
    for last in (length - 1, length, 5 * length):
        positions = drawn.positions - drawn.positions.max() + last
        if positions.min() >= 0:
            judge.agree(implementation, drawn.x, positions, base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
@A_FEW
@given(drawn=turnings(widths=st.just(2)))
def test_one_pair_keeps_its_speed(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Pit: of one pair, the fastest, a larger base changes nothing, though the exponent w / (w - 2) is infinite."""
    scaling = {"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 16}

    def experiment(f):
        options = {"base": BASE, "layout": layout}
        return f(drawn.x, drawn.positions, scaling=scaling, **options), f(drawn.x, drawn.positions, **options)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(), last=st.sampled_from([63, 64]))
def test_long_texts_have_factors_of_their_own(
    implementation: Implementation, layout: str, drawn: Turning, last: int
) -> None:
    """Pit: LongRoPE's second list is for texts of more than L tokens, not for positions beyond L."""
    n = drawn.d // 2
    scaling: dict[str, Any] = {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 64}
    scaling |= {"short_factor": [1.0 + i / n for i in range(n)], "long_factor": [3.0 + i for i in range(n)]}
    positions = drawn.positions - drawn.positions.max() + last
    judge.agree(implementation, drawn.x, positions, base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
@A_FEW
@given(
    drawn=turnings(), kind=st.sampled_from(["yarn", "longrope"]), growth=st.sampled_from([0.5, 1.25]), data=st.data()
)
def test_lengths_grow_by_the_attention_factor(
    implementation: Implementation, layout: str, drawn: Turning, kind: str, growth: float, data: Any
) -> None:
    """A given attention factor multiplies queries and keys, and so every score twice; no other comes on top."""
    x = implementation.rounded(drawn.x)
    scaling = data.draw(scalings(kind, drawn.d)) | {"attention_factor": growth}

    def experiment(f):
        turned = f(x, drawn.positions, base=BASE, layout=layout, scaling=scaling)
        return turned.norm(dim=-1), growth * x.norm(dim=-1)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(widths=SEVERAL), kind=st.sampled_from(SCALINGS), data=st.data())
def test_scaling_is_written_in_two_ways(
    implementation: Implementation, layout: str, drawn: Turning, kind: str, data: Any
) -> None:
    """Pit: older configurations say `type` for `rope_type`; newer ones keep the base beside it."""
    scaling = data.draw(scalings(kind, drawn.d)) | {"type": kind, "rope_theta": BASE}
    del scaling["rope_type"]
    judge.agree(implementation, drawn.x, drawn.positions, base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
def test_an_unknown_type_of_scaling_raises(implementation: Implementation, layout: str) -> None:
    """What nobody knows is not taken for no scaling."""
    x = torch.ones(2, 3, 8, dtype=torch.float64)
    for scaling in ({"rope_type": "ntk", "factor": 2.0}, {"type": "su", "factor": 2.0}):
        judge.rejects(implementation, x, torch.arange(3), base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
def test_a_scaling_that_lacks_something_raises(implementation: Implementation, layout: str) -> None:
    """No factor and no length is made up."""
    lists = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    needed: dict[str, dict[str, Any]] = {
        "linear": {"factor": 2.0},
        "dynamic": {"factor": 2.0, "original_max_position_embeddings": 64},
        "llama3": LLAMA_3_1,
        "yarn": YARN,
        "longrope": {"attention_factor": 1.0, "original_max_position_embeddings": 64} | lists,
    }
    x, positions = torch.ones(2, 3, 8, dtype=torch.float64), 9000 + torch.arange(3)
    for kind, given_ in needed.items():
        for missing in given_.keys() - {"rope_type", "attention_factor", "short_factor"}:
            scaling = {"rope_type": kind} | {name: value for name, value in given_.items() if name != missing}
            judge.rejects(implementation, x, positions, base=BASE, layout=layout, scaling=scaling)


@in_both_layouts
@pytest.mark.parametrize("pairs", [1, 3, 5])
def test_a_factor_for_each_pair(implementation: Implementation, layout: str, pairs: int) -> None:
    """LongRoPE's lists have as many factors as there are pairs; others raise."""
    scaling: dict[str, Any] = {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 64}
    scaling |= {"short_factor": [1.0] * pairs, "long_factor": [2.0] * pairs}
    x = torch.ones(2, 3, 8, dtype=torch.float64)
    judge.rejects(implementation, x, torch.arange(3), base=BASE, layout=layout, scaling=scaling)
