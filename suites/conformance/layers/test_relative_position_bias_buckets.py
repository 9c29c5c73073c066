"""Laws of relative position bias: which distances share a bucket."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.relative_positions import A_FEW, USUAL, Distances, distances, exact
from fixtures.subject import Subject as Implementation

both_kinds = pytest.mark.parametrize("bidirectional", [True, False], ids=["bidirectional", "causal"])

EDGES = {
    "bidirectional-32-128": (32, 128, [8, 12, 16, 23, 32, 46, 64, 91]),
    "causal-32-128": (32, 128, [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]),
    "bidirectional-32-256": (32, 256, [8, 13, 20, 30, 46, 70, 108, 166]),
}
"""The first distances of the buckets that hold more than one."""

WHOLE = {
    "12 of 17-27": (17, 27, 12),  # 8 * (27 / 8) ** (3 / 9)
    "18 of 17-27": (17, 27, 18),  # 8 * (27 / 8) ** (6 / 9)
    "36 of 48-81": (48, 81, 36),  # 24 * (81 / 24) ** (8 / 24)
    "30 of 36-50": (36, 50, 30),  # 18 * (50 / 18) ** (9 / 18)
}
"""buckets, range, and a distance that is the edge of its bucket exactly, though the roots and logarithms are not whole"""


def buckets_of(
    implementation: Implementation, buckets: int, past: Tensor, *, bidirectional: bool, max_distance: int
) -> list[int]:
    """The bucket of keys that stand so far before the query, read off a table that numbers its rows."""
    table = torch.arange(buckets, dtype=torch.float64)[:, None]
    options = {"bidirectional": bidirectional, "max_distance": max_distance}
    found = implementation(table, torch.tensor([0]), -past, **options)
    return [int(bucket) for bucket in found[0, 0].tolist()]


def drawn_buckets(implementation: Implementation, drawn: Distances, past: Tensor) -> list[int]:
    return buckets_of(implementation, drawn.buckets, past, **drawn.options)


def up_to(drawn: Distances) -> Tensor:
    return torch.arange(drawn.max_distance + 2)


@both_kinds
@A_FEW
@given(data=st.data())
def test_near_distances_have_buckets_of_their_own(
    implementation: Implementation, bidirectional: bool, data: st.DataObject
) -> None:
    """The first half of the buckets of what came before hold one distance each, from 0 on."""
    drawn = data.draw(distances(bidirectional))
    single = exact(drawn.buckets, bidirectional)
    found = drawn_buckets(implementation, drawn, torch.arange(single + 1))
    judge.exact(found, list(range(single + 1)), "buckets")


@both_kinds
@A_FEW
@given(data=st.data())
def test_buckets_follow_the_distance(implementation: Implementation, bidirectional: bool, data: st.DataObject) -> None:
    """The farther, the later the bucket; where the range is wide none is left out but for the first of what follows."""
    drawn = data.draw(distances(bidirectional, wide=True))
    found = drawn_buckets(implementation, drawn, up_to(drawn))
    steps = {after - before for before, after in pairwise(found)}
    judge.exact(sorted(steps - {0}), [1], "steps from distance to distance")
    count = drawn.buckets // 2 if bidirectional else drawn.buckets
    judge.exact(max(found), count - 1, "last bucket of what came before")


@both_kinds
@A_FEW
@given(data=st.data(), beyond=st.sampled_from([0, 1, 1000, 10**6, 2**31, 2**40]))
def test_far_distances_share_the_last_bucket(
    implementation: Implementation, bidirectional: bool, data: st.DataObject, beyond: int
) -> None:
    """Pit: the maximal distance and all beyond are in the last bucket; the logarithm alone would leave the table.

    Source: https://github.com/huggingface/candle/pull/1312
    """
    drawn = data.draw(distances(bidirectional))
    count = drawn.buckets // 2 if bidirectional else drawn.buckets
    found = drawn_buckets(implementation, drawn, torch.tensor([drawn.max_distance + beyond]))
    judge.exact(found, [count - 1], "bucket")


@A_FEW
@given(data=st.data())
def test_what_follows_has_the_other_half(implementation: Implementation, data: st.DataObject) -> None:
    """Pit: a key behind the query is as many buckets from half the table on as one as far before it is from 0.

    The distance is key minus query. Source: https://github.com/dmlc/gluon-nlp/pull/1470
    """
    drawn = data.draw(distances(True))
    before, after = (drawn_buckets(implementation, drawn, sign * up_to(drawn)[1:]) for sign in (1, -1))
    judge.exact([bucket - drawn.buckets // 2 for bucket in after], before, "buckets less half of them")


@A_FEW
@given(data=st.data())
def test_the_future_is_as_near_as_the_query_itself(implementation: Implementation, data: st.DataObject) -> None:
    """Pit: in a causal model all that follows is in bucket 0, however far: the mask hides it, not the bias."""
    drawn = data.draw(distances(False))
    judge.exact(drawn_buckets(implementation, drawn, -up_to(drawn)), [0] * (drawn.max_distance + 2), "buckets")


@both_kinds
@A_FEW
@given(data=st.data())
def test_a_position_is_in_bucket_0_of_itself(
    implementation: Implementation, bidirectional: bool, data: st.DataObject
) -> None:
    """Distance 0 belongs to what came before, so bidirectional models never use the first bucket of what follows."""
    drawn = data.draw(distances(bidirectional))
    everywhere = torch.arange(-drawn.max_distance, drawn.max_distance + 1)
    found = drawn_buckets(implementation, drawn, everywhere)
    judge.exact(found[drawn.max_distance], 0, "bucket of distance 0")
    if bidirectional:
        judge.exact(drawn.buckets // 2 in found, False, "whether the first bucket of what follows is used")


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_models_in_use(implementation: Implementation, name: str) -> None:
    """Pit: T5's buckets begin where T5's begin, powers of two among them, where a logarithm may round either way."""
    buckets, max_distance, edges = EDGES[name]
    both = name.startswith("bidirectional")
    past = torch.arange(300)
    found = buckets_of(implementation, buckets, past, bidirectional=both, max_distance=max_distance)
    first = [n for n, (before, after) in enumerate(pairwise(found), 1) if before < after]
    judge.exact(first[exact(buckets, both) - 1 :], edges, "first distances of buckets")


@both_kinds
@pytest.mark.parametrize(("buckets", "max_distance"), [*USUAL, (320, 800)], ids=str)
def test_models_in_use_agree_at_every_distance(
    implementation: Implementation, bidirectional: bool, buckets: int, max_distance: int
) -> None:
    """No distance of up to a thousand is on the wrong side of an edge."""
    table = torch.arange(buckets, dtype=torch.float64)[:, None] + 1
    options = {"bidirectional": bidirectional, "max_distance": max_distance}
    judge.agree(implementation, table, torch.tensor([0]), torch.arange(-1000, 1001), **options)


@pytest.mark.parametrize("name", WHOLE)
def test_an_edge_that_is_a_whole_number_opens_its_bucket(implementation: Implementation, name: str) -> None:
    """Pit: where the ratio is a power exactly, the bucket begins there, whichever way the logarithm is rounded.

    T5's code rounds it in float32 and then down. Source:
    https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/t5/modeling_t5.py
    """
    count, max_distance, edge = WHOLE[name]
    past = torch.tensor([edge - 1, edge])
    before, after = buckets_of(implementation, 2 * count, past, bidirectional=True, max_distance=max_distance)
    judge.exact(after - before, 1, f"buckets between {edge - 1} and {edge}")


def test_a_distance_just_before_an_edge_is_before_it(implementation: Implementation) -> None:
    """Pit: 107 of 46 buckets and 164 is 2e-6 of a bucket before its edge, which float32 cannot tell from the edge."""
    past = torch.tensor([107, 108])
    found = buckets_of(implementation, 92, past, bidirectional=True, max_distance=164)
    judge.exact(found, [40, 41], "buckets")
