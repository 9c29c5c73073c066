"""Laws of grouped-query attention: agreement with the reference, who shares with whom, and bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.attention import A_FEW
from fixtures.strategies.grouped_heads import Grouped, grouped
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation
from reference.attention.scaled_dot_product import scaled_dot_product

SEVERAL = st.sampled_from([2, 3, 4])
CAPS = st.sampled_from([0.3, 2.0, 30.0])


@judge.every_dtype
@given(problem=grouped())
def test_agrees_with_the_reference(implementation: Implementation, problem: Grouped) -> None:
    """Values are the reference's."""
    judge.agree(implementation, problem.query, problem.key, problem.value)


@judge.every_dtype
@A_FEW
@given(problem=grouped(equal=True))
def test_agrees_when_causal(implementation: Implementation, problem: Grouped) -> None:
    """Values are the reference's when no query may see a later key."""
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


@A_FEW
@given(problem=grouped(options=True))
def test_agrees_under_a_mask(implementation: Implementation, problem: Grouped) -> None:
    """Values are the reference's under a boolean mask that is another for each head of queries."""
    judge.agree(implementation, problem.query, problem.key, problem.value, mask=problem.mask)


@A_FEW
@given(problem=grouped(options=True))
def test_agrees_with_a_bias(implementation: Implementation, problem: Grouped) -> None:
    """Values are the reference's with a bias that is another for each head of queries."""
    judge.agree(implementation, problem.query, problem.key, problem.value, bias=problem.bias)


@A_FEW
@given(problem=grouped(), scale=st.sampled_from([0.0, 0.5, 3.0, -1.0]))
def test_agrees_with_an_explicit_scale(implementation: Implementation, problem: Grouped, scale: float) -> None:
    """A given scale replaces 1/sqrt(d), it does not multiply it."""
    judge.agree(implementation, problem.query, problem.key, problem.value, scale=scale)


@A_FEW
@given(problem=grouped(options=True), softcap=CAPS)
def test_agrees_with_a_softcap(implementation: Implementation, problem: Grouped, softcap: float) -> None:
    """Values are the reference's under a soft cap, which comes before mask and bias."""
    query, key, value = problem.query, problem.key, problem.value
    judge.agree(implementation, query, key, value, softcap=softcap)
    judge.agree(implementation, query, key, value, softcap=softcap, mask=problem.mask, bias=problem.bias)


@given(problem=grouped(options=True, equal=True), scale=st.sampled_from([0.3, 2.0]))
def test_options_do_not_disturb_each_other(implementation: Implementation, problem: Grouped, scale: float) -> None:
    """With mask, causal, scale and bias given at once, each does what it does alone; gradients too."""
    options: dict[str, Any] = {"mask": problem.mask, "causal": True, "scale": scale, "bias": problem.bias}
    judge.agree(implementation, problem.query, problem.key, problem.value, **options)
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value, **options)


@A_FEW
@given(problem=grouped(options=True), axes=st.sampled_from(["keys", "queries by keys", "heads", "batch"]))
def test_mask_and_bias_broadcast(implementation: Implementation, problem: Grouped, axes: str) -> None:
    """A mask or a bias of fewer or of singleton axes means the same as its full form. `heads` are those of the queries."""

    def fewer(x: Tensor) -> Tensor:
        first = x[(0,) * len(problem.batch)]
        return {"keys": first[0, :1], "queries by keys": first[0], "heads": first[:, :1], "batch": x[..., :1, :1, :]}[
            axes
        ]

    judge.agree(implementation, problem.query, problem.key, problem.value, mask=fewer(problem.mask))
    judge.agree(implementation, problem.query, problem.key, problem.value, bias=fewer(problem.bias))


@judge.every_dtype
@A_FEW
@given(problem=grouped())
def test_gradients_agree(implementation: Implementation, problem: Grouped) -> None:
    """Gradients under a random cotangent are the reference's: of keys and values the sum over who shares them."""
    judge.agree_gradients(implementation, problem.query, problem.key, problem.value)


@given(problem=grouped(groups=SEVERAL, shared=SEVERAL))
def test_neighbours_share(implementation: Implementation, problem: Grouped) -> None:
    """Query head i uses key head i // (heads // groups): the same as if each key head were there that many times in a row.

    Pit: a tile deals the heads out in turn. Source: https://github.com/onnx/onnx/pull/7274, the definition of ONNX's
    Attention until then; https://github.com/ekzhang/jax-js/pull/180.
    """
    key, value = (torch.repeat_interleave(x, problem.shared, dim=-3) for x in (problem.key, problem.value))
    judge.holds(
        implementation,
        lambda f: (f(problem.query, problem.key, problem.value), f(problem.query, key, value)),
    )


@A_FEW
@given(problem=grouped(options=True, shared=st.just(1), equal=True))
def test_as_many_groups_as_heads_is_multi_head(implementation: Implementation, problem: Grouped) -> None:
    """Where no head shares, each is scaled dot-product attention by itself."""
    query, key, value = problem.query, problem.key, problem.value
    options: dict[str, Any] = {"mask": problem.mask, "causal": True}
    judge.holds(
        implementation,
        lambda f: (f(query, key, value, **options), scaled_dot_product(query, key, value, **options)),
    )


@A_FEW
@given(problem=grouped(groups=st.just(1), shared=SEVERAL))
def test_one_group_is_multi_query(implementation: Implementation, problem: Grouped) -> None:
    """Where all share one head of keys, each head of queries gives what it gives alone with it."""
    query, key, value = problem.query, problem.key, problem.value
    judge.holds(
        implementation,
        lambda f: (
            f(query, key, value),
            torch.cat([f(query[..., i : i + 1, :, :], key, value) for i in range(problem.heads)], dim=-3),
        ),
    )


