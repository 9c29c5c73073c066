"""Laws of root mean square normalisation. Contract: reference/layers/rms_norm.py."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import exhaustive, judge
from fixtures.experiments import alone_and_among_others, gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS, gapped
from fixtures.strategies.rows import MANY, PAST_A_BLOCK, WIDTHS, Regime, Rows, rows
from fixtures.subject import Subject as Implementation

EIGHT = WIDTHS.filter(lambda d: d >= 8)
"""One feature becomes 1 or -1, whatever it is: its gradient vanishes, and that of few features is small."""

SIZEABLE: tuple[Regime, ...] = ("normal", "shifted", "spread", "outlier")
"""Smaller rows have gradients beyond the end of float16."""

HUGE = {"float64": 1e150, "float32": 1e17, "bfloat16": 1e17, "float16": 6e4}
"""near the end of the dtype, or of float32 if that ends first, after squaring and summing"""


@judge.every_dtype
@given(rows=rows())
def test_agrees_with_the_reference(implementation: Implementation, rows: Rows) -> None:
    """Values are the reference's."""
    judge.agree(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows())
def test_agrees_without_a_weight(implementation: Implementation, rows: Rows) -> None:
    """A weight that is not given is 1."""
    judge.agree(implementation, rows.x, eps=rows.eps)


@judge.every_dtype
@given(rows=rows(regimes=SIZEABLE, widths=EIGHT))
def test_gradients_agree(implementation: Implementation, rows: Rows) -> None:
    """Gradients of rows and weight are the reference's: they flow through the root mean square too."""
    judge.agree_gradients(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows(regimes=("normal", "outlier"), widths=EIGHT))
def test_weights_of_zero_learn(implementation: Implementation, rows: Rows) -> None:
    """A weight of exactly 0 gets its gradient, and lets none through: as where the last norm of a block starts at 0."""
    weight = rows.weight.where(torch.arange(rows.d) % 3 > 0, 0)
    judge.agree_gradients(implementation, rows.x, weight, eps=rows.eps)


@pytest.mark.parametrize("what", MANY)
def test_gradients_agree_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values and gradients are the reference's in rows that are wider, and in more of them, than a block."""
    batch, d = MANY[what]
    rows = Rows(batch, d, "normal", eps=0.1, seed=0)
    judge.agree(implementation, rows.x, rows.weight, eps=rows.eps)
    judge.agree_gradients(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows(regimes=("tiny", "zero"), widths=EIGHT))
def test_gradients_of_tiny_rows_agree(implementation: Implementation, rows: Rows) -> None:
    """Gradients are the reference's where epsilon is as large as the squares, or all there is."""
    judge.agree_gradients(implementation, rows.x, rows.weight, eps=rows.eps)


@judge.every_dtype
@given(rows=rows(widths=PAST_A_BLOCK, batches=st.sampled_from([(), (2,), (3,), (64,)])))
def test_every_feature_counts(implementation: Implementation, rows: Rows) -> None:
    """Rows just past a block's width, up to a thousand features: none left out, none taken twice, no padding counted."""
    judge.agree(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows(regimes=("tiny",)), eps=st.sampled_from([1e-12, 1e-9, 1e-6, 1e-5]))
def test_epsilon_is_added_to_the_mean_of_the_squares(implementation: Implementation, rows: Rows, eps: float) -> None:
    """Pit: at small activations epsilon shows; it stands under the root, and it is the one that was given.

    Source: Zhang and Sennrich's own code adds it to the root, T5's and Llama's to the mean of the squares.
    """
    judge.agree(implementation, rows.x, rows.weight, eps=eps)


@judge.every_dtype
@given(rows=rows(regimes=("normal",)))
def test_huge_values_stay_finite(implementation: Implementation, rows: Rows) -> None:
    """Values near the end of the dtype are normalised like any others. Pit: squares of 300 overflow float16."""
    x = rows.x.clamp(-3, 3) / 3 * HUGE[implementation.dtype or "float64"]
    judge.agree(implementation, x, rows.weight, eps=rows.eps)


@given(rows=rows(), value=st.sampled_from([-300.0, -0.25, 1.5]))
def test_no_mean_is_subtracted(implementation: Implementation, rows: Rows, value: float) -> None:
    """Pit: a row of equal numbers is the weight with their sign, as far as epsilon lets it; LayerNorm would give 0."""
    x = torch.full_like(rows.x, value)
    expected = (rows.weight * (value / math.sqrt(value**2 + rows.eps))).expand(x.shape)
    expected = implementation.rounded(expected)
    judge.holds(implementation, lambda f: (f(x, rows.weight, eps=rows.eps), expected))


@given(rows=rows(regimes=SIZEABLE), factor=st.sampled_from([2**-10, 0.5, -8.0]))
def test_scale_cancels_if_epsilon_follows(implementation: Implementation, rows: Rows, factor: float) -> None:
    """Rows times a number, and epsilon times its square, give the same result, with the number's sign."""
    sign = math.copysign(1, factor)
    judge.holds(
        implementation,
        lambda f: (
            f(rows.x * factor, rows.weight, eps=rows.eps * factor**2),
            f(rows.x, rows.weight, eps=rows.eps) * sign,
        ),
    )


