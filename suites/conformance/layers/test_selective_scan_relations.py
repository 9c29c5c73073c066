"""Laws of the selective scan: how its results on one input relate to those on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.scans import A_FEW, DECAYING, Scan, scans
from fixtures.subject import Subject as Implementation

SEVERAL = (2, 3, 5, 8, 9)


def _slice(scan: Scan, where: slice) -> tuple[Tensor, ...]:
    u, delta, A, B, C = scan.inputs
    return u[..., where], delta[..., where], A, B[..., where], C[..., where]


@A_FEW
@given(scan=scans(lengths=SEVERAL), cut=st.integers(0, 40))
def test_halves_with_the_state_handed_over_are_the_whole(implementation: Implementation, scan: Scan, cut: int) -> None:
    """A text may be cut anywhere: the scan is associative, so the state carries all that the second part needs."""
    cut = 1 + cut % (scan.t - 1)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        first, state = f(*_slice(scan, slice(None, cut)))
        second, last = f(*_slice(scan, slice(cut, None)), state=state)
        return (torch.cat([first, second], dim=-1), last), f(*scan.inputs)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(lengths=(5, 8, 9)))
def test_step_by_step_is_the_whole(implementation: Implementation, scan: Scan) -> None:
    """Decoding: position by position, with everything that Mamba gives, as in one pass."""

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        state, outputs = scan.state, []
        u, raw, A, B, C, D = scan.before
        for k in range(scan.t):
            one = slice(k, k + 1)
            options = scan.options | {"z": scan.z[..., one]}
            y, state = f(u[..., one], raw[..., one], A, B[..., one], C[..., one], D, state=state, **options)
            outputs.append(y)
        return (torch.cat(outputs, dim=-1), state), f(*scan.before, state=scan.state, **scan.options)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans())
def test_a_state_of_zeros_is_none(implementation: Implementation, scan: Scan) -> None:
    """Before the first position the state is 0."""
    state = torch.zeros_like(scan.state)
    judge.holds(implementation, lambda f: (f(*scan.inputs, state=state), f(*scan.inputs)))


@A_FEW
@given(scan=scans(lengths=SEVERAL), at=st.integers(0, 40))
def test_no_position_sees_its_future(implementation: Implementation, scan: Scan, at: int) -> None:
    """Other inputs, steps, B and C from some position on leave the outputs before it as they were."""
    cut = 1 + at % (scan.t - 1)
    later = torch.arange(scan.t) >= cut
    u, delta, A, B, C = scan.inputs
    changed = (u.where(~later, 3 - u), delta.where(~later, 2 * delta), A, B.where(~later, -2 * B), C.where(~later, -C))
    judge.holds(implementation, lambda f: (f(*changed)[0][..., :cut], f(*scan.inputs)[0][..., :cut]))


@A_FEW
@given(scan=scans(), factor=st.sampled_from([-3.0, 0.5, 2.0]))
def test_linear_in_the_input(implementation: Implementation, scan: Scan, factor: float) -> None:
    """Sums and multiples of inputs give sums and multiples of outputs and states: steps, B and C being fixed."""
    other = torch.randn(scan.u.shape, generator=torch.Generator().manual_seed(scan.seed + 1), dtype=torch.float64)
    rest = (*scan.inputs[1:], scan.D)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(scan.u, *rest)
        other_y, other_last = f(other, *rest)
        return f(scan.u + factor * other, *rest), (y + factor * other_y, last + factor * other_last)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(regimes=DECAYING))
def test_what_a_state_adds_is_linear(implementation: Implementation, scan: Scan) -> None:
    """Outputs from a state on are those from 0 and those of the state alone."""
    nothing = torch.zeros_like(scan.u)
    rest = scan.inputs[1:]

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        (y, last), (own_y, own_last) = f(scan.u, *rest), f(nothing, *rest, state=scan.state)
        return f(scan.u, *rest, state=scan.state), (y + own_y, last + own_last)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans())
def test_steps_of_zero_keep_the_state(implementation: Implementation, scan: Scan) -> None:
    """Where the step is 0 the input is passed over, and every position reads the state that was there before."""
    state, C = implementation.rounded(scan.state), implementation.rounded(scan.C)
    nothing = torch.zeros_like(scan.delta)
    expected = torch.einsum("bdn,bnt->bdt", state.double(), C.double()).to(state)
    judge.holds(
        implementation, lambda f: (f(scan.u, nothing, scan.A, scan.B, scan.C, state=scan.state), (expected, state))
    )


@A_FEW
@given(scan=scans())
def test_steps_of_zero_from_nothing_are_nothing(implementation: Implementation, scan: Scan) -> None:
    """Without a state before, steps of 0 give exactly 0."""
    y, last = implementation(scan.u, torch.zeros_like(scan.delta), scan.A, scan.B, scan.C)
    judge.zero(implementation, (y, last))


@A_FEW
@given(scan=scans())
def test_without_decay_it_is_a_cumulative_sum(implementation: Implementation, scan: Scan) -> None:
    """Limit: at rates of 0 the state is the sum of all that came in."""
    u, delta, B, C = (implementation.rounded(x).double() for x in (scan.u, scan.delta, scan.B, scan.C))
    states = ((delta * u)[:, :, None] * B[:, None]).cumsum(-1)  # (batch, d, n, t)
    expected = implementation.rounded(((states * C[:, None]).sum(2), states[..., -1]))
    A = torch.zeros_like(scan.A)
    judge.holds(implementation, lambda f: (f(scan.u, scan.delta, A, scan.B, scan.C), expected))


@A_FEW
@given(scan=scans(regimes=("normal", "short memory")), size=st.sampled_from([1e5, 1e9]))
def test_steep_decay_leaves_the_present(implementation: Implementation, scan: Scan, size: float) -> None:
    """Limit: where everything is forgotten in a step, the state is what comes in at that position."""
    rate = size if implementation.dtype != "float16" else 6e4
    delta = scan.delta + 0.1
    u, steps, B, C = (implementation.rounded(x).double() for x in (scan.u, delta, scan.B, scan.C))
    states = (steps * u)[:, :, None] * B[:, None]
    expected = implementation.rounded(((states * C[:, None]).sum(2), states[..., -1]))
    A = torch.full_like(scan.A, -rate)
    judge.holds(implementation, lambda f: (f(scan.u, delta, A, scan.B, scan.C), expected))


@A_FEW
@given(scan=scans(), factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_the_unit_of_time_cancels(implementation: Implementation, scan: Scan, factor: float) -> None:
    """Steps twice as large, rates and B half as large: the same outputs and states."""
    slower = (scan.u, scan.delta * factor, scan.A / factor, scan.B / factor, scan.C)
    judge.holds(implementation, lambda f: (f(*slower), f(*scan.inputs)))


@A_FEW
@given(scan=scans())
def test_silence_before_the_text_changes_nothing(implementation: Implementation, scan: Scan) -> None:
    """Inputs of 0 in front leave a state of 0, whatever the steps: padding on the left that is zeroed does no harm."""
    u, delta, A, B, C = scan.inputs
    before = (torch.zeros_like(u), delta.flip(-1), B.flip(-1), C.flip(-1))
    longer = [torch.cat(pair, dim=-1) for pair in zip(before, (u, delta, B, C), strict=True)]

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(longer[0], longer[1], A, *longer[2:])
        return (y[..., scan.t :], last), f(*scan.inputs)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans())
def test_the_skip_is_added(implementation: Implementation, scan: Scan) -> None:
    """D lets the input pass by, each channel by its own, and touches no state."""
    skip = implementation.rounded(scan.D)[:, None] * implementation.rounded(scan.u)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*scan.inputs)
        return f(*scan.inputs, scan.D), (y + skip.to(y), last)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans())
def test_the_gate_comes_last(implementation: Implementation, scan: Scan) -> None:
    """Pit: SiLU of z multiplies outputs, skip included, and no state."""
    z = implementation.rounded(scan.z)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*scan.inputs, scan.D)
        gate = z.to(y)
        return f(*scan.inputs, scan.D, z=scan.z), (y * gate * torch.sigmoid(gate), last)

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans())
def test_the_bias_is_added_before_softplus(implementation: Implementation, scan: Scan) -> None:
    """Pit: a bias of the steps, each channel its own, counts inside softplus; without softplus it is just added."""
    bias = implementation.rounded(scan.delta_bias)[:, None]
    u, raw, A, B, C, _ = implementation.rounded(scan.before)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        plain = (
            f(u, raw, A / 10, B, C, delta_bias=scan.delta_bias),
            f(u, raw, A, B, C, delta_bias=scan.delta_bias, softplus=True),
        )
        return plain, (f(u, raw + bias.to(raw), A / 10, B, C), f(u, raw + bias.to(raw), A, B, C, softplus=True))

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(batches=(2, 3), channels=(2, 3, 5)))
def test_texts_and_channels_do_not_see_each_other(implementation: Implementation, scan: Scan) -> None:
    """Each text, and each channel of it, gives what it gives alone."""
    u, delta, A, B, C = scan.inputs

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*scan.inputs)
        alone = [
            f(u[i : i + 1, j : j + 1], delta[i : i + 1, j : j + 1], A[j : j + 1], B[i : i + 1], C[i : i + 1])
            for i in (0, scan.batch - 1)
            for j in (0, scan.d - 1)
        ]
        corners = [0, scan.batch - 1], [0, scan.d - 1]
        there = tuple(x[corners[0]][:, corners[1]].flatten(0, 1) for x in (y, last))
        return there, tuple(torch.cat([one[part][0] for one in alone]) for part in (0, 1))

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(states=(2, 3, 4, 16)))
def test_the_order_of_the_states_does_not_matter(implementation: Implementation, scan: Scan) -> None:
    """The numbers of a state may be listed in any order, if A, B and C follow it."""
    order = torch.randperm(scan.n, generator=torch.Generator().manual_seed(scan.seed))

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*scan.inputs)
        u, delta, A, B, C = scan.inputs
        return f(u, delta, A[:, order], B[:, order], C[:, order]), (y, last[..., order])

    judge.holds(implementation, experiment)


def _gradient(f: Callable[..., Any], scan: Scan, name: str, **given: Tensor) -> Tensor:
    """The gradient of option `name` under a cotangent that is z."""
    leaf = getattr(scan, name).clone().requires_grad_()
    y, _ = f(*scan.inputs, **given, **{name: leaf})
    return torch.autograd.grad(y, leaf, scan.z.to(y))[0]


@A_FEW
@given(scan=scans(lengths=(2, 5, 8)))
def test_gradient_of_the_bias_is_that_of_all_steps(implementation: Implementation, scan: Scan) -> None:
    """A bias of the steps learns from every step of its channel."""

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        delta = scan.delta.clone().requires_grad_()
        y, _ = f(scan.u, delta, *scan.inputs[2:], delta_bias=scan.delta_bias)
        steps = torch.autograd.grad(y, delta, scan.z.to(y))[0]
        return _gradient(f, scan, "delta_bias"), steps.sum((0, 2))

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(lengths=(2, 5, 8)))
def test_gradient_of_the_gate_is_its_slope(implementation: Implementation, scan: Scan) -> None:
    """The gate learns from the outputs that it lets through."""
    z = implementation.rounded(scan.z)
    gate = torch.sigmoid(z)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, _ = f(*scan.inputs)
        slope = gate.to(y) * (1 + z.to(y) * (1 - gate.to(y)))
        return _gradient(f, scan, "z"), z.to(y) * y.detach() * slope

    judge.holds(implementation, experiment)


@A_FEW
@given(scan=scans(regimes=DECAYING, lengths=(2, 5, 8)))
def test_gradient_of_the_state_is_what_is_left_of_it(implementation: Implementation, scan: Scan) -> None:
    """Outputs are linear in a given state, so its gradient, times a state, is what that state adds to them."""
    nothing = torch.zeros_like(scan.u)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        gradient = _gradient(f, scan, "state")
        y, _ = f(nothing, *scan.inputs[1:], state=scan.state)
        return (gradient * scan.state.to(gradient)).sum((1, 2)), (scan.z.to(y) * y).sum((1, 2)).detach()

    judge.holds(implementation, experiment)
