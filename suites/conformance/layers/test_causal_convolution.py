"""Laws of the causal convolution: agreement with the reference, its pits, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import gradients_by_layout
from fixtures.strategies.convolutions import A_FEW, LENGTHS, REGIMES, Convolution, convolutions
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

ACTIVATED = pytest.mark.parametrize("silu", [False, True], ids=["linear", "silu"])


@judge.every_dtype
@given(own=convolutions())
def test_agrees_with_the_reference(implementation: Implementation, own: Convolution) -> None:
    """Results and the last state are the reference's, from the taps alone."""
    judge.agree(implementation, own.x, own.weight)


@judge.every_dtype
@ACTIVATED
@A_FEW
@given(data=st.data())
def test_agrees_with_all_that_mamba_gives(implementation: Implementation, silu: bool, data: Any) -> None:
    """With a bias, and with SiLU or without, values are the reference's."""
    judge.agree(implementation, *data.draw(convolutions()).inputs, silu=silu)


@judge.every_dtype
@A_FEW
@given(own=convolutions())
def test_silu_needs_no_bias(implementation: Implementation, own: Convolution) -> None:
    """SiLU of what the taps give, where there is no bias."""
    judge.agree(implementation, own.x, own.weight, silu=True)


@judge.every_dtype
@ACTIVATED
@A_FEW
@given(data=st.data())
def test_agrees_from_a_state_on(implementation: Implementation, silu: bool, data: Any) -> None:
    """A given state is what came right before the first position, the oldest input first."""
    own = data.draw(convolutions())
    judge.agree(implementation, *own.inputs, silu=silu, state=own.state)


@pytest.mark.parametrize("t", LENGTHS)
def test_agrees_at_every_length(implementation: Implementation, t: int) -> None:
    """Pit: shorter than the kernel, as long, and beside powers of two, where blocks end."""
    judge.agree(implementation, *_of_length(t).inputs, silu=t % 2 == 0)


@pytest.mark.parametrize("t", LENGTHS)
def test_agrees_from_a_state_on_at_every_length(implementation: Implementation, t: int) -> None:
    """Pit: of a text shorter than the state, the old state is a part of the new one.

    Source: https://github.com/Dao-AILab/causal-conv1d/blob/main/causal_conv1d/causal_conv1d_interface.py, where the
    reference pads the last inputs with zeros if there are too few.
    """
    own = _of_length(t)
    judge.agree(implementation, *own.inputs, silu=t % 2 == 0, state=own.state)


@pytest.mark.parametrize("t", LENGTHS)
def test_gradients_agree_at_every_length(implementation: Implementation, t: int) -> None:
    """The way back is a convolution from the end, and its blocks end elsewhere."""
    judge.agree_gradients(implementation, *_of_length(t).inputs, silu=t % 2 == 0)


def _of_length(t: int) -> Convolution:
    return Convolution(batch=2, d=3, t=t, k=4, regime=REGIMES[t % 4], seed=t)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17])
def test_agrees_at_every_width(implementation: Implementation, k: int) -> None:
    """Kernels of any width, longer than the text too; one that is 1 wide has no state. Pit: the last -0 inputs are all.

    Source: CUDA kernels of causal-conv1d have 2 to 4 taps; WaveNet has 2, Mamba 4, and Hyena's convolutions many.
    """
    for t, silu in ((1, False), (k, True), (k + 3, False)):
        own = Convolution(batch=2, d=3, t=t, k=k, regime="normal", seed=k)
        judge.agree(implementation, *own.inputs, silu=silu)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 17])
def test_agrees_from_a_state_on_at_every_width(implementation: Implementation, k: int) -> None:
    """Nor does the width matter where something came before."""
    for t, silu in ((1, False), (k, True), (k + 3, False)):
        own = Convolution(batch=2, d=3, t=t, k=k, regime="normal", seed=k)
        judge.agree(implementation, *own.inputs, silu=silu, state=own.state)


@pytest.mark.parametrize("k", [1, 2, 5, 8, 17])
def test_gradients_agree_at_every_width(implementation: Implementation, k: int) -> None:
    """Every tap learns, however many there are."""
    own = Convolution(batch=2, d=3, t=k + 3, k=k, regime="normal", seed=k)
    judge.agree_gradients(implementation, *own.inputs, silu=k % 2 == 0)


@ACTIVATED
@A_FEW
@given(own=convolutions(lengths=(8, 9)))
def test_gradients_need_no_bias(implementation: Implementation, silu: bool, own: Convolution) -> None:
    """Taps and inputs learn where there is no bias, and so does what made the state."""
    judge.agree_gradients(implementation, own.x, own.weight, silu=silu)


@judge.every_dtype
@ACTIVATED
@A_FEW
@given(data=st.data())
def test_gradients_agree(implementation: Implementation, silu: bool, data: Any) -> None:
    """Gradients of inputs, taps and bias under a random cotangent of results and last state."""
    own = data.draw(convolutions(lengths=(7, 8, 9), d=data.draw(st.sampled_from([3, 5]))))
    judge.agree_gradients(implementation, *own.inputs, silu=silu)


@judge.every_dtype
@ACTIVATED
@A_FEW
@given(data=st.data())
def test_gradients_agree_from_a_state_on(implementation: Implementation, silu: bool, data: Any) -> None:
    """Taps learn from what came before the first position as well."""
    own = data.draw(convolutions(lengths=(2, 8), d=data.draw(st.sampled_from([3, 5]))))
    judge.agree_gradients(implementation, *own.inputs, silu=silu, state=own.state)


