"""Laws of BERT's heads: scores, what they cost, and gradients, on drawn models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bert_heads_inputs import (
    KINDS,
    POOLED,
    SIZES,
    TASKS,
    TOKENWISE,
    ample_inputs,
    head_of,
    inputs,
    labels,
    large,
)
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import different_ids, token_ids

FEWER = settings(max_examples=max(2, settings().max_examples // 6))
"""for laws with many cases"""

BIASES = ("cls.predictions.bias", "cls.predictions.decoder.bias")


@pytest.mark.parametrize("task", TASKS)
@judge.every_dtype
@FEWER
@given(data=st.data())
def test_scores_agree(implementation, task, data):
    """The scores of every head, and the pooler's vector, are the reference's."""
    model, ids = data.draw(inputs(task))
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("task, kind", KINDS)
@judge.every_dtype
@FEWER
@given(data=st.data())
def test_losses_agree(implementation, task, kind, data):
    """The mean loss of every head and kind of label is the reference's; words and classes of -100 do not count."""
    model, ids = data.draw(inputs(task, at_least=2, **SIZES.get(kind, {})))
    said = data.draw(labels(model, ids, kind=kind))
    judge.agree(implementation, model.weights, ids, labels=said, **model.scalars)


@A_FEW
@given(data=st.data())
def test_agrees_with_segments_and_positions(implementation, data):
    """Segments and positions of the caller's choice reach the body below every head."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(inputs(task, segments=5))
    chosen = {
        "token_type_ids": data.draw(token_ids(model.segments, *ids.shape)),
        "position_ids": data.draw(token_ids(model.positions, *ids.shape)),
    }
    judge.agree(implementation, model.weights, ids, **chosen, **model.scalars)


@judge.every_dtype
@A_FEW
@given(data=st.data())
def test_gradients_of_every_parameter_agree(implementation, data):
    """Gradients of body, pooler and head are the reference's; the word table learns as a table and as a decoder."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(ample_inputs(task))
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("task", ["masked", "pooler"])
@A_FEW
@given(data=st.data())
def test_epsilon_is_felt_by_small_activations(implementation, task, data):
    """Pit: where activations are near its root, every norm must have the given epsilon, that before the decoder too."""
    model, ids = data.draw(inputs(task, small=True))
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs("masked", tied=False))
def test_a_decoder_of_its_own_agrees(implementation, drawn):
    """Where the state dict has a decoder that is not the word table, it makes the scores of words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=ample_inputs("masked", tied=False))
def test_gradients_of_a_decoder_of_its_own_agree(implementation, drawn):
    """A table and a decoder that are two learn apart."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs("masked"))
def test_the_decoder_is_the_word_table(implementation, drawn):
    """Pit: a state dict without a decoder is one whose decoder is the word table (M8)."""
    model, ids = drawn
    explicit = {"cls.predictions.decoder.weight": model.weights["bert.embeddings.word_embeddings.weight"]}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(model.weights | explicit, ids, **model.scalars)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("names", [BIASES[:1], BIASES[1:], BIASES], ids=["head's", "decoder's", "both"])
@A_FEW
@given(drawn=inputs("masked", bias="bias"))
def test_the_bias_of_words_has_two_names(implementation, names, drawn):
    """Pit: `predictions.bias` and `predictions.decoder.bias` are one vector, and each word has a number of it (M8)."""
    model, ids = drawn
    rest = {name: tensor for name, tensor in model.weights.items() if name != "bias"}
    named = rest | dict.fromkeys(names, model.weights["bias"])
    none = rest | dict.fromkeys(names, torch.zeros_like(model.weights["bias"]))

    def experiment(f):
        scores = f(none, ids, **model.scalars)
        return f(named, ids, **model.scalars), scores + model.weights["bias"].to(scores)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_heads_of_texts_read_the_pooler(implementation, data):
    """What is said of a text is an affine map of what the pooler gives, with nothing in between."""
    task = data.draw(st.sampled_from(["next_sentence", "sequence"]), label="task")
    model, ids = data.draw(inputs(task))

    def experiment(f):
        pooled = f(model.weights, ids, **(model.scalars | {"task": "pooler"}))
        weight, bias = (model.weights[f"{head_of(task)}.{part}"].to(pooled) for part in ("weight", "bias"))
        return f(model.weights, ids, **model.scalars), pooled @ weight.mT + bias

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs("pooler"))
def test_the_pooler_of_a_body_alone_agrees(implementation, drawn):
    """The names of BertModel's own state dict have no prefix."""
    model, ids = drawn
    body = {name.removeprefix("bert."): tensor for name, tensor in model.weights.items()}
    judge.agree(implementation, body, ids, **model.scalars)


