"""Laws of Llama: what stands in its state dict, where it lies, and what is shared."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given

from fixtures import judge
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.llama_inputs import inputs, large
from fixtures.strategies.rotary import A_FEW


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    model, ids = large("batch")
    for seed in (1, 2):
        other = replace(model, seed=seed)
        judge.agree(implementation, other.weights, ids, **other.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    model, ids = large("batch")
    weights = {name: LAYOUTS[layout](w) for name, w in model.weights.items()}
    judge.agree(implementation, weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(biased=True))
def test_some_projections_may_have_biases(implementation, drawn):
    """What is not there of biases is 0: queries, keys and values may have them where the way out has none, as in Qwen2."""
    model, ids = drawn
    weights = {name: w for name, w in model.weights.items() if not name.endswith("o_proj.bias")}
    judge.agree(implementation, weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_old_checkpoints_are_read(implementation, drawn):
    """Pit: what state dicts of Llama 1 and 2 hold besides parameters, the speeds of each layer, is left alone."""
    model, ids = drawn
    speeds = torch.full((model.d_head // 2,), 7.0, dtype=torch.float64)
    more = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": speeds for i in range(model.layers)}

    def experiment(f):
        return f(model.weights | more, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(tied=True))
def test_the_head_is_the_word_table(implementation, drawn):
    """A state dict without a head is one whose head is the word table."""
    model, ids = drawn
    explicit = model.weights | {"lm_head.weight": model.weights["model.embed_tokens.weight"]}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(explicit, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(heads=4, kv_heads=2, d_head=4, biased=True))
def test_a_shared_head_is_a_repeated_one(implementation, drawn):
    """Pit: the first heads of queries share the first head of keys; repeated as they lie, keys make a model without groups."""
    model, ids = drawn
    whole = {
        name: w.unflatten(0, (2, 4)).repeat_interleave(2, dim=0).flatten(0, 1) if is_of_keys_or_values(name) else w
        for name, w in model.weights.items()
    }

    def experiment(f):
        options = model.scalars | {"kv_heads": 4}
        return f(whole, ids, **options), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


def is_of_keys_or_values(name: str) -> bool:
    """Whether the parameter is one of the projections that groups share."""
    return ".k_proj." in name or ".v_proj." in name
