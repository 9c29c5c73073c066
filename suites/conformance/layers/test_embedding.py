"""Laws of token embedding: which row a place gets, what the tied head makes of it, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.implementations import Unsupported
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.lookups import A_FEW, EXACT, TEXTS, Lookup, lookups
from fixtures.subject import Subject as Implementation


@judge.every_dtype
@given(drawn=lookups(), scale=EXACT)
def test_agrees_with_the_reference(implementation: Implementation, drawn: Lookup, scale: float) -> None:
    """Values are the reference's, for texts of any shape, repeated tokens and single ones."""
    judge.agree(implementation, *drawn.given, scale=scale)


@judge.every_dtype
@pytest.mark.parametrize("width", [3, 300, 3072, 5376])
def test_a_factor_keeps_its_places(implementation: Implementation, width: int) -> None:
    """Pit: a factor is not rounded to the dtype of the table before it multiplies, the root of 3072 to 55.5 in bfloat16.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/gemma3/modeling_gemma3.py
    """
    table, factor = torch.arange(1.0, 129.0, dtype=torch.float64).reshape(64, 2), width**0.5
    if implementation.dtype in ("bfloat16", "float16"):
        # A product that float32 may take for the middle between two numbers of 16 bits can go to either.
        found = implementation(table, torch.arange(64), scale=factor).cpu()
        low, high = ((table * factor * (1 + sign * 1e-6)).to(found.dtype) for sign in (-1, 1))
        judge.exact(found[low == high].tolist(), low[low == high].tolist(), "products, rounded once")
    judge.agree(implementation, table, torch.arange(64), scale=factor)


@judge.every_dtype
@given(drawn=lookups(), scale=EXACT)
def test_the_tied_head_agrees(implementation: Implementation, drawn: Lookup, scale: float) -> None:
    """With `hidden` there are logits beside the vectors: for every row its inner product. Pit: the factor is not in them."""
    judge.agree(implementation, *drawn.given, scale=scale, hidden=drawn.hidden)


@judge.every_dtype
@A_FEW
@given(drawn=lookups())
def test_a_place_gets_its_row_to_the_last_bit(implementation: Implementation, drawn: Lookup) -> None:
    """Without a factor nothing is rounded: the numbers are those of the table."""
    table = implementation.rounded(drawn.table)
    found = implementation(table, drawn.ids).flatten()
    right = torch.stack([table[int(v)] for v in drawn.ids.flatten()]).flatten().to(found.device)
    judge.exact(found.tolist(), right.tolist(), "numbers of the vectors")


@A_FEW
@given(drawn=lookups(), first=st.booleans())
def test_padding_is_a_row_like_the_others(implementation: Implementation, drawn: Lookup, first: bool) -> None:
    """Pit: the row of `padding_id`, 0 too, is used as it is. That it learns nothing does not make it zero.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
    """
    padding = 0 if first else drawn.vocabulary - 1
    judge.agree(implementation, drawn.table, torch.where(drawn.ids % 2 == 0, padding, drawn.ids), padding_id=padding)


@A_FEW
@given(drawn=lookups())
def test_what_is_asked_of_the_head_does_not_change_the_vectors(implementation: Implementation, drawn: Lookup) -> None:
    """Vectors are the same with a tied head and without."""

    def experiment(f):
        return f(*drawn.given, scale=2.0, hidden=drawn.hidden)[0], f(*drawn.given, scale=2.0)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=lookups())
def test_the_factor_is_a_factor(implementation: Implementation, drawn: Lookup) -> None:
    """A table times a number gives the vectors that the number as factor gives, and logits that do not know of it."""

    def experiment(f):
        scaled, logits = f(*drawn.given, scale=-0.75, hidden=drawn.hidden)
        vectors, larger = f(-0.75 * drawn.table, drawn.ids, hidden=drawn.hidden)
        return (scaled, -0.75 * logits), (vectors, larger)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=lookups(shapes=TEXTS))
def test_a_place_does_not_depend_on_the_others(implementation: Implementation, drawn: Lookup) -> None:
    """Each place alone, and the text flat and backwards, give the same rows."""
    flat = drawn.ids.flatten()

    def experiment(f):
        alone = torch.stack([f(drawn.table, v) for v in flat[:5]])
        among = f(*drawn.given).flatten(0, -2)
        return (alone, f(drawn.table, flat.flip(0)).flip(0)), (among[:5], among)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=lookups())
def test_a_tokens_own_row_scores_highest(implementation: Implementation, drawn: Lookup) -> None:
    """With rows of equal length what was looked up, given to the head, finds its own token again."""
    table = drawn.table / drawn.table.norm(dim=-1, keepdim=True)

    def experiment(f):
        vectors, logits = f(table, drawn.ids, hidden=table[drawn.ids])
        return logits.gather(-1, drawn.ids[..., None].to(logits.device))[..., 0], vectors.square().sum(-1)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "uint8"])