@given(rows=rows(regimes=("normal", "shifted", "tiny", "outlier")))
def test_mean_square_is_one(implementation: Implementation, rows: Rows) -> None:
    """A result's mean square is 1 with `d` for a divisor, as far as epsilon lets it."""
    square = implementation.rounded(rows.x).double().square().mean(-1)
    expected = implementation.rounded(square / (square + rows.eps))
    judge.holds(implementation, lambda f: (f(rows.x, eps=rows.eps).square().mean(-1), expected))


@given(rows=rows())
def test_the_weight_comes_after(implementation: Implementation, rows: Rows) -> None:
    """The weight multiplies what has been normalised, each feature with its own."""
    weight = implementation.rounded(rows.weight)
    judge.holds(
        implementation,
        lambda f: (f(rows.x, weight, eps=rows.eps), f(rows.x, eps=rows.eps) * weight),
    )


@exhaustive.in_sixteen_bits
@given(rows=rows(regimes=SIZEABLE, widths=EIGHT))
def test_rounded_after_the_weight_or_before_it(implementation: Implementation, rows: Rows) -> None:
    """Pit: torch rounds after the product with the weight, T5 and Llama before it and again after it: there is no third way.

    All numbers are, bit for bit, those of one of the two. Left out are the few that lie so near to the middle between
    two numbers of the dtype that float32 cannot tell which is nearer.
    """
    x, weight = implementation.rounded(rows.x), implementation.rounded(rows.weight)
    row = x.double() / (x.double().square().mean(-1, keepdim=True) + rows.eps).sqrt()

    def ways(row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (row * weight.double()).to(x.dtype), (row.to(x.dtype).double() * weight.double()).to(x.dtype)

    found = ways(row)
    nearby = [
        way == other for side in (1 - 2**-20, 1 + 2**-20) for way, other in zip(found, ways(row * side), strict=True)
    ]
    clear = torch.stack(nearby).all(0)
    result = implementation(x, weight, eps=rows.eps)
    judge.exact(tuple(result.shape), tuple(x.shape), "shape")
    result = result[clear]
    after, before = (way[clear] for way in found)
    nearest = after if (result != after).sum() <= (result != before).sum() else before
    judge.exact(result.tolist(), nearest.tolist(), "rows, rounded after or before the weight")


@given(rows=rows(), eps=st.sampled_from([1e-12, 1e-6, 1e-3]))
def test_a_row_of_zeros_is_zero(implementation: Implementation, rows: Rows, eps: float) -> None:
    """A row of zeros is 0 and no NaN: padding often is exactly 0."""
    judge.zero(implementation, implementation(torch.zeros_like(rows.x), rows.weight, eps=eps))


@given(rows=rows(batches=st.sampled_from([(3,), (33,), (2, 3)]), widths=st.sampled_from([1, 2, 8, 33])))
def test_rows_do_not_see_each_other(implementation: Implementation, rows: Rows) -> None:
    """Each row gives what it gives alone, wherever it stands in the batch."""
    judge.holds(implementation, lambda f: alone_and_among_others(lambda x: f(x, rows.weight, eps=rows.eps), rows.x))


@given(rows=rows(widths=st.sampled_from([2, 3, 16, 33, 130])))
def test_features_permute_with_their_weights(implementation: Implementation, rows: Rows) -> None:
    """The order of the features does not matter, if the weight follows it."""
    order = torch.randperm(rows.d, generator=torch.Generator().manual_seed(rows.seed))
    judge.holds(
        implementation,
        lambda f: (
            f(rows.x[..., order], rows.weight[order], eps=rows.eps),
            f(rows.x, rows.weight, eps=rows.eps)[..., order],
        ),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=rows(batches=st.sampled_from([(3,), (2, 3)])))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, rows: Rows) -> None:
    """Transposed, gapped and fused rows, and weights with gaps, give what contiguous ones give."""
    judge.agree(implementation, LAYOUTS[layout](rows.x), gapped(rows.weight), eps=rows.eps)


@given(rows=rows(batches=st.sampled_from([(3,), (2, 3)])))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, rows: Rows) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(implementation, lambda f: gradients_by_layout(lambda x: f(x, rows.weight, eps=rows.eps), rows.x))


@given(rows=rows(batches=st.sampled_from([(), (3,), (0,), (2, 0)])))
def test_shape_and_dtype_stay(implementation: Implementation, rows: Rows) -> None:
    """The result has shape and dtype of the rows, also where there is no row."""
    x = implementation.rounded(rows.x)
    result = implementation(x, rows.weight, eps=rows.eps)
    judge.exact((tuple(result.shape), result.dtype), (tuple(x.shape), x.dtype), "shape and dtype")


WRONG = {"too wide": (5,), "too narrow": (3,), "of one": (1,), "one for each number": (6, 4)}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """A weight that is not one number a feature raises, and is not broadcast."""
    weight = torch.ones(WRONG[wrong], dtype=torch.float64)
    judge.rejects(implementation, torch.ones(6, 4, dtype=torch.float64), weight, eps=1e-5)
