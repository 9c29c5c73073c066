"""The judge on results of a wrong kind, on inputs that were overwritten, and its other questions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor

from fixtures import judge
from fixtures.concepts import concept
from fixtures.implementations import Implementation
from fixtures.judge import Inconclusive, Rejected
from fixtures.subject import ImplementationError, Subject
from suites.selfcheck.subjects import normal, softmax, toy


def put(position: tuple[int, ...], number: float) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor) -> Tensor:
        result = x.abs()
        result[position] = number
        return result

    return call


WRONG_RESULTS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "one NaN": (put((1, 2), math.nan), r"nan at \[1, 2\], expected"),
    "one infinity": (put((0, 1), math.inf), r"inf at \[0, 1\], expected"),
    "another shape": (lambda x: x.abs()[:1], r"returned shape \(1, 3\), the contract says \(2, 3\)"),
    "another order of axes": (lambda x: x.abs().T, r"returned shape \(3, 2\), the contract says \(2, 3\)"),
    "one more axis": (lambda x: x.abs()[None], r"returned shape \(1, 2, 3\), the contract says \(2, 3\)"),
    "integers": (lambda x: x.abs().long(), "returned torch.int64, the contract says floating point"),
    "two tensors": (lambda x: (x.abs(), x), "returned 2 tensors, the contract says 1"),
    "no tensor": (lambda x: [], "returned 0 tensors, the contract says 1"),
    "a string": (lambda x: "tensor", "the contract promises tensors, got str: 'tensor'"),
    "None": (lambda x: None, "the contract promises tensors, got NoneType: None"),
    "numpy's": (lambda x: x.abs().numpy(), "the contract promises tensors, got ndarray"),
    "a number": (lambda x: 1.5, "the contract promises tensors, got float: 1.5"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("wrong", WRONG_RESULTS)
def test_a_result_of_a_wrong_kind_is_rejected_in_plain_words(wrong: str, dtype: str) -> None:
    call, message = WRONG_RESULTS[wrong]
    x = normal(2, 3)
    with pytest.raises((Rejected, ImplementationError), match=message):
        judge.agree(toy(call, torch.abs, dtype=dtype), x)
    with pytest.raises((Rejected, ImplementationError), match=message):  # although both sides are the same
        judge.holds(toy(call, torch.abs, dtype=dtype), lambda f: (f(x), f(x)))


def test_nobody_is_asked_for_what_the_reference_cannot_hold_in_the_working_dtype() -> None:
    def root_of_square(x: Tensor) -> Tensor:
        return (x * x).sqrt()

    large = normal(3, 4).abs() + 300
    with pytest.raises(Inconclusive, match="not finite in float16"):
        judge.agree(toy(root_of_square, root_of_square, dtype="float16"), large)
    with pytest.raises(Inconclusive):
        judge.agree_gradients(toy(root_of_square, root_of_square, dtype="float16"), large)
    with pytest.raises(Inconclusive, match="not finite in float16"):
        judge.holds(
            toy(root_of_square, root_of_square, dtype="float16"), lambda f: (f(large), f(large.flip(0)).flip(0))
        )
    with pytest.raises(Inconclusive):
        judge.agree(toy(torch.abs, root_of_square, dtype="float16"), large)
    for wrong in (root_of_square, lambda x: x.abs() * math.inf):
        with pytest.raises(Rejected, match="inf at"):
            judge.agree(toy(wrong, torch.abs, dtype="float16"), large)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_a_loss_of_half_precision_may_be_wider_than_its_inputs(dtype: str) -> None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        wide = torch.promote_types(logits.dtype, torch.float64 if dtype == "float32" else torch.float32)
        return torch.nn.functional.cross_entropy(logits.to(wide), labels)

    own = concept("losses.cross_entropy")
    subject = Subject(own, Implementation("mine", own.id, lambda: loss), dtype, "cpu")
    with contextlib.nullcontext() if dtype == "bfloat16" else pytest.raises(Rejected, match=r"returned torch\.float64"):
        judge.agree(subject, normal(4, 9), torch.arange(4))
    with pytest.raises(Rejected, match="the dtype of its inputs"):
        judge.agree(toy(lambda x: x.abs().double(), torch.abs, dtype=dtype), normal(2, 3))


def test_a_result_that_a_law_cannot_work_with_is_the_implementations_error() -> None:
    with pytest.raises(ImplementationError, match="cannot be used as the contract says: TypeError"):
        judge.holds(toy(lambda x: None, torch.abs), lambda f: (f(normal(2, 2)) * 1, normal(2, 2).abs()))


def test_what_an_implementation_raises_is_told_with_its_type() -> None:
    def breaks(x: Tensor) -> Tensor:
        raise KeyError("layer.7")

    for law in (judge.agree, judge.agree_gradients):
        with pytest.raises(ImplementationError, match=r"raised KeyError: 'layer\.7'") as caught:
            law(toy(breaks, torch.abs), normal(2, 2))
        assert isinstance(caught.value.__cause__, KeyError)


def test_inputs_overwritten_in_place_are_rejected() -> None:
    for call, args in (
        (lambda x: x.exp_(), (normal(2, 2),)),
        (lambda weights: weights["w"].exp_(), ({"w": normal(2, 2)},)),
        (lambda pair: pair[1].exp_(), ((normal(2, 2), normal(2, 2)),)),
    ):
        with pytest.raises(Rejected, match="overwrote one of its inputs"):
            judge.agree(toy(call, lambda x: tensors_last(x).exp()), *args)


def test_which_of_several_tensors_is_wrong_is_said() -> None:
    with pytest.raises(Rejected, match=r"largest at \[[01]\] of tensor 2 of 2: expected"):
        judge.agree(toy(lambda x: (x.abs(), x * 1.1), lambda x: (x.abs(), x * 1)), normal(2))


def tensors_last(value: Any) -> Tensor:
    return judge.tensors(value)[-1]


def test_an_overwritten_option_is_rejected() -> None:
    def call(x: Tensor, *, mask: Tensor) -> Tensor:
        result = x * mask
        mask.fill_(True)
        return result

    with pytest.raises(Rejected, match="overwrote one of its inputs"):
        judge.agree(toy(call, lambda x, mask: x * mask), normal(2, 2), mask=torch.eye(2, dtype=torch.bool))


def test_the_difference_can_be_seen_in_the_message() -> None:
    """Of 1 and 1 + 1e-9 eight digits are the same."""
    with pytest.raises(Rejected, match=r"expected 1, got 1\.000000001$"):
        judge.agree(toy(lambda x: x / x * (1 + 1e-9), lambda x: x / x), normal(3, 4))
    with pytest.raises(Rejected, match=r"expected 1, got 1\.5$"):
        judge.agree(toy(lambda x: x / x * 1.5, lambda x: x / x), normal(3, 4))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_metamorphic_law_holds_up_to_noise(dtype: str) -> None:
    """Softmax does not change when a number is added to every logit; one that clips its logits does not have this."""
    x = normal(20, 8)

    def law(subject: Any) -> None:
        judge.holds(subject, lambda f: (f(x + 3), f(x)))

    law(toy(softmax, softmax, dtype=dtype))
    law(toy(lambda x: x.exp() / x.exp().sum(-1, keepdim=True), softmax, dtype=dtype))
    with pytest.raises(Rejected, match="units of noise"):
        law(toy(lambda x: torch.softmax(x.clamp(max=2), -1), softmax, dtype=dtype))


def test_a_metamorphic_law_between_zeros_is_inconclusive() -> None:
    with pytest.raises(Inconclusive):
        judge.holds(toy(lambda x: x * 0, softmax), lambda f: (f(normal(2, 2) + 3), f(normal(2, 2))))


def test_exact_things_must_be_the_same_in_type_and_value() -> None:
    for same in ([1, 2], (1, 2), "ab", {"a": 1}, b"x", [], None):
        judge.exact(same, same)
    for actual, expected in (
        ([1, 2], [1, 3]),
        ([1, 2], (1, 2)),
        ([1.0, 2.0], [1, 2]),
        ([[1], True], [[1], 1]),
        ({"a": 1.0}, {"a": 1}),
        ("ab", "abc"),
        (None, 0),
        ("1", 1),
    ):
        with pytest.raises(Rejected):
            judge.exact(actual, expected)
    with pytest.raises(Rejected, match=r"ids: expected \[1, 2, 3\], got \[1, 2\]; they part at index 2"):
        judge.exact([1, 2], [1, 2, 3], "ids")
    with pytest.raises(Rejected, match="a tuple is expected and a list came"):
        judge.exact([1, 2], (1, 2))


def test_a_long_difference_is_shown_where_it_is() -> None:
    letters = "a" * 300
    with pytest.raises(Rejected, match="index 300, where 'aaaaab' is expected and 'aaaaac' came"):
        judge.exact(letters + "c", letters + "b")
    with pytest.raises(Rejected, match="index 1, where 'aaaaab' is expected and 'aaaaac' came"):
        judge.exact(["x", (letters + "c", (0, 301))], ["x", (letters + "b", (0, 301))])
    with pytest.raises(Rejected, match=r"index 200, where \[7, 7, 7, 7, 7, 8\] is expected and \[7, 7, 7, 7, 7\] came"):
        judge.exact([7] * 200, [*[7] * 200, 8])


def test_zero_means_exactly_zero() -> None:
    subject = toy(torch.abs, torch.abs)
    judge.zero(subject, torch.zeros(2, 2))
    judge.zero(subject, torch.zeros(0, 2))
    for wrong in (1e-300, math.nan, math.inf):
        with pytest.raises(Rejected, match="expected exactly 0"):
            judge.zero(subject, put((0, 1), wrong)(torch.zeros(2, 2, dtype=torch.float64)))


def test_finite_means_no_nan_and_no_infinity() -> None:
    subject = toy(torch.abs, torch.abs)
    judge.finite(subject, (normal(2, 2), torch.zeros(0)))
    for wrong in (math.nan, math.inf, -math.inf):
        with pytest.raises(Rejected, match="expected finite values"):
            judge.finite(subject, (normal(2, 2), put((0, 1), wrong)(normal(2, 2))))


def test_bad_input_must_raise_and_not_return() -> None:
    def picky(x: Tensor) -> Tensor:
        if len(x) != 2:
            raise ValueError("two rows, please")
        return x

    judge.rejects(toy(picky, torch.abs), normal(3, 3))
    with pytest.raises(Rejected, match=r"bad input must raise, but it returned tensor"):
        judge.rejects(toy(picky, torch.abs), normal(2, 2))


def test_inconclusive_examples_are_drawn_again() -> None:
    """To Hypothesis such an example is one that does not satisfy an assumption."""
    drawn = []

    @hypothesis.settings(max_examples=10, database=None, derandomize=True)
    @hypothesis.given(hypothesis.strategies.sampled_from([0.0, 1.0]), hypothesis.strategies.integers(0, 99))
    def law(size: float, seed: int) -> None:
        drawn.append(size)
        judge.agree(subject, normal(2, 2, seed=seed) * size)

    subject = toy(torch.abs, torch.abs)
    law()
    assert set(drawn) == {0.0, 1.0}
    assert subject.tally.judged == drawn.count(1.0) == 10
