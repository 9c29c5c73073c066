"""Laws of T5: hidden states and attention weights of both stacks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from fixtures import judge
from fixtures.strategies.t5_inputs import A_FEW, TABLE, pairs
from reference.layers.relative_position_bias import relative_position_bias

WEIGHTS = ("attentions", "cross_attentions", "encoder_attentions")


@judge.every_dtype
@pytest.mark.parametrize("returns", ["hidden_states", "encoder_hidden_states"])
@A_FEW
@given(pair=pairs())
def test_hidden_states_agree(implementation, returns, pair):
    """The embeddings, the output of every layer but the last, and that of the last after the norm."""
    judge.agree(implementation, *pair.given, returns=returns, **pair.model.scalars)


@pytest.mark.parametrize("returns", WEIGHTS)
@A_FEW
@given(pair=pairs(reads=2, writes=2))
def test_attention_weights_agree(implementation, returns, pair):
    """Weights of every layer, head, query and key."""
    judge.agree(implementation, *pair.given, returns=returns, **pair.model.scalars)


@pytest.mark.parametrize("returns", ["attentions", "encoder_attentions"])
@A_FEW
@given(pair=pairs(reads=2, writes=2, layers=3, decoder_layers=3))
def test_all_layers_share_one_bias(implementation, returns, pair):
    """Pit: the table of block 0 biases every block: where queries ask for nothing, it alone makes the weights.

    Source: arXiv 1910.10683, section 2.1
    """
    encoder = returns == "encoder_attentions"
    silent = {n: w * (0 if n.endswith("SelfAttention.q.weight") else 1) for n, w in pair.model.weights.items()}
    table = pair.model.weights[f"{'encoder' if encoder else 'decoder'}.{TABLE}"]
    positions = torch.arange((pair.text if encoder else pair.written).shape[1])
    options = {"bidirectional": encoder, "max_distance": pair.model.max_distance}
    bias = relative_position_bias(table, positions, positions, **options)
    if not encoder:
        bias = bias.masked_fill(positions > positions[:, None], -torch.inf)

    def experiment(f):
        found = f(silent, pair.text, pair.written, returns=returns, **pair.model.scalars)
        return found, bias.softmax(-1).to(found).expand_as(found)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs(reads=2, decoder_layers=3))
def test_cross_attention_has_no_bias(implementation, pair):
    """Pit: where its queries ask for nothing, cross-attention looks everywhere alike, in every layer.

    Source: https://github.com/huggingface/transformers/pull/8518
    """
    silent = {n: w * (0 if n.endswith("EncDecAttention.q.weight") else 1) for n, w in pair.model.weights.items()}

    def experiment(f):
        found = f(silent, pair.text, pair.written, returns="cross_attentions", **pair.model.scalars)
        return found, torch.full_like(found, 1 / found.shape[-1])

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_the_last_states_make_the_logits(implementation, pair):
    """The head is given the last hidden state, normed already."""
    model = pair.model
    head = model.weights.get("lm_head.weight", model.weights["shared.weight"])

    def experiment(f):
        last = f(*pair.given, returns="hidden_states", **model.scalars)[-1]
        scale = model.d**-0.5 if model.scaled else 1.0
        return last * scale @ head.to(last).mT, f(*pair.given, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_the_encoder_does_not_know_what_is_written(implementation, pair):
    """Encoder states are the same whatever the decoder is given, be it nothing."""

    def experiment(f):
        options = {"returns": "encoder_hidden_states", **pair.model.scalars}
        one = f(pair.model.weights, pair.text, pair.written[:, :1].flip(0), **options)
        return (one, f(pair.model.weights, pair.text, **options)), (f(*pair.given, **options),) * 2

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_logits_have_a_name(implementation, pair):
    """What is returned where nothing else is asked for may be asked for."""
    judge.agree(implementation, *pair.given, returns="logits", **pair.model.scalars)
