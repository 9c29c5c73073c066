"""Laws of layer normalisation. Contract: reference/layers/layer_norm.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import alone_and_among_others, gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS, gapped
from fixtures.strategies.rows import MANY, PAST_A_BLOCK, REGIMES, WIDTHS, Regime, Rows, rows
from fixtures.subject import Subject as Implementation

SEVERAL = WIDTHS.filter(lambda d: d > 2)
"""One feature leaves nothing but the bias, two become -1 and 1 whatever they are: few digits to compare."""

EIGHT = WIDTHS.filter(lambda d: d >= 8)
"""With two features the gradient vanishes, and with three it is small."""

VARIED = tuple(regime for regime in REGIMES if regime != "zero")
"""Without a bias, rows of zeros stay zeros: nothing to measure an error by."""

SIZEABLE: tuple[Regime, ...] = ("normal", "shifted", "spread", "outlier")
"""Smaller rows have gradients beyond the end of float16."""

FAR = {"float64": 1e4, "float32": 1e3, "bfloat16": 30.0, "float16": 300.0}
"""A mean that leaves the deviations about six bits of the dtype, and in float64 forty."""

HUGE = {"float64": 1e150, "float32": 1e17, "bfloat16": 1e17, "float16": 6e4}
"""near the end of the dtype, or of float32 if that ends first, after squaring and summing"""


@judge.every_dtype
@given(rows=rows(widths=SEVERAL))
def test_agrees_with_the_reference(implementation: Implementation, rows: Rows) -> None:
    """Values are the reference's, with weight and bias."""
    judge.agree(implementation, rows.x, rows.weight, rows.bias, eps=rows.eps)


@judge.every_dtype
@given(rows=rows(regimes=VARIED, widths=SEVERAL))
def test_agrees_without_a_bias(implementation: Implementation, rows: Rows) -> None:
    """Values are the reference's with a weight only."""
    judge.agree(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows(widths=SEVERAL))
def test_agrees_without_a_weight(implementation: Implementation, rows: Rows) -> None:
    """Values are the reference's with a bias only."""
    judge.agree(implementation, rows.x, None, rows.bias, eps=rows.eps)


@given(rows=rows(regimes=VARIED, widths=SEVERAL))
def test_agrees_without_weight_and_bias(implementation: Implementation, rows: Rows) -> None:
    """Weight and bias that are not given are 1 and 0."""
    judge.agree(implementation, rows.x, eps=rows.eps)


@judge.every_dtype
@given(rows=rows(regimes=SIZEABLE, widths=EIGHT))
def test_gradients_agree(implementation: Implementation, rows: Rows) -> None:
    """Gradients of rows, weight and bias are the reference's: they flow through mean and variance too."""
    judge.agree_gradients(implementation, rows.x, rows.weight, rows.bias, eps=rows.eps)


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
    judge.agree(implementation, rows.x, rows.weight, rows.bias, eps=rows.eps)
    judge.agree_gradients(implementation, rows.x, rows.weight, rows.bias, eps=rows.eps)


@given(rows=rows(regimes=("tiny", "zero"), widths=EIGHT))
def test_gradients_of_tiny_rows_agree(implementation: Implementation, rows: Rows) -> None:
    """Gradients of rows and weight are the reference's where epsilon is as large as the variance, or all there is."""
    judge.agree_gradients(implementation, rows.x, rows.weight, eps=rows.eps)


@judge.every_dtype
@given(rows=rows(regimes=VARIED, widths=PAST_A_BLOCK, batches=st.sampled_from([(), (2,), (3,), (64,)])))
def test_every_feature_counts(implementation: Implementation, rows: Rows) -> None:
    """Rows just past a block's width, up to a thousand features: none left out, none taken twice, no padding counted."""
    judge.agree(implementation, rows.x, rows.weight, eps=rows.eps)


@given(rows=rows(regimes=("tiny",), widths=SEVERAL), eps=st.sampled_from([1e-12, 1e-9, 1e-6, 1e-5]))
def test_epsilon_is_added_to_the_variance(implementation: Implementation, rows: Rows, eps: float) -> None:
    """Pit: at small activations epsilon shows; it stands under the root, and it is the one that was given.

    Source: Ioffe, Szegedy 2015, algorithm 1; TensorFlow's checkpoints of BERT have 1e-12, PyTorch's default is 1e-5.
    """
    judge.agree(implementation, rows.x, rows.weight, eps=eps)


@judge.every_dtype
@given(rows=rows(regimes=("normal", "outlier"), widths=SEVERAL), part=st.sampled_from([-1.0, 0.1, 1.0]))
def test_agrees_far_from_mean_zero(implementation: Implementation, rows: Rows, part: float) -> None:
    """Pit: a variance computed as mean of squares less square of mean has lost its digits there.

    Source: Chan, Golub, LeVeque 1983.
    """
    x = rows.x + part * FAR[implementation.dtype or "float64"]
    judge.agree(implementation, x, rows.weight, eps=max(rows.eps, 1e-5))


@judge.every_dtype
@given(rows=rows(regimes=("normal", "outlier"), widths=EIGHT), part=st.sampled_from([-1.0, 0.1, 1.0]))
def test_gradients_agree_far_from_mean_zero(implementation: Implementation, rows: Rows, part: float) -> None:
    """Pit: mean and reciprocal root saved in half precision for the backward pass; a rounded mean of 30 is off by 0.1."""
    x = rows.x + part * FAR[implementation.dtype or "float64"]
    judge.agree_gradients(implementation, x, rows.weight, eps=max(rows.eps, 1e-5))


