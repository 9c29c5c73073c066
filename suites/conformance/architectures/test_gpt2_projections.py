"""Laws of GPT-2: which way round its weights are stored."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_inputs import inputs
from fixtures.strategies.rotary import A_FEW


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
