"""Laws of the selective scan: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.scans import A_FEW, LENGTHS, REGIMES, Scan, scans
from fixtures.subject import Subject as Implementation


@judge.every_dtype
def test_a_long_memory_is_kept(implementation: Implementation) -> None:
    """Pit: what is added up over a hundred positions needs a state, and decays near 1, of float32 at least."""
    judge.agree(implementation, *Scan(batch=2, d=3, n=2, t=130, regime="long memory", seed=0).inputs)


@judge.every_dtype
@given(scan=scans(lengths=(1, 2, 3, 8, 17)))
def test_agrees_with_the_reference(implementation: Implementation, scan: Scan) -> None:
    """Outputs and the last state are the reference's."""
    judge.agree(implementation, *scan.inputs)


@judge.every_dtype
@given(scan=scans())
def test_agrees_with_all_that_mamba_gives(implementation: Implementation, scan: Scan) -> None:
    """With D, gate, bias and softplus at once, each does what it does alone."""
    judge.agree(implementation, *scan.before, **scan.options)


@judge.every_dtype
@given(scan=scans(states=(2, 3, 4, 16)))
def test_agrees_from_a_state_on(implementation: Implementation, scan: Scan) -> None:
    """A given state is the one before the first position. Pit: kernels that start from 0 without a word.

    Source: transformers' MambaMixer, whose chunks after the first start anew.
    """
    judge.agree(implementation, *scan.before, state=scan.state, **scan.options)


@pytest.mark.parametrize("t", LENGTHS)
def test_agrees_at_every_length(implementation: Implementation, t: int) -> None:
    """Pit: 1, powers of two, and both of their neighbours: a scan in a tree is padded to a power.

    Source: mambapy.pscan (`npo2`); Blelloch 1990 has trees of 2^k leaves.
    """
    judge.agree(implementation, *_of_length(t).inputs)


@pytest.mark.parametrize("t", LENGTHS)
def test_gradients_agree_at_every_length(implementation: Implementation, t: int) -> None:
    """Pit: the way back is a scan from the end, padded on the other side."""
    judge.agree_gradients(implementation, *_of_length(t).inputs)


def _of_length(t: int) -> Scan:
    return Scan(batch=2, d=3, n=3, t=t, regime=REGIMES[t % 3], seed=t)


@judge.every_dtype
@A_FEW
@given(scan=scans(lengths=(7, 8, 9), channels=(3, 5), states=(3, 4, 16)))
def test_gradients_agree(implementation: Implementation, scan: Scan) -> None:
    """Gradients of inputs, steps, rates, B and C under a random cotangent of outputs and last state."""
    judge.agree_gradients(implementation, *scan.inputs)


@judge.every_dtype
@A_FEW
@given(scan=scans(lengths=(7, 8, 9), channels=(3, 5), states=(3, 4, 16)))
def test_gradients_agree_with_all_that_mamba_gives(implementation: Implementation, scan: Scan) -> None:
    """Gradients, those of D among them, flow through gate, bias and softplus."""
    judge.agree_gradients(implementation, *scan.before, **scan.options)


@A_FEW
@given(scan=scans(lengths=(4, 9), states=(2, 3)))
def test_gradients_agree_from_a_state_on(implementation: Implementation, scan: Scan) -> None:
    """What a given state adds to the gradients of steps, rates and C."""
    judge.agree_gradients(implementation, *scan.inputs, state=scan.state)


@A_FEW
@given(scan=scans(regimes=("steep steps",)))
def test_softplus_has_no_threshold(implementation: Implementation, scan: Scan) -> None:
    """Pit: above 20 softplus is still more than the identity, by up to 2e-9 of the unit, which float64 shows.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html (threshold=20).
    """
    judge.agree(implementation, scan.u, scan.raw, scan.A, scan.B, scan.C, softplus=True)


