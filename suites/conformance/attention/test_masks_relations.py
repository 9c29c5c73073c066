"""Laws of attention masks: how the mask of one question relates to that of another."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.booleans import mask_of, same
from fixtures.strategies.masks import OPTIONS, Mask, questions
from fixtures.subject import Subject as Implementation

FEW = settings(max_examples=settings().max_examples // 3)
"""Masks are small, and two of a kind are enough where one of them is wrong."""


@FEW
@given(question=questions("causal", maybe=("window",)), at=st.integers(0, 99))
def test_rows_of_the_last_queries_are_those_of_the_whole(
    implementation: Implementation, question: Mask, at: int
) -> None:
    """A23: the rows of the last queries alone, as with a cache, are the last rows of the whole mask."""
    few = 1 + at % question.s
    whole = mask_of(implementation, question.s, question.s, **question.options)
    same(mask_of(implementation, few, question.s, **question.options), whole[-few:, :])


@FEW
@given(question=questions("causal", maybe=OPTIONS), at=st.integers(0, 99))
def test_rows_of_the_last_queries_are_those_of_the_whole_under_all_conditions(
    implementation: Implementation, question: Mask, at: int
) -> None:
    """A23: so are they with chunks, prefixes, padding and segments."""
    few = 1 + at % question.s
    whole = mask_of(implementation, question.s, question.s, **question.options)
    same(mask_of(implementation, few, question.s, **question.options), whole[..., -few:, :])


@FEW
@given(question=questions("causal", maybe=("window", "chunk", "prefix", "segments")), more=st.integers(1, 4))
def test_more_keys_change_no_earlier_row(implementation: Implementation, question: Mask, more: int) -> None:
    """When causal, what comes after a query is nothing to it: a longer text has the mask of the shorter one in its corner."""
    options = question.options
    longer = {
        name: torch.cat([value, value[:, -1:].expand(-1, more)], dim=-1) if name == "segments" else value
        for name, value in options.items()
    }
    s = question.s
    if isinstance(options.get("prefix"), int):
        longer["prefix"] = options["prefix"] = min(options["prefix"], s)
    elif "prefix" in options:
        longer["prefix"] = options["prefix"] = options["prefix"].clamp(max=s)
    corner = mask_of(implementation, s + more, s + more, **longer)[..., :s, :s]
    same(corner, mask_of(implementation, s, s, **options))


@FEW
@given(question=questions("causal", maybe=("padding",)), more=st.integers(0, 3))
def test_a_window_as_long_as_the_text_is_none(implementation: Implementation, question: Mask, more: int) -> None:
    """A window of `s` or more keys hides nothing: causal stays causal."""
    t, s = question.t, question.s
    wide = mask_of(implementation, t, s, window=s + more, **question.options)
    same(wide, mask_of(implementation, t, s, **question.options))


@FEW
@given(question=questions(maybe=("causal", "prefix", "segments"), lengths="fewer queries"), more=st.integers(0, 3))
def test_a_chunk_as_long_as_the_text_is_none(implementation: Implementation, question: Mask, more: int) -> None:
    """A chunk of `s` or more tokens holds them all, so it hides nothing."""
    t, s = question.t, question.s
    wide = mask_of(implementation, t, s, chunk=s + more, **question.options)
    same(wide, mask_of(implementation, t, s, **question.options))


@FEW
@given(question=questions(maybe=("causal", "window", "chunk"), lengths="any"))
def test_what_hides_nothing_changes_nothing(implementation: Implementation, question: Mask) -> None:
    """A prefix of 0, no padding at all, one segment: the mask is as without, once for each text."""
    plain = mask_of(implementation, question.t, question.s, **question.options)
    same(mask_of(implementation, question.t, question.s, prefix=0, **question.options), plain)
    every = plain.expand(2, *plain.shape)
    real = torch.ones(2, question.s, dtype=torch.bool)
    same(mask_of(implementation, question.t, question.s, padding=real, **question.options), every)
    if question.t <= question.s:
        one = torch.full((2, question.s), 3)
        same(mask_of(implementation, question.t, question.s, segments=one, **question.options), every)


@FEW
@given(question=questions("prefix", maybe=("causal", "window", "chunk"), lengths="any"))
def test_a_prefix_as_long_as_the_text_opens_all(implementation: Implementation, question: Mask) -> None:
    """A prefix of `s` tokens, or more, is the whole text: every query sees every key."""
    for prefix in (question.s, question.s + 2):
        options = {**question.options, "prefix": prefix}
        mask = mask_of(implementation, question.t, question.s, **options)
        same(mask, torch.ones(question.t, question.s, dtype=torch.bool))


@FEW
@given(question=questions("causal", maybe=("window",)))
def test_every_query_sees_itself(implementation: Implementation, question: Mask) -> None:
    """The diagonal is open. Pit: strictly before."""
    own = mask_of(implementation, question.t, question.s, **question.options).diagonal()
    same(own, torch.ones_like(own))


@FEW
@given(question=questions(maybe=("causal", "window", "chunk", "prefix", "segments"), lengths="fewer queries"))
def test_every_query_sees_its_own_place(implementation: Implementation, question: Mask) -> None:
    """Under all conditions but padding, the key at the query's own place is open, also with a cache."""
    mask = mask_of(implementation, question.t, question.s, **question.options)
    own = mask.diagonal(question.s - question.t, dim1=-2, dim2=-1)
    same(own, torch.ones_like(own))


