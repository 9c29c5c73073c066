"""Laws of attention masks: each condition and all together, pair by pair. Booleans are compared exactly.

No number in a mask is floating, so every law is judged once, under the name of the widest dtype of the run.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from fixtures import judge
from fixtures.booleans import mask_of, same
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.masks import OPTIONS, Mask, questions
from fixtures.subject import Subject as Implementation
from reference.attention.masks import masks

FEW = settings(max_examples=settings().max_examples // 3)
"""For laws about one condition: all of them together are drawn in others."""


def _agrees(implementation: Implementation, question: Mask) -> None:
    same(
        mask_of(implementation, question.t, question.s, **question.options),
        masks(question.t, question.s, **question.options),
    )


def _may_attend(question: Mask, text: int, i: int, j: int) -> bool:
    """Whether query `i` may attend to key `j`, in words of whole numbers."""
    options: dict[str, Any] = {
        name: value[text].tolist() if isinstance(value, Tensor) else value for name, value in question.options.items()
    }
    here, real = i + question.s - question.t, options.get("padding", [True] * question.s)
    first = next((place for place, is_real in enumerate(real) if is_real), question.s)
    allowed = not question.causal or j <= here
    allowed = allowed and (question.window is None or abs(here - j) < question.window)
    allowed = allowed and (question.chunk is None or (here - first) // question.chunk == (j - first) // question.chunk)
    allowed = allowed or j < first + options.get("prefix", 0)
    if "segments" in options:
        allowed = allowed and options["segments"][here] == options["segments"][j]
    return bool(allowed and real[j])


@given(question=questions(maybe=OPTIONS))
def test_each_pair_is_judged_by_itself(implementation: Implementation, question: Mask) -> None:
    """Whether a query may attend to a key follows from their two places and the two tokens, by all conditions at once."""
    mask = mask_of(implementation, question.t, question.s, **question.options)
    texts = range(question.batch) if mask.ndim == 3 else [0]
    pairs = [[[_may_attend(question, b, i, j) for j in range(question.s)] for i in range(question.t)] for b in texts]
    judge.exact(mask.tolist(), pairs if mask.ndim == 3 else pairs[0], "mask")


LARGE: dict[str, list[dict[str, Any]]] = {
    "causal": [{}],
    "window": [{"window": 5}, {"window": 300}],
    "chunk": [{"chunk": 7}, {"chunk": 300}],
    "prefix": [{"prefix": 300}, {"prefix": "of each text"}],
    "padding": [{"padding": "left"}, {"padding": "right"}],
    "segments": [{"segments": 300}],
}


@pytest.mark.parametrize("condition", LARGE)
def test_long_texts_are_judged_as_short_ones(implementation: Implementation, condition: str) -> None:
    """Places beyond 256 and 1024 are no other places. Pit: places counted in a byte."""
    for options in LARGE[condition]:
        for t, s in ((257, 257), (1031, 1031)):
            _agrees(implementation, Mask(t, s, batch=2, seed=0, causal=True, **options))


@FEW
@given(question=questions(lengths="any"))
def test_without_conditions_all_is_open(implementation: Implementation, question: Mask) -> None:
    """Nothing is asked for, so every query may attend to every key: no conditions, no batch."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal"))
def test_causal(implementation: Implementation, question: Mask) -> None:
    """No query sees a later key, and every query sees itself."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", lengths="fewer queries"))
def test_causal_aligns_the_last_query_with_the_last_key(implementation: Implementation, question: Mask) -> None:
    """With fewer queries than keys (a cache), the last query sees every key. Pit A6: top-left alignment.

    Source: torch documents `is_causal` as top-left and has `causal_lower_right` for this; flash-attn changed in 2.1.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", lengths="more queries"))
def test_queries_before_the_first_key_see_nothing(implementation: Implementation, question: Mask) -> None:
    """With more queries than keys the first ones stand before the first key: their rows are empty."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "window"))
def test_window(implementation: Implementation, question: Mask) -> None:
    """A causal query sees itself and the `window - 1` keys before it. Pit: one more.

    Source: transformers' old `AttentionMaskConverter` lets `sliding_window + 1` through.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "window", lengths="fewer queries"))
