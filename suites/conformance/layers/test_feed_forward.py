"""Laws of the feed-forward layer: agreement with the reference, relations, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.experiments import alone_and_among_others, gradients_by_layout
from fixtures.strategies.feed_forward import A_FEW, ACTIVATIONS, Layer, layers
from fixtures.strategies.layouts import LAYOUTS
from fixtures.subject import Subject as Implementation

KINDS = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


@judge.every_dtype
@KINDS
@pytest.mark.parametrize("activation", ACTIVATIONS)
@A_FEW
@given(data=st.data())
def test_agrees_with_the_reference(implementation: Implementation, activation: str, gated: bool, data: Any) -> None:
    """Values are the reference's with every activation, with biases and without."""
    own = data.draw(layers(activation=activation, gated=gated))
    judge.agree(implementation, own.x, *own.weights, **own.options)


@judge.every_dtype
@KINDS
@A_FEW
@given(data=st.data())
def test_agrees_in_a_model(implementation: Implementation, gated: bool, data: Any) -> None:
    """Values are the reference's where what comes out is as wide as what goes in, with biases on all maps or on none."""
    d = data.draw(st.sampled_from([2, 8, 13]))
    biased = data.draw(st.sampled_from(["", "udg"]))
    own = data.draw(layers(d=d, out=d, gated=gated, biased=biased))
    judge.agree(implementation, own.x, *own.weights, **own.options)


@KINDS
@A_FEW
@given(data=st.data())
def test_large_features_agree(implementation: Implementation, gated: bool, data: Any) -> None:
    """No activation ends where features are tens, ReLU neither."""
    activation = data.draw(st.sampled_from(["relu", "gelu", "silu"]))
    own = data.draw(layers(regime="large", d=8, inner=13, out=8, gated=gated, activation=activation))
    judge.agree(implementation, own.x, *own.weights, **own.options)


@judge.every_dtype
@KINDS
@A_FEW
@given(data=st.data())
def test_gradients_agree(implementation: Implementation, gated: bool, data: Any) -> None:
    """Gradients of tokens and weights under a random cotangent are the reference's."""
    d, biased = data.draw(st.sampled_from([2, 8, 13])), data.draw(st.sampled_from(["", "udg"]))
    own = data.draw(layers(d=d, out=d, gated=gated, biased=biased))
    judge.agree_gradients(implementation, own.x, *own.weights, **own.options)


