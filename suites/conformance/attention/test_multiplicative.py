"""Laws of multiplicative attention: agreement with the reference for each score, relations of the three, bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.alignments import A_FEW, SCORES, Alignment, alignments
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

each = pytest.mark.parametrize("score", SCORES)


@judge.every_dtype
@each
@given(own=alignments(square=True))
def test_agrees_with_the_reference(implementation: Implementation, score: str, own: Alignment) -> None:
    """Results and weights are the reference's where queries and keys have one width."""
    options = own.options(score) | {"score": "".join([*score])}  # names are compared by value
    judge.agree(implementation, *own.inputs, **options)


@judge.every_dtype
@pytest.mark.parametrize("score", ["general", "concat"])
@A_FEW
@given(own=alignments())
def test_agrees_with_two_widths(implementation: Implementation, score: str, own: Alignment) -> None:
    """Results and weights are the reference's where what asks and what answers differ in width."""
    judge.agree(implementation, *own.inputs, **own.options(score))


@judge.every_dtype
@each
@A_FEW
@given(own=alignments(masked=True, square=True))
def test_agrees_under_a_mask(implementation: Implementation, score: str, own: Alignment) -> None:
    """Results and weights are the reference's under a boolean mask, True meaning "may attend"."""
    judge.agree(implementation, *own.inputs, mask=own.mask, **own.options(score))


@judge.every_dtype
@each
@A_FEW
@given(own=alignments(square=True))
def test_gradients_agree(implementation: Implementation, score: str, own: Alignment) -> None:
    """Gradients of queries, keys and values under a random cotangent are the reference's."""
    judge.agree_gradients(implementation, *own.inputs, **own.options(score))


@each
@A_FEW
@given(own=alignments(square=True, masked=True))
def test_gradients_agree_under_a_mask(implementation: Implementation, score: str, own: Alignment) -> None:
    """Gradients are the reference's under a mask: what may not be seen gets none."""
    judge.agree_gradients(implementation, *own.inputs, mask=own.mask, **own.options(score))


@A_FEW
@given(own=alignments())
def test_the_matrix_belongs_to_either_side(implementation: Implementation, own: Alignment) -> None:
    """General is dot of queries that the matrix has mapped, or of keys that its transpose has; its gradient is the same."""
    query, key, value = own.inputs

    def experiment(f: Any) -> tuple[Any, Any]:
        general = f(query, key, value, **own.options("general"))
        asked = f(query @ own.between.to(query), key, value, score="dot")
        return (general, general), (asked, f(query, key @ own.between.mT.to(key), value, score="dot"))

    judge.holds(implementation, experiment)


@A_FEW
@given(own=alignments(square=True))
def test_the_identity_between_is_dot(implementation: Implementation, own: Alignment) -> None:
    """General with the identity is dot, and with minus the identity the keys that fit best fit worst."""
    identity = torch.eye(own.d_q, dtype=torch.float64)
    query, key, value = own.inputs

    def experiment(f: Any) -> tuple[Any, Any]:
        plain = f(query, key, value, score="general", weight=identity)
        turned = f(query, key, value, score="general", weight=-identity)
        return (plain, turned), (f(query, key, value, score="dot"), f(-query, key, value, score="dot"))

    judge.holds(implementation, experiment)


@A_FEW
@given(own=alignments(square=True, regime="normal"), times=st.sampled_from([2, 4]))
def test_there_is_no_scale(implementation: Implementation, own: Alignment, times: int) -> None:
    """Pit: features repeated, the keys' divided by how often, change nothing; a scale by the width would."""
    query, key, value = own.inputs
    wide, narrow = torch.cat([query] * times, -1), torch.cat([key] * times, -1) / times
    judge.holds(implementation, lambda f: (f(query, key, value, score="dot"), f(wide, narrow, value, score="dot")))


@A_FEW
@given(own=alignments())
def test_the_query_comes_first_in_concat(implementation: Implementation, own: Alignment) -> None:
    """With the keys' half of the map 0, concat weighs all keys alike; with the query's half 0, all queries attend alike."""
    query, key, value = own.inputs
    deaf = torch.cat([own.query_weight, own.key_weight * 0], 1)
    mute = torch.cat([own.query_weight * 0, own.key_weight], 1)
    uniform = torch.full((*own.batch, own.t, own.s), 1 / own.s, dtype=torch.float64)
    options = {"score": "concat", "score_weight": own.score_weight}

    def experiment(f: Any) -> tuple[Any, Any]:
        alike = f(query, key, value, weight=mute, **options)[1]
        return (f(query, key, value, weight=deaf, **options)[1], alike), (
            uniform,
            alike[..., :1, :].expand(alike.shape),
        )

    judge.holds(implementation, experiment)


@each
@A_FEW
@given(own=alignments(square=True))
def test_weights_add_up_to_one(implementation: Implementation, score: str, own: Alignment) -> None:
    """Each query's weights are a distribution over the source."""
    ones = torch.ones(*own.batch, own.t, dtype=torch.float64)
    judge.holds(implementation, lambda f: (f(*own.inputs, **own.options(score))[1].sum(-1), ones))


@A_FEW
@given(own=alignments(square=True), size=st.sampled_from([0.5, 3.0]))
def test_the_same_added_to_every_key_changes_nothing(
    implementation: Implementation, own: Alignment, size: float
) -> None:
    """Pit: it shifts all scores of a query alike, and softmax is blind to that (dot and general; not concat)."""
    query, key, value = own.inputs
    shifted = key + size * own.bias.sum()
    judge.holds(implementation, lambda f: (f(query, key, value, score="dot"), f(query, shifted, value, score="dot")))


