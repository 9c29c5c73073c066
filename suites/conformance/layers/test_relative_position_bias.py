"""Laws of relative position bias. Contract: reference/layers/relative_position_bias.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.relative_positions import A_FEW, HALF, distances, exact
from fixtures.subject import Subject as Implementation

both_kinds = pytest.mark.parametrize("bidirectional", [True, False], ids=["bidirectional", "causal"])


@judge.every_dtype
@both_kinds
@HALF
@given(data=st.data())
def test_agrees_with_the_reference(implementation: Implementation, bidirectional: bool, data: st.DataObject) -> None:
    """Values are the reference's, near and far, in one text, in decoding, and for positions in any order."""
    drawn = data.draw(distances(bidirectional))
    judge.agree(implementation, *drawn.given, **drawn.options)


@judge.every_dtype
@both_kinds
@A_FEW
@given(data=st.data())
def test_gradients_agree(implementation: Implementation, bidirectional: bool, data: st.DataObject) -> None:
    """Every entry of the table learns from all the places that it stands at."""
    drawn = data.draw(distances(bidirectional))
    judge.agree_gradients(implementation, *drawn.given, **drawn.options)


@A_FEW
@given(data=st.data())
def test_a_bucket_learns_as_often_as_it_is_used(implementation: Implementation, data: st.DataObject) -> None:
    """The gradient of an entry is the sum of what comes from above where the bias is that entry."""
    drawn = data.draw(distances(True))

    def experiment(f):
        one_hot = torch.eye(drawn.buckets, dtype=torch.float64)  # as many heads as buckets: each shows where it is used
        used = f(one_hot, drawn.queries, drawn.keys, **drawn.options)
        table = drawn.table.to(used).requires_grad_()
        bias = f(table, drawn.queries, drawn.keys, **drawn.options)
        above = torch.randn(bias.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(bias)
        (gradient,) = torch.autograd.grad(bias, table, above)
        return gradient, torch.einsum("bts,hts->bh", used, above)

    judge.holds(implementation, experiment)


@both_kinds
@A_FEW
@given(data=st.data(), shift=st.sampled_from([-1000, -1, 1, 7, 10**6]))
def test_only_the_difference_counts(
    implementation: Implementation, bidirectional: bool, data: st.DataObject, shift: int
) -> None:
    """Queries and keys that are shifted together keep their bias, wherever they come to stand."""
    drawn = data.draw(distances(bidirectional))

    def experiment(f):
        shifted = f(drawn.table, drawn.queries + shift, drawn.keys + shift, **drawn.options)
        return shifted, f(*drawn.given, **drawn.options)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_a_query_does_not_depend_on_the_others(implementation: Implementation, data: st.DataObject) -> None:
    """Each query gives alone what it gives among all, and keys in another order give the same, reordered."""
    drawn = data.draw(distances(True))
    some = [0, len(drawn.queries) // 2, len(drawn.queries) - 1]
    order = torch.randperm(len(drawn.keys), generator=torch.Generator().manual_seed(drawn.seed))

    def experiment(f):
        alone = [f(drawn.table, drawn.queries[[i]], drawn.keys[order], **drawn.options) for i in some]
        return torch.cat(alone, dim=1), f(*drawn.given, **drawn.options)[:, some][..., order]

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_heads_are_the_columns_of_the_table(implementation: Implementation, data: st.DataObject) -> None:
    """Columns in another order give the same heads in that order; one column gives one head."""
    drawn = data.draw(distances(True))

    def experiment(f):
        heads = [f(column[:, None], drawn.queries, drawn.keys, **drawn.options) for column in drawn.table.mT]
        return torch.cat(heads[::-1]), f(drawn.table.flip(-1), drawn.queries, drawn.keys, **drawn.options)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_positions_of_32_bits_are_positions(implementation: Implementation, data: st.DataObject) -> None:
    """Whole numbers of either width are the same positions."""
    drawn = data.draw(distances(True))
    judge.agree(implementation, drawn.table, drawn.queries.int(), drawn.keys.int(), **drawn.options)


@pytest.mark.parametrize("missing", ["queries", "keys"])
@A_FEW
@given(data=st.data())
def test_no_queries_or_no_keys_give_nothing(implementation: Implementation, missing: str, data: st.DataObject) -> None:
    """Limit: a side without positions gives a bias of that many rows or columns, none."""
    drawn = data.draw(distances(True))
    sides = {"queries": drawn.queries, "keys": drawn.keys} | {missing: drawn.queries[:0]}
    found = implementation(drawn.table, sides["queries"], sides["keys"], **drawn.options)
    judge.exact(tuple(found.shape), (drawn.heads, len(sides["queries"]), len(sides["keys"])), "shape")


def _bad(bidirectional: bool) -> dict[str, tuple[int, int]]:
    """Buckets and maximal distance that cannot be."""
    single = exact(32, bidirectional)
    return {
        "one bucket": (2 if bidirectional else 1, 128),
        "no range": (32, single),
        "range within the single distances": (32, single - 1),
        "negative range": (32, -128),
    }


@both_kinds
@pytest.mark.parametrize("what", _bad(True))
def test_bad_input_raises(implementation: Implementation, bidirectional: bool, what: str) -> None:
    """Buckets that leave no room for both kinds, or a range that ends before it begins, raise."""
    buckets, max_distance = _bad(bidirectional)[what]
    options = {"bidirectional": bidirectional, "max_distance": max_distance}
    judge.rejects(implementation, _table(buckets), torch.arange(40), torch.arange(40), **options)


@pytest.mark.parametrize("buckets", [5, 33])
def test_an_odd_number_of_buckets_has_no_halves(implementation: Implementation, buckets: int) -> None:
    """Two directions of an odd number of buckets raise: one bucket would belong to neither."""
    options = {"bidirectional": True, "max_distance": 128}
    judge.rejects(implementation, _table(buckets), torch.arange(9), torch.arange(9), **options)


def _table(buckets: int) -> Tensor:
    return torch.arange(buckets, dtype=torch.float64)[:, None] + 1
