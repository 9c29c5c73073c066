"""The judge on values: sharp in float64, within the noise in low precision, and silent where nothing can be told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures import judge, nested, noise
from fixtures.controls import variants
from fixtures.judge import Inconclusive, Rejected
from fixtures.statistics import FACTOR
from reference.attention.scaled_dot_product import scaled_dot_product
from suites.selfcheck.subjects import ATTENTION, attention, normal, problem, toy

DTYPES = ("float64", "float32", "bfloat16", "float16")
VARIANTS = variants(ATTENTION)


def scaled_by(factor: float) -> Callable[..., Tensor]:
    def call(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        return scaled_dot_product(query, key, value, **options, scale=factor / math.sqrt(query.shape[-1]))

    return call


def test_float64_sees_a_billionth_too_much_scale() -> None:
    for seed in range(10):
        p = problem(seed, regime="normal", s=16, d=8)
        with pytest.raises(Rejected, match="units of noise"):
            judge.agree(attention(scaled_by(1 + 1e-9)), p.query, p.key, p.value)


def test_a_variant_that_is_wrong_excuses_nobody() -> None:
    """Two that share a mistake would be each other's noise, and everybody's who makes it."""

    def too_much(x: Tensor) -> Tensor:
        return x.exp() * (1 + 1e-5)

    def also_too_much(x: Tensor) -> Tensor:
        return x.exp() * (1 + 1e-5)

    for call in (lambda x: too_much(x), too_much):
        with pytest.raises(noise.Careless, match=r"the variant '(also )?too much' is itself off by"):
            judge.agree(toy(call, torch.exp, too_much, also_too_much), normal(4, 4))
    judge.agree(toy(torch.exp, torch.exp, too_much), normal(4, 4))


def test_a_law_that_the_reference_breaks_is_none() -> None:
    """Its own gap would be the noise, and nobody's too large."""
    subject = toy(lambda x: x.exp() * 3, torch.exp)
    with pytest.raises(noise.Careless, match="the reference is itself off by"):
        judge.holds(subject, lambda f: (f(normal(4, 4)), 2 * f(normal(4, 4))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_another_order_of_summation_is_accepted(dtype: str) -> None:
    def backwards(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return scaled_dot_product(query.flip(-1), key.flip(-1, -2), value.flip(-2))

    for seed in range(40):
        subject, p = attention(backwards, dtype), problem(seed)
        judge.agree(subject, p.query, p.key, p.value)
        assert subject.tally.judged == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_written_differently_stays_within_the_noise(name: str, dtype: str) -> None:
    """A user's code that happens to be a variant's, which is not told apart as one: over many inputs, none rejected."""

    def users(*args: Any, **options: Any) -> Any:
        return VARIANTS[name](*args, **options)

    judged = 0
    for seed in range(50):
        subject, p = attention(users, dtype), problem(seed)
        for law in (judge.agree, judge.agree_gradients) if seed % 5 == 0 else (judge.agree,):
            try:
                law(subject, p.query, p.key, p.value, mask=p.mask)
            except Inconclusive:
                continue
            judged += 1
    assert judged >= 50


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_accepted_without_counting_its_own_noise(name: str) -> None:
    for seed in range(50):
        subject, p = attention(VARIANTS[name]), problem(seed)
        assert VARIANTS[name] not in noise.careful(subject)
        judge.agree(subject, p.query, p.key, p.value, mask=p.mask)


def test_a_variant_that_is_wrong_is_rejected_although_it_is_part_of_the_noise() -> None:
    wrong = lambda x: x * 1.001  # noqa: E731
    with pytest.raises(Rejected):
        judge.agree(toy(wrong, torch.exp, wrong), normal(4, 4))


def low_precision_faults() -> dict[str, Callable[[Tensor], Tensor]]:
    def one_row(right: Tensor) -> Tensor:
        right = right.clone()
        right[..., 40, :] *= 1.2
        return right

    def one_element(right: Tensor) -> Tensor:
        right = right.clone()
        right[..., 40, 3] += 0.5
        return right

    return {
        "bias": lambda right: right + 0.03,
        "one row": one_row,
        "one element": one_element,
        "all too large": lambda right: right * 1.1,
        "zeros": torch.zeros_like,
        "rounded to a quarter": lambda right: (right * 4).round() / 4,
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("fault", low_precision_faults())
def test_low_precision_still_sees_what_is_no_noise(fault: str, dtype: str) -> None:
    spoil = low_precision_faults()[fault]
    p = problem(1, batch=(2,), t=64, s=16, d=8, v=8, regime="normal", masked=None)
    judge.agree(attention(scaled_dot_product, dtype), p.query, p.key, p.value)
    with pytest.raises(Rejected, match="units of noise"):
        judge.agree(attention(lambda *a: spoil(scaled_dot_product(*a)), dtype), p.query, p.key, p.value)


def test_the_limit_is_what_the_worst_careful_one_loses_times_the_factor() -> None:
    def off_by(error: float) -> Callable[[Tensor], Tensor]:
        """The error is in one row, and zeros are conclusive in all the others."""
        return lambda x: x.abs() + error * (torch.arange(100)[:, None] == 7)

    for share, accepted in ((0.9, True), (1.1, False)):
        subject = toy(off_by(share * FACTOR * 1e-3), torch.abs, off_by(1e-3), dtype="float32")
        if accepted:
            judge.agree(subject, normal(100, 10))
        else:
            with pytest.raises(Rejected):
                judge.agree(subject, normal(100, 10))
        assert subject.tally.noise == pytest.approx(share * FACTOR, rel=1e-3)


def test_truth_is_the_reference_on_the_inputs_as_they_were_rounded() -> None:
    """The rounding of inputs is nobody's error; the reference's own arithmetic in the working dtype is no truth."""
    seen: list[torch.dtype] = []

    def reference(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        assert torch.equal(x, x.to(torch.bfloat16).to(x.dtype))
        return x * 3

    judge.agree(toy(lambda x: x * 3, reference, dtype="bfloat16"), normal(5, 5))
    assert seen == [torch.float64, torch.bfloat16]


def test_an_unlucky_rounding_is_no_error() -> None:
    """A careful function may round without any loss here and lose much next door: neighbours are asked as well."""

    def loses(x: Tensor, share: float) -> Tensor:
        """Up to `share` on some inputs, nothing on others, as it falls."""
        bits = x.contiguous().view(torch.int32) % 4 if x.dtype == torch.float32 else torch.zeros_like(x)
        return x + share * (bits == 3)

    x = (normal(4, 8).abs().float().view(torch.int32) & ~3).view(torch.float32)  # none of them loses anything
    accepted = toy(lambda x: x + 1e-5, lambda x: loses(x, 1e-5), dtype="float32")
    judge.agree(accepted, x)
    with pytest.raises(Rejected):
        judge.agree(toy(lambda x: x + 1e-4, lambda x: loses(x, 1e-5), dtype="float32"), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbours_are_one_place_away_and_equal_numbers_stay_equal(dtype: str) -> None:
    x = normal(40, 5).to(getattr(torch, dtype))
    x[0], x[1, 0], x[1, 1] = x[2], 0, math.inf
    moved = nested.replica((x, 3, {"mask": x > 0}), 1)
    assert moved[1] == 3 and torch.equal(moved[2]["mask"], x > 0)
    y = moved[0]
    assert torch.equal(y[0], y[2]) and y[1, 0] == 0 and y[1, 1] == math.inf
    kept = y == x
    assert int(kept.sum()) == 2
    assert torch.equal(torch.nextafter(y, x)[~kept], x[~kept])
    room = dtype in ("float32", "float64")
    larger = [(nested.replica(x, index).abs() > x.abs())[~kept].double().mean().item() for index in range(1, 13)]
    alone = larger[:3] if room else larger
    assert min(alone) > 0.3 and max(alone) < 0.7
    assert not room or larger[3:] == [1, 0] * 4 + [1]  # all together
    assert not torch.equal(y, nested.replica(x, 2))
    far = ((nested.replica(x, 8) - x).abs() / (y - x).abs())[~kept]
    places = 5 * nested.TOGETHER
    least, most = (places - 32, places + 32) if room else (1, 1)
    assert float(far.min()) >= least / 2 and float(far.max()) <= 2 * most  # at a power of two places halve


def test_gradients_pass_through_neighbours() -> None:
    x = normal(4).requires_grad_()
    nested.replica(x, 1).sum().backward()
    assert torch.equal(x.grad, torch.ones(4))  # type: ignore[arg-type]


def test_where_everything_expected_vanishes_nothing_is_certified() -> None:
    for call in (torch.zeros_like, lambda x: x - x):
        with pytest.raises(Inconclusive):
            judge.agree(toy(call, torch.zeros_like), normal(3, 3))
    with pytest.raises(Rejected):
        judge.agree(toy(lambda x: x * 1e-3, torch.zeros_like), normal(3, 3))


def test_expected_values_lost_in_the_noise_certify_nothing() -> None:
    careless = lambda x: x * 1e-3 + normal(3, 3, seed=1).to(x.dtype)  # noqa: E731
    with pytest.raises(Inconclusive):
        judge.agree(toy(torch.zeros_like, lambda x: x * 1e-3, careless, dtype="float32"), normal(3, 3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_never_pass(dtype: str) -> None:
    def zeros(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
        return (query @ key.transpose(-2, -1) @ value) * 0

    for seed in range(12):
        p = problem(seed)
        for law in (judge.agree, judge.agree_gradients):
            with pytest.raises((Rejected, Inconclusive)):
                law(attention(zeros, dtype), p.query, p.key, p.value, mask=p.mask)


def test_an_empty_result_is_judged_by_its_shape() -> None:
    subject = toy(lambda x: x.reshape(0, 2), torch.abs)
    judge.agree(toy(torch.abs, torch.abs), normal(0, 3))
    with pytest.raises(Rejected, match=r"returned shape \(0, 2\), the contract says \(0, 3\)"):
        judge.agree(subject, normal(0, 3))


def test_what_overflows_in_the_working_dtype_is_left_out_and_only_that() -> None:
    x = torch.tensor([[1.0, 300.0, 2.0]])
    judge.agree(toy(torch.square, torch.square, dtype="float16"), x)
    with pytest.raises(Rejected, match=r"inf at \[0, 0\]"):
        judge.agree(toy(lambda x: x.square() / 0, torch.square, dtype="float16"), x)
