"""Laws of `architectures.bert`: drawn configurations and weights, and the real weights of all-MiniLM-L6-v2."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.token_ids import lengths, row_lengths, token_ids, visibility
from fixtures.strategies.weights import LARGE, Bert, large, models
from fixtures.subject import Unsupported
from fixtures.zoo import minilm

QUESTION = "Was it Grace Hopper who wrote the first compiler?"
ANSWER = "Grace Hopper's team wrote it in 1952."
ASIDE = "Bread needs flour, water, salt and time."
LONGER = "Unfashionably late, 3.5 % of the naïve crowd re-entered."


@st.composite
def inputs(draw, *, at_least=1, batch=3, low=0, **options):
    """A model and ids (batch, t) that it can take, `low` the least id."""
    rows, length = draw(st.integers(1, batch), label="batch"), draw(lengths(at_least), label="length")
    model = draw(models(Bert, positions=length, **options))
    return model, draw(token_ids(model.vocabulary, rows, length, low))


@st.composite
def ample_inputs(draw):
    """Enough numbers in every gradient to tell noise from faults in low precision; id 0 is not among the tokens."""
    model = draw(models(Bert, positions=9, ample=True))
    return model, draw(token_ids(model.vocabulary, 3, 9, low=1))


@judge.every_dtype
@given(drawn=inputs())
def test_every_hidden_state_agrees(implementation, drawn):
    """The embeddings and the output of every layer are the reference's."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(low=1, segments=5), data=st.data())
def test_agrees_with_segments_and_positions(implementation, drawn, data):
    """Segments and positions of the caller's choice pick rows of their tables, and these rows learn."""
    model, ids = drawn
    segments = data.draw(token_ids(model.segments, *ids.shape))
    positions = data.draw(token_ids(model.positions, *ids.shape))
    chosen = {"token_type_ids": segments, "position_ids": positions}
    judge.agree(implementation, model.weights, ids, **chosen, **model.scalars)
    judge.agree_gradients(implementation, model.weights, ids, **chosen, **model.scalars)


