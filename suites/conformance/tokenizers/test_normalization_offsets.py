"""Laws of normalization: where each character is from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.normalized import agrees_in_offsets, offsets_of
from fixtures.strategies.unicode import composable, settled_texts
from reference.tokenizers.normalization import normalization as reference

every_text = settled_texts(6) | composable()


def test_a_composed_character_is_from_all_its_parts(implementation):
    """Who marks `é` in the original marks its accent too."""
    judge.exact(
        offsets_of(implementation, "ae\u0323\u0302b\u1112\u1161\u11ab", "nfc"),
        ((0, 1), (1, 4), (4, 5), (5, 8)),
        "offsets",
    )


def test_reordered_marks_keep_their_places(implementation):
    """A mark that moves takes its place with it."""
    judge.exact(offsets_of(implementation, "q\u0307\u0323b", "nfd"), ((0, 1), (2, 3), (1, 2), (3, 4)), "offsets")


def test_a_replacement_of_what_changed_places(implementation):
    """What replaces reordered marks has the span of both, whichever comes first now."""
    spans = offsets_of(implementation, "q\u0307\u0323b", "nfd", ("replace", "\u0323\u0307", "_"))
    judge.exact(spans, ((0, 1), (1, 3), (3, 4)), "offsets")


@pytest.mark.parametrize("new", ["_", "pqrs"])
def test_a_replacement_is_from_all_it_replaces(implementation, new: str):
    """Each character of what is put in has the span of what went out."""
    judge.exact(
        offsets_of(implementation, "xabcy", ("replace", "abc", new)), ((0, 1), *[(1, 4)] * len(new), (4, 5)), "offsets"
    )


def test_a_match_is_from_all_it_replaces(implementation):
    """Each character of what is put in has the span of what the expression matched."""
    spans = offsets_of(implementation, "a  b", ("substitute", " +", "__"))
    judge.exact(spans, ((0, 1), (1, 3), (1, 3), (3, 4)), "offsets")


def test_what_is_left_out_leaves_a_gap(implementation):
    """What stays keeps its place."""
    judge.exact(offsets_of(implementation, "a\x00b\tc", "clean"), ((0, 1), (2, 3), (3, 4), (4, 5)), "offsets")
    judge.exact(offsets_of(implementation, "  ab ", ("strip", True, True)), ((2, 3), (3, 4)), "offsets")
    judge.exact(offsets_of(implementation, "abcab", ("replace", "b", "")), ((0, 1), (2, 3), (3, 4)), "offsets")


def test_what_is_put_in_belongs_to_its_neighbour(implementation):
    """Spaces around a Chinese character, and what is prepended, have a place where something is."""
    judge.exact(offsets_of(implementation, "a\u4e2d", "cjk"), ((0, 1), (1, 2), (1, 2), (1, 2)), "offsets")
    judge.exact(offsets_of(implementation, "ab", ("prepend", "__")), ((0, 1), (0, 1), (0, 1), (1, 2)), "offsets")


def test_what_grows_is_from_one_character(implementation):
    """All characters of a decomposition are from where it stood."""
    judge.exact(offsets_of(implementation, "a\u1ea5\ufb01", "nfkd"), ((0, 1), *[(1, 2)] * 3, *[(2, 3)] * 2), "offsets")
    judge.exact(offsets_of(implementation, "a\u0130b", "lowercase"), ((0, 1), (1, 2), (1, 2), (2, 3)), "offsets")


# In order of what they undo: one sequence for each kind of change in length.
UNDISPUTED: list[tuple[Any, ...]] = [
    ("lowercase",),
    ("clean",),
    ("cjk",),
    (("replace", "a", "bcd"), ("strip", True, False)),
    (("strip", True, True), ("prepend", "\u2581")),
    ("clean", "cjk", ("replace", " ", ""), "lowercase", ("prepend", "ab")),
]


@pytest.mark.parametrize("steps", UNDISPUTED, ids=str)
@given(text=settled_texts(5))
def test_agrees_in_offsets(implementation, steps: tuple[Any, ...], text: str):
    """Each character is from where the reference has it from, through all steps."""
    agrees_in_offsets(implementation, text, *steps)


@pytest.mark.parametrize("step", ["lowercase", "clean", "nfkd", ("replace", "b", "__")], ids=str)
def test_places_of_a_long_text(implementation, step: Any):
    """The count goes on after 65,535."""
    agrees_in_offsets(implementation, "A\u00e9\tb " * 14_000, step)


@given(text=settled_texts(5))
def test_agrees_in_offsets_of_decompositions(implementation, text: str):
    """In decomposed texts too, where no mark changes places."""
    ordered = reference(text, steps=["nfc"])[0]
    agrees_in_offsets(implementation, "".join(c for c in ordered if len(reference(c, steps=["nfd"])[0]) <= 2), "nfkd")


@example(text="a\u0300\u0300")
@given(text=every_text)
def test_agrees_in_starts_of_the_table(implementation, text: str):
    """What the table of SentencePiece makes begins where the string that it replaced began."""
    starts = [start for start, _ in offsets_of(implementation, text, "nmt_nfkc")]
    judge.exact(starts, [start for start, _ in reference(text, steps=["nmt_nfkc"])[1]], "starts")


@given(text=every_text, steps=st.sampled_from([("nfd",), ("nfkc",), ("lowercase", "nfc"), ("cjk", "nfkd"), ("clean",)]))
def test_places_are_places_of_the_text(implementation, text: str, steps: tuple[Any, ...]):
    """There is one for each character, none empty, none outside."""
    made, offsets = implementation(text, steps=steps)[0], offsets_of(implementation, text, *steps)
    judge.exact(len(offsets), len(made), "number of offsets")
    judge.exact([span for span in offsets if not 0 <= span[0] < span[1] <= len(text)], [], "spans outside")
