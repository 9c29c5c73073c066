"""Laws of BART: logits, states, attention weights and gradients, on drawn models."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, TABLES, inputs
from fixtures.strategies.token_ids import different_ids

STATES = ("hidden_states", "encoder_hidden_states")
ATTENTION = ("attentions", "cross_attentions", "encoder_attentions")
STACKS = ("encoder", "decoder")


@judge.every_dtype
@A_FEW
@given(drawn=inputs(wide=True))
def test_logits_agree(implementation, drawn):
    """The logits of every position of the target are the reference's."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, **model.scalars)


@pytest.mark.parametrize("states", STATES)
@judge.every_dtype
@A_FEW
@given(drawn=inputs(wide=True))
def test_every_hidden_state_agrees(implementation, states, drawn):
    """The embeddings and the output of every layer, of decoder and of encoder, are the reference's."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, returns=states, **model.scalars)


@pytest.mark.parametrize("attention", ATTENTION)
@judge.every_dtype
@A_FEW
@given(drawn=inputs(wide=True))
def test_attention_weights_agree(implementation, attention, drawn):
    """Who looks at whom, in every layer and head of the three kinds of attention, is the reference's."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, returns=attention, **model.scalars)


@A_FEW
@given(drawn=inputs(tied=False, low=2))
def test_tables_of_their_own_are_used(implementation, drawn):
    """Where the state dict has word tables of encoder and decoder and a head, the shared one is none of them."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, **model.scalars)
    judge.agree_gradients(implementation, model.weights, source, target, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_the_shared_table_is_all_three(implementation, drawn):
    """A state dict that names the shared table only is one that repeats it for encoder, decoder and head."""
    model, source, target = drawn
    repeated = model.weights | dict.fromkeys(TABLES, model.weights["model.shared.weight"])

    def experiment(f):
        return f(model.weights, source, target, **model.scalars), f(repeated, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@judge.every_dtype
@A_FEW
@given(drawn=inputs(scaled=True, wide=True))
def test_embeddings_are_scaled_where_asked(implementation, drawn):
    """Pit: the factor is on the words, not on positions, and not on the head, though the table is the same."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, **model.scalars)


@pytest.mark.parametrize("activation", ["gelu_tanh", "quick_gelu", "silu"])
@A_FEW
@given(drawn=inputs())
def test_other_activations_agree(implementation, activation, drawn):
    """The feed-forward halves of both stacks have the activation that is named."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, activation=activation, **model.scalars)


@A_FEW
@given(drawn=inputs())
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source.int(), target.int(), **model.scalars)


@pytest.mark.parametrize("states", STATES)
@A_FEW
@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, states, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, returns=states, **model.scalars)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-3])
@A_FEW
@given(data=st.data())
def test_another_epsilon_is_the_callers(implementation, epsilon, data):
    """The epsilon is the given one, not always BART's."""
    model, source, target = data.draw(inputs(small=True, epsilon=epsilon))
    judge.agree(implementation, model.weights, source, target, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_no_position_sees_its_future(implementation, drawn, data):
    """Other words from some column of the target on leave the logits before it as they were."""
    model, source, target = drawn
    column = data.draw(st.integers(1, target.shape[1] - 1), label="column")
    other = data.draw(different_ids(target, model.vocabulary))
    changed = torch.cat([target[:, :column], other[:, column:]], dim=1)

    def experiment(f):
        after = f(model.weights, source, changed, **model.scalars)[:, :column]
        return after, f(model.weights, source, target, **model.scalars)[:, :column]

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_the_source_is_read_in_both_directions(implementation, drawn, data):
    """Words of the source shuffled together with their rows of the position table: the states are shuffled, the logits not."""
    model, source, target = drawn
    order = torch.tensor(data.draw(st.permutations(range(source.shape[1])), label="order"))
    table = model.weights["model.encoder.embed_positions.weight"].clone()
    table[2 : 2 + len(order)] = table[2:][order]
    moved = model.weights | {"model.encoder.embed_positions.weight": table}

    def experiment(f):
        shuffled = (moved, source[:, order], target)
        plain = (model.weights, source, target)
        states = [f(*given, returns="encoder_hidden_states", **model.scalars) for given in (shuffled, plain)]
        return (states[0], f(*shuffled, **model.scalars)), (states[1][:, :, order], f(*plain, **model.scalars))

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("stack", STACKS)
@A_FEW
@given(drawn=inputs())
def test_the_first_two_rows_of_a_position_table_are_not_used(implementation, stack, drawn):
    """Pit: position 0 is row 2. Whatever stands in the rows before it changes nothing."""
    model, source, target = drawn
    table = model.weights[f"model.{stack}.embed_positions.weight"].clone()
    table[:2] = table[:2].flip(0) + 1
    changed = model.weights | {f"model.{stack}.embed_positions.weight": table}

    def experiment(f):
        return f(model.weights, source, target, **model.scalars), f(changed, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_a_pair_does_not_depend_on_its_batch(implementation, drawn):
    """Each source and target of a batch give what they give alone."""
    model, source, target = drawn

    def experiment(f):
        alone = [f(model.weights, source[i : i + 1], target[i : i + 1], **model.scalars) for i in range(len(source))]
        return f(model.weights, source, target, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("attention", ["encoder.layers", "self_attn", "encoder_attn"])
@A_FEW
@given(drawn=inputs(), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_on_the_keys_changes_nothing(implementation, attention, drawn, factor):
    """Pit: a bias on the keys shifts all scores of a query alike, and softmax does not see it."""
    model, source, target = drawn
    biased = {
        name: w * factor if name.endswith("k_proj.bias") and attention in name else w
        for name, w in model.weights.items()
    }

    def experiment(f):
        return f(model.weights, source, target, **model.scalars), f(biased, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_norms_do_not_see_a_constant(implementation, drawn):
    """A constant in all features of what is normalised changes nothing: all three sums of a layer, and the embeddings."""
    model, source, target = drawn
    before_a_norm = ("embed_positions.weight", "out_proj.bias", "fc2.bias")
    lifted = {name: w + 10_000 if name.endswith(before_a_norm) else w for name, w in model.weights.items()}

    def experiment(f):
        return f(lifted, source, target, **model.scalars), f(model.weights, source, target, **model.scalars)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("states, stack", list(zip(STATES, reversed(STACKS), strict=True)))
@A_FEW
@given(drawn=inputs())
def test_the_norm_of_a_constant_is_its_bias(implementation, states, stack, drawn):
    """Limit: embeddings whose features are all equal leave the norm before the first layer as its bias."""
    model, source, target = drawn
    tables = ("shared.weight", "embed_positions.weight")
    flat = {name: torch.full_like(w, 0.5) if name.endswith(tables) else w for name, w in model.weights.items()}

    def experiment(f):
        first = f(flat, source, target, returns=states, **model.scalars)[0]
        return first, flat[f"model.{stack}.layernorm_embedding.bias"].to(first).expand_as(first)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_the_bias_of_the_logits_is_added(implementation, drawn):
    """Pit: final_logits_bias is 0 in most checkpoints, and nevertheless part of the model."""
    model, source, target = drawn
    bias = model.weights["final_logits_bias"]
    without = model.weights | {"final_logits_bias": torch.zeros_like(bias)}

    def experiment(f):
        logits = f(without, source, target, **model.scalars)
        return f(model.weights, source, target, **model.scalars), logits + bias.to(logits)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs())
def test_logits_have_a_name(implementation, drawn):
    """What is returned where nothing else is asked for may be asked for."""
    model, source, target = drawn
    judge.agree(implementation, model.weights, source, target, returns="logits", **model.scalars)
