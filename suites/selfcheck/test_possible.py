"""What is counted is what is computed and moved, and a share is over what the device did."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fixtures import possible
from fixtures.concepts import concept
from fixtures.estimates import Estimate
from fixtures.implementations import built_in
from fixtures.possible import Peak, decode_bytes, forward_flops, share, training_flops
from fixtures.strategies.weights import Gpt2
from fixtures.timing import Stopwatch
from reference.architectures.gpt2 import gpt2
from suites.selfcheck.fake_machine import Machine

MODEL = Gpt2(seed=0, layers=3, heads=2, d_head=4, inner=20, vocabulary=17, positions=32, epsilon=1e-5)


def counted(call: Callable[[], object]) -> int:
    """Operations, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def texts(batch: int, tokens: int) -> torch.Tensor:
    return torch.randint(MODEL.vocabulary, (batch, tokens), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("batch", "tokens", "past"), [(1, 7, 0), (3, 5, 0), (1, 1, 9), (2, 4, 6)])
def test_the_formula_counts_what_torch_counts(batch: int, tokens: int, past: int) -> None:
    cache: list[Any] = []
    with torch.no_grad():
        if past:
            gpt2(MODEL.weights, texts(batch, past), cache=cache, **MODEL.scalars)
        read = partial(gpt2, MODEL.weights, texts(batch, tokens), cache=cache, **MODEL.scalars)
        assert counted(read) == forward_flops(MODEL, tokens=tokens, past=past, batch=batch)


@pytest.mark.parametrize("name", ["transformers-eager", "transformers-sdpa"])
def test_other_implementations_compute_as_much(name: str) -> None:
    pytest.importorskip("transformers")
    [found] = [i for i in built_in(concept("architectures.gpt2")) if i.name == name]
    # Of the fused kernel for CPUs the counter knows nothing: it would count no attention at all.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        read = partial(found.load(), MODEL.weights, texts(2, 7), **MODEL.scalars)
        assert counted(read) == forward_flops(MODEL, tokens=7, batch=2)


def test_a_backward_pass_is_twice_a_forward_pass() -> None:
    weights = {name: tensor.clone().requires_grad_() for name, tensor in MODEL.weights.items()}
    ids = texts(2, 6)

    def step() -> None:
        gpt2(weights, ids, labels=ids, **MODEL.scalars).backward()

    assert counted(step) == training_flops(MODEL, tokens=6, batch=2)


def test_traffic_is_every_matrix_once_and_the_past() -> None:
    """The table of words is read as the head; of that of positions a row only, as of the vectors beside the matrices."""
    cache: list[Any] = []
    gpt2(MODEL.weights, texts(1, 11), cache=cache, **MODEL.scalars)
    matrices = sum(x.numel() for name, x in MODEL.weights.items() if x.ndim == 2 and "wpe" not in name)
    kept = sum(tensor.numel() for layer in cache for tensor in layer)
    assert decode_bytes(MODEL, context=11, itemsize=4) == 4 * (matrices + kept)
    assert decode_bytes(MODEL, context=11, itemsize=2, batch=3) == 2 * (matrices + 3 * kept)


def estimate(median: float, low: float, high: float) -> Estimate:
    return Estimate(median, low, high, True, (median,))


def test_a_share_is_as_uncertain_as_rate_and_peak_together() -> None:
    peak = Peak("copy", "B/s", estimate(100.0, 80.0, 125.0), {}, None, False)
    found = share(estimate(10.0, 9.0, 12.0), 5.0, peak)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.5, 9 * 5 / 125, 12 * 5 / 80))
    unknown = share(
        estimate(10.0, 0.0, math.inf), 5.0, Peak("copy", "B/s", estimate(100.0, 0.0, math.inf), {}, None, False)
    )
    assert unknown["low"] == 0 and unknown["high"] is None


def test_peaks_are_those_of_large_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product grows until it takes long enough to fill the device; its rate counts 2 n^3, that of a copy twice its bytes."""
    machine = Machine()

    class Matrix:
        def __init__(self, n: int, _: int = 0) -> None:
            self.n = n

        def to(self, dtype: torch.dtype) -> Matrix:
            return self

        def __matmul__(self, other: Matrix) -> None:
            machine.spend(2.0 * self.n**3 / 1e11)

    monkeypatch.setattr(torch, "randn", lambda n, m, device: Matrix(n))
    monkeypatch.setattr(possible, "stopwatch", lambda device: Stopwatch(machine.clock))
    found = possible.product.__wrapped__("cpu", "float32")
    assert found.rate.median == pytest.approx(1e11, rel=0.01) and found.settings == {"n": 1024}
    monkeypatch.setitem(possible.COPIED, "cpu", 1000)
    monkeypatch.setattr(torch.Tensor, "copy_", lambda own, other: machine.spend(0.01))
    assert possible.copy.__wrapped__("cpu").rate.median == pytest.approx(2 * 1000 / 0.01, rel=0.01)
