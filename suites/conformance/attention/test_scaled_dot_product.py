"""Laws of scaled dot-product attention: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.attention import A_FEW, Problem, problems
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation


def _never_empty(problem: Problem) -> Tensor:
    """The problem's mask, the first key seen by all, so that no row is left empty when causal."""
    assert problem.mask is not None
    return problem.mask | (torch.arange(problem.s) == 0)


@judge.every_dtype
@given(problem=problems())
def test_agrees_with_the_reference(implementation: Implementation, problem: Problem) -> None:
    """Values are the reference's."""
    judge.agree(implementation, problem.query, problem.key, problem.value)


@judge.every_dtype
@A_FEW
@given(problem=problems(masked=True))
def test_agrees_under_a_mask(implementation: Implementation, problem: Problem) -> None:
    """Values are the reference's under a boolean mask, True meaning "may attend"."""
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=problem.mask)


@judge.every_dtype
@A_FEW
@given(problem=problems(lengths="equal"))
def test_agrees_when_causal(implementation: Implementation, problem: Problem) -> None:
    """Values are the reference's when no query may see a later key."""
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@judge.every_dtype
@A_FEW
@given(problem=problems(), scale=st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0]))
def test_agrees_with_an_explicit_scale(implementation: Implementation, problem: Problem, scale: float) -> None:
    """A given scale replaces 1/sqrt(d), it does not multiply it; 0 and negative scales count too."""
    judge.agree(implementation, problem.query, problem.key, problem.value, scale=scale)
    judge.agree(implementation, problem.query, problem.key, problem.value, scale=-scale)


@A_FEW
@given(problem=problems(masked=True, lengths="equal"))
def test_mask_and_causal_both_apply(implementation: Implementation, problem: Problem) -> None:
    """With a mask and `causal`, a key must be allowed by both."""
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=_never_empty(problem), causal=True)


@A_FEW
@given(problem=problems(masked=True, lengths="fewer queries"))
def test_mask_and_causal_both_apply_with_a_cache(implementation: Implementation, problem: Problem) -> None:
    """With fewer queries than keys too: the mask is that of the keys, the last query is aligned with the last key."""
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=_never_empty(problem), causal=True)


OPTIONS = {"causal": st.just(True), "scale": st.sampled_from([0.3, 2.0])}


@given(problem=problems(masked=True, lengths="equal"), options=st.fixed_dictionaries(OPTIONS))
def test_options_do_not_disturb_each_other(implementation: Implementation, problem: Problem, options: dict) -> None:
    """With mask, causal and scale given at once, each does what it does alone."""
    mask = _never_empty(problem)
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=mask, **options)


@given(problem=problems(masked=True, lengths="equal"), options=st.fixed_dictionaries(OPTIONS))
def test_gradients_agree_under_all_options(implementation: Implementation, problem: Problem, options: dict) -> None:
    """Gradients are the reference's with mask, causal and scale given at once."""
    mask = _never_empty(problem)
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, mask=mask, **options)


@given(problem=problems(lengths="fewer queries"))
def test_causal_aligns_the_last_query_with_the_last_key(implementation: Implementation, problem: Problem) -> None:
    """With fewer queries than keys (a cache), the last query sees every key. Pit: top-left alignment.

    Source: flash-attn 2.1 changed its causal mask to the bottom right; torch's `is_causal` is documented as
    `tril(diagonal=0)`, which is top-left.
    """
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@given(problem=problems(lengths="more queries"))
def test_queries_before_the_first_key_are_zero(implementation: Implementation, problem: Problem) -> None:
    """With more queries than keys the first ones see nothing when causal: 0, and the others what they should."""
    early = problem.t - problem.s
    result = implementation(problem.query, problem.key, problem.value, causal=True)
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., :early, :])
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@A_FEW
@given(problem=problems(masked=True), keep=st.sampled_from(["per key", "per batch", "per query"]))
def test_mask_broadcasts(implementation: Implementation, problem: Problem, keep: str) -> None:
    """A mask of fewer or of singleton axes means the same as its full form."""
    mask = _never_empty(problem)
    if keep == "per key":
        mask = mask[(0,) * len(problem.batch)][:1]
    elif keep == "per query":
        mask = mask[(0,) * len(problem.batch)]
    else:
        mask = mask[..., :1, :]
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=mask)


@A_FEW
@given(problem=problems(masked=True, least_keys=2), empty=st.integers(0, 40))
def test_a_row_that_may_attend_to_nothing_is_zero(implementation: Implementation, problem: Problem, empty: int) -> None:
    """A fully masked row is exactly 0, and the other rows do not notice. Pit: adding finfo.min gives the mean instead."""
    assert problem.mask is not None
    row = empty % problem.t
    mask = problem.mask & (torch.arange(problem.t) != row)[:, None]
    result = implementation(problem.query, problem.key, problem.value, mask=implementation.rounded(mask))
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., row, :])
    if problem.t > 1:
        judge.agree(implementation, problem.query, problem.key, problem.value, mask=mask)