@A_FEW
@given(problem=grouped(groups=SEVERAL, shared=SEVERAL), seed=st.integers(0, 99))
def test_heads_permute_within_their_group(implementation: Implementation, problem: Grouped, seed: int) -> None:
    """The order of heads of queries in a group is that of the results; groups may change places with their heads."""
    generator = torch.Generator().manual_seed(seed)
    inside = torch.stack([torch.randperm(problem.shared, generator=generator) for _ in range(problem.groups)])
    groups = torch.randperm(problem.groups, generator=generator)
    heads = ((torch.arange(problem.groups) * problem.shared)[:, None] + inside)[groups].flatten()
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query[..., heads, :, :], problem.key[..., groups, :, :], problem.value[..., groups, :, :]),
            f(problem.query, problem.key, problem.value)[..., heads, :, :],
        ),
    )


@A_FEW
@given(problem=grouped(groups=SEVERAL), at=st.integers(0, 9), what=st.sampled_from(["key", "value"]))
def test_groups_do_not_notice_each_other(implementation: Implementation, problem: Grouped, at: int, what: str) -> None:
    """Other keys, or values, of one group change nothing for heads of queries of another."""
    group = at % problem.groups
    here = (torch.arange(problem.groups) == group)[:, None, None]
    others = torch.arange(problem.heads) // problem.shared != group
    changed = {"key": problem.key, "value": problem.value}
    changed[what] = changed[what].where(~here, 3 - 2 * changed[what])
    judge.holds(
        implementation,
        lambda f: (
            f(problem.query, changed["key"], changed["value"])[..., others, :, :],
            f(problem.query, problem.key, problem.value)[..., others, :, :],
        ),
    )


@A_FEW
@given(problem=grouped())
def test_the_scale_is_that_of_one_head(implementation: Implementation, problem: Grouped) -> None:
    """Without a scale it is 1/sqrt(d), d being the width of one head. Pit: that of the model, heads times d."""
    query, key, value = problem.query, problem.key, problem.value
    judge.holds(
        implementation,
        lambda f: (f(query, key, value), f(query, key, value, scale=1 / math.sqrt(problem.d))),
    )


@A_FEW
@given(problem=grouped(options=True), head=st.integers(0, 40))
def test_a_row_that_may_attend_to_nothing_is_zero(implementation: Implementation, problem: Grouped, head: int) -> None:
    """A row that one head masks fully is 0, and heads that share its keys do not notice."""
    head %= problem.heads
    mask = problem.mask.clone()
    mask[..., head, 0, :] = False
    result = implementation(problem.query, problem.key, problem.value, mask=mask)
    judge.finite(implementation, result)
    judge.zero(implementation, result[..., head, 0, :])
    if problem.t * problem.heads > 1:
        judge.agree(implementation, problem.query, problem.key, problem.value, mask=mask)


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(problem=grouped())
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, problem: Grouped) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give, and so do their gradients."""
    inputs = [LAYOUTS[layout](x) for x in (problem.query, problem.key, problem.value)]
    judge.agree(implementation, *inputs)
    judge.agree_gradients(implementation, *inputs)


@A_FEW
@given(problem=grouped())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, problem: Grouped) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda value: f(problem.query, problem.key, value), problem.value),
    )


LARGE: dict[str, dict[str, Any]] = {
    "heads": {"groups": 2, "shared": 36},
    "groups": {"groups": 70, "shared": 1},
    "keys": {"groups": 2, "shared": 2, "s": 1030},
}


@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values are the reference's beyond 64 heads and 1024 keys."""
    sizes: dict[str, Any] = {"batch": (2,), "t": 3, "s": 5, "d": 4, "v": 5} | LARGE[what]
    problem = Grouped(**sizes, regime="normal", seed=0)
    judge.agree(implementation, problem.query, problem.key, problem.value)


@pytest.mark.parametrize("past", [21, 67, 259])
def test_agrees_with_a_long_past(implementation: Implementation, past: int) -> None:
    """Every key and value of a past counts, however many tiles it fills."""
    problem = Grouped((2,), groups=2, shared=2, t=3, s=past + 3, d=4, v=5, regime="normal", seed=0, past=past)
    judge.agree(implementation, problem.query, *problem.new, past=problem.old, causal=True)


WRONG: dict[str, dict[str, tuple[int, ...]]] = {
    "heads no multiple of groups": {"query": (5, 3, 4)},
    "fewer heads than groups": {"query": (1, 3, 4)},
    "no groups": {"key": (0, 5, 4), "value": (0, 5, 2)},
    "values of more heads than keys": {"value": (4, 5, 2)},
    "values of fewer heads than keys": {"value": (1, 5, 2)},
    "widths": {"key": (2, 5, 3)},
    "lengths": {"value": (2, 4, 2)},
    "mask of groups": {"mask": (2, 3, 5)},
    "bias of groups": {"bias": (2, 3, 5)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Heads, widths, lengths, a mask or a bias that do not fit together raise instead of giving some result."""
    shapes = {"query": (4, 3, 4), "key": (2, 5, 4), "value": (2, 5, 2), **WRONG[wrong]}
    tensors = {name: torch.ones(shape, dtype=torch.float64) for name, shape in shapes.items()}
    options = {"bias": tensors["bias"]} if "bias" in tensors else {}
    options |= {"mask": tensors["mask"] > 0} if "mask" in tensors else {}
    judge.rejects(implementation, tensors["query"], tensors["key"], tensors["value"], **options)
