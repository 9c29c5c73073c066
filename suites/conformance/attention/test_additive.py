"""Laws of additive attention: agreement with the reference, its pits, its relations, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.alignments import A_FEW, Alignment, alignments
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@given(own=alignments())
def test_agrees_with_the_reference(implementation: Implementation, own: Alignment) -> None:
    """Results and weights are the reference's, whatever the widths of queries, keys, values and features."""
    judge.agree(implementation, *own.inputs, *own.network)


@judge.every_dtype
@A_FEW
@given(own=alignments(masked=True))
def test_agrees_under_a_mask(implementation: Implementation, own: Alignment) -> None:
    """Results and weights are the reference's under a boolean mask, True meaning "may attend"."""
    judge.agree(implementation, *own.inputs, *own.network, mask=own.mask)


@judge.every_dtype
@A_FEW
@given(own=alignments())
def test_agrees_with_a_bias(implementation: Implementation, own: Alignment) -> None:
    """A bias is added before the squashing, to every pair."""
    judge.agree(implementation, *own.inputs, *own.network, bias=own.bias)


@judge.every_dtype
@A_FEW
@given(own=alignments())
def test_gradients_agree(implementation: Implementation, own: Alignment) -> None:
    """Gradients of queries, keys, values and all weights under a random cotangent are the reference's."""
    judge.agree_gradients(implementation, *own.inputs, *own.network)


@A_FEW
@given(own=alignments(masked=True))
def test_gradients_agree_under_all_options(implementation: Implementation, own: Alignment) -> None:
    """Gradients are the reference's with mask and bias given at once: what may not be seen gets none."""
    judge.agree_gradients(implementation, *own.inputs, *own.network, mask=own.mask, bias=own.bias)


@A_FEW
@given(own=alignments(masked=True, batch=(3,)), keep=st.sampled_from(["per key", "per text", "per query"]))
def test_mask_broadcasts(implementation: Implementation, own: Alignment, keep: str) -> None:
    """A mask of the source, of each text of it, or of each query means the same as its full form."""
    assert own.mask is not None
    one = own.mask | (torch.arange(own.s) == 0)
    mask = {"per key": one[0, :1], "per text": one[:, :1], "per query": one[0]}[keep]
    judge.agree(implementation, *own.inputs, *own.network, mask=mask)


@A_FEW
@given(own=alignments(masked=True), empty=st.integers(0, 40))
def test_a_row_that_may_attend_to_nothing_is_zero(implementation: Implementation, own: Alignment, empty: int) -> None:
    """A fully masked row and its weights are exactly 0, no NaN and no mean, and its gradient is finite."""
    assert own.mask is not None
    row = empty % own.t
    mask = own.mask & (torch.arange(own.t) != row)[:, None]
    given = [implementation.rounded(tensor) for tensor in (*own.inputs, *own.network)]
    results = implementation(*given, mask=implementation.rounded(mask))
    for result in results:
        judge.finite(implementation, result)
        judge.zero(implementation, result[..., row, :])
    if own.t > 1:
        judge.agree_gradients(implementation, *own.inputs, *own.network, mask=mask)


@A_FEW
@given(own=alignments())
def test_no_keys_give_zero(implementation: Implementation, own: Alignment) -> None:
    """With no source every row is 0; with no query there is no row."""
    query, key, value = own.inputs
    result, weights = implementation(query, key[..., :0, :], value[..., :0, :], *own.network)
    judge.zero(implementation, result)
    judge.exact((result.shape[-2], weights.shape[-1]), (own.t, 0), "rows, and weights of nothing")
    judge.exact(implementation(query[..., :0, :], key, value, *own.network)[0].shape[-2], 0, "rows with no query")


@A_FEW
@given(own=alignments())
def test_weights_add_up_to_one(implementation: Implementation, own: Alignment) -> None:
    """Each query's weights are a distribution over the source."""
    ones = torch.ones(*own.batch, own.t, dtype=torch.float64)
    judge.holds(implementation, lambda f: (f(*own.inputs, *own.network)[1].sum(-1), ones))


@A_FEW
@given(own=alignments(), seed=st.integers(0, 99))
def test_the_source_has_no_order(implementation: Implementation, own: Alignment, seed: int) -> None:
    """Keys and values permuted together give the same result; queries permuted give permuted rows."""
    generator = torch.Generator().manual_seed(seed)
    keys, queries = torch.randperm(own.s, generator=generator), torch.randperm(own.t, generator=generator)
    query, key, value = own.inputs

    def experiment(f: Any) -> tuple[Any, Any]:
        mixed = f(query[..., queries, :], key[..., keys, :], value[..., keys, :], *own.network)[0]
        return mixed, f(*own.inputs, *own.network)[0][..., queries, :]

    judge.holds(implementation, experiment)


