"""No speed of training without the right loss and the right gradients, of each step that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.concepts import concept
from fixtures.implementations import Implementation, Unsupported, built_in
from fixtures.judge import Rejected
from fixtures.memory import allocated
from fixtures.strategies.weights import Gpt2
from fixtures.subject import ImplementationError, Subject
from fixtures.training import CHECKPOINTED, Step, certify, with_checkpoints
from reference.architectures import gpt2 as module

CONCEPT = "architectures.gpt2"
MODEL = Gpt2(seed=0, layers=2, heads=2, d_head=8, inner=32, vocabulary=64, positions=16, epsilon=1e-5)
WRONG = (Rejected, ImplementationError)

Function = Callable[..., Tensor]


def step_of(function: Function | None = None, *, named: Implementation | None = None) -> tuple[Subject, Step]:
    found = named or Implementation("brought", CONCEPT, load=lambda: function, users=True)
    subject = Subject(concept(CONCEPT), found, "float32", "cpu")
    return subject, Step(subject, MODEL, 2, 12)


def library(name: str) -> Implementation:
    pytest.importorskip("transformers")
    [found] = [i for i in built_in(concept(CONCEPT)) if i.name == name]
    return found


def test_right_steps_are_certified_the_first_and_the_later() -> None:
    """Also in a block of several steps: each is the first from the weights of the beginning."""
    subject, step = step_of(module.gpt2)
    for _ in range(3):
        certify(subject, MODEL, step(1))
    step.restore()
    certify(subject, MODEL, step(1))


def test_the_step_is_taken() -> None:
    """AdamW moves every weight by about the rate of learning, and by as much again after the weights were put back."""
    _, step = step_of(module.gpt2)
    moved = []
    for _ in range(2):
        step.restore()
        step(1)
        moved.append([(p.detach() - s).abs() for p, s in zip(step.parameters.values(), step.start, strict=True)])
    for changes in moved:
        assert all(float(change.max()) == pytest.approx(1e-3, rel=0.1) for change in changes)


def test_weights_that_were_not_put_back_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "restore", lambda self: None)
    subject, step = step_of(module.gpt2)
    certify(subject, MODEL, step(1))
    with pytest.raises(WRONG):
        certify(subject, MODEL, step(1))


def test_gradients_that_pile_up_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, step = step_of(module.gpt2)
    monkeypatch.setattr(step.optimizer, "zero_grad", lambda set_to_none: None)
    certify(subject, MODEL, step(1))
    with pytest.raises(Rejected, match="units of noise"):
        certify(subject, MODEL, step(1))


def frozen(weights: dict[str, Tensor], ids: Tensor, **options: Any) -> Tensor:
    """The right loss; the first layer learns nothing from it."""
    kept = {name: tensor.detach() if ".h.0." in name else tensor for name, tensor in weights.items()}
    return module.gpt2(kept, ids, **options)


def unshifted(weights: dict[str, Tensor], ids: Tensor, *, labels: Tensor, **options: Any) -> Tensor:
    """Predicts the token that it has just read."""
    return torch.nn.functional.cross_entropy(module.gpt2(weights, ids, **options).flatten(0, 1), labels.flatten())


def halved(weights: dict[str, Tensor], ids: Tensor, **options: Any) -> Tensor:
    """The right loss, half of its gradient."""
    loss = module.gpt2(weights, ids, **options)
    return loss / 2 + loss.detach() / 2


@pytest.mark.parametrize("wrong", [frozen, unshifted, halved])
def test_a_wrong_loss_or_gradient_is_no_step(wrong: Function) -> None:
    subject, step = step_of(wrong)
    with pytest.raises(WRONG):
        certify(subject, MODEL, step(1))


def test_right_at_first_and_wrong_afterwards_is_found() -> None:
    calls: list[None] = []

    def lazy(weights: dict[str, Tensor], ids: Tensor, **options: Any) -> Tensor:
        calls.append(None)
        return (module.gpt2 if len(calls) == 1 else halved)(weights, ids, **options)

    subject, step = step_of(lazy)
    certify(subject, MODEL, step(1))
    with pytest.raises(Rejected):
        certify(subject, MODEL, step(1))


@pytest.mark.parametrize("name", ["transformers-eager", "transformers-sdpa"])
def test_checkpoints_change_memory_and_nothing_else(name: str) -> None:
    plain = library(name)
    [saving] = with_checkpoints(plain)
    assert saving.name == name + CHECKPOINTED
    used = []
    for found in (plain, saving):
        subject, step = step_of(named=found)
        certify(subject, MODEL, step(1))
        certify(subject, MODEL, step(1))
        used.append(allocated(partial(step, 1)))
    assert used[1] < 0.9 * used[0]


def test_who_has_no_checkpoints_is_not_entered_with_them() -> None:
    reference = next(i for i in built_in(concept(CONCEPT)) if i.name == "reference")
    assert with_checkpoints(reference) == []
    with pytest.raises(Unsupported, match="no activation checkpointing"):
        step_of(named=replace(reference, name=f"reference{CHECKPOINTED}"))


def test_a_users_own_trainer_is_used() -> None:
    """It gives the loss as a function of texts, and its parameters by name."""

    def function(*args: Any, **options: Any) -> Tensor:
        raise AssertionError("called though it offers to be trained")

    def train(weights: dict[str, Tensor], *, checkpointed: bool, **scalars: Any) -> Any:
        parameters = {name: tensor.requires_grad_() for name, tensor in weights.items()}
        return (lambda ids: module.gpt2(parameters, ids, labels=ids, **scalars)), parameters

    function.train = train  # type: ignore[attr-defined]
    subject, step = step_of(function)
    certify(subject, MODEL, step(1))
    assert [i.name for i in with_checkpoints(subject.implementation)] == [f"brought{CHECKPOINTED}"]