@judge.every_dtype
@KINDS
@A_FEW
@given(data=st.data())
def test_gradients_of_the_biases_and_the_gate_agree(implementation: Implementation, gated: bool, data: Any) -> None:
    """What is given by name learns too: the gate and the biases of all maps."""
    own = data.draw(layers(gated=gated, biased="udg", batch=(2, 5), d=8, out=8))
    names = [*own.biases, *(["gate_weight"] if gated else [])]

    def named(f: Any) -> Any:
        """The contract with these arguments in the first place."""
        return lambda *given: f(own.x, *own.weights, activation=own.activation, **dict(zip(names, given, strict=True)))

    leaves = [own.options[name] for name in names]

    def experiment(f: Any) -> tuple[Any, Any]:
        above = torch.randn(*own.batch, own.out, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        given = [leaf.clone().requires_grad_() for leaf in leaves]
        result = named(f)(*given)
        found = torch.autograd.grad(result, given, above.to(result))
        return list(found), expected

    given = [leaf.clone().requires_grad_() for leaf in leaves]
    above = torch.randn(*own.batch, own.out, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    from reference.layers.feed_forward import feed_forward

    expected = list(torch.autograd.grad(named(feed_forward)(*given), given, above))
    judge.holds(implementation, experiment)


@A_FEW
@given(own=layers(batch=(2, 5)))
def test_a_token_does_not_know_the_others(implementation: Implementation, own: Layer) -> None:
    """Each token gives alone what it gives among others."""
    judge.holds(implementation, lambda f: alone_and_among_others(lambda x: f(x, *own.weights, **own.options), own.x))


@A_FEW
@given(own=layers(), seed=st.integers(0, 99))
def test_inner_features_have_no_order(implementation: Implementation, own: Layer, seed: int) -> None:
    """Inner features permuted in all maps together change nothing."""
    order = torch.randperm(own.inner, generator=torch.Generator().manual_seed(seed))
    up, down = own.weights
    inner = {"gate_weight", "up_bias", "gate_bias"}
    options = {name: value[order] if name in inner else value for name, value in own.options.items()}

    def experiment(f: Any) -> tuple[Any, Any]:
        return f(own.x, up[order], down[:, order], **options), f(own.x, up, down, **own.options)

    judge.holds(implementation, experiment)


@A_FEW
@given(own=layers(gated=True), factor=st.sampled_from([-3.0, 0.5, 7.0]))
def test_the_gate_has_the_activation(implementation: Implementation, own: Layer, factor: float) -> None:
    """Pit: linear in the map that is not the gate's. Source: Shazeer 2020, equation 6; `act(gate) * up` in Llama."""
    up, down = own.weights
    bias = {"up_bias": own.biases["up_bias"] * factor} if "up_bias" in own.biases else {}

    def experiment(f: Any) -> tuple[Any, Any]:
        scaled = f(own.x, up * factor, down, **own.options | bias)
        rest = own.biases.get("down_bias", torch.zeros(own.out, dtype=torch.float64)).to(scaled)
        return scaled, (f(own.x, up, down, **own.options) - rest) * factor + rest

    judge.holds(implementation, experiment)


@A_FEW
@given(own=layers(gated=True, activation="softplus", biased="udg"))
def test_a_gate_of_one_leaves_the_other_map(implementation: Implementation, own: Layer) -> None:
    """A gate that is the same for all inputs multiplies the inner features by numbers, which may as well be the map's."""
    up, down = own.weights
    level = torch.nn.functional.softplus(own.biases["gate_bias"])
    closed = own.options | {"gate_weight": torch.zeros_like(own.gate)}

    def experiment(f: Any) -> tuple[Any, Any]:
        return f(own.x, up, down, **closed), f(own.x, up, down * level, **closed | {"gate_bias": ONE + 0 * level})

    judge.holds(implementation, experiment)


ONE = torch.tensor(0.5413248546129181, dtype=torch.float64)
"""softplus of it is 1."""


@A_FEW
@given(own=layers(), factor=st.sampled_from([-2.0, 0.0, 5.0]))
def test_linear_in_the_last_map(implementation: Implementation, own: Layer, factor: float) -> None:
    """The last map and its bias times a number give the result times it: nothing is squashed in the end."""
    up, down = own.weights
    bias = {"down_bias": own.biases["down_bias"] * factor} if "down_bias" in own.biases else {}

    def experiment(f: Any) -> tuple[Any, Any]:
        return f(own.x, up, down * factor, **own.options | bias), f(own.x, up, down, **own.options) * factor

    judge.holds(implementation, experiment)


def test_relu_is_exactly_zero_below_zero(implementation: Implementation) -> None:
    """Features that ReLU shuts off add nothing, and so does a token of zeros where there is no bias."""
    own = Layer((3,), 4, 6, 5, "relu", gated=False, biased="", regime="normal", seed=0)
    x = own.x.abs()
    result = implementation(x, -own.weights[0].abs(), own.weights[1], activation="relu")
    judge.zero(implementation, result)


@pytest.mark.parametrize("layout", LAYOUTS)
@KINDS
@A_FEW
@given(data=st.data())
def test_memory_layout_does_not_matter(implementation: Implementation, gated: bool, layout: str, data: Any) -> None:
    """Transposed, gapped and fused inputs give what contiguous ones give, and so do their gradients."""
    own = data.draw(layers(gated=gated, batch=(2, 5), d=8, out=8, biased=""))
    inputs = [LAYOUTS[layout](x) for x in (own.x, *own.weights)]
    judge.agree(implementation, *inputs, **own.options)
    judge.agree_gradients(implementation, *inputs, **own.options)


@KINDS
@A_FEW
@given(data=st.data())
def test_layout_of_the_gradient_does_not_matter(implementation: Implementation, gated: bool, data: Any) -> None:
    """What comes from above may lie in memory in any way: gradients are the same."""
    own = data.draw(layers(gated=gated, batch=(2, 5), d=8, out=8, biased=""))
    judge.holds(implementation, lambda f: gradients_by_layout(lambda x: f(x, *own.weights, **own.options), own.x))


@KINDS
@pytest.mark.parametrize("what", ["d", "inner", "out", "tokens"])
def test_large_layers_agree(implementation: Implementation, what: str, gated: bool) -> None:
    """What is right for few features and tokens is right for many, none of them a multiple of a block."""
    sizes: dict[str, Any] = {"d": 5, "inner": 7, "out": 5} | ({} if what == "tokens" else {what: 1030})
    sizes = sizes | ({"out": 1030} if what == "d" else {"d": 1030} if what == "out" else {})
    batch = (1030,) if what == "tokens" else (3,)
    own = Layer(batch, **sizes, activation="silu", gated=gated, biased="", regime="normal", seed=0)
    judge.agree(implementation, own.x, *own.weights, **own.options)


@KINDS
def test_no_tokens_give_no_results(implementation: Implementation, gated: bool) -> None:
    """A sequence of length 0 has no rows, and they are as wide as the last map says."""
    own = Layer((0,), 4, 6, 4, "silu", gated=gated, biased="", regime="normal", seed=0)
    judge.exact(tuple(implementation(own.x, *own.weights, **own.options).shape), (0, 4), "shape with no tokens")


OWN = Layer((3,), 4, 6, 5, "gelu", gated=True, biased="ud", regime="normal", seed=0)
WRONG: dict[str, dict[str, Any]] = {
    "another activation": {"activation": "swish"},
    "tokens of another width": {"x": (3, 5)},
    "an up_weight that is transposed": {"up_weight": (4, 6)},
    "a down_weight that is transposed": {"down_weight": (6, 5)},
    "a gate of another width": {"gate_weight": (1, 4)},
    "a gate_bias without a gate": {"gate_weight": None, "gate_bias": (6,)},
    "an up_bias of one number": {"up_bias": (1,)},
    "a down_bias of one number": {"down_bias": (1,)},
    "a gate_bias of one number": {"gate_bias": (1,)},
    "a gate for each of one": {"up_weight": (1, 4), "up_bias": None, "gate_bias": None},
    "an up_bias for each token": {"x": (6, 4), "up_bias": (6, 1)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_raises(implementation: Implementation, wrong: str) -> None:
    """Activations, weights and biases that are unknown or do not fit raise instead of giving some result."""
    given: dict[str, Any] = {"x": OWN.x, "up_weight": OWN.weights[0], "down_weight": OWN.weights[1], **OWN.options}
    for name, value in WRONG[wrong].items():
        given[name] = torch.ones(value, dtype=torch.float64) if isinstance(value, tuple) else value
    options = {name: value for name, value in given.items() if value is not None}
    judge.rejects(implementation, *(options.pop(name) for name in ("x", "up_weight", "down_weight")), **options)