@A_FEW
@given(scan=scans(), size=st.sampled_from([90.0, 800.0]))
def test_softplus_of_large_steps_is_finite(implementation: Implementation, scan: Scan, size: float) -> None:
    """Pit: exp(800) is infinite in any dtype, softplus(800) is 800; and softplus(-90) is no 0 that nothing passes."""
    raw = size * (torch.arange(scan.t) % 2 * 2 - 1).expand(scan.u.shape).double()
    A = -scan.A.abs() / size
    judge.agree(implementation, scan.u, raw, A, scan.B, scan.C, softplus=True)


@A_FEW
@given(scan=scans(regimes=("short memory",), lengths=(33, 64)), size=st.sampled_from([1.0, 50.0]))
def test_what_is_forgotten_overflows_nothing(implementation: Implementation, scan: Scan, size: float) -> None:
    """Pit: a cumulative sum divided by the products of decays overflows once the past is forgotten.

    Source: Martin, Cundy 2017 scan pairs for that; Heinsen 2023, arXiv 2311.06281, goes through logarithms.
    """
    judge.agree(implementation, scan.u, scan.delta, scan.A * size, scan.B, scan.C)


@A_FEW
@given(scan=scans(regimes=("short memory",), lengths=(33, 64)))
def test_gradients_of_what_is_forgotten_are_finite(implementation: Implementation, scan: Scan) -> None:
    """Pit: 0 times infinity, on the way back too."""
    judge.agree_gradients(implementation, *scan.inputs)


@A_FEW
@given(scan=scans())
def test_no_position_keeps_the_state(implementation: Implementation, scan: Scan) -> None:
    """Where there is no position there is no output, and the state comes back as it is."""
    empty = [x[..., :0] for x in (scan.u, scan.delta)], [x[..., :0] for x in (scan.B, scan.C)]
    state = implementation.rounded(scan.state)
    y, last = implementation(*empty[0], scan.A, *empty[1], state=state)
    judge.exact(tuple(y.shape), (scan.batch, scan.d, 0), "shape of no outputs")
    judge.exact(last.tolist(), state.tolist(), "state after no position")


def test_no_position_and_no_state(implementation: Implementation) -> None:
    """Where there is neither position nor state there is no output, and the state is 0."""
    u, B = torch.ones(2, 3, 0, dtype=torch.float64), torch.ones(2, 4, 0, dtype=torch.float64)
    y, last = implementation(u, u, -torch.ones(3, 4, dtype=torch.float64), B, B)
    judge.exact((tuple(y.shape), tuple(last.shape)), ((2, 3, 0), (2, 3, 4)), "shapes")
    judge.zero(implementation, last)


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(scan=scans(lengths=(3, 8)))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, scan: Scan) -> None:
    """Transposed, gapped and fused inputs, as projections leave them, give what contiguous ones give."""
    judge.agree(implementation, *[LAYOUTS[layout](x) for x in scan.inputs])


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(scan=scans(lengths=(3, 8)))
def test_gradients_do_not_depend_on_memory_layout(implementation: Implementation, layout: str, scan: Scan) -> None:
    """Nor do their gradients."""
    judge.agree_gradients(implementation, *[LAYOUTS[layout](x) for x in scan.inputs])


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(scan=scans(lengths=(3, 8)))
def test_memory_layout_of_the_rest_does_not_matter(implementation: Implementation, layout: str, scan: Scan) -> None:
    """D, gate and bias may lie in memory in any way as well."""
    options = {"z": LAYOUTS[layout](scan.z), "delta_bias": LAYOUTS[layout](scan.delta_bias), "softplus": True}
    judge.agree(implementation, *scan.before[:5], LAYOUTS[layout](scan.D), **options)


@A_FEW
@given(scan=scans(lengths=(3, 8)))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, scan: Scan) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    rest = scan.inputs[1:]
    judge.holds(implementation, lambda f: gradients_by_layout(lambda u: f(u, *rest)[0], scan.u))


