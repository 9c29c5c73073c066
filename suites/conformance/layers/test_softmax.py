"""Laws of softmax. Contract: reference/layers/softmax.py."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import alone_and_among_others, gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.rows import MANY
from fixtures.strategies.scores import SHORT, Regime, Scores, scores
from fixtures.subject import ImplementationError
from fixtures.subject import Subject as Implementation

FINITE: tuple[Regime, ...] = ("normal", "small", "large", "ties", "shifted")
MILD: tuple[Regime, ...] = ("normal", "small", "ties", "spread", "shifted", "masked")
SEVERAL = SHORT.filter(lambda n: n > 2)
"""One column is 1 whatever its score: its gradient vanishes."""

VOCABULARIES = {"GPT-2": 50_257, "Qwen2": 151_936}

END = {"float64": 1e308, "float32": 3e38, "bfloat16": 3e38, "float16": 6e4}


@judge.every_dtype
@given(problem=scores())
def test_agrees_with_the_reference(implementation: Implementation, problem: Scores) -> None:
    """Weights are the reference's."""
    judge.agree(implementation, problem.scores)


@pytest.mark.parametrize("dim", range(-4, 4))
@settings(max_examples=4)
@given(problem=scores(lengths=SHORT, batches=st.sampled_from([(2, 3, 4), (2, 1, 5)])))
def test_agrees_along_any_axis(implementation: Implementation, problem: Scores, dim: int) -> None:
    """`dim` is the axis that sums to one, counted from either end."""
    judge.agree(implementation, problem.scores.nan_to_num(neginf=-3), dim=dim)


@judge.every_dtype
@given(problem=scores(regimes=MILD, lengths=st.sampled_from([3, 5, 8, 33, 130])))
def test_gradients_agree(implementation: Implementation, problem: Scores) -> None:
    """Gradients are the reference's: every weight depends on every score, and a score of minus infinity gets 0."""
    judge.agree_gradients(implementation, problem.scores)


@pytest.mark.parametrize("dim", range(-3, 3))
@settings(max_examples=2)
@given(problem=scores(regimes=("normal", "shifted"), lengths=st.sampled_from([5, 8]), batches=st.just((4, 3))))
def test_gradients_agree_along_any_axis(implementation: Implementation, problem: Scores, dim: int) -> None:
    """The way back sums over the axis `dim` too."""
    judge.agree_gradients(implementation, problem.scores, dim=dim)


@pytest.mark.parametrize("what", MANY)
def test_gradients_agree_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values and gradients are the reference's in rows that are wider, and in more of them, than a block."""
    scores = Scores(*MANY[what], "normal", seed=0).scores
    judge.agree(implementation, scores)
    judge.agree_gradients(implementation, scores)


@pytest.mark.parametrize("dim", [-3, 1, 4])
def test_agrees_along_any_of_five_axes(implementation: Implementation, dim: int) -> None:
    """More axes than a batch of heads has are no other case."""
    judge.agree(implementation, Scores((2, 3, 1, 2), 5, "normal", seed=0).scores, dim=dim)


@judge.every_dtype
@given(problem=scores(regimes=("large",), lengths=st.sampled_from([5, 8]), batches=st.sampled_from([(3,), (2, 3)])))
def test_gradients_of_saturated_rows_agree(implementation: Implementation, problem: Scores) -> None:
    """Pit: where one column takes nearly all, 1 - y is small, and of a y saved in half precision nothing of it is left."""
    judge.agree_gradients(implementation, problem.scores / 2)


@judge.every_dtype
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@settings(max_examples=2)
@given(seed=st.integers(0, 2**16), size=st.sampled_from([1.0, 4.0]))
def test_agrees_on_a_vocabulary(implementation: Implementation, vocabulary: str, seed: int, size: float) -> None:
    """Rows as long as a vocabulary: every column counts, and a sum of so many small weights is not lost, also where the
    largest comes last, so that whoever goes by blocks finds a larger one in each."""
    generator = torch.Generator().manual_seed(seed)
    logits = size * torch.randn(VOCABULARIES[vocabulary], generator=generator, dtype=torch.float64)
    judge.agree(implementation, torch.stack([logits, logits.sort().values]))