def test_window_with_a_cache(implementation: Implementation, question: Mask) -> None:
    """With a cache the window ends at the query's own place, not at its number among the queries."""
    _agrees(implementation, question)


@FEW
@given(question=questions("window", lengths="any"))
def test_window_to_both_sides(implementation: Implementation, question: Mask) -> None:
    """A window that is not causal reaches as far after the query as before it: `2 * window - 1` keys in all."""
    _agrees(implementation, question)


@FEW
@given(question=questions("chunk", maybe=("causal",), lengths="equal"))
def test_chunk(implementation: Implementation, question: Mask) -> None:
    """Tokens attend to their own chunk only; the last may be short."""
    _agrees(implementation, question)


@FEW
@given(question=questions("chunk", maybe=("causal",), lengths="fewer queries"))
def test_chunk_with_a_cache(implementation: Implementation, question: Mask) -> None:
    """Chunks are counted from the first key, also where only the last queries are there."""
    _agrees(implementation, question)


@FEW
@given(question=questions("chunk", "padding", maybe=("causal",)))
def test_chunks_begin_at_the_first_token(implementation: Implementation, question: Mask) -> None:
    """Pit A8: with padding on the left, chunks are counted from the first real token.

    Source: transformers 5.23 masking_utils.py, `create_chunked_causal_mask`, which counts the padding on the left.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "prefix", lengths="equal"))
def test_prefix(implementation: Implementation, question: Mask) -> None:
    """The keys of the prefix are open to all, those after it are causal; its length may be each text's own.

    Source: Raffel et al. 2019, figure 4, on the right.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "prefix", lengths="fewer queries"))
def test_prefix_with_a_cache(implementation: Implementation, question: Mask) -> None:
    """The prefix is one of keys: it is the same where only the last queries are there."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "prefix", "padding"))
def test_prefix_begins_at_the_first_token(implementation: Implementation, question: Mask) -> None:
    """Pit A8: with padding on the left, the tokens of the prefix are counted from the first real one."""
    _agrees(implementation, question)


@FEW
@given(question=questions("prefix", maybe=("causal", "window", "chunk"), lengths="any"))
def test_prefix_is_seen_through_windows_and_chunks(implementation: Implementation, question: Mask) -> None:
    """Whatever the window or the chunk, a prefix is open to all. Pit: "causal or prefix" first, and the window after.

    Source: `or_mask_function` in transformers 5.23 masking_utils.py, and the global tokens of Longformer.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("padding", maybe=("causal",)))
def test_padding(implementation: Implementation, question: Mask) -> None:
    """Only real tokens are seen, wherever the others are. Pit A7: True means a real token, not one to be ignored.

    Source: `key_padding_mask` of torch.nn.MultiheadAttention, where True means the opposite.
    """
    _agrees(implementation, question)