@FEW
@given(question=questions("padding", maybe=OPTIONS, lengths="any"))
def test_nobody_sees_padding(implementation: Implementation, question: Mask) -> None:
    """The columns of padding are closed under all conditions, a prefix too."""
    mask = mask_of(implementation, question.t, question.s, **question.options)
    hidden = mask & ~question.options["padding"][:, None, :]
    same(hidden, torch.zeros_like(hidden))


@FEW
@given(question=questions("causal", "window"))
def test_a_causal_window_counts_its_keys(implementation: Implementation, question: Mask) -> None:
    """Each query sees as many keys as there are up to it, and `window` at the most, itself among them.

    Source: Jiang et al. 2023, section 2, where W = 3 is drawn with three keys a query.
    """
    mask = mask_of(implementation, question.t, question.s, **question.options)
    assert question.window is not None
    counts = [min(place + 1, question.window) for place in range(question.s)]
    judge.exact(mask.sum(-1).tolist(), counts, "keys seen by each query")


@FEW
@given(question=questions("padding", "segments", maybe=("causal", "window"), lengths="equal"))
def test_conditions_are_joined_by_and(implementation: Implementation, question: Mask) -> None:
    """Causal, window, padding and segments together let through what each of them lets through."""
    t, s = question.t, question.s
    together = mask_of(implementation, t, s, **question.options)
    alone = [mask_of(implementation, t, s, **{name: value}) for name, value in question.options.items()]
    expected = torch.ones_like(together)
    for mask in alone:
        expected = expected & mask
    same(together, expected)


@FEW
@given(question=questions("prefix", maybe=("causal", "window", "chunk"), lengths="any"))
def test_a_prefix_is_joined_by_or(implementation: Implementation, question: Mask) -> None:
    """A prefix opens its own keys, and no others."""
    t, s = question.t, question.s
    prefix = torch.as_tensor(question.options["prefix"])
    opened = (torch.arange(s) < prefix.reshape(-1, 1)).reshape(*prefix.shape, 1, s)
    plain = mask_of(implementation, t, s, **question.only("causal", "window", "chunk"))
    same(mask_of(implementation, t, s, **question.options), plain | opened)


@FEW
@given(question=questions("padding", maybe=("causal", "window", "chunk", "prefix")), more=st.integers(1, 4))
def test_padding_on_the_left_moves_the_mask(implementation: Implementation, question: Mask, more: int) -> None:
    """A8: padding before a text moves its mask to the lower right, and nothing else: places are counted from the text."""
    t, s = question.t, question.s
    options = question.options
    padding = torch.nn.functional.pad(options["padding"], (more, 0), value=False)
    moved = mask_of(implementation, t + more, s + more, **{**options, "padding": padding})
    plain = mask_of(implementation, t, s, **options)
    # Of a text of padding alone there is no first token.
    some = options["padding"].any(-1)
    same(moved[some][:, more:, more:], plain[some])


@FEW
@given(question=questions(maybe=OPTIONS, lengths="any"))
def test_texts_do_not_see_each_other(implementation: Implementation, question: Mask) -> None:
    """The mask of each text is what it is alone."""
    together = mask_of(implementation, question.t, question.s, **question.options)
    if together.ndim == 3:
        for text in range(question.batch):
            alone = {
                name: value[text : text + 1] if isinstance(value, Tensor) else value
                for name, value in question.options.items()
            }
            same(mask_of(implementation, question.t, question.s, **alone), together[text : text + 1])


@FEW
@given(question=questions(maybe=("causal", "window")), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_packed_texts_have_their_own_masks(implementation: Implementation, question: Mask, sizes: list[int]) -> None:
    """Texts one after another in a row, each its own segment, have their masks on the diagonal, and nothing beside it."""
    segments = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])[None]
    options = question.options
    packed = mask_of(implementation, sum(sizes), sum(sizes), segments=segments, **options)
    own = torch.block_diag(*(mask_of(implementation, size, size, **options).long() for size in sizes))
    same(packed[0], own.bool())


@FEW
@given(question=questions("segments", maybe=("causal", "window"), lengths="any"), by=st.sampled_from([-7, 1, 100]))
def test_numbers_of_segments_are_only_names(implementation: Implementation, question: Mask, by: int) -> None:
    """Other numbers for the same segments, negative ones too, give the same mask: 0 is no padding, -1 no exception."""
    renamed = {**question.options, "segments": by - question.options["segments"]}
    same(
        mask_of(implementation, question.t, question.s, **renamed),
        mask_of(implementation, question.t, question.s, **question.options),
    )