@each
@A_FEW
@given(own=alignments(square=True), seed=st.integers(0, 99))
def test_the_source_has_no_order(implementation: Implementation, score: str, own: Alignment, seed: int) -> None:
    """Keys and values permuted together give the same result."""
    order = torch.randperm(own.s, generator=torch.Generator().manual_seed(seed))
    query, key, value = own.inputs
    options = own.options(score)

    def experiment(f: Any) -> tuple[Any, Any]:
        mixed = f(query, key[..., order, :], value[..., order, :], **options)[0]
        return mixed, f(query, key, value, **options)[0]

    judge.holds(implementation, experiment)


@each
@A_FEW
@given(own=alignments(square=True, masked=True), empty=st.integers(0, 40))
def test_a_row_that_may_attend_to_nothing_is_zero(
    implementation: Implementation, score: str, own: Alignment, empty: int
) -> None:
    """A fully masked row and its weights are exactly 0, no NaN and no mean."""
    assert own.mask is not None
    row, options = empty % own.t, own.options(score)
    mask = own.mask & (torch.arange(own.t) != row)[:, None]
    results = implementation(*own.inputs, mask=implementation.rounded(mask), **options)
    for result in results:
        judge.finite(implementation, result)
        judge.zero(implementation, result[..., row, :])
    if own.t > 1:
        judge.agree_gradients(implementation, *own.inputs, mask=mask, **options)


@each
@A_FEW
@given(own=alignments(square=True))
def test_no_keys_give_zero(implementation: Implementation, score: str, own: Alignment) -> None:
    """With no source every row is 0; with no query there is no row."""
    (query, key, value), options = own.inputs, own.options(score)
    judge.zero(implementation, implementation(query, key[..., :0, :], value[..., :0, :], **options)[0])
    judge.exact(implementation(query[..., :0, :], key, value, **options)[0].shape[-2], 0, "rows with no query")


@A_FEW
@given(own=alignments(square=True), size=st.sampled_from([1e2, 1e4]))
def test_huge_scores_stay_finite(implementation: Implementation, own: Alignment, size: float) -> None:
    """Scores of thousands do not overflow: the key of the largest takes all. Pit: exp without subtracting the maximum."""
    direction = torch.ones(own.d_q, dtype=torch.float64)
    query = direction.expand(*own.batch, own.t, own.d_q) * size
    key = (direction * torch.arange(own.s, dtype=torch.float64)[:, None]).expand(*own.batch, own.s, own.d_k)
    judge.agree(implementation, query, key, own.value, score="dot")


@pytest.mark.parametrize("layout", LAYOUTS)
@each
@A_FEW
@given(own=alignments(square=True))
def test_memory_layout_does_not_matter(implementation: Implementation, score: str, layout: str, own: Alignment) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give."""
    inputs = [LAYOUTS[layout](x) for x in own.inputs]
    judge.agree(implementation, *inputs, **own.options(score))


@A_FEW
@given(own=alignments(square=True))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, own: Alignment) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda value: f(own.query, own.key, value, score="dot")[0], own.value),
    )


@each
@pytest.mark.parametrize("what", ["t", "s", "v", "d_q"])
def test_large_problems_agree(implementation: Implementation, score: str, what: str) -> None:
    """What is right for few queries, keys and values is right for many."""
    sizes = {"t": 3, "s": 5, "d_q": 4, "v": 2, "a": 6} | {what: 1030}
    sizes["d_k"] = int(str(sizes["d_q"]))  # as large, and another object
    own = Alignment((2,), **sizes, regime="normal", seed=0)
    judge.agree(implementation, *own.inputs, **own.options(score))


OWN = Alignment((), 3, 5, d_q=4, d_k=4, v=2, a=6, regime="normal", seed=0)
OTHER = Alignment((), 3, 5, d_q=4, d_k=3, v=2, a=6, regime="normal", seed=0)
WRONG: dict[str, tuple[Alignment, dict[str, Any]]] = {
    "two widths for dot": (OTHER, {"score": "dot"}),
    "another score": (OWN, {"score": "cosine"}),
    "dot with a weight": (OWN, OWN.options("general") | {"score": "dot"}),
    "general without a weight": (OWN, {"score": "general"}),
    "general with a score_weight": (OWN, OWN.options("concat") | {"score": "general"}),
    "concat without a score_weight": (OWN, OWN.options("general") | {"score": "concat"}),
    "a transposed weight": (OTHER, {"score": "general", "weight": OTHER.between.mT}),
    "another number of features": (OWN, OWN.options("concat") | {"score_weight": torch.ones(5, dtype=torch.float64)}),
    "a score_weight of one number": (OWN, OWN.options("concat") | {"score_weight": torch.ones(1, dtype=torch.float64)}),
    "a mask of another length": (OWN, {"score": "dot", "mask": torch.ones(3, 4, dtype=torch.bool)}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Scores, weights, widths and masks that do not fit together raise instead of giving some result."""
    own, options = WRONG[wrong]
    judge.rejects(implementation, *own.inputs, **options)


@each
def test_fewer_values_than_keys_raise(implementation: Implementation, score: str) -> None:
    """Every key needs its value."""
    judge.rejects(implementation, OWN.query, OWN.key, OWN.value[:4], **OWN.options(score))