@given(problem=scores())
def test_sums_to_one(implementation: Implementation, problem: Scores) -> None:
    """Weights sum to one."""
    expected = implementation.rounded(torch.ones(problem.batch, dtype=torch.float64))
    judge.holds(implementation, lambda f: (f(problem.scores).sum(-1), expected))


@given(problem=scores(), shift=st.sampled_from([-1e4, -0.5, 700.0]))
def test_a_shift_of_all_scores_cancels(implementation: Implementation, problem: Scores, shift: float) -> None:
    """The same number added to all scores changes nothing, however large it is."""
    z = (problem.scores * 64).round() / 64  # so that adding rounds nothing, in float32 neither
    judge.holds(implementation, lambda f: (f(z + shift), f(z)))


@given(problem=scores(regimes=FINITE, lengths=SEVERAL))
def test_differences_become_ratios(implementation: Implementation, problem: Scores) -> None:
    """The weights of two columns are in the ratio of e to the difference of their scores: no other base, no temperature."""
    z = implementation.rounded(problem.scores)
    ratio = (z - z.amax(-1, keepdim=True)).exp()
    judge.holds(implementation, lambda f: (f(z) / f(z).amax(-1, keepdim=True), ratio))


@given(first=st.sampled_from([-30.0, -1.0, 0.0, 0.25, 5.0]), second=st.sampled_from([-2.0, 0.0, 3.0]))
def test_two_columns_are_a_sigmoid(implementation: Implementation, first: float, second: float) -> None:
    """Of two scores, the first gets the logistic function of their difference."""
    z = torch.tensor([first, second], dtype=torch.float64)
    expected = implementation.rounded(torch.tensor([first - second, second - first], dtype=torch.float64).sigmoid())
    judge.holds(implementation, lambda f: (f(z), expected))


@given(problem=scores(regimes=("normal", "large", "ties", "masked")))
def test_order_stays(implementation: Implementation, problem: Scores) -> None:
    """A larger score has no smaller weight, and no weight is negative or above 1."""
    z = implementation.rounded(problem.scores)
    weights = implementation(z).gather(-1, z.argsort(-1))
    judge.finite(implementation, weights)
    judge.exact(bool((weights.diff(dim=-1) >= 0).all()), True, "whether weights grow with their scores")
    judge.exact(bool(((weights >= 0) & (weights <= 1)).all()), True, "whether weights lie between 0 and 1")


@given(problem=scores(regimes=("ties",)), value=st.sampled_from([0.0, -1e4, 300.0]))
def test_equal_scores_get_equal_weights(implementation: Implementation, problem: Scores, value: float) -> None:
    """Where all n scores are the same, each weight is 1/n, however large or small the scores."""
    z = torch.full_like(problem.scores, value)
    expected = implementation.rounded(torch.full_like(z, 1 / problem.n))
    judge.holds(implementation, lambda f: (f(z), expected))


@given(problem=scores(regimes=FINITE, lengths=SEVERAL), hidden=st.integers(1, 12))
def test_minus_infinity_is_as_though_absent(implementation: Implementation, problem: Scores, hidden: int) -> None:
    """Columns of minus infinity get exactly 0, and the others what they get without them."""
    z = torch.cat([problem.scores, problem.scores.new_full((*problem.batch, hidden), -math.inf)], -1)
    order = torch.randperm(z.shape[-1], generator=torch.Generator().manual_seed(problem.seed))
    left = order < problem.n
    judge.zero(implementation, implementation(z[..., order])[..., ~left])
    judge.holds(implementation, lambda f: (f(z[..., order])[..., left], f(problem.scores[..., order[left]])))


