"""Laws of FlashAttention: result and log-sum-exp are what softmax attention defines, its pits, and bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.attention import Problem, problems
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation
from reference.attention.scaled_dot_product import scaled_dot_product

HALF = settings(max_examples=settings().max_examples // 2)
THIRD = settings(max_examples=settings().max_examples // 3)
FEW = settings(max_examples=settings().max_examples // 4)
"""For laws that show on nearly any input."""


def _definition(problem: Problem, rounded: Any = lambda x: x) -> tuple[Tensor, Tensor]:
    """Softmax attention, and the logarithm of its sum, with the whole matrix of scores."""
    query, key, value = (rounded(x).double() for x in (problem.query, problem.key, problem.value))
    scores = query @ key.mT / math.sqrt(problem.d)
    return scaled_dot_product(query, key, value), torch.logsumexp(scores, dim=-1)


@judge.every_dtype
@HALF
@given(problem=problems())
def test_agrees_with_the_reference(implementation: Implementation, problem: Problem) -> None:
    """Result and log-sum-exp are the reference's."""
    judge.agree(implementation, problem.query, problem.key, problem.value)


@judge.every_dtype
@THIRD
@given(problem=problems(lengths="equal"))
def test_agrees_when_causal(implementation: Implementation, problem: Problem) -> None:
    """Result and log-sum-exp are the reference's when no query may see a later key."""
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@THIRD
@given(problem=problems(), scale=st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, -1.0]))
def test_agrees_with_an_explicit_scale(implementation: Implementation, problem: Problem, scale: float) -> None:
    """A given scale replaces 1/sqrt(d), in the log-sum-exp too; 0 and negative scales count."""
    judge.agree(implementation, problem.query, problem.key, problem.value, scale=scale)


@FEW
@given(problem=problems(lengths="equal"), scale=st.sampled_from([0.3, 2.0]))
def test_scale_and_causal_do_not_disturb_each_other(
    implementation: Implementation, problem: Problem, scale: float
) -> None:
    """With causal and a scale given at once, each does what it does alone."""
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True, scale=scale)


@FEW
@given(problem=problems())
def test_is_softmax_attention(implementation: Implementation, problem: Problem) -> None:
    """It is no approximation: the result is that of a softmax over all scores, and their `logsumexp` comes with it."""
    expected = _definition(problem, implementation.rounded)
    judge.holds(implementation, lambda f: (f(problem.query, problem.key, problem.value), expected))


@FEW
@given(problem=problems(lengths="fewer queries"))
def test_causal_aligns_the_last_query_with_the_last_key(implementation: Implementation, problem: Problem) -> None:
    """With fewer queries than keys (a cache), the last query sees every key. Pit: top-left alignment.

    Source: flash-attn 2.1 changed its causal mask to the bottom right; torch's kernels differ among themselves.
    """
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@FEW
@given(problem=problems(lengths="more queries"))
def test_queries_before_the_first_key_have_nothing(implementation: Implementation, problem: Problem) -> None:
    """With more queries than keys the first ones see nothing when causal: 0, and minus infinity. Pit: a sum of 0 or NaN.

    What such rows have is a convention, and 0 in the place of minus infinity counts as a score where parts of the keys
    are put together.
    """
    early = problem.t - problem.s
    output, log_sum_exp = implementation(problem.query, problem.key, problem.value, causal=True)
    judge.zero(implementation, output[..., :early, :])
    judge.exact(log_sum_exp[..., :early].unique().tolist(), [-math.inf], "log-sum-exp of nothing")
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@FEW
@given(problem=problems())
def test_no_keys_give_nothing(implementation: Implementation, problem: Problem) -> None:
    """With no key at all, every row is 0 and its log-sum-exp minus infinity; with no query, there is no row."""
    output, log_sum_exp = implementation(problem.query, problem.key[..., :0, :], problem.value[..., :0, :])
    judge.zero(implementation, output)
    judge.exact(tuple(output.shape), (*problem.batch, problem.t, problem.v), "shape with no keys")
    judge.exact(log_sum_exp.tolist(), torch.full((*problem.batch, problem.t), -math.inf).tolist(), "log-sum-exp")
    output, log_sum_exp = implementation(problem.query[..., :0, :], problem.key, problem.value)
    judge.exact(tuple(output.shape), (*problem.batch, 0, problem.v), "shape with no queries")
    judge.exact(tuple(log_sum_exp.shape), (*problem.batch, 0), "shape of the log-sum-exp with no queries")