@judge.every_dtype
@A_FEW
@given(scan=scans())
def test_shapes_and_dtypes_stay(implementation: Implementation, scan: Scan) -> None:
    """Outputs have the shape of the inputs, the state is (batch, d, n), and both have the inputs' dtype."""
    inputs = implementation.rounded(scan.inputs)
    y, last = implementation(*inputs)
    expected = (tuple(scan.u.shape), (scan.batch, scan.d, scan.n), inputs[0].dtype, inputs[0].dtype)
    judge.exact((tuple(y.shape), tuple(last.shape), y.dtype, last.dtype), expected, "shapes and dtypes")


LARGE: dict[str, dict[str, Any]] = {
    "texts": {"t": 1025},
    "channels": {"d": 300},
    "states": {"n": 257},
    "batches": {"batch": 65},
}


@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Values are the reference's beyond 1024 positions, 256 channels and states, and 64 texts."""
    sizes: dict[str, Any] = {"batch": 1, "d": 3, "n": 4, "t": 5} | LARGE[what]
    judge.agree(implementation, *Scan(**sizes, regime="long memory", seed=0).inputs)


STRETCHED: dict[str, tuple[int, ...]] = {
    "delta": (2, 1, 5),
    "A": (1, 4),
    "B": (2, 4, 1),
    "C": (1, 4, 5),
    "D": (1,),
    "z": (2, 3, 1),
    "delta_bias": (1,),
    "state": (2, 1, 4),
}
OTHER: dict[str, tuple[int, ...]] = {
    "delta": (2, 3, 6),
    "A": (4, 4),
    "B": (2, 5, 5),
    "C": (2, 3, 5),
    "D": (5,),
    "z": (2, 3, 6),
    "delta_bias": (5,),
    "state": (2, 3, 5),
}


def _refused(implementation: Implementation, name: str, wrong: tuple[int, ...]) -> None:
    shapes = {"u": (2, 3, 5), "delta": (2, 3, 5), "A": (3, 4), "B": (2, 4, 5), "C": (2, 4, 5), name: wrong}
    tensors = {key: torch.ones(shape, dtype=torch.float64) for key, shape in shapes.items()}
    positional = [tensors.pop(key) for key in ("u", "delta", "A", "B", "C", "D") if key in tensors]
    judge.rejects(implementation, *positional, **tensors)


@pytest.mark.parametrize("name", STRETCHED)
def test_shapes_are_not_stretched(implementation: Implementation, name: str) -> None:
    """A tensor that broadcasting would make fit raises: one step for all channels is a mistake of the caller."""
    _refused(implementation, name, STRETCHED[name])


@pytest.mark.parametrize("name", ["C", "z"])
def test_a_text_is_not_repeated(implementation: Implementation, name: str) -> None:
    """Nor is one text read out, or gated, in two ways."""
    shapes = {"u": (1, 3, 5), "delta": (1, 3, 5), "A": (3, 4), "B": (1, 4, 5), "C": (1, 4, 5)}
    shapes[name] = (2, *shapes.get(name, (1, 3, 5))[1:])
    tensors = {key: torch.ones(shape, dtype=torch.float64) for key, shape in shapes.items()}
    positional = [tensors.pop(key) for key in ("u", "delta", "A", "B", "C")]
    judge.rejects(implementation, *positional, **tensors)


@pytest.mark.parametrize("name", OTHER)
def test_shapes_that_do_not_fit_raise(implementation: Implementation, name: str) -> None:
    """A tensor of another size raises instead of being cut."""
    _refused(implementation, name, OTHER[name])


def test_complex_rates_raise(implementation: Implementation) -> None:
    """Pit: S4's complex A would need twice the real part in the end; here it raises, and nothing takes its real part.

    Source: `selective_scan_ref` of mamba-ssm, which has that case.
    """
    u, B = torch.ones(2, 3, 5, dtype=torch.float64), torch.ones(2, 4, 5, dtype=torch.float64)
    judge.rejects(implementation, u, u, torch.full((3, 4), -1 + 1j, dtype=torch.complex128), B, B)
