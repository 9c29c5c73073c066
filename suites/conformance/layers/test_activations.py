"""Laws of the activations. Contract: reference/layers/activations.py.

Each law is put to one name at a time, so that who has only some of them is judged on these.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from torch import Tensor

from fixtures import exhaustive, judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.activations import A_FEW, NAMES, Numbers, numbers
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

GATED = tuple(name for name in NAMES if name != "softplus")
every_name = pytest.mark.parametrize("name", NAMES)
inf, nan = math.inf, math.nan


@every_name
@judge.every_dtype
@A_FEW
@given(problem=numbers())
def test_agrees_with_the_reference(implementation: Implementation, name: str, problem: Numbers) -> None:
    """Values are the reference's."""
    judge.agree(implementation, problem.x, name=name)


@every_name
@judge.every_dtype
@A_FEW
@given(problem=numbers())
def test_gradients_agree(implementation: Implementation, name: str, problem: Numbers) -> None:
    """Gradients under a random cotangent are the reference's."""
    judge.agree_gradients(implementation, problem.x, name=name)


@every_name
@exhaustive.in_sixteen_bits
def test_every_number_of_sixteen_bits(implementation: Implementation, name: str) -> None:
    """On all 65,536 inputs, NaN, infinities and subnormal numbers included, it errs no more than careful ones nearby."""
    exhaustive.agree(implementation, name=name)


POINTS = "-6 -3 -1 -0.5 0.25 1 2 4"
# Of the definitions, with 40 digits in mpmath, cut to what float64 can tell apart.
VALUES = {
    "gelu": "-5.9195258702261888e-9 -0.0040496940948902836 -0.15865525393145705 -0.15426876936299345 "
    "0.14967658142073093 0.84134474606854295 1.9544997361036416 3.9998733150326675",
    "gelu_tanh": "-8.4396467007622971e-11 -0.0036373920817730188 -0.15880800939172330 -0.15428599017485608 "
    "0.14967535070168500 0.84119199060827670 1.9545976940877750 3.9999297540518076",
    "quick_gelu": "-2.2035354978739240e-4 -0.018071309707785967 -0.15420423406717870 -0.14961156339361988 "
    "0.15119964990019418 0.84579576593282130 1.9356586231442082 3.9955852758604189",
    "silu": "-0.014835738939808646 -0.14227761953270034 -0.26894142136999512 -0.18877033439907272 "
    "0.14054412522144953 0.73105857863000488 1.7615941559557649 3.9280551601516338",
    "softplus": "0.0024756851377304495 0.048587351573742059 0.31326168751822283 0.47407698418010669 "
    "0.82593941987884356 1.3132616875182228 2.1269280110429725 4.0181499279178097",
}


@every_name
def test_known_values(implementation: Implementation, name: str) -> None:
    """At eight points, values computed with 40 digits: these do not come from the reference."""
    x, expected = (torch.tensor([*map(float, row.split())], dtype=torch.float64) for row in (POINTS, VALUES[name]))
    judge.holds(implementation, lambda f: ((values := f(x, name=name)), expected.to(values)))


