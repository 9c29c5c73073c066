"""Statistics of errors: each one sees something that the others overlook, and luck alone never exceeds the limit."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fixtures.statistics import FACTOR, STATISTICS, Errors, floor

ROWS, WIDTH = 400, 32


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


TRUTH = normal(0, ROWS, WIDTH)
SLOPED = TRUTH * torch.logspace(0, -2, ROWS, dtype=torch.float64)[:, None]
"""The last row is a hundred times smaller than the first."""
NOISE = 1e-3


def noise(seed: int, truth: Tensor = TRUTH) -> Tensor:
    """What a careful implementation loses: proportional to each row's size."""
    return normal(1 + seed, *truth.shape) * NOISE * truth.square().mean(-1, keepdim=True).sqrt()


def exceeded(error: Tensor, truth: Tensor = TRUTH, *losses: Tensor) -> set[str]:
    """The statistics of `error` above the limit, where the careful ones lose `losses` (`noise(0)` and `noise(1)`)."""
    careful = [Errors.of(loss, truth) for loss in losses or (noise(0, truth), noise(1, truth))]
    measured = Errors.of(error, truth).over(floor(truth, "float32").largest(careful))
    return {name for name in STATISTICS if getattr(measured, name) > FACTOR}


def test_luck_alone_never_exceeds_the_limit() -> None:
    assert not [seed for seed in range(2, 200) if exceeded(noise(seed)) or exceeded(noise(seed, SLOPED), SLOPED)]


def test_twice_the_noise_is_accepted_and_four_times_is_not() -> None:
    assert not exceeded(2 * noise(2))
    assert "rms" in exceeded(4 * noise(2))


def test_a_drift_far_below_the_noise_is_bias() -> None:
    assert exceeded(noise(2) + 0.5 * NOISE) == {"bias"}


def test_drifts_that_cancel_are_no_bias() -> None:
    signs = torch.where(torch.arange(ROWS) % 2 == 0, 1.0, -1.0)[:, None]
    assert not exceeded(noise(2) + 0.5 * NOISE * signs)


def test_careful_ones_whose_errors_cancel_by_luck_set_no_unit_of_bias() -> None:
    lucky = noise(0) - noise(0).mean()
    assert not [seed for seed in range(2, 50) if exceeded(noise(seed), TRUTH, lucky)]


def test_one_element_of_thousands_is_the_maximum() -> None:
    error = noise(2)
    error[123, 4] = 20 * NOISE
    assert exceeded(error) & {"maximum", "relative_maximum"}
    assert not exceeded(error) & {"rms", "percentile_99", "bias", "relative_rms"}


def test_one_row_of_many_is_the_row() -> None:
    error = noise(2)
    error[123] += 8 * NOISE * torch.where(torch.arange(WIDTH) % 2 == 0, 1.0, -1.0)
    assert exceeded(error) == {"row", "relative_row"}


def test_a_few_elements_in_a_hundred_are_the_percentile() -> None:
    few = torch.arange(TRUTH.numel()).reshape(ROWS, WIDTH) % 50
    sizes = TRUTH.square().mean(-1, keepdim=True).sqrt().expand_as(TRUTH)
    error = torch.where(few == 0, 8 * NOISE * sizes, torch.where(few == 25, -8 * NOISE * sizes, noise(2)))
    assert exceeded(error) == {"percentile_99"}


def test_an_error_in_a_small_row_is_relative() -> None:
    """Beside rows a hundred times its size it is nothing; for whoever reads that row it is everything."""
    error = noise(2, SLOPED)
    error[-1] *= 30
    assert exceeded(error, SLOPED) == {"relative_maximum", "relative_row"}


def test_a_row_that_cancels_is_not_asked_for_more_digits_than_its_neighbours_have() -> None:
    truth = TRUTH.clone()
    truth[7] = 1e-9
    error = noise(2, truth)
    error[7] = NOISE * 1e-3
    assert not exceeded(error, truth)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_rounding_the_truth_itself_stays_below_the_floor(dtype: str) -> None:
    rounded = TRUTH.to(getattr(torch, dtype)).double()
    assert Errors.of(rounded - TRUTH, TRUTH).over(floor(TRUTH, dtype)).worst[1] <= 2
    assert Errors.of(16 * (rounded - TRUTH), TRUTH).over(floor(TRUTH, dtype)).worst[1] > FACTOR


def test_the_floor_in_float64_is_between_rounding_and_misconceptions() -> None:
    unit = floor(TRUTH, "float64")
    assert Errors.of(TRUTH * 1e-12, TRUTH).over(unit).worst[1] < 1
    assert Errors.of(TRUTH * 1e-10, TRUTH).over(unit).worst[1] > FACTOR


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_part_that_vanishes_is_measured_on_the_scale_of_the_whole(dtype: str) -> None:
    """A gradient that is 0 comes out of careful arithmetic as some 1e-17: no error where its neighbours are about 1."""
    nothing = torch.zeros(3, 4, dtype=torch.float64)
    unit = floor(nothing, dtype, scale=1.0)
    epsilon = torch.finfo(getattr(torch, dtype)).eps
    rounding, fault = Errors.of(nothing + epsilon / 4, nothing).over(unit), Errors.of(nothing + 0.1, nothing).over(unit)
    assert all(math.isfinite(getattr(rounding, name)) for name in STATISTICS)
    assert rounding.worst[1] <= 1
    assert fault.worst[1] > FACTOR


def test_numbers_without_axes_and_single_rows_have_statistics_too() -> None:
    for truth in (torch.tensor(2.0, dtype=torch.float64), torch.ones(1, dtype=torch.float64), normal(0, 5)):
        assert Errors.of(truth * 1e-6, truth).over(floor(truth, "float64")).worst[1] > FACTOR