@A_FEW
@given(own=convolutions())
def test_the_state_is_the_last_inputs(implementation: Implementation, own: Convolution) -> None:
    """The state is made of inputs, bit for bit: neither taps nor bias nor SiLU touch it. Pit: results in the state."""
    x, state = implementation.rounded(own.x), implementation.rounded(own.state)
    _, last = implementation(*own.inputs, silu=True, state=own.state)
    judge.exact(last.tolist(), torch.cat([state, x], dim=-1)[..., own.t :].tolist(), "last state")


@A_FEW
@given(own=convolutions())
def test_before_a_text_there_are_zeros(implementation: Implementation, own: Convolution) -> None:
    """Without a state before, the state of a short text begins with exact zeros."""
    x = implementation.rounded(own.x)
    _, last = implementation(own.x, own.weight)
    padded = torch.cat([torch.zeros_like(own.state).to(x), x], dim=-1)
    judge.exact(last.tolist(), padded[..., own.t :].tolist(), "last state")


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(own=convolutions(lengths=(3, 8)))
def test_memory_layout_does_not_matter(implementation: Implementation, layout: str, own: Convolution) -> None:
    """Transposed, gapped and fused inputs, as projections leave them, give what contiguous ones give."""
    judge.agree(implementation, *[LAYOUTS[layout](tensor) for tensor in own.inputs])


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(own=convolutions(lengths=(3, 8)))
def test_memory_layout_of_the_state_does_not_matter(
    implementation: Implementation, layout: str, own: Convolution
) -> None:
    """Nor does it matter how the state lies, a slice of a longer text for instance."""
    judge.agree(implementation, *own.inputs, state=LAYOUTS[layout](own.state))


@pytest.mark.parametrize("layout", LAYOUTS)
@A_FEW
@given(own=convolutions(lengths=(3, 8)))
def test_gradients_do_not_depend_on_memory_layout(
    implementation: Implementation, layout: str, own: Convolution
) -> None:
    """Nor do gradients."""
    judge.agree_gradients(implementation, *[LAYOUTS[layout](tensor) for tensor in own.inputs], silu=True)


@A_FEW
@given(own=convolutions(lengths=(3, 8)))
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, own: Convolution) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    judge.holds(implementation, lambda f: gradients_by_layout(lambda x: f(x, own.weight, own.bias)[0], own.x))


@judge.every_dtype
@A_FEW
@given(own=convolutions())
def test_shapes_and_dtypes_stay(implementation: Implementation, own: Convolution) -> None:
    """Results have the shape of the inputs, the state is (batch, d, k - 1), and both have the inputs' dtype."""
    inputs = implementation.rounded(own.inputs)
    y, last = implementation(*inputs)
    expected = (tuple(own.x.shape), tuple(own.state.shape), inputs[0].dtype, inputs[0].dtype)
    judge.exact((tuple(y.shape), tuple(last.shape), y.dtype, last.dtype), expected, "shapes and dtypes")


LARGE: dict[str, dict[str, Any]] = {
    "positions": {"t": 2049},
    "channels": {"d": 1025},
    "batches": {"batch": 65},
}


@ACTIVATED
@pytest.mark.parametrize("what", LARGE)
def test_agrees_where_there_are_many(implementation: Implementation, what: str, silu: bool) -> None:
    """Values are the reference's beyond 2048 positions, 1024 channels and 64 texts."""
    judge.agree(implementation, *_large(what, 0).inputs, silu=silu)


@pytest.mark.parametrize("what", LARGE)
def test_agrees_from_a_state_on_where_there_are_many(implementation: Implementation, what: str) -> None:
    """And so they are after what came before."""
    own = _large(what, 0)
    judge.agree(implementation, *own.inputs, state=own.state)


@pytest.mark.parametrize("what", LARGE)
def test_gradients_agree_where_there_are_many(implementation: Implementation, what: str) -> None:
    """Nor do gradients end there."""
    judge.agree_gradients(implementation, *_large(what, 1).inputs, silu=True)


def _large(what: str, seed: int) -> Convolution:
    sizes: dict[str, Any] = {"batch": 2, "d": 3, "t": 5, "k": 4} | LARGE[what]
    return Convolution(**sizes, regime="normal", seed=seed)


WRONG: dict[str, tuple[str, tuple[int, ...]]] = {
    "no position": ("x", (2, 5, 0)),
    "no taps": ("weight", (5, 0)),
    "taps of one channel": ("weight", (1, 4)),
    "taps of more channels": ("weight", (10, 4)),
    "taps as torch's layer stores them": ("weight", (5, 1, 4)),
    "a bias of one number": ("bias", (1,)),
    "a bias of more channels": ("bias", (6,)),
    "a bias of positions": ("bias", (5, 7)),
    "a state of as many inputs as taps": ("state", (2, 5, 4)),
    "a state of fewer inputs": ("state", (2, 5, 2)),
    "a state of one text": ("state", (1, 5, 3)),
    "a state of one channel": ("state", (2, 1, 3)),
    "a state the other way round": ("state", (2, 3, 5)),
}


@pytest.mark.parametrize("what", WRONG)
def test_shapes_that_do_not_fit_raise(implementation: Implementation, what: str) -> None:
    """Nothing is stretched or cut, and a text of no position is refused."""
    name, shape = WRONG[what]
    shapes: dict[str, tuple[int, ...]] = {"x": (2, 5, 7), "weight": (5, 4), "bias": (5,), name: shape}
    tensors = {key: torch.ones(value, dtype=torch.float64) for key, value in shapes.items()}
    state = {"state": tensors["state"]} if name == "state" else {}
    judge.rejects(implementation, tensors["x"], tensors["weight"], tensors["bias"], **state)
