"""Laws of Mamba: what is kept in float32 at least, whatever the dtype of the model."""

from __future__ import annotations

import torch

from fixtures import judge
from fixtures.strategies.mamba_inputs import Mamba


@judge.every_dtype
def test_the_stream_keeps_what_layers_add(implementation):
    """Pit: beside words that are large, what a layer adds is lost in a stream of half precision, and so is what all add.

    Source: `residual_in_fp32` in the configurations of Mamba's checkpoints.
    """
    model = Mamba(seed=0, layers=24, d=12, expand=2, states=3, width=4, rank=2, vocabulary=11, epsilon=1e-5)
    factors = {"embeddings.weight": 400.0, "mixer.out_proj.weight": 0.3}
    first, weights = "backbone.layers.0.", {}
    for name, w in model.weights.items():
        _, layers, rest = name.partition("backbone.layers.")
        own = model.weights[first + rest.split(".", 1)[1]] if layers else w  # every layer adds the same
        weights[name] = own * next((factor for ending, factor in factors.items() if name.endswith(ending)), 1.0)
    ids = torch.arange(10).reshape(2, 5)
    judge.agree(implementation, weights, ids, **model.scalars)