@judge.every_dtype
@given(rows=rows(regimes=("normal",), widths=SEVERAL))
def test_huge_values_stay_finite(implementation: Implementation, rows: Rows) -> None:
    """Values near the end of the dtype are normalised like any others. Pit: squares of 300 overflow float16."""
    x = rows.x.clamp(-3, 3) / 3 * HUGE[implementation.dtype or "float64"]
    judge.agree(implementation, x, rows.weight, eps=rows.eps)


@given(rows=rows(regimes=("normal", "shifted"), widths=SEVERAL), shift=st.sampled_from([-4.0, 0.5, 100.0]))
def test_a_shift_of_all_features_cancels(implementation: Implementation, rows: Rows, shift: float) -> None:
    """The same number added to every feature of a row changes nothing."""
    x = (rows.x * 64).round() / 64  # so that adding rounds nothing, in float32 neither
    eps = max(rows.eps, 1e-5)  # and ties may leave no variance
    judge.holds(implementation, lambda f: (f(x + shift, rows.weight, eps=eps), f(x, rows.weight, eps=eps)))


@given(rows=rows(regimes=("normal", "shifted", "outlier"), widths=SEVERAL), factor=st.sampled_from([2**-10, 0.5, 8.0]))
def test_scale_cancels_if_epsilon_follows(implementation: Implementation, rows: Rows, factor: float) -> None:
    """Rows times a number, and epsilon times its square, give the same result: epsilon has the unit of a variance."""
    judge.holds(
        implementation,
        lambda f: (
            f(rows.x * factor, rows.weight, eps=rows.eps * factor**2),
            f(rows.x, rows.weight, eps=rows.eps),
        ),
    )


@given(rows=rows(regimes=("normal", "shifted", "tiny", "outlier"), widths=st.sampled_from([3, 8, 33])))
def test_mean_is_zero_and_variance_is_one(implementation: Implementation, rows: Rows) -> None:
    """A result has mean 0 and, as far as epsilon lets it, variance 1 with `d` for a divisor."""
    variance = implementation.rounded(rows.x).double().var(-1, correction=0)
    expected = implementation.rounded(torch.stack([torch.ones_like(variance), variance / (variance + rows.eps)]))

    def moments(f: Callable[..., Tensor]) -> Tensor:
        result = f(rows.x, eps=rows.eps)
        return torch.stack([1 + result.mean(-1), result.square().mean(-1)])

    judge.holds(implementation, lambda f: (moments(f), expected))


@given(rows=rows(widths=SEVERAL))
def test_weight_first_then_bias(implementation: Implementation, rows: Rows) -> None:
    """Weight and bias are applied after normalising, first the weight, then the bias, each feature with its own."""
    weight, bias = implementation.rounded((rows.weight, rows.bias))
    judge.holds(
        implementation,
        lambda f: (f(rows.x, weight, bias, eps=rows.eps), f(rows.x, eps=rows.eps) * weight + bias),
    )


@given(rows=rows(), constant=st.sampled_from([-2.5, 0.0, 0.75, 12.0]))
def test_a_constant_row_gives_the_bias(implementation: Implementation, rows: Rows, constant: float) -> None:
    """A row without variance is the bias, and no NaN."""
    expected = implementation.rounded(rows.bias).expand(rows.x.shape)
    x, eps = torch.full_like(rows.x, constant), max(rows.eps, 1e-5)
    judge.holds(implementation, lambda f: (f(x, rows.weight, rows.bias, eps=eps), expected))


@given(rows=rows(regimes=VARIED, batches=st.sampled_from([(3,), (33,), (2, 3)]), widths=st.sampled_from([3, 8, 33])))
def test_rows_do_not_see_each_other(implementation: Implementation, rows: Rows) -> None:
    """Each row gives what it gives alone, wherever it stands in the batch."""
    judge.holds(implementation, lambda f: alone_and_among_others(lambda x: f(x, rows.weight, eps=rows.eps), rows.x))


@given(rows=rows(regimes=VARIED, widths=st.sampled_from([3, 16, 33, 130])))
def test_features_permute_with_their_weights(implementation: Implementation, rows: Rows) -> None:
    """The order of the features does not matter, if weight and bias follow it."""
    order = torch.randperm(rows.d, generator=torch.Generator().manual_seed(rows.seed))
    judge.holds(
        implementation,
        lambda f: (
            f(rows.x[..., order], rows.weight[order], eps=rows.eps),
            f(rows.x, rows.weight, eps=rows.eps)[..., order],
        ),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=rows(regimes=VARIED, widths=SEVERAL, batches=st.sampled_from([(3,), (2, 3)])))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, rows: Rows) -> None:
    """Transposed, gapped and fused rows, and weights with gaps, give what contiguous ones give."""
    judge.agree(implementation, LAYOUTS[layout](rows.x), gapped(rows.weight), eps=rows.eps)


@given(rows=rows(regimes=VARIED, widths=SEVERAL, batches=st.sampled_from([(3,), (2, 3)])))
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


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_bias_of_another_width_raises(implementation: Implementation, width: int) -> None:
    """A bias that is not one number a feature raises, and is not broadcast."""
    x, weight = torch.ones(2, 4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    judge.rejects(implementation, x, weight, torch.ones(width, dtype=torch.float64), eps=1e-5)
