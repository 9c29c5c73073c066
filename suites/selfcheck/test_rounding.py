"""Rounding at random: of two neighbours, the nearer one more often, and what is exact stays."""

from __future__ import annotations

import pytest
import torch

from fixtures.rounding import AtRandom, other_luck

every_short = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@every_short
def test_the_mean_is_exact(dtype: torch.dtype) -> None:
    """Over many seeds the mean of a product is the exact one, nearer than rounding to the nearest comes."""
    x, y = (torch.linspace(0.9, 3.1, 40, dtype=torch.float64).roll(roll).to(dtype) for roll in (0, 7))
    exact = x.double() * y.double()

    def product(seed: int) -> torch.Tensor:
        with AtRandom(seed):
            return x * y

    results = torch.stack([product(seed) for seed in range(1000)]).double()
    nearest = (x * y).double()
    unit = (nearest - exact).abs().max()
    assert (results.mean(0) - exact).abs().max() < 0.2 * unit
    assert (results - exact).abs().max() > 1.5 * unit, "never the farther neighbour"
    assert all(len(column.unique()) <= 2 for column in results.T), "more than two neighbours"


@every_short
def test_what_is_exact_stays(dtype: torch.dtype) -> None:
    """Sixteenths add up to one, zeros stay zeros with their sign, and nothing becomes infinite or leaves its dtype."""
    largest = torch.finfo(dtype).max
    sixteenths, ends = torch.full((16,), 1 / 16, dtype=dtype), torch.tensor([0.0, -0.0, largest, -largest], dtype=dtype)
    for seed in range(20):
        with AtRandom(seed):
            assert (sixteenths @ torch.ones_like(sixteenths)).item() == 1
            same = ends * 1
            finite = torch.tensor([largest * 0.9999], dtype=torch.float64).to(dtype)
        assert same.dtype == dtype
        assert torch.equal(same.view(torch.int16), ends.view(torch.int16))
        assert finite.isfinite().all()


@every_short
def test_gradients_are_rounded_too(dtype: torch.dtype) -> None:
    """A backward pass in the block gives other roundings with another seed, in the dtype of its leaf."""

    def gradient(seed: int) -> torch.Tensor:
        x = torch.linspace(-1, 1, 60, dtype=torch.float64).reshape(6, 10).to(dtype).requires_grad_()
        with AtRandom(seed):
            return torch.autograd.grad((x.softmax(-1) * x).sum(), x)[0]

    first, again, other = gradient(1), gradient(1), gradient(3)
    assert first.dtype == dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@every_short
def test_rows_alike_err_alike_under_even_seeds(dtype: torch.dtype) -> None:
    """Equal rows stay equal under an even seed, and part under an odd one."""
    rows = torch.linspace(0.1, 0.9, 50, dtype=torch.float64).to(dtype).expand(8, 50).clone()
    for seed, alike in ((2, True), (3, False)):
        with AtRandom(seed):
            result = rows * rows
        assert torch.equal(result, result[:1].expand_as(result)) is alike


@pytest.mark.parametrize(("dtype", "replica"), [("float32", 9), ("float64", 9), (None, 9), ("float16", 3)])
def test_the_others_are_left_alone(dtype: str | None, replica: int) -> None:
    """Nothing changes in wide dtypes, and in the first replicas."""
    x = torch.linspace(0.1, 0.9, 50, dtype=torch.float16 if dtype == "float16" else torch.float32)
    with other_luck(dtype, replica):
        assert torch.equal(x * x, (x.double() * x.double()).to(x.dtype))