@A_FEW
@given(problem=problems())
def test_no_keys_give_zero(implementation: Implementation, problem: Problem) -> None:
    """With no key at all, every row is 0; with no query, there is no row."""
    nothing = implementation(problem.query, problem.key[..., :0, :], problem.value[..., :0, :])
    judge.zero(implementation, nothing)
    judge.exact(tuple(nothing.shape), (*problem.batch, problem.t, problem.v), "shape with no keys")
    no_queries = implementation(problem.query[..., :0, :], problem.key, problem.value)
    judge.exact(tuple(no_queries.shape), (*problem.batch, 0, problem.v), "shape with no queries")


@judge.every_dtype
@given(problem=problems())
def test_gradients_agree(implementation: Implementation, problem: Problem) -> None:
    """Gradients of queries, keys and values under a random cotangent are the reference's."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value)


@A_FEW
@given(problem=problems(masked=True))
def test_gradients_agree_under_a_mask(implementation: Implementation, problem: Problem) -> None:
    """Gradients are the reference's under a mask: what may not be seen gets none."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, mask=problem.mask)


@A_FEW
@given(problem=problems(lengths="equal"))
def test_gradients_agree_when_causal(implementation: Implementation, problem: Problem) -> None:
    """Gradients are the reference's when causal."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=True)


@A_FEW
@given(problem=problems(masked=True, least_keys=2))
def test_gradients_of_a_row_that_sees_nothing_are_finite(implementation: Implementation, problem: Problem) -> None:
    """Pit: a softmax over nothing is NaN, and where() hides it from the values but not from the gradient."""
    assert problem.mask is not None
    mask = problem.mask & (torch.arange(problem.t) != 0)[:, None]
    if problem.t == 1:  # then every gradient is 0
        query = implementation.rounded(problem.query).clone().requires_grad_()
        result = implementation(query, problem.key, problem.value, mask=implementation.rounded(mask))
        gradient = torch.autograd.grad(result.sum(), query, allow_unused=True)[0] if result.requires_grad else None
        judge.zero(implementation, query.new_zeros(1) if gradient is None else gradient)
    else:
        judge.agree_gradients(implementation, problem.query, problem.key, problem.value, mask=mask)


@A_FEW
@given(problem=problems(least_keys=2), size=st.sampled_from([1e2, 1e4]))
def test_huge_scores_stay_finite(implementation: Implementation, problem: Problem, size: float) -> None:
    """Scores of thousands do not overflow: the key of the largest score takes all. Pit: exp without subtracting the maximum."""
    direction = torch.ones(problem.d, dtype=torch.float64)
    query = direction.expand(*problem.batch, problem.t, problem.d) * size
    key = direction * torch.arange(problem.s, dtype=torch.float64)[:, None]
    key = key.expand(*problem.batch, problem.s, problem.d)
    judge.agree(implementation, query, key, problem.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(problem=problems())
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, problem: Problem) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give, and so do their gradients."""
    inputs = [LAYOUTS[layout](x) for x in (problem.query, problem.key, problem.value)]
    judge.agree(implementation, *inputs)
    judge.agree_gradients(implementation, *inputs)


@A_FEW
@given(problem=problems(masked=True))
def test_layout_of_the_mask_does_not_matter(implementation: Implementation, problem: Problem) -> None:
    """A mask may be transposed, gapped or a part of a wider one."""
    assert problem.mask is not None
    for layout in LAYOUTS.values():
        judge.agree(implementation, problem.query, problem.key, problem.value, mask=layout(problem.mask))


@A_FEW
@given(problem=problems())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, problem: Problem) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda value: f(problem.query, problem.key, value), problem.value),
    )


WRONG = {
    "widths": {"key": (5, 3)},
    "lengths": {"value": (4, 2)},
    "lengths, one width": {"value": (4, 4)},
    "mask": {"mask": (3, 4)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Widths, lengths or a mask that do not fit together raise instead of giving some result."""
    shapes = {"query": (3, 4), "key": (5, 4), "value": (5, 2), **WRONG[wrong]}
    query, key, value = (torch.ones(shapes[name], dtype=torch.float64) for name in ("query", "key", "value"))
    if "mask" in shapes:
        judge.rejects(implementation, query, key, value, mask=torch.ones(shapes["mask"], dtype=torch.bool))
    else:
        judge.rejects(implementation, query, key, value)


def test_no_width_matches_all_alike(implementation: Implementation) -> None:
    """Queries and keys of width 0 score 0 everywhere, so each query takes the mean; without a scale they raise."""
    problem = Problem((2,), t=3, s=5, d=1, v=2, regime="normal", seed=0)
    query, key = problem.query[..., :0], problem.key[..., :0]
    judge.agree(implementation, query, key, problem.value, scale=1.0)
    judge.rejects(implementation, query, key, problem.value)


LARGE: dict[str, dict[str, Any]] = {
    "keys": {"s": 1030},
    "keys, an odd number": {"s": 257},
    "keys, a prime number": {"s": 1031},
    "queries": {"t": 1030},
    "queries, an odd number": {"t": 257},
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
