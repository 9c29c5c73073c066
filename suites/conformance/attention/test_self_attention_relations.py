"""Laws of self-attention: how its results on one input relate to those on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fixtures import judge
from fixtures.strategies.self_attention import A_FEW, NAMES, Head, heads
from fixtures.subject import Subject as Implementation


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@A_FEW
@given(head=heads(square=True, least=2), seed=st.integers(0, 99))
def test_permuted_tokens_give_permuted_results(implementation: Implementation, head: Head, seed: int) -> None:
    """Without positions and mask the order of the tokens says nothing: results follow their tokens (arXiv 1810.00825)."""
    order = torch.randperm(head.t, generator=torch.Generator().manual_seed(seed))
    judge.holds(
        implementation,
        lambda f: (
            f(head.x[..., order, :], *head.weights, **head.biases),
            f(*head.inputs, **head.biases)[..., order, :],
        ),
    )


@A_FEW
@given(head=heads(square=True, least=2, masked=True), seed=st.integers(0, 99))
def test_a_mask_permutes_with_its_tokens(implementation: Implementation, head: Head, seed: int) -> None:
    """Rows and columns of the mask follow the tokens."""
    assert head.mask is not None
    order = torch.randperm(head.t, generator=torch.Generator().manual_seed(seed))
    mask = head.mask[..., order, :][..., order]
    judge.holds(
        implementation,
        lambda f: (
            f(head.x[..., order, :], *head.weights, mask=mask, **head.biases),
            f(*head.inputs, mask=head.mask, **head.biases)[..., order, :],
        ),
    )


@A_FEW
@given(head=heads(square=True, least=3), seed=st.integers(0, 99))
def test_the_last_token_hears_a_set(implementation: Implementation, head: Head, seed: int) -> None:
    """When causal, the order of earlier tokens does not reach the last result: only masks in between know it."""
    order = torch.randperm(head.t - 1, generator=torch.Generator().manual_seed(seed))
    x = torch.cat([head.x[..., order, :], head.x[..., -1:, :]], dim=-2)
    judge.holds(
        implementation,
        lambda f: (
            f(x, *head.weights, causal=True, **head.biases)[..., -1, :],
            f(*head.inputs, causal=True, **head.biases)[..., -1, :],
        ),
    )


@A_FEW
@given(head=heads(square=True, least=2), at=st.integers(0, 40))
def test_no_token_hears_its_future(implementation: Implementation, head: Head, at: int) -> None:
    """When causal, other tokens from position i on change no result before i."""
    cut = 1 + at % (head.t - 1)
    later = (torch.arange(head.t) >= cut)[:, None]
    x = head.x.where(~later, -2 * head.x - 3)
    judge.holds(
        implementation,
        lambda f: (
            f(x, *head.weights, causal=True, **head.biases)[..., :cut, :],
            f(*head.inputs, causal=True, **head.biases)[..., :cut, :],
        ),
    )


@A_FEW
@given(head=heads(square=True, least=2), at=st.integers(0, 40))
def test_a_prefix_gives_its_own_results(implementation: Implementation, head: Head, at: int) -> None:
    """When causal, a text that is cut gives what it gave before the cut."""
    cut = 1 + at % (head.t - 1)
    judge.holds(
        implementation,
        lambda f: (
            f(head.x[..., :cut, :], *head.weights, causal=True, **head.biases),
            f(*head.inputs, causal=True, **head.biases)[..., :cut, :],
        ),
    )


@A_FEW
@given(head=heads(square=True, least=2), at=st.integers(0, 40), size=st.sampled_from([0.0, 1.0, 1e3]))
def test_padding_is_not_heard(implementation: Implementation, head: Head, at: int, size: float) -> None:
    """A text with masked padding behind it gives what it gives alone, whatever stands there. A mask of columns."""
    cut = 1 + at % (head.t - 1)
    x = head.x.where((torch.arange(head.t) < cut)[:, None], size)
    mask = (torch.arange(head.t) < cut)[None]
    judge.holds(
        implementation,
        lambda f: (
            f(x, *head.weights, mask=mask, **head.biases)[..., :cut, :],
            f(head.x[..., :cut, :], *head.weights, **head.biases),
        ),
    )


@A_FEW
@given(head=heads(square=True, batches=st.just((3,))))
def test_texts_of_a_batch_do_not_hear_each_other(implementation: Implementation, head: Head) -> None:
    """Each text of a batch gives what it gives alone."""
    judge.holds(
        implementation,
        lambda f: (
            torch.stack([f(x, *head.weights, **head.biases) for x in head.x]),
            f(*head.inputs, **head.biases),
        ),
    )


@A_FEW
@given(head=heads(square=True, lengths=st.just(1)), factor=st.sampled_from([-3.0, 0.0, 2.0]))
def test_one_token_alone_is_its_own_value(implementation: Implementation, head: Head, factor: float) -> None:
    """A token that hears itself only gets its value: queries and keys do not matter, causal or not."""
    query, key, value = head.weights
    judge.agree(implementation, *head.inputs, **head.biases)
    judge.holds(
        implementation,
        lambda f: (
            f(head.x, key * factor, query, value, causal=True, **head.biases),
            f(*head.inputs, **head.biases),
        ),
    )


@A_FEW
@given(head=heads(square=True, biased="qkv"), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_of_the_keys_changes_nothing(implementation: Implementation, head: Head, factor: float) -> None:
    """Pit: it shifts all scores of a query alike, and softmax is blind to that; the query's own bias stays in force."""
    other = head.biases | {"key_bias": head.biases["key_bias"] * factor}
    judge.holds(implementation, lambda f: (f(*head.inputs, **other), f(*head.inputs, **head.biases)))