@given(drawn=inputs(layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(Bert, what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("table", ["word", "position", "token_type"])
@given(drawn=inputs(), data=st.data())
def test_ids_outside_a_table_are_refused(implementation, table, drawn, data):
    """An id, position or segment that its table does not have raises."""
    model, ids = drawn
    rows = model.weights[f"embeddings.{table}_embeddings.weight"].shape[0]
    wrong = ids.clone() if table == "word" else torch.zeros_like(ids)
    where = data.draw(st.integers(0, ids.numel() - 1), label="where")
    wrong.view(-1)[where] = data.draw(st.sampled_from([-1, rows, rows + 2]), label="wrong id")
    if table == "word":
        judge.rejects(implementation, model.weights, wrong, **model.scalars)
    elif table == "position":
        judge.rejects(implementation, model.weights, ids, position_ids=wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, ids, token_type_ids=wrong, **model.scalars)


@pytest.mark.parametrize("stretched", ["columns", "rows"])
@pytest.mark.parametrize("table", ["position_ids", "token_type_ids"])
@given(drawn=inputs(at_least=2, batch=1))
def test_ids_of_another_shape_are_refused(implementation, table, stretched, drawn):
    """One position or segment for all tokens, or those of two texts for one, raise; none is stretched to fit."""
    model, ids = drawn
    wrong = ids.new_zeros((1, 1) if stretched == "columns" else (2, ids.shape[1]))
    judge.rejects(implementation, model.weights, ids, **{table: wrong}, **model.scalars)


@given(drawn=inputs(at_least=3))
def test_a_text_longer_than_the_position_table_is_refused(implementation, drawn):
    """Pit: positions beyond the table raise; none is reused."""
    model, ids = drawn
    judge.rejects(implementation, replace(model, positions=ids.shape[1] - 1).weights, ids, **model.scalars)


@given(drawn=inputs())
def test_heads_that_do_not_divide_d_are_refused(implementation, drawn):
    """d must be a multiple of the number of heads."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"heads": model.d + 1}))


@given(drawn=inputs(pooler=False), data=st.data())
def test_a_missing_parameter_is_refused(implementation, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model, ids = drawn
    missing = data.draw(st.sampled_from(sorted(model.weights)), label="missing")
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n != missing}, ids, **model.scalars)


@given(drawn=inputs())
def test_a_model_without_layers_is_refused(implementation, drawn):
    """A state dict with no layer at all raises: embeddings alone are not BERT."""
    model, ids = drawn
    tables = {name: tensor for name, tensor in model.weights.items() if ".layer." not in name}
    judge.rejects(implementation, tables, ids, **model.scalars)


@given(drawn=inputs(at_least=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, drawn, change):
    """An attention mask that is shorter or longer than the text raises."""
    model, ids = drawn
    mask = torch.ones(ids.shape[0], ids.shape[1] + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@judge.every_dtype
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of all tables, layers, biases and norms are the reference's; id 0 is left out, see the pitfalls."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@given(drawn=ample_inputs(), data=st.data())
def test_padded_texts_teach_what_they_teach_alone(implementation, drawn, data):
    """The gradient of a padded batch is that of its texts one by one."""
    model, ids = drawn
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()
    weights = {name: w.clone().requires_grad_() for name, w in model.weights.items() if "key.bias" not in name}
    weights |= {name: w for name, w in model.weights.items() if "key.bias" in name}  # softmax is blind to it

    def experiment(f):
        padded = f(weights, ids, attention_mask=mask, **model.scalars)
        alone = [f(weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        together = [padded[:, i : i + 1, :n] for i, n in enumerate(tokens)]
        return gradients(together, weights.values()), gradients(alone, weights.values())

    judge.holds(implementation, experiment)


def gradients(outputs, tensors):
    """Those of the outputs under random cotangents, in all tensors that learn."""
    generator = torch.Generator().manual_seed(0)
    cotangents = [torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x) for x in outputs]
    return torch.autograd.grad(outputs, [x for x in tensors if x.requires_grad], cotangents, materialize_grads=True)


@given(drawn=inputs(), data=st.data())
def test_padding_on_the_right_changes_nothing(implementation, drawn, data):
    """A text gives the same hidden states alone and in a padded batch, whatever the padding tokens are."""
    model, ids = drawn
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[:, i : i + 1, :n] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(batch=1), data=st.data())
def test_a_hidden_token_is_as_good_as_absent(implementation, drawn, data):
    """Wherever the mask has its holes, left padding included, the rest keeps its positions and reads as alone."""
    model, ids = drawn
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=mask, **model.scalars)
        return masked[:, :, kept], f(model.weights, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(at_least=2, batch=1, layers=1), data=st.data())
def test_hidden_tokens_stay_hidden_however_loud(implementation, drawn, data):
    """Pit: a mask is no large number, and neither do scores of thousands outvote it nor overflow in softmax."""
    model, ids = drawn
    loud = {name: w * 1000 if ".query." in name else w for name, w in model.weights.items()}
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(loud, ids, attention_mask=mask, **model.scalars)
        return masked[:, :, kept], f(loud, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_mask_of_ones_is_no_mask(implementation, drawn):
    """An attention mask that hides nothing gives what no mask gives."""
    model, ids = drawn

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=torch.ones_like(ids), **model.scalars)
        return masked, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(at_least=2), data=st.data())
def test_order_is_known_from_positions_only(implementation, drawn, data):
    """Tokens shuffled together with their positions give the same states, shuffled: columns and order mean nothing."""
    model, ids = drawn
    order = torch.tensor(data.draw(st.permutations(range(ids.shape[1])), label="order"))

    def experiment(f):
        shuffled = f(model.weights, ids[:, order], position_ids=order.expand(ids.shape), **model.scalars)
        return shuffled, f(model.weights, ids, **model.scalars)[:, :, order]

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone, dim=1)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_segment_zero_is_added(implementation, drawn):
    """Pit: without segments all tokens are of segment 0, and its vector is added like any other."""
    model, ids = drawn
    word, segment = (f"embeddings.{name}_embeddings.weight" for name in ("word", "token_type"))
    folded = dict(model.weights)
    folded[word] = model.weights[word] + model.weights[segment][0]
    folded[segment] = torch.zeros_like(model.weights[segment])

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(folded, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_on_the_keys_changes_nothing(implementation, drawn, factor):
    """Pit: a bias on the keys shifts all scores of a query alike, and softmax does not see it."""
    model, ids = drawn
    biased = {name: w * factor if name.endswith("self.key.bias") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(biased, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_norms_do_not_see_a_constant(implementation, drawn):
    """A constant in all features of what is normalised changes nothing. Pit: mean square minus squared mean."""
    model, ids = drawn
    before_a_norm = ("word_embeddings.weight", "output.dense.bias")
    lifted = {name: w + 10_000 if name.endswith(before_a_norm) else w for name, w in model.weights.items()}

    def experiment(f):
        return f(lifted, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_the_norm_of_a_constant_is_its_bias(implementation, drawn):
    """Limit: embeddings whose features are all equal leave the first norm as its bias."""
    model, ids = drawn
    flat = {
        name: torch.full_like(w, 0.5) if name.startswith("embeddings.") and "LayerNorm" not in name else w
        for name, w in model.weights.items()
    }

    def experiment(f):
        first = f(flat, ids, **model.scalars)[0]
        return first, flat["embeddings.LayerNorm.bias"].to(first).expand_as(first)

    judge.holds(implementation, experiment)


@judge.every_dtype
def test_real_sentences_through_minilm(implementation):
    """On the trained weights of all-MiniLM-L6-v2 and real text every hidden state of every layer is the reference's."""
    weights, texts = minilm_reading(QUESTION, ANSWER, ASIDE)  # each has 12 tokens
    judge.agree(implementation, weights, torch.stack(texts), **minilm.scalars())


def test_real_sentences_padded_into_one_batch(implementation):
    """MiniLM gives sentences of unequal length, padded into one batch, what it gives each of them alone."""
    weights, texts = minilm_reading(QUESTION, LONGER)
    ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)

    def experiment(f):
        together = f(weights, ids, attention_mask=mask, **minilm.scalars())
        alone = [f(weights, text[None], **minilm.scalars()) for text in texts]
        return tuple(together[:, i : i + 1, : len(text)] for i, text in enumerate(texts)), tuple(alone)

    judge.holds(implementation, experiment)


def test_minilm_finds_the_answer_to_a_question(implementation):
    """Mean-pooled, the question's vector lies nearer to its answer than to anything else."""
    others = [ASIDE, ANSWER, LONGER]
    weights, texts = minilm_reading(QUESTION, *others)
    vectors = [implementation(weights, text[None], **minilm.scalars())[-1, 0].mean(0) for text in texts]
    question, *candidates = (vector / vector.norm() for vector in vectors)
    nearest = max(zip(candidates, others, strict=True), key=lambda pair: float(question @ pair[0]))
    judge.exact(nearest[1], ANSWER, "nearest sentence")


def minilm_reading(*texts):
    try:
        return minilm.reading(*texts)
    except minilm.NotInstalled as missing:
        raise Unsupported(str(missing)) from None