@A_FEW
@given(drawn=inputs("pooler"), size=st.sampled_from([30.0, 1e6]))
def test_the_pooler_saturates_at_one(implementation, drawn, size):
    """Limit: whatever the weights, a pooled feature stays within -1 and 1, and large ones end there."""
    model, ids = drawn
    loud = {name: w * size if ".pooler." in name else w for name, w in model.weights.items()}
    judge.agree(implementation, loud, ids, **model.scalars)


@A_FEW
@given(data=st.data())
def test_other_heads_are_left_alone(implementation, data):
    """A state dict with more heads than the one that is asked for, as that of pre-training has, gives the same scores."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(inputs(task, bias=BIASES[0]))
    others = [replace(model, task=other, pooler=True, seed=model.seed + 1) for other in TASKS]
    more = {name: tensor for other in others for name, tensor in other.weights.items()}
    if task in ("sequence", "token"):
        more = {name: tensor for name, tensor in more.items() if not name.startswith("classifier")}

    def experiment(f):
        return f(more | model.weights, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_order_is_known_from_positions_only(implementation, data):
    """Tokens shuffled together with their positions get the same scores, shuffled: a head knows no neighbours."""
    task = data.draw(st.sampled_from(TOKENWISE), label="task")
    model, ids = data.draw(inputs(task, at_least=2))
    order = torch.tensor(data.draw(st.permutations(range(ids.shape[1])), label="order"))

    def experiment(f):
        shuffled = f(model.weights, ids[:, order], position_ids=order.expand(ids.shape), **model.scalars)
        return shuffled, f(model.weights, ids, **model.scalars)[:, order]

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_the_first_token_speaks_for_its_text(implementation, data):
    """Shuffled tokens with their positions leave the scores of a text as they were, as long as the first one stays first."""
    task = data.draw(st.sampled_from(POOLED), label="task")
    model, ids = data.draw(inputs(task, at_least=3))
    order = torch.tensor([0, *data.draw(st.permutations(range(1, ids.shape[1])), label="order")])

    def experiment(f):
        shuffled = f(model.weights, ids[:, order], position_ids=order.expand(ids.shape), **model.scalars)
        return shuffled, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_a_text_does_not_depend_on_its_batch(implementation, data):
    """Each text of a batch gets the scores that it gets alone."""
    task = data.draw(st.sampled_from(TASKS), label="task")
    model, ids = data.draw(inputs(task))

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(data=st.data())
def test_heads_are_asked_in_any_order(implementation, data):
    """What a head says does not depend on which head, or which text, was asked before."""
    tasks = data.draw(st.permutations(TASKS), label="order")
    for task in tasks[:3]:
        model, ids = data.draw(inputs(task))
        judge.agree(implementation, model.weights, ids, **model.scalars)
        judge.agree(implementation, model.weights, data.draw(different_ids(ids, model.vocabulary)), **model.scalars)


@A_FEW
@given(drawn=inputs("masked"))
def test_ids_of_32_bits_are_ids(implementation, drawn):
    """Whole numbers of either width name the same words."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids.int(), **model.scalars)


@pytest.mark.parametrize(
    "what, task",
    [
        ("text", "span"),
        ("batch", "sequence"),
        ("vocabulary", "masked"),
        ("stack of layers", "token"),
        ("number of heads", "next_sentence"),
        ("head", "pooler"),
    ],
)
def test_large_models_and_texts_agree(implementation, what, task):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(what, task)
    judge.agree(implementation, model.weights, ids, **model.scalars)
