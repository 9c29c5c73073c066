"""Laws of GPT-2: which way round its weights are stored, and where."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import inputs
from fixtures.strategies.layouts import LAYOUTS
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.weights import Gpt2, large


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_a_row_of_a_projection_belongs_to_one_input(implementation, drawn, data):
    """Pit: weights are stored (in, out), and c_proj is square, so it fits the other way round as well.

    With one row left of it, one feature of what attention found goes on, whatever is added to the values of the others.
    """
    model, ids = drawn
    row = data.draw(st.integers(0, model.d - 1), label="row")
    only = torch.arange(model.d) == row
    kept = {name: w * only[:, None] if "attn.c_proj.w" in name else w for name, w in model.weights.items()}
    more = torch.cat([torch.zeros(2 * model.d, dtype=torch.float64), 3.0 * ~only])
    others = {name: w + more if name.endswith("c_attn.bias") else w for name, w in kept.items()}
    judge.holds(implementation, lambda f: (f(others, ids, **model.scalars), f(kept, ids, **model.scalars)))


def test_models_of_the_same_sizes_are_told_apart(implementation):
    """Pit: what was made of the weights of one model is kept for the next one of its sizes."""
    model, ids = large(Gpt2, "batch")
    for seed in (1, 2):
        other = replace(model, seed=seed)
        judge.agree(implementation, other.weights, ids, **other.scalars)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_may_lie_in_memory_as_they_like(implementation, layout):
    """Weights that are stored the other way round, or are parts of larger ones, are read where they are."""
    model, ids = large(Gpt2, "batch")
    weights = {name: LAYOUTS[layout](w) for name, w in model.weights.items()}
    judge.agree(implementation, weights, ids, **model.scalars)