@every_name
@A_FEW
@given(problem=numbers())
def test_reflection(implementation: Implementation, name: str, problem: Numbers) -> None:
    """f(x) - f(-x) = x: what a gate keeps from -x it lets through at x; softplus likewise."""
    x = implementation.rounded(problem.x)

    def experiment(f: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        difference = f(x, name=name) - f(-x, name=name)
        return difference, x.to(difference)

    judge.holds(implementation, experiment)


MINIMUM = {"gelu": -0.7517915, "gelu_tanh": -0.7524614, "quick_gelu": -0.7511543, "silu": -1.2784645, "softplus": -inf}


@every_name
def test_falls_to_its_minimum_and_rises_ever_after(implementation: Implementation, name: str) -> None:
    """The gated ones have one minimum, falling before it and rising behind; softplus always rises."""
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    left, right = grid[grid < MINIMUM[name]], grid[grid > MINIMUM[name]]

    def values(f: Callable[..., Tensor]) -> Tensor:
        return torch.cat([f(left, name=name), f(right, name=name)])

    def sorted_values(f: Callable[..., Tensor]) -> Tensor:
        return torch.cat([f(left, name=name).sort(descending=True)[0], f(right, name=name).sort()[0]])

    judge.holds(implementation, lambda f: (values(f), sorted_values(f)))


@every_name
def test_far_out_it_is_x_or_0(implementation: Implementation, name: str) -> None:
    """Far out it is x on the right and 0 on the left, up to the largest number. Pit: exp and x**3 overflow.

    Source: https://github.com/pytorch/executorch/issues/22323 (tanh from exponentials is NaN below -13).
    """
    largest = torch.finfo(getattr(torch, implementation.dtype or "float64")).max
    x = torch.tensor([1e3, largest**0.3, largest**0.4, largest**0.6, largest / 4, largest], dtype=torch.float64)
    x = x[x >= 1e3]
    right, left = implementation(x, name=name), implementation(-x, name=name)
    judge.exact(right.tolist(), implementation.rounded(x).tolist(), f"{name} far to the right", subject=implementation)
    judge.zero(implementation, left)


@every_name
def test_gradient_far_out_is_1_or_0(implementation: Implementation, name: str) -> None:
    """Far out the slope is 1 on the right and 0 on the left. Pit: where() hides an overflow from values, not gradients.

    Source: https://docs.jax.dev/en/latest/faq.html (gradients contain NaN where using where).
    """
    x = torch.tensor([40.0, 100.0, 800.0, 1e3, 1e4], dtype=torch.float64)
    judge.agree_gradients(implementation, torch.cat([-x, x]), name=name)


@every_name
def test_special_numbers(implementation: Implementation, name: str) -> None:
    """NaN stays NaN, infinity stays infinity, and both zeros give what 0 does; minus infinity gives 0, or NaN if gated."""
    x = torch.tensor([nan, inf, -inf, 0.0, -0.0], dtype=torch.float64)
    result = implementation(x, name=name)
    judge.exact(math.isnan(result[0].item()), True, f"{name}(nan) is NaN", subject=implementation)
    judge.exact(result[1].item(), inf, f"{name}(inf)", subject=implementation)
    if not (name in GATED and math.isnan(result[2].item())):
        judge.zero(implementation, result[2])
    if name in GATED:
        judge.zero(implementation, result[3:])
    else:
        judge.holds(implementation, lambda f: ((values := f(x[3:], name=name)), torch.full_like(values, math.log(2))))


@every_name
def test_slope_at_zero_is_one_half(implementation: Implementation, name: str) -> None:
    """At 0 of either sign the slope is 1/2. Pit: max(x, 0) and |x| are even there, and their slopes 0 or 1."""
    judge.agree_gradients(implementation, torch.tensor([0.0, -0.0], dtype=torch.float64), name=name)


def test_softplus_has_no_threshold(implementation: Implementation) -> None:
    """Above 20, ln(1 + exp(x)) is still not x: pit, the two are 2e-9 apart at 20, and meet at 36 in float64.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html (threshold=20).
    """
    x = torch.linspace(20, 24, 33, dtype=torch.float64)[1:]
    judge.holds(implementation, lambda f: ((y := f(x, name="softplus")) - x.to(y), torch.log1p((-x).exp()).to(y)))


@every_name
@A_FEW
@given(problem=numbers())
def test_elements_do_not_see_each_other(implementation: Implementation, name: str, problem: Numbers) -> None:
    """Each element gives what it gives alone, in any order and any shape."""
    x = problem.x
    flat = x.flatten()
    some = sorted({0, len(flat) // 2, len(flat) - 1})
    judge.holds(
        implementation,
        lambda f: (
            torch.cat([f(flat.flip(0), name=name).flip(0), *(f(flat[i], name=name).reshape(1) for i in some)]),
            torch.cat([f(x, name=name).flatten(), f(x, name=name).flatten()[some]]),
        ),
    )


@every_name
@A_FEW
@given(problem=numbers())
def test_memory_layout_does_not_matter(implementation: Implementation, name: str, problem: Numbers) -> None:
    """Transposed, gapped, fused and expanded inputs give what contiguous ones give."""
    x = torch.stack([problem.x, problem.x / 2])
    for layout in LAYOUTS.values():
        judge.agree(implementation, layout(x), name=name)
    judge.agree(implementation, x.expand(2, *x.shape), name=name)


@every_name
@A_FEW
@given(problem=numbers())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, name: str, problem: Numbers) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    x = torch.stack([problem.x, problem.x / 2])
    judge.holds(implementation, lambda f: gradients_by_layout(lambda x: f(x, name=name), x))


@every_name
def test_shapes_are_kept(implementation: Implementation, name: str) -> None:
    """A scalar stays a scalar, and nothing stays nothing."""
    for shape in ((), (0,), (3, 0), (1, 1, 1)):
        result = implementation(torch.ones(shape, dtype=torch.float64), name=name)
        judge.exact(tuple(result.shape), shape, "shape", subject=implementation)


@pytest.mark.parametrize("name", ["", "GELU ", "gelu_exact", "tanh_gelu"])
def test_unknown_names_raise(implementation: Implementation, name: str) -> None:
    """A name that is not in the contract raises; nothing is put in its place."""
    judge.rejects(implementation, torch.ones(3, dtype=torch.float64), name=name)
