"""Laws of rotary position embedding: what turning does not change, and how turns add up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.rotary import A_FEW, FAR, SEVERAL, Turning, turnings
from fixtures.subject import Subject as Implementation
from reference.attention.scaled_dot_product import scaled_dot_product

BASE = 10_000.0
SHIFTS = st.sampled_from([1, 2, 31, 200])
in_both_layouts = pytest.mark.parametrize("layout", ["halves", "interleaved"])


def turning(f: Callable[..., Tensor], layout: str) -> Callable[..., Tensor]:
    """`f` of vectors and positions alone."""
    return lambda x, positions: f(x, positions, base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings())
def test_lengths_are_kept(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """Turning changes no vector's length."""
    x = implementation.rounded(drawn.x)
    judge.holds(implementation, lambda f: (turning(f, layout)(x, drawn.positions).norm(dim=-1), x.norm(dim=-1)))


@in_both_layouts
@A_FEW
@given(drawn=turnings())
def test_the_first_position_turns_nothing(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """At position 0 a vector is what it was. Pit: counting from one."""
    x = implementation.rounded(drawn.x)
    judge.holds(implementation, lambda f: (turning(f, layout)(x, torch.zeros_like(drawn.positions)), x))


@in_both_layouts
@A_FEW
@given(drawn=turnings(), shift=SHIFTS)
def test_turns_add_up(implementation: Implementation, layout: str, drawn: Turning, shift: int) -> None:
    """To turn by one position and then by another is to turn by their sum."""
    by = torch.full_like(drawn.positions, shift)

    def experiment(f):
        turn = turning(f, layout)
        return turn(turn(drawn.x, drawn.positions), by), turn(drawn.x, drawn.positions + by)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings())
def test_positions_below_zero_turn_back(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """A turn by -m undoes one by m. Pit: which way vectors turn no score can tell; nanochat's turn the other way."""
    x = implementation.rounded(drawn.x)

    def experiment(f):
        turn = turning(f, layout)
        return turn(turn(x, drawn.positions), -drawn.positions), x

    judge.holds(implementation, experiment)
    judge.agree(implementation, drawn.x, -drawn.positions, base=BASE, layout=layout)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.just(()), starts=st.sampled_from([0, 3, 100])))
def test_scores_depend_on_the_distance_alone(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """One query and one key, wherever they stand: the scores are the same along every diagonal (A13)."""
    query, key = drawn.x[:1].expand(drawn.t + 1, -1), drawn.x[-1:].expand(drawn.t + 1, -1)
    positions = drawn.start + torch.arange(drawn.t + 1)

    def experiment(f):
        turn = turning(f, layout)
        scores = turn(query, positions) @ turn(key, positions).mT
        return scores[1:, 1:], scores[:-1, :-1]

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.sampled_from([(1,), (3,)])), shift=SHIFTS)
def test_attention_does_not_see_where_a_text_begins(
    implementation: Implementation, layout: str, drawn: Turning, shift: int
) -> None:
    """Pit: positions of a text padded on the left may be counted from the padding; only differences matter (A11)."""
    x = implementation.rounded(drawn.x)

    def experiment(f):
        turn = turning(f, layout)

        def attend(positions):
            query, key = turn(x, positions), turn(x.flip(-1), positions)
            return scaled_dot_product(query, key, x.to(query), causal=True)

        return attend(drawn.positions + shift), attend(drawn.positions)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(batches=st.just((2,)), widths=SEVERAL), start=FAR)
def test_attention_far_out_is_attention_here(
    implementation: Implementation, layout: str, drawn: Turning, start: int
) -> None:
    """A text is read alike at position 1,000,000, as far as angles are known there."""
    x = implementation.rounded(drawn.x)

    def experiment(f):
        turn = turning(f, layout)

        def scores(positions):
            return turn(x, positions) @ turn(x.flip(-1), positions).mT

        return scores(drawn.positions + start), scores(drawn.positions)

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings())
def test_vectors_turn_one_by_one(implementation: Implementation, layout: str, drawn: Turning) -> None:
    """In another order, each with its position, vectors turn as before."""
    order = torch.randperm(drawn.t, generator=torch.Generator().manual_seed(drawn.seed))

    def experiment(f):
        turn = turning(f, layout)
        moved = turn(drawn.x[..., order, :], drawn.positions[..., order])
        return moved, turn(drawn.x, drawn.positions)[..., order, :]

    judge.holds(implementation, experiment)


@in_both_layouts
@A_FEW
@given(drawn=turnings(), factor=st.sampled_from([-2.0, 0.25, 100.0]))
def test_turning_is_linear(implementation: Implementation, layout: str, drawn: Turning, factor: float) -> None:
    """The turned sum is the sum of the turned, and any multiple turns alike."""
    other = drawn.x.flip(-1)

    def experiment(f):
        turn = turning(f, layout)
        apart = turn(drawn.x, drawn.positions) + factor * turn(other, drawn.positions)
        return turn(drawn.x + factor * other, drawn.positions), apart

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=turnings())
def test_layouts_are_one_another_in_another_order(implementation: Implementation, drawn: Turning) -> None:
    """Pit: halves of reordered features are what neighbours were. Unordered they give a model that is silently wrong (A12).

    Source: https://github.com/huggingface/transformers/issues/25199
    """
    order = torch.arange(drawn.d).view(-1, 2).mT.flatten()  # the first of each pair, then the second

    def experiment(f):
        halves = f(drawn.x[..., order], drawn.positions, base=BASE, layout="halves")
        return halves, f(drawn.x, drawn.positions, base=BASE, layout="interleaved")[..., order]

    judge.holds(implementation, experiment)