@given(problem=scores(regimes=FINITE, batches=st.just((3,))))
def test_a_row_of_minus_infinity_is_nan(implementation: Implementation, problem: Scores) -> None:
    """Where nothing may be chosen there is no distribution: NaN, as in PyTorch, JAX and SciPy. Other rows do not notice.

    Pit: adding finfo.min in place of minus infinity gives equal weights to all that is forbidden.
    """
    z = implementation.rounded(problem.scores)
    z[1] = -math.inf
    judge.exact(bool(implementation(z)[1].isnan().all()), True, "whether the row is NaN")
    judge.holds(implementation, lambda f: (f(z)[::2], f(problem.scores[::2])))


@judge.every_dtype
@given(problem=scores(regimes=("normal",), lengths=SHORT), part=st.sampled_from([-1.0, -1e-3, 1e-2, 1.0]))
def test_huge_scores_stay_finite(implementation: Implementation, problem: Scores, part: float) -> None:
    """Scores up to the end of the dtype do not overflow: the largest takes all. Pit: exp without subtracting the maximum."""
    z = problem.scores.clamp(-3, 3) / 3 * END[implementation.dtype or "float64"] * part
    judge.agree(implementation, z)


@given(problem=scores(lengths=SEVERAL))
def test_columns_permute(implementation: Implementation, problem: Scores) -> None:
    """The order of the columns does not matter."""
    order = torch.randperm(problem.n, generator=torch.Generator().manual_seed(problem.seed))
    judge.holds(implementation, lambda f: (f(problem.scores[..., order]), f(problem.scores)[..., order]))


@given(problem=scores(batches=st.sampled_from([(3,), (33,), (2, 3)]), lengths=SHORT))
def test_rows_do_not_see_each_other(implementation: Implementation, problem: Scores) -> None:
    """Each row gives what it gives alone, wherever it stands and however far the others lie from it."""
    judge.holds(implementation, lambda f: alone_and_among_others(f, problem.scores))


@pytest.mark.parametrize("layout", LAYOUTS)
@given(problem=scores(batches=st.sampled_from([(3,), (2, 3)])))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, problem: Scores) -> None:
    """Transposed, gapped and fused scores give what contiguous ones give."""
    judge.agree(implementation, LAYOUTS[layout](problem.scores))


@given(problem=scores(batches=st.sampled_from([(3,), (2, 3)]), lengths=SHORT))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, problem: Scores) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(implementation, lambda f: gradients_by_layout(f, problem.scores))


@given(problem=scores(lengths=SHORT, batches=st.sampled_from([(), (3,), (0,), (2, 0)])))
def test_shape_and_dtype_stay(implementation: Implementation, problem: Scores) -> None:
    """The result has shape and dtype of the scores, also where there is no row."""
    z = implementation.rounded(problem.scores)
    result = implementation(z)
    judge.exact((tuple(result.shape), result.dtype), (tuple(z.shape), z.dtype), "shape and dtype")


@pytest.mark.parametrize("rows", [(), (3,)])
def test_no_columns_give_no_weights(implementation: Implementation, rows: tuple[int, ...]) -> None:
    """An axis of length 0 gives an empty result."""
    result = implementation(torch.empty(*rows, 0, dtype=torch.float64))
    judge.exact(tuple(result.shape), (*rows, 0), "shape")


@pytest.mark.parametrize("dim", [2, -3])
def test_an_axis_that_is_not_there_raises(implementation: Implementation, dim: int) -> None:
    """An axis that the scores do not have raises."""
    judge.rejects(implementation, torch.ones(2, 3, dtype=torch.float64), dim=dim)


def test_whole_numbers_are_not_cast_back(implementation: Implementation) -> None:
    """Pit: scores of an integer dtype raise or give fractions; cast back to integers, most weights would be 0."""
    try:
        weights = implementation(torch.tensor([[1, 2, 3], [3, 1, 2]]))
    except ImplementationError:
        return
    judge.exact(weights.is_floating_point(), True, "whether weights are fractions")