@FEW
@given(question=questions("padding", lengths="any"))
def test_padding_is_that_of_keys(implementation: Implementation, question: Mask) -> None:
    """With other numbers of queries (a cache, or a decoder beside an encoder) padding has the length of the keys."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "padding", lengths="fewer queries"))
def test_padding_with_a_cache(implementation: Implementation, question: Mask) -> None:
    """A23: padding on the left stays hidden while the cache grows: it is that of all keys, not of the new ones."""
    _agrees(implementation, question)


@FEW
@given(question=questions("segments", maybe=("causal",), lengths="any"))
def test_segments(implementation: Implementation, question: Mask) -> None:
    """Texts in one row do not see each other, also where only the last queries are there."""
    _agrees(implementation, question)


@given(question=questions(maybe=OPTIONS, lengths="any"))
def test_all_conditions_together(implementation: Implementation, question: Mask) -> None:
    """Any of the conditions at once, with any lengths."""
    _agrees(implementation, question)


@FEW
@given(question=questions("causal", "padding"))
def test_an_empty_row_stays_empty(implementation: Implementation, question: Mask) -> None:
    """A row that may attend to nothing is not opened to please a kernel. Pit: padding tokens that see everything.

    Source: transformers' `_unmask_unattended`, and `allow_torch_fix` until 5.18.
    """
    padding = question.options["padding"].clone()
    padding[:, : (question.s + 1) // 2] = False
    same(
        mask_of(implementation, question.t, question.s, causal=True, padding=padding),
        masks(question.t, question.s, causal=True, padding=padding),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@FEW
@given(question=questions("padding", "segments"))
def test_layout_of_the_inputs_does_not_matter(implementation: Implementation, layout: str, question: Mask) -> None:
    """Padding, segments and prefixes may be transposed, gapped or parts of wider tensors."""
    prefix = torch.arange(question.batch) + 1
    options = {"causal": True, "prefix": prefix, **question.only("padding", "segments")}
    scattered = {
        name: LAYOUTS[layout](value) if isinstance(value, Tensor) else value for name, value in options.items()
    }
    same(mask_of(implementation, question.t, question.s, **scattered), masks(question.t, question.s, **options))


def _whole(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=torch.long)


def _real(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=torch.bool)


WRONG: dict[str, dict[str, Any]] = {
    "window of 0": {"window": 0, "causal": True},
    "window below 0": {"window": -1, "causal": True},
    "chunk of 0": {"chunk": 0, "causal": True},
    "chunk below 0": {"chunk": -2, "causal": True},
    "prefix below 0": {"prefix": -1, "causal": True},
    "prefix below 0 in one text": {"prefix": torch.tensor([1, -1]), "causal": True},
    "prefix of halves": {"prefix": torch.tensor([0.5, 1.0]), "causal": True},
    "prefix of truths": {"prefix": torch.tensor([True, False]), "causal": True},
    "prefix of each token": {"prefix": _whole(2, 5), "causal": True},
    "prefix of three texts of two": {"padding": _real(2, 5), "prefix": torch.tensor([1, 1, 1])},
    "padding of numbers": {"padding": _whole(2, 5)},
    "padding too short": {"padding": _real(2, 3)},
    "padding too long": {"padding": _real(2, 6)},
    "padding of no batch": {"padding": _real(5)},
    "padding of each pair": {"padding": _real(2, 5, 5)},
    "segments of halves": {"segments": torch.ones(2, 5)},
    "segments of truths": {"segments": _real(2, 5)},
    "segments too short": {"segments": _whole(2, 3)},
    "segments too long": {"segments": _whole(2, 6)},
    "segments of each pair": {"segments": _whole(2, 5, 5)},
    "segments of three texts of two": {"padding": _real(2, 5), "segments": _whole(3, 5)},
    "segments of two texts of one": {"padding": _real(1, 5), "segments": _whole(2, 5)},
    "segments of one text of two": {"padding": _real(2, 5), "segments": _whole(1, 5)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Sizes below 1, and tensors of other shapes or kinds, raise instead of giving some mask."""
    judge.rejects(implementation, 5, 5, **WRONG[wrong])


@pytest.mark.parametrize("lengths", [(-1, 5), (5, -1), (-1, -1)])
def test_negative_lengths_raise(implementation: Implementation, lengths: tuple[int, int]) -> None:
    """There are no lengths below 0."""
    judge.rejects(implementation, *lengths)


def test_queries_without_a_segment_raise(implementation: Implementation) -> None:
    """Segments are those of keys: with more queries than keys some have none. Pit: a negative index, from the end."""
    judge.rejects(implementation, 6, 5, segments=_whole(2, 5))


def test_no_lengths_give_no_mask(implementation: Implementation) -> None:
    """With no queries or no keys there are no pairs, and the shape says so."""
    for t, s in ((0, 0), (0, 4), (3, 0)):
        judge.exact(tuple(mask_of(implementation, t, s, causal=True).shape), (t, s), "shape")