@FEW
@given(problem=problems(), causal=st.booleans())
def test_one_key_is_taken_whole(implementation: Implementation, problem: Problem, causal: bool) -> None:
    """A single key takes all the weight: the result is its value, the log-sum-exp is its score."""
    key, value = problem.key[..., :1, :], problem.value[..., :1, :]
    judge.agree(implementation, problem.query[..., -1:, :], key, value, **({"causal": True} if causal else {}))


def _scored(problem: Problem, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys of which every query gives the keys these scores, before they are divided by sqrt(d)."""
    along = torch.ones(problem.d, dtype=torch.float64)
    query = along.expand(*problem.batch, problem.t, problem.d) / problem.d
    return query, (scores[:, None] * along).expand(*problem.batch, problem.s, problem.d)


@FEW
@given(problem=problems(least_keys=2), size=st.sampled_from([1e2, 1e4]), rising=st.booleans())
def test_huge_scores_stay_finite(implementation: Implementation, problem: Problem, size: float, rising: bool) -> None:
    """Scores of thousands do not overflow, wherever the largest stands. Pit: exp without subtracting the maximum."""
    scores = size * torch.arange(problem.s, dtype=torch.float64)
    judge.agree(implementation, *_scored(problem, scores if rising else scores.flip(0)), problem.value)


@FEW
@given(problem=problems(), size=st.sampled_from([30.0, 1e3, 1e4]))
def test_scores_far_below_zero_count_as_others_do(
    implementation: Implementation, problem: Problem, size: float
) -> None:
    """Where all scores are very negative their differences count. Pit: a maximum that begins at 0, and a sum of zeros."""
    scores = torch.linspace(0, 3, problem.s, dtype=torch.float64) * math.sqrt(problem.d) - size * math.sqrt(problem.d)
    judge.agree(implementation, *_scored(problem, scores), problem.value)


@THIRD
@given(problem=problems(least_keys=2), at=st.integers(0, 200), size=st.sampled_from([3.0, 20.0, 60.0]))
def test_a_late_large_score_takes_over(implementation: Implementation, problem: Problem, at: int, size: float) -> None:
    """A score far above those before it shrinks all that was summed. Pit: the sum or the values are not rescaled.

    Source: Milakov and Gimelshein 2018, algorithm 3, line 5.
    """
    scores = torch.linspace(0, 2, problem.s, dtype=torch.float64) * math.sqrt(problem.d)
    scores[at % problem.s] += size * math.sqrt(problem.d)
    judge.agree(implementation, *_scored(problem, scores), problem.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@FEW
@given(problem=problems())
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, problem: Problem) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give."""
    inputs = [LAYOUTS[layout](x) for x in (problem.query, problem.key, problem.value)]
    judge.agree(implementation, *inputs)


WRONG: dict[str, dict[str, Any]] = {
    "widths": {"key": (5, 3)},
    "lengths": {"value": (4, 2)},
    "lengths, one width": {"value": (4, 4)},
    "more values than keys": {"value": (6, 2)},
    "more values than keys, one width": {"value": (6, 4)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Widths or lengths that do not fit together raise instead of giving some result."""
    shapes = {"query": (3, 4), "key": (5, 4), "value": (5, 2), **WRONG[wrong]}
    judge.rejects(implementation, *(torch.ones(shapes[name], dtype=torch.float64) for name in shapes))


@pytest.mark.parametrize("size", [0, -1, -64])
def test_a_block_of_nothing_raises(implementation: Implementation, size: int) -> None:
    """A block size below 1 raises instead of going on for ever, or giving what no key was read for."""
    problem = Problem((2,), t=3, s=5, d=4, v=2, regime="normal", seed=0)
    judge.rejects(implementation, problem.query, problem.key, problem.value, block_size=size)


def test_no_width_matches_all_alike(implementation: Implementation) -> None:
    """Queries and keys of width 0 score 0 everywhere: the mean, and ln s; without a scale they raise."""
    problem = Problem((2,), t=3, s=5, d=1, v=2, regime="normal", seed=0)
    query, key = problem.query[..., :0], problem.key[..., :0]
    judge.agree(implementation, query, key, problem.value, scale=1.0)
    judge.rejects(implementation, query, key, problem.value)


LARGE: dict[str, dict[str, Any]] = {
    "keys": {"s": 1030},
    "queries": {"t": 1030},
    "features": {"d": 300},
    "values": {"v": 300},
    "batch": {"batch": (33, 2)},
}


@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values are the reference's beyond 1024 keys, 256 features and 64 heads, where tiles end and small integers too."""
    sizes: dict[str, Any] = {"batch": (1,), "t": 3, "s": 5, "d": 4, "v": 5} | LARGE[what]
    problem = Problem(**sizes, regime="normal", seed=0)
    judge.agree(implementation, problem.query, problem.key, problem.value)