@A_FEW
@given(own=alignments(regime="normal"))
def test_there_is_no_scale(implementation: Implementation, own: Alignment) -> None:
    """Pit: every feature twice, each counting half, changes nothing; divided by the root of their number it would."""
    w, u, v = own.network
    twice = torch.cat([w, w]), torch.cat([u, u]), torch.cat([v, v]) / 2
    judge.holds(implementation, lambda f: (f(*own.inputs, *own.network), f(*own.inputs, *twice)))


@A_FEW
@given(own=alignments(), signs=st.integers(0, 2**13 - 1))
def test_a_feature_and_its_weight_may_change_signs(implementation: Implementation, own: Alignment, signs: int) -> None:
    """tanh is odd: a feature with the opposite sign, counting the opposite, is the same."""
    w, u, v = own.network
    sign = torch.tensor([1.0 if signs >> i & 1 else -1.0 for i in range(own.a)], dtype=torch.float64)
    other = w * sign[:, None], u * sign[:, None], v * sign
    judge.holds(implementation, lambda f: (f(*own.inputs, *own.network), f(*own.inputs, *other)))


@A_FEW
@given(own=alignments(regime="large"), size=st.sampled_from([1e2, 1e4]))
def test_scores_are_bounded(implementation: Implementation, own: Alignment, size: float) -> None:
    """However large queries and keys are, a score is a sum of plus and minus the weights: nothing overflows."""
    query, key, value = own.inputs
    judge.agree(implementation, query * size, key * size, value, *own.network)


@A_FEW
@given(own=alignments(), size=st.sampled_from([1e3, 1e5]))
def test_huge_scores_stay_finite(implementation: Implementation, own: Alignment, size: float) -> None:
    """Features that count thousands make one key take all. Pit: exp without subtracting the maximum."""
    w, u, v = own.network
    judge.agree(implementation, *own.inputs, w, u, v * size)


@A_FEW
@given(own=alignments())
def test_a_bias_is_a_query_of_its_own(implementation: Implementation, own: Alignment) -> None:
    """A bias is what one more feature of every query, always 1, would add; and it may as well be the key's."""
    query, key, value = own.inputs
    w, u, v = own.network
    lifted = torch.nn.functional.pad(query, (0, 1), value=1.0), torch.cat([w, own.bias[:, None]], dim=1)
    given = torch.nn.functional.pad(key, (0, 1), value=1.0), torch.cat([u, own.bias[:, None]], dim=1)

    def experiment(f: Any) -> tuple[Any, Any]:
        biased = f(*own.inputs, w, u, v, bias=own.bias)
        return (biased, biased), (f(lifted[0], key, value, lifted[1], u, v), f(query, given[0], value, w, given[1], v))

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(own=alignments())
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, own: Alignment) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give, and so do their gradients."""
    inputs = [LAYOUTS[layout](x) for x in (*own.inputs, own.query_weight, own.key_weight)]
    judge.agree(implementation, *inputs, own.score_weight)
    judge.agree_gradients(implementation, *inputs, own.score_weight)


@A_FEW
@given(own=alignments())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, own: Alignment) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(
        implementation,
        lambda f: gradients_by_layout(lambda value: f(own.query, own.key, value, *own.network)[0], own.value),
    )


@pytest.mark.parametrize("what", ["t", "s", "a", "v"])
def test_large_problems_agree(implementation: Implementation, what: str) -> None:
    """What is right for few queries, keys, features and values is right for many."""
    sizes = {"t": 3, "s": 5, "d_q": 4, "d_k": 3, "v": 2, "a": 6} | {what: 1030}
    own = Alignment((2,), **sizes, regime="normal", seed=0)
    judge.agree(implementation, *own.inputs, *own.network)


WRONG: dict[str, dict[str, tuple[int, ...]]] = {
    "a query of another width": {"query": (3, 5)},
    "a key of another width": {"key": (5, 4)},
    "fewer values than keys": {"value": (4, 2)},
    "another number of features": {"query_weight": (7, 4)},
    "a key_weight of one feature": {"key_weight": (1, 3)},
    "a bias of one number": {"bias": (1,)},
    "a mask of another length": {"mask": (3, 4)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Widths, lengths, weights or a mask that do not fit together raise instead of giving some result."""
    own = Alignment((), 3, 5, d_q=4, d_k=3, v=2, a=6, regime="normal", seed=0)
    given = dict(query=own.query, key=own.key, value=own.value)
    given |= dict(query_weight=own.query_weight, key_weight=own.key_weight, score_weight=own.score_weight)
    options: dict[str, Any] = {}
    for name, shape in WRONG[wrong].items():
        made = torch.ones(shape, dtype=torch.bool if name == "mask" else torch.float64)
        (given if name in given else options)[name] = made
    judge.rejects(implementation, *given.values(), **options)
