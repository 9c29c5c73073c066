"""Laws of T5: how wide its heads are, and that no score is divided by that."""

from __future__ import annotations

from hypothesis import given

from fixtures import judge
from fixtures.strategies.t5_inputs import A_FEW, pairs


@A_FEW
@given(pair=pairs(heads=2, d_head=8, width=7))
def test_heads_need_not_share_out_the_width(implementation, pair):
    """The width of a head is in the shape of its projections; all heads together may be wider than the model."""
    judge.agree(implementation, *pair.given, **pair.model.scalars)


@A_FEW
@given(pair=pairs())
def test_scores_are_not_scaled(implementation, pair):
    """Pit: scores are divided by no root of the width: heads twice as wide, whose features count half, say the same.

    Source: https://github.com/google-research/text-to-text-transfer-transformer, whose queries begin smaller instead.
    """
    weights, heads = pair.model.weights, (pair.model.heads, -1)

    def doubled(name, w):
        if name.endswith((".q.weight", ".k.weight", ".v.weight")):
            w = w.unflatten(0, heads).repeat(1, 2, 1).flatten(0, 1)
            return w / 2 if ".q." in name else w
        return w.unflatten(1, heads).repeat(1, 1, 2).flatten(1) / 2 if name.endswith(".o.weight") else w

    wider = {name: doubled(name, w) for name, w in weights.items()}

    def experiment(f):
        return f(wider, pair.text, pair.written, **pair.model.scalars), f(*pair.given, **pair.model.scalars)

    judge.holds(implementation, experiment)