@A_FEW
@given(drawn=lookups(vocabularies=st.sampled_from([7, 100])))
def test_ids_of_any_width_are_ids(implementation: Implementation, name: str, drawn: Lookup) -> None:
    """Pit: bytes are ids like others. As an index torch takes them for a mask."""
    judge.agree(implementation, drawn.table, drawn.ids.to(getattr(torch, name)))


@judge.every_dtype
@pytest.mark.parametrize("last", [257, 2049, 65537])
def test_ids_beyond_what_16_bits_hold(implementation: Implementation, last: int) -> None:
    """Pit: ids are never floating point numbers or of 16 bits: each of three neighbours there has its own row."""
    table = torch.arange(2.0 * last + 2, dtype=torch.float64).reshape(last + 1, 2).sin()
    ids = torch.tensor([last - 2, last - 1, last, 0])
    judge.agree(implementation, table, ids)


@A_FEW
@given(drawn=lookups(shapes=TEXTS, vocabularies=st.sampled_from([100, 300]), patterns=("few", "one")))
def test_a_row_that_nobody_asks_for_may_hold_anything(implementation: Implementation, drawn: Lookup) -> None:
    """Pit: with one-hot vectors and a product an infinite row makes NaN of all others."""
    table = drawn.table.where(drawn.counts[:, None] > 0, torch.inf)
    judge.finite(implementation, implementation(table, drawn.ids))


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(drawn=lookups(shapes=TEXTS))
def test_any_layout_in_memory_gives_the_same(implementation: Implementation, layout: str, drawn: Lookup) -> None:
    """Rows and ids are where the strides say, not side by side."""
    scattered = LAYOUTS[layout]
    judge.agree(implementation, scattered(drawn.table), scattered(drawn.ids), hidden=drawn.hidden)


@pytest.mark.parametrize("shape", [(0,), (3, 0)], ids=str)
def test_no_tokens_give_no_vectors(implementation: Implementation, shape: tuple[int, ...]) -> None:
    """Limit: a text without tokens has no vectors, of the table's width."""
    found = implementation(torch.ones(4, 3, dtype=torch.float64), torch.zeros(shape, dtype=torch.long))
    judge.exact(tuple(found.shape), (*shape, 3), "shape")


@pytest.mark.parametrize("among", [True, False], ids=["among others", "alone"])
@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_an_id_beyond_the_table_raises(implementation: Implementation, beyond: int, among: bool) -> None:
    """Pit: the first id that is too large is as many as there are rows. It is neither held down nor counted round."""
    _rejects_ids(implementation, 5 + beyond, among)


@pytest.mark.parametrize("among", [True, False], ids=["among others", "alone"])
@pytest.mark.parametrize("below", ["the last", "the first", "none", "ignored label"])
def test_an_id_below_0_raises(implementation: Implementation, below: str, among: bool) -> None:
    """Pit: -1, or the -100 of labels, is no token; counted from the end it would be one."""
    _rejects_ids(implementation, {"the last": -1, "the first": -5, "none": -6, "ignored label": -100}[below], among)


def _rejects_ids(implementation: Implementation, wrong: int, among: bool) -> None:
    if implementation.device != "cpu":
        raise Unsupported("on a GPU an assertion of the kernel catches it, after which the process has no GPU any more")
    ids = torch.tensor([[0, wrong], [4, 2]] if among else wrong)
    judge.rejects(implementation, torch.ones(5, 3, dtype=torch.float64), ids)


@pytest.mark.parametrize("padding", [5, 6])
def test_padding_beyond_the_table_raises(implementation: Implementation, padding: int) -> None:
    """Padding is a token of the vocabulary."""
    judge.rejects(implementation, *_table_and_ids(), padding_id=padding)


@pytest.mark.parametrize("below", ["the last", "the first", "none"])
def test_padding_below_0_raises(implementation: Implementation, below: str) -> None:
    """Pit: a `padding_id` of -1 is not the last token, which would then learn nothing."""
    padding = {"the last": -1, "the first": -5, "none": -6}[below]
    judge.rejects(implementation, *_table_and_ids(), padding_id=padding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool], ids=str)
def test_ids_that_are_no_whole_numbers_raise(implementation: Implementation, dtype: torch.dtype) -> None:
    """An id of 1.5 is no token, and truth values are a mask."""
    table, ids = _table_and_ids()
    judge.rejects(implementation, table, (ids / 2).to(dtype))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_head_of_another_width_raises(implementation: Implementation, width: int) -> None:
    """What the head scores is as wide as the table; 1 number is not spread over all."""
    judge.rejects(implementation, *_table_and_ids(), hidden=torch.ones(2, width, dtype=torch.float64))


def _table_and_ids() -> tuple[Any, Any]:
    return torch.ones(5, 3, dtype=torch.float64), torch.tensor([1, 3, 4])
