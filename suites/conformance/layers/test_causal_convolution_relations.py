"""Laws of the causal convolution: how its results on one input relate to those on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.convolutions import A_FEW, Convolution, convolutions
from fixtures.subject import Subject as Implementation

SEVERAL = (2, 3, 5, 8, 9)


def _pieces(f: Callable[..., Any], own: Convolution, cuts: list[int], **options: Any) -> tuple[Tensor, Tensor]:
    """The text in pieces of these lengths, and of one position each when they are used up, each from the state on."""
    outputs, rest = [], own.x
    while rest.shape[-1]:
        size = cuts.pop(0) if cuts else 1
        y, options["state"] = f(rest[..., :size], own.weight, own.bias, **options)
        outputs.append(y)
        rest = rest[..., size:]
    return torch.cat(outputs, dim=-1), options["state"]


@A_FEW
@given(own=convolutions(lengths=SEVERAL), cut=st.integers(0, 40))
def test_halves_with_the_state_handed_over_are_the_whole(
    implementation: Implementation, own: Convolution, cut: int
) -> None:
    """A text may be cut anywhere: the state carries all that the second part needs."""
    cut = 1 + cut % (own.t - 1)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        return _pieces(f, own, [cut, own.t], silu=True), f(*own.inputs, silu=True)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=(5, 8, 9), k=4), sizes=st.lists(st.integers(1, 3), max_size=4))
def test_pieces_shorter_than_the_state_are_the_whole(
    implementation: Implementation, own: Convolution, sizes: list[int]
) -> None:
    """Pit: a piece of one or two tokens pushes only so many out of the state, and the others stay in it."""

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        return _pieces(f, own, [*sizes], silu=True, state=own.state), f(*own.inputs, silu=True, state=own.state)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=(5, 8, 9)))
def test_token_by_token_is_the_whole(implementation: Implementation, own: Convolution) -> None:
    """Decoding: position by position, from nothing on, as in one pass."""
    judge.holds(implementation, lambda f: (_pieces(f, own, [], silu=True), f(*own.inputs, silu=True)))


@A_FEW
@given(own=convolutions())
def test_a_state_of_zeros_is_none(implementation: Implementation, own: Convolution) -> None:
    """Before the first position there are zeros."""
    state = torch.zeros_like(own.state)
    judge.holds(implementation, lambda f: (f(*own.inputs, state=state), f(*own.inputs)))


@A_FEW
@given(own=convolutions())
def test_the_state_is_a_text_in_front(implementation: Implementation, own: Convolution) -> None:
    """From a state on, or with the same inputs in front of the text: the results are the same."""
    longer = torch.cat([own.state, own.x], dim=-1)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(longer, own.weight, own.bias, silu=True)
        return f(*own.inputs, silu=True, state=own.state), (y[..., own.k - 1 :], last)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=SEVERAL), at=st.integers(0, 40))
def test_no_position_sees_its_future(implementation: Implementation, own: Convolution, at: int) -> None:
    """Other inputs from some position on leave the results before it as they were. Pit: padding on both sides, and
    then the middle.
    """
    cut = 1 + at % (own.t - 1)
    changed = own.x.where(torch.arange(own.t) < cut, 3 - own.x)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        return f(changed, own.weight, own.bias)[0][..., :cut], f(*own.inputs)[0][..., :cut]

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=(5, 8, 9)))
def test_no_position_sees_further_than_the_kernel(implementation: Implementation, own: Convolution) -> None:
    """Other inputs at the first position change nothing from the k-th on, and neither does another state."""
    changed = torch.cat([3 - own.x[..., :1], own.x[..., 1:]], dim=-1)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        others = f(changed, own.weight, own.bias), f(*own.inputs, state=own.state)
        y, last = f(*own.inputs)
        return [(seen[..., own.k :], state) for seen, state in others], [(y[..., own.k :], last)] * 2

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(), factor=st.sampled_from([-3.0, 0.5, 2.0]))
def test_linear_in_the_input(implementation: Implementation, own: Convolution, factor: float) -> None:
    """Without bias and SiLU, sums and multiples of inputs give sums and multiples of results and of states."""
    other = torch.randn(own.x.shape, generator=torch.Generator().manual_seed(own.seed + 1), dtype=torch.float64)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(own.x, own.weight)
        other_y, other_last = f(other, own.weight)
        return f(own.x + factor * other, own.weight), (y + factor * other_y, last + factor * other_last)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(), factor=st.sampled_from([-3.0, 0.5, 2.0]))
def test_linear_in_the_taps(implementation: Implementation, own: Convolution, factor: float) -> None:
    """Sums and multiples of kernels give sums and multiples of results: taps are not normalised."""
    other = torch.randn(own.weight.shape, generator=torch.Generator().manual_seed(own.seed + 1), dtype=torch.float64)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, other_y = f(own.x, own.weight)[0], f(own.x, other)[0]
        return f(own.x, own.weight + factor * other)[0], y + factor * other_y

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(), later=st.integers(1, 9))
def test_a_later_text_gives_later_results(implementation: Implementation, own: Convolution, later: int) -> None:
    """Zeros in front of a text delay its results, and change nothing else."""
    delayed = torch.cat([torch.zeros(own.batch, own.d, later, dtype=torch.float64), own.x], dim=-1)

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(delayed, own.weight, own.bias)
        before = last[..., : max(own.k - 1 - own.t, 0)]  # zeros, either way
        whole, state = f(*own.inputs)
        return (y[..., later:], last), (whole, torch.cat([before, state[..., before.shape[-1] :]], dim=-1))

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=(5, 8, 9)))
def test_an_impulse_reads_the_taps_from_the_last_one_on(implementation: Implementation, own: Convolution) -> None:
    """Pit: the kernel is not turned round: a 1 is met by the last tap first, then by the one before."""
    impulse = torch.zeros_like(own.x)
    impulse[..., 0] = 1
    expected = torch.nn.functional.pad(own.weight.flip(-1), (0, own.t - own.k)).expand(own.x.shape)
    judge.holds(implementation, lambda f: (f(impulse, own.weight)[0], implementation.rounded(expected)))


@A_FEW
@given(own=convolutions(lengths=SEVERAL), which=st.integers(0, 3))
def test_one_tap_is_a_delay(implementation: Implementation, own: Convolution, which: int) -> None:
    """A kernel with a single 1 gives the inputs again, exactly, so many positions later. The last tap: at once."""
    late = which % own.k
    taps = torch.zeros_like(own.weight)
    taps[:, own.k - 1 - late] = 1
    y, _ = implementation(own.x, taps, state=own.state)
    inputs = torch.cat([own.state, own.x], dim=-1)
    expected = implementation.rounded(inputs)[..., own.k - 1 - late :][..., : own.t]
    judge.exact(y.tolist(), expected.tolist(), "delayed inputs")


@A_FEW
@given(own=convolutions())
def test_silence_gives_the_bias(implementation: Implementation, own: Convolution) -> None:
    """Inputs of 0 give the bias at every position, the first ones too, where the kernel hangs over the edge."""
    silence = torch.zeros_like(own.x)
    expected = implementation.rounded(own.bias)[:, None].expand(own.x.shape)
    judge.holds(implementation, lambda f: (f(silence, own.weight, own.bias)[0], expected))


@A_FEW
@given(own=convolutions())
def test_the_bias_is_added_before_silu(implementation: Implementation, own: Convolution) -> None:
    """Pit: each channel's bias counts inside SiLU, which comes last and is not ReLU, GELU or a sigmoid."""
    bias = implementation.rounded(own.bias)[:, None]

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(own.x, own.weight)
        biased = y + bias.to(y)
        squashed = biased * torch.sigmoid(biased)
        return (f(*own.inputs), f(*own.inputs, silu=True)), ((biased, last), (squashed, last))

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(batch=3, d=5))
def test_texts_and_channels_do_not_see_each_other(implementation: Implementation, own: Convolution) -> None:
    """Each text, and each channel of it, gives what it gives alone."""

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*own.inputs, silu=True, state=own.state)
        corners = [(i, j) for i in (0, own.batch - 1) for j in (0, own.d - 1)]
        alone = [
            f(
                own.x[i : i + 1, j : j + 1],
                own.weight[j : j + 1],
                own.bias[j : j + 1],
                silu=True,
                state=own.state[i : i + 1, j : j + 1],
            )
            for i, j in corners
        ]
        there = [(y[i : i + 1, j : j + 1], last[i : i + 1, j : j + 1]) for i, j in corners]
        return there, alone

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(d=5))
def test_the_order_of_the_channels_does_not_matter(implementation: Implementation, own: Convolution) -> None:
    """Channels in another order, with their taps and biases, give the same in that order."""
    order = torch.randperm(own.d, generator=torch.Generator().manual_seed(own.seed))

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(*own.inputs, silu=True)
        return f(own.x[:, order], own.weight[order], own.bias[order], silu=True), (y[:, order], last[:, order])

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(k=3))
def test_taps_of_zero_in_front_change_nothing(implementation: Implementation, own: Convolution) -> None:
    """A kernel that is wider by an oldest tap of 0 gives the same results; its state is longer by one input."""
    wider = torch.nn.functional.pad(own.weight, (1, 0))

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        y, last = f(own.x, wider, own.bias)
        return (y, last[..., 1:]), f(*own.inputs)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=convolutions(lengths=SEVERAL), cut=st.integers(0, 40))
def test_gradients_flow_through_the_state(implementation: Implementation, own: Convolution, cut: int) -> None:
    """The gradients of a text that is cut in two are those of the whole: of the state that is left, and of the given."""
    cut = 1 + cut % (own.t - 1)
    above = torch.randn(own.x.shape, generator=torch.Generator().manual_seed(own.seed), dtype=torch.float64)

    def gradients(call: Callable[..., Any]) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (own.x, own.state)]
        y, last = call(*leaves)
        return list(torch.autograd.grad([y, last], leaves, [above.to(y), torch.ones_like(last)]))

    def experiment(f: Callable[..., Any]) -> tuple[Any, Any]:
        def whole(x: Tensor, state: Tensor) -> Any:
            y, last = f(torch.cat([state, x], dim=-1), own.weight, own.bias, silu=True)
            return y[..., own.k - 1 :], last

        def halves(x: Tensor, state: Tensor) -> Any:
            first, state = f(x[..., :cut], own.weight, own.bias, silu=True, state=state)
            second, last = f(x[..., cut:], own.weight, own.bias, silu=True, state=state)
            return torch.cat([first, second], dim=-1), last

        return gradients(halves), gradients(whole)

    judge.holds(implementation, experiment)
