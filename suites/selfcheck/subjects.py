"""Subjects to judge without the plug-in path: of attention, and of toy concepts whose every number is known."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fixtures.concepts import Concept, concept
from fixtures.controls import variant
from fixtures.implementations import Implementation
from fixtures.strategies.attention import REGIMES, Problem
from fixtures.subject import Subject

ATTENTION = concept("attention.scaled_dot_product")


@dataclass(frozen=True)
class Toy(Concept):
    """A concept whose reference and variants are given and stand in no file."""

    reference: Callable[..., Any] = abs
    careful: tuple[Callable[..., Any], ...] = ()

    @property
    def source(self) -> str:  # type: ignore[override]
        return "def toy(x): ..."

    def load(self) -> Any:
        return self.reference

    def controls_module(self) -> types.ModuleType:
        module = types.ModuleType("toy")
        for number, one in enumerate(self.careful):
            setattr(module, f"variant{number}", variant(one))
        return module


def toy(
    call: Callable[..., Any], reference: Callable[..., Any], *careful: Callable[..., Any], dtype: str = "float64"
) -> Subject:
    """`call` judged by `reference`, the noise being that of `careful`."""
    own = Toy("toy.toy", Path("toy.py"), reference, careful)
    return Subject(own, Implementation("mine", own.id, lambda: call), dtype, "cpu")


def attention(call: Callable[..., Any], dtype: str = "float64") -> Subject:
    """`call` judged as attention."""
    return Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: call), dtype, "cpu")


def problem(seed: int, **fixed: Any) -> Problem:
    """An attention problem of that seed, of any shape and regime that `fixed` does not fix."""
    generator = torch.Generator().manual_seed(seed)

    def one_of(*values: Any) -> Any:
        return values[int(torch.randint(len(values), (), generator=generator))]

    drawn = {
        "batch": one_of((), (3,), (2, 1)),
        "t": one_of(1, 2, 5, 8, 17),
        "s": one_of(1, 3, 7, 16, 33),
        "d": one_of(1, 3, 8, 20),
        "v": one_of(1, 4, 16),
        "regime": one_of(*REGIMES),
        "masked": one_of(None, 0.3, 0.7),
    }
    return Problem(**{**drawn, **fixed}, seed=seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)