@A_FEW
@given(head=heads(square=True, biased="qk"), seed=st.integers(0, 99))
def test_queries_and_keys_turn_together(implementation: Implementation, head: Head, seed: int) -> None:
    """Only their products count: one rotation of queries and keys, biases too, changes nothing (Elhage et al. 2021)."""
    turn = torch.linalg.qr(_normal(seed, head.d_k, head.d_k)).Q
    query, key, value = head.weights
    turned = {name: turn @ bias for name, bias in head.biases.items()}
    judge.holds(
        implementation,
        lambda f: (f(head.x, turn @ query, turn @ key, value, **turned), f(*head.inputs, **head.biases)),
    )


@A_FEW
@given(head=heads(square=True), factor=st.sampled_from([-2.0, 0.5, 3.0]), seed=st.integers(0, 99))
def test_linear_in_what_makes_the_values(implementation: Implementation, head: Head, factor: float, seed: int) -> None:
    """The result is linear in the weight of the values: who is heard does not depend on what is said."""
    query, key, value = head.weights
    other = _normal(seed, *value.shape)
    judge.holds(
        implementation,
        lambda f: (
            f(head.x, query, key, value * factor + other),
            f(head.x, query, key, value) * factor + f(head.x, query, key, other),
        ),
    )


def _with_ones(head: Head) -> tuple[Tensor, ...]:
    """The head without biases on tokens with one more feature, always 1, whose weights the biases are."""
    x = torch.cat([head.x, torch.ones_like(head.x[..., :1])], dim=-1)
    biases = [
        head.biases.get(name, weight.new_zeros(len(weight)))
        for name, weight in zip(NAMES.values(), head.weights, strict=True)
    ]
    return (x, *(torch.cat([w, b[:, None]], dim=-1) for w, b in zip(head.weights, biases, strict=True)))


@A_FEW
@given(head=heads())
def test_a_bias_is_the_weight_of_a_constant_feature(implementation: Implementation, head: Head) -> None:
    """A head with biases gives what one without gives on tokens with a feature that is always 1."""
    judge.holds(implementation, lambda f: (f(*head.inputs, **head.biases), f(*_with_ones(head))))


@A_FEW
@given(head=heads(biased="qkv"), seed=st.integers(0, 99))
def test_gradients_of_biases_are_those_of_a_constant_feature(
    implementation: Implementation, head: Head, seed: int
) -> None:
    """A bias learns what the weight of a feature that is always 1 learns; that of the keys, nothing."""
    above = _normal(seed, *head.batch, head.t, head.d_v)

    def gradients(result: Tensor, of: list[Tensor]) -> list[Tensor]:
        found = torch.autograd.grad(result, of, above.to(result), allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(of, found, strict=True)]

    def experiment(f: Callable[..., Any]) -> tuple[Tensor, Tensor]:
        biases = {name: bias.clone().requires_grad_() for name, bias in head.biases.items()}
        own = gradients(f(*head.inputs, **biases), [biases[name] for name in NAMES.values()])
        x, *weights = _with_ones(head)
        weights = [weight.requires_grad_() for weight in weights]
        # Side by side, or there would be nothing but noise for the bias of the keys.
        return torch.cat(own), torch.cat([wide[:, -1] for wide in gradients(f(x, *weights), weights)])

    judge.holds(implementation, experiment)
