"""What the judge sees of gradients: each one that is wrong, missing, raised or waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures import judge, limits
from fixtures.judge import Rejected
from fixtures.subject import ImplementationError
from reference.attention.scaled_dot_product import scaled_dot_product
from suites.selfcheck.subjects import normal, problem, softmax, toy


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("wrong", [0.0, 1.5, math.nan])
def test_whose_gradient_is_wrong_is_said_by_name(wrong: float, dtype: str) -> None:
    """In low precision too, where all gradients are judged as one row of numbers."""

    def spoilt(shift: Tensor) -> Tensor:
        return shift * wrong + (shift * (1 - wrong)).detach()

    def call(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        return x * weights["gain"] + spoilt(weights["shift"])

    def reference(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        return x * weights["gain"] + weights["shift"]

    weights = {"gain": normal(4, seed=1), "shift": normal(3, 4, seed=2), "unused": normal(2)}
    with pytest.raises(Rejected, match=r"at \[[0-2], [0-3]\] of the gradient of weights\['shift'\]"):
        judge.agree_gradients(toy(call, reference, dtype=dtype), normal(3, 4), weights)


def summed(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The gradient of `f(x).sum()`: what a careless test compares."""

    def gradient(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    return gradient


class HalfGradient(torch.autograd.Function):
    """The identity, with half its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] / 2


def half_softmax(x: Tensor) -> Tensor:
    return torch.softmax(HalfGradient.apply(x), -1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_gradient_that_a_sum_cannot_see_is_seen(dtype: str) -> None:
    """The softmax sums to 1 whatever the logits are, so the gradient of its sum is 0, and half of that is 0 as well."""
    x = normal(4, 5)
    assert torch.allclose(summed(softmax)(x), summed(half_softmax)(x), atol=1e-15)
    judge.agree(toy(half_softmax, softmax, dtype=dtype), x)
    judge.agree_gradients(toy(softmax, softmax, dtype=dtype), x)
    with pytest.raises(Rejected, match="units of noise"):
        judge.agree_gradients(toy(half_softmax, softmax, dtype=dtype), x)


def test_gradients_of_every_argument_are_judged_unless_some_are_named() -> None:
    def call(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        return x * HalfGradient.apply(weights["w"])

    subject = toy(call, lambda x, weights: x * weights["w"])
    args = normal(3, 4), {"w": normal(3, 4, seed=1), "ids": torch.arange(3)}
    judge.agree_gradients(subject, *args, wrt=0)
    for wrt in (None, 1, [0, 1]):
        with pytest.raises(Rejected):
            judge.agree_gradients(subject, *args, wrt=wrt)


def test_a_gradient_that_is_missing_is_zero_and_rejected() -> None:
    with pytest.raises(Rejected, match="in a way that can be differentiated"):
        judge.agree_gradients(toy(lambda x: x.detach().exp(), torch.exp), normal(3, 3))
    with pytest.raises(Rejected, match="units of noise"):
        judge.agree_gradients(toy(lambda x, y: x * y.detach(), torch.mul), normal(3, 3), normal(3, 3, seed=1))


def test_a_part_of_the_gradient_that_vanishes_is_no_fault() -> None:
    """A bias of the keys has no gradient; careful arithmetic leaves some 1e-17 there."""

    def call(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        return scaled_dot_product(query, key + bias, value)

    def backwards(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        return scaled_dot_product(query.flip(-1), (key + bias).flip(-1, -2), value.flip(-2))

    for seed in range(10):
        p = problem(seed, batch=(), d=8, s=7)
        judge.agree_gradients(toy(backwards, call), p.query, p.key, p.value, normal(8, seed=seed))
        off = lambda q, k, v, b: call(q, k, v, b) + 0.01 * b.sum()  # noqa: E731
        with pytest.raises(Rejected, match="of the gradient of bias"):
            judge.agree_gradients(toy(off, call), p.query, p.key, p.value, normal(8, seed=seed))


def hang() -> None:
    """Long enough to be noticed, and not for ever where nothing ends it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass


class Hanging(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        hang()
        return gradients[0]


class Raising(Hanging):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError("no backward yet")


def test_a_backward_pass_that_hangs_or_raises_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    with pytest.raises(limits.TimedOut, match=r"the gradient of mine: a call took more than 0\.3 s"):
        judge.agree_gradients(toy(Hanging.apply, torch.clone), normal(2, 2))
    with pytest.raises(ImplementationError, match="the gradient raised RuntimeError: no backward yet"):
        judge.agree_gradients(toy(Raising.apply, torch.clone), normal(2, 2))


def test_a_call_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(x: Tensor) -> Tensor:
        hang()
        return x.abs()

    monkeypatch.setattr(limits, "SECONDS", 0.3)
    with pytest.raises(limits.TimedOut, match=r"mine: a call took more than 0\.3 s"):
        judge.agree(toy(hangs, torch.abs), normal(2, 2))
