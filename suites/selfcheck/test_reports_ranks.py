"""Ranks, and which rows are ranked at all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.boards import Board, boards
from reports.collection import collect
from reports.ranks import better, overlap, shared_ranks
from reports.schema import Record
from reports.tables import Report
from suites.selfcheck.reports_synthetic import record, score, timing, write

spans = st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (float(pair[0]), float(pair[0] + pair[1])))


@given(st.lists(spans, max_size=8), st.sampled_from(["higher", "lower"]))
def test_overlapping_rows_share_a_rank_and_better_rows_come_first(
    found: list[tuple[float, float]], direction: Literal["higher", "lower"]
) -> None:
    ranks = shared_ranks(found, direction)
    assert len(ranks) == len(found)
    for one, first in zip(ranks, found, strict=True):
        # The rank counts the rows before it.
        assert one == 1 + sum(other < one for other in ranks)
        for other, second in zip(ranks, found, strict=True):
            if overlap(first, second):
                assert one == other
            elif one < other:
                assert (first[0] > second[1]) == (direction == "higher")
            elif one == other:
                # Only a chain of overlaps puts rows together that do not overlap themselves.
                low, high = sorted((first, second))
                assert any(low[1] < span[1] and span[0] < high[0] for span in found)


def test_shared_ranks_by_hand() -> None:
    assert shared_ranks([(0.9, 1.0), (0.5, 0.7), (0.6, 0.8), (0.1, 0.2)], "higher") == [1, 2, 2, 4]
    assert shared_ranks([(0.9, 1.0), (0.5, 0.7), (0.6, 0.8), (0.1, 0.2)], "lower") == [4, 2, 2, 1]
    assert shared_ranks([(1.0, 1.0), (1.0, 1.0), (2.0, 2.0)], "higher") == [2, 2, 1]
    assert shared_ranks([(-math.inf, 1.0), (0.0, math.inf), (5.0, 6.0)], "higher") == [1, 1, 1]


@pytest.mark.parametrize(
    ("one", "direction"),
    [
        (score("m", 0.5), "higher"),
        (score("m", 0.5, metric="bits_per_byte"), "lower"),
        (score("m", 0.5, metric="word_perplexity"), "lower"),
        (score("m", 0.5, metric="bits_per_byte", better="higher"), "higher"),
        (timing("i", 5.0), "higher"),
        (timing("i", 5.0, unit="ms"), "lower"),
        (timing("i", 5.0, unit="bytes"), "lower"),
    ],
)
def test_which_end_is_the_good_one(one: Record, direction: str) -> None:
    assert better(one) == direction


def board(tmp_path: Path, kind: str, records: list[Record]) -> list[Board]:
    write(tmp_path / "r1", records)
    return boards(Report(collect([tmp_path])), kind)


def test_only_what_was_measured_calmly_is_ranked(tmp_path: Path) -> None:
    rows = [
        timing("fast", 30.0),
        timing("slow", 10.0),
        timing("crowded", 99.0, contended=True),
        timing("broken", None, verdict="error", message="no such kernel"),
        timing("nan", math.nan, None),
        timing("wrong", 77.0, verdict="fail"),
    ]
    [found] = board(tmp_path, "throughput", rows)
    assert [(entry.row.name, entry.rank) for entry in found.ranked] == [("fast", 1), ("slow", 2)]
    assert [entry.row.name for entry in found.contended] == ["crowded"]
    assert {entry.row.name for entry in found.unranked} == {"broken", "nan", "wrong"}


@pytest.mark.parametrize(
    "other", [{"dtype": "bfloat16"}, {"device": "cuda:0"}, {"environment": "e2"}, {"settings": {"batch": 2}}]
)
def test_timings_of_different_circumstances_are_never_ranked_together(tmp_path: Path, other: dict[str, Any]) -> None:
    assert len(board(tmp_path, "throughput", [timing("a", 3.0), timing("b", 9.0, **other)])) == 2


def test_scores_of_different_machines_are_ranked_together_and_say_so(tmp_path: Path) -> None:
    [found] = board(tmp_path, "accuracy", [score("m", 0.5), score("m", 0.6, environment="e2", dtype="bfloat16")])
    assert [entry.row.where for entry in found.ranked] == [["bfloat16", "E2"], ["E1"]]
    assert found.apart


def test_a_model_that_could_not_be_asked_is_a_line_among_the_others(tmp_path: Path) -> None:
    refused = record(None, kind="accuracy", task="search", model="broken", verdict="error", message="no weights")
    alone = record(None, kind="accuracy", task="sums", model="broken", verdict="error", message="no weights")
    rows = [score("m", 0.5, settings={"k": 1}), score("m", 0.6, metric="mrr"), refused, alone]
    found = board(tmp_path, "accuracy", rows)
    names = [(one.subject, one.metric, [entry.row.name for entry in one.entries]) for one in found]
    assert names == [
        ("search", "mrr", ["m", "broken"]),
        ("search", "ndcg@10", ["m", "broken"]),
        ("sums", "–", ["broken"]),
    ]


def test_bars_stay_on_their_axis(tmp_path: Path) -> None:
    values = [1e308, -1e308, 0.0, 5.0]
    [found] = board(tmp_path, "accuracy", [score(f"m{index}", value, None) for index, value in enumerate(values)])
    more = [score("wide", 1.0, low=-math.inf, high=math.inf), score("half", 2.0, low=math.nan, high=3.0)]
    [wide] = board(tmp_path / "more", "accuracy", more)
    for entry in found.ranked + wide.ranked:
        assert entry.bar is not None
        places = [entry.bar.start, entry.bar.end, entry.bar.low or 0.0, entry.bar.high or 0.0]
        assert all(0 <= place <= 100 for place in places)
