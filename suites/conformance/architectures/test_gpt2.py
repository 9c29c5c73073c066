"""Laws of `architectures.gpt2`: logits, loss, gradients, padding, and decoding with a cache, on drawn models."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.token_ids import different_ids, lengths, row_lengths, token_ids, visibility
from fixtures.strategies.weights import LARGE, Gpt2, large, models


@st.composite
def inputs(draw, *, at_least=1, batch=3, **options):
    """A model and ids (batch, t) that it can take."""
    rows, length = draw(st.integers(1, batch), label="batch"), draw(lengths(at_least), label="length")
    model = draw(models(Gpt2, positions=length, **options))
    return model, draw(token_ids(model.vocabulary, rows, length))


@st.composite
def ample_inputs(draw):
    """Enough numbers in every gradient to tell noise from faults in low precision."""
    model = draw(models(Gpt2, positions=9, ample=True))
    return model, draw(token_ids(model.vocabulary, 3, 9))


@st.composite
def chunks(draw, length):
    """Sizes of at least one token that add up to `length`: a text and then token by token, or any."""
    if draw(st.booleans(), label="token by token"):
        read = draw(st.integers(1, length), label="tokens read at once")
        return [read] + [1] * (length - read)
    cuts = draw(st.lists(st.integers(1, length - 1), unique=True, max_size=4), label="cuts") if length > 1 else []
    edges = [0, *sorted(cuts), length]
    return [after - before for before, after in pairwise(edges)]


@st.composite
def labels(draw, ids):
    """The text itself, some tokens of it not to be predicted; the last one is, so that a loss is left."""
    hidden = draw(visibility(*ids.shape)).flip(-1) == 0
    return ids.masked_fill(hidden, -100)


def left_padded(tokens, length):
    """Mask (batch, length) and positions of texts of so many tokens, padded on the left."""
    mask = (torch.arange(length) >= length - torch.tensor(tokens)[:, None]).long()
    return mask, (mask.cumsum(-1) - 1).clamp(min=0)


@judge.every_dtype
@given(drawn=inputs())
def test_logits_agree(implementation, drawn):
    """The logits of every position are the reference's."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(tied=False))
def test_logits_agree_with_a_head_of_its_own(implementation, drawn):
    """Where the state dict has a head that is not the word table, the head makes the logits."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(), data=st.data())
def test_positions_pick_rows_and_nothing_else(implementation, drawn, data):
    """Positions of the caller's choice, repeated or starting anew, pick rows, which learn; columns make the mask."""
    model, ids = drawn
    positions = data.draw(token_ids(model.positions, *ids.shape))
    judge.agree(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree_gradients(implementation, model.weights, ids, position_ids=positions, **model.scalars)
    judge.agree(implementation, model.weights, ids, **model.scalars)  # forgotten with the call that chose them


@given(drawn=inputs(layers=12))
def test_ten_layers_and_more(implementation, drawn):
    """Pit: layer 2 comes before layer 10, though the text "10" comes before "2"."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(Gpt2, what)
    judge.agree(implementation, model.weights, ids, **model.scalars)


@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_is_the_mean_cross_entropy_of_the_next_token(implementation, drawn, data):
    """Labels are shifted once, inside; those of -100 count neither in the sum nor in the mean."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, labels=data.draw(labels(ids)), **model.scalars)


@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_counts_what_the_mask_hides(implementation, drawn, data):
    """Pit: only labels of -100 are left out; a mask alone hides tokens from others, it does not unask for them."""
    model, ids = drawn
    mask = data.draw(visibility(*ids.shape))
    judge.agree(implementation, model.weights, ids, attention_mask=mask, labels=data.draw(labels(ids)), **model.scalars)


@given(drawn=inputs(at_least=2, vocabulary=1), data=st.data())
def test_loss_of_the_only_token_is_zero(implementation, drawn, data):
    """Limit: where there is one token only, it is certain."""
    model, ids = drawn
    judge.zero(implementation, implementation(model.weights, ids, labels=data.draw(labels(ids)), **model.scalars))


@given(drawn=inputs(at_least=2), data=st.data())
def test_loss_does_not_ask_for_the_first_token(implementation, drawn, data):
    """Nothing stands before the first token, so its label changes nothing."""
    model, ids = drawn
    other = data.draw(different_ids(ids, model.vocabulary))
    other = torch.cat([other[:, :1], ids[:, 1:]], dim=1)

    def experiment(f):
        return f(model.weights, ids, labels=ids, **model.scalars), f(model.weights, ids, labels=other, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_loss_of_nothing_is_nan(implementation, drawn):
    """Pit: where every label is -100 the mean is over nothing."""
    model, ids = drawn
    loss = implementation(model.weights, ids, labels=torch.full_like(ids, -100), **model.scalars)
    judge.exact(bool(torch.isnan(loss).all()), True, "whether the mean over no labels is nan")


@pytest.mark.parametrize("table", ["word", "position", "label"])
@given(drawn=inputs(at_least=2), data=st.data())
def test_ids_outside_a_table_are_refused(implementation, table, drawn, data):
    """An id, position or label that its table does not have raises."""
    model, ids = drawn
    rows = model.positions if table == "position" else model.vocabulary
    wrong = torch.zeros_like(ids) if table == "position" else ids.clone()
    column = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    wrong[-1, column] = data.draw(st.sampled_from([-1, rows, rows + 2]), label="wrong id")
    if table == "word":
        judge.rejects(implementation, model.weights, wrong, **model.scalars)
    elif table == "position":
        judge.rejects(implementation, model.weights, ids, position_ids=wrong, **model.scalars)
    else:
        judge.rejects(implementation, model.weights, ids, labels=wrong, **model.scalars)


@pytest.mark.parametrize("stretched", ["columns", "rows"])
@given(drawn=inputs(at_least=2, batch=1))
def test_positions_of_another_shape_are_refused(implementation, stretched, drawn):
    """One position for all tokens, or positions of two texts for one, raise; neither is stretched to fit the other."""
    model, ids = drawn
    wrong = ids.new_zeros((1, 1) if stretched == "columns" else (2, ids.shape[1]))
    judge.rejects(implementation, model.weights, ids, position_ids=wrong, **model.scalars)


@given(drawn=inputs(at_least=2))
def test_a_text_longer_than_the_position_table_is_refused(implementation, drawn):
    """Pit: positions beyond the table raise; none is reused."""
    model, ids = drawn
    judge.rejects(implementation, replace(model, positions=ids.shape[1] - 1).weights, ids, **model.scalars)


@given(drawn=inputs(at_least=2, spare=0))
def test_decoding_beyond_the_position_table_is_refused(implementation, drawn):
    """Pit: the table ends for a cached text too."""
    model, ids = drawn
    cache: list = []
    implementation(model.weights, ids, cache=cache, **model.scalars)
    judge.rejects(implementation, model.weights, ids[:, :1], cache=cache, **model.scalars)


@given(drawn=inputs())
def test_heads_that_do_not_divide_d_are_refused(implementation, drawn):
    """d must be a multiple of the number of heads."""
    model, ids = drawn
    judge.rejects(implementation, model.weights, ids, **(model.scalars | {"heads": model.d + 1}))


@given(drawn=inputs(tied=True), data=st.data())
def test_a_missing_parameter_is_refused(implementation, drawn, data):
    """A state dict without one of the parameters raises; nothing is made up in its place."""
    model, ids = drawn
    missing = data.draw(st.sampled_from(sorted(model.weights)), label="missing")
    judge.rejects(implementation, {n: w for n, w in model.weights.items() if n != missing}, ids, **model.scalars)


@given(drawn=inputs(tied=True))
def test_a_model_without_layers_is_refused(implementation, drawn):
    """A state dict with no layer at all raises: tables and a norm are not GPT-2."""
    model, ids = drawn
    tables = {name: tensor for name, tensor in model.weights.items() if ".h." not in name}
    judge.rejects(implementation, tables, ids, **model.scalars)


@given(drawn=inputs(at_least=2), change=st.sampled_from([-1, 1]))
def test_a_mask_of_another_length_is_refused(implementation, drawn, change):
    """An attention mask that is shorter or longer than the text raises."""
    model, ids = drawn
    mask = torch.ones(ids.shape[0], ids.shape[1] + change, dtype=torch.long)
    judge.rejects(implementation, model.weights, ids, attention_mask=mask, **model.scalars)


@given(drawn=inputs(), data=st.data())
def test_cached_decoding_agrees(implementation, drawn, data):
    """Pit: a text fed in chunks of any sizes, its past in the cache, gives the logits of one pass."""
    model, ids = drawn
    judge.holds(implementation, in_chunks(model, ids, data.draw(chunks(ids.shape[1]))))


def test_decoding_goes_on_after_a_long_past(implementation):
    """A past of a thousand tokens is remembered from the first to the last."""
    model, ids = large(Gpt2, "text")
    judge.holds(implementation, in_chunks(model, ids, [ids.shape[1] - 5, 1, 3, 1]))


def in_chunks(model, ids, sizes):
    """The experiment that reads a text in pieces, its past in the cache, and in one pass."""

    def experiment(f):
        cache: list = []
        pieces = [f(model.weights, piece, cache=cache, **model.scalars) for piece in ids.split(sizes, dim=1)]
        return torch.cat(pieces, dim=1), f(model.weights, ids, **model.scalars)

    return experiment


@given(drawn=inputs(at_least=2), data=st.data())
def test_cached_decoding_of_a_left_padded_batch(implementation, drawn, data):
    """Pit: with a cache the mask covers past and new columns, and a padded text goes on as alone."""
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, positions = left_padded(tokens, length)
    sizes = data.draw(chunks(length))

    def experiment(f):
        cache: list = []
        pieces, end = [], 0
        for size in sizes:
            start, end = end, end + size
            options = {"attention_mask": mask[:, :end], "position_ids": positions[:, start:end], "cache": cache}
            pieces.append(f(model.weights, ids[:, start:end], **options, **model.scalars))
        padded = torch.cat(pieces, dim=1)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@judge.every_dtype
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of tables, layers, biases and norms are the reference's; the tied table gets both of its shares."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, **model.scalars)


@judge.every_dtype
@given(drawn=ample_inputs(), data=st.data())
def test_gradients_of_the_loss_agree(implementation, drawn, data):
    """What training follows: the gradient of the loss in every parameter, some tokens hidden and some not asked for."""
    model, ids = drawn
    options = {"attention_mask": data.draw(visibility(*ids.shape)), "labels": data.draw(labels(ids))}
    judge.agree_gradients(implementation, model.weights, ids, **options, **model.scalars)


@given(drawn=inputs(tied=True))
def test_the_head_is_the_word_table(implementation, drawn):
    """A state dict without a head is one whose head is the word table."""
    model, ids = drawn
    explicit = model.weights | {"lm_head.weight": model.weights["transformer.wte.weight"]}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(explicit, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(at_least=2), data=st.data())
def test_no_position_sees_its_future(implementation, drawn, data):
    """Other tokens from some column on leave the logits before it as they were."""
    model, ids = drawn
    column = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    changed = torch.cat([ids[:, :column], data.draw(different_ids(ids, model.vocabulary))[:, column:]], dim=1)

    def experiment(f):
        after = f(model.weights, changed, **model.scalars)[:, :column]
        return after, f(model.weights, ids, **model.scalars)[:, :column]

    judge.holds(implementation, experiment)


@given(drawn=inputs(), data=st.data())
def test_padding_on_the_right_changes_nothing(implementation, drawn, data):
    """A text gives the same logits alone and in a batch padded on the right, whatever the padding tokens are."""
    model, ids = drawn
    tokens = data.draw(row_lengths(*ids.shape))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, :n] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(), data=st.data())
def test_padding_on_the_left_changes_nothing(implementation, drawn, data):
    """Pit: with a mask, and positions from its first token on, a text padded on the left reads as alone."""
    model, ids = drawn
    tokens, length = data.draw(row_lengths(*ids.shape)), ids.shape[1]
    mask, positions = left_padded(tokens, length)

    def experiment(f):
        padded = f(model.weights, ids, attention_mask=mask, position_ids=positions, **model.scalars)
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return tuple(padded[i : i + 1, length - n :] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(batch=1), data=st.data())
def test_a_hidden_token_is_as_good_as_absent(implementation, drawn, data):
    """Pit: a mask hides tokens and moves none; the rest keeps its positions and reads as alone."""
    model, ids = drawn
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=mask, **model.scalars)
        return masked[:, kept], f(model.weights, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs(at_least=2, batch=1, layers=1), data=st.data())
def test_hidden_tokens_stay_hidden_however_loud(implementation, drawn, data):
    """Pit: a mask is no large number, and neither do scores of thousands outvote it nor overflow in softmax."""
    model, ids = drawn
    thirds = torch.tensor([1000.0, 1.0, 1.0], dtype=torch.float64).repeat_interleave(model.d)
    loud = {name: w * thirds if ".c_attn." in name else w for name, w in model.weights.items()}
    mask = data.draw(visibility(1, ids.shape[1])).flip(-1)
    kept = mask[0].nonzero()[:, 0]

    def experiment(f):
        masked = f(loud, ids, attention_mask=mask, **model.scalars)
        return masked[:, kept], f(loud, ids[:, kept], position_ids=kept[None], **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_norms_do_not_see_a_constant(implementation, drawn):
    """A constant in all features goes through to the last norm, which drops it. Pit: mean square minus squared mean."""
    model, ids = drawn
    lifted = {name: w + 10_000 if name.endswith("wpe.weight") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(lifted, ids, **model.scalars), f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_mask_of_ones_is_no_mask(implementation, drawn):
    """An attention mask that hides nothing gives what no mask gives."""
    model, ids = drawn

    def experiment(f):
        masked = f(model.weights, ids, attention_mask=torch.ones_like(ids), **model.scalars)
        return masked, f(model.weights, ids, **model.scalars)

    judge.holds(implementation, experiment)


@given(drawn=inputs())
def test_a_text_does_not_depend_on_its_batch(implementation, drawn):
    """Each text of a batch gives what it gives alone."""
    model, ids = drawn

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@given(drawn=inputs(), factor=st.sampled_from([-3.0, 0.0, 7.0]))
def test_a_bias_on_the_keys_changes_nothing(implementation, drawn, factor):
    """Pit: the middle third of c_attn's bias shifts all scores of a query alike; softmax is blind to it."""
    model, ids = drawn
    thirds = torch.tensor([1.0, factor, 1.0], dtype=torch.float64).repeat_interleave(model.d)
    biased = {name: w * thirds if name.endswith("c_attn.bias") else w for name, w in model.weights.items()}

    def experiment(f):
        return f(model.weights, ids, **model.scalars), f(biased, ids, **model.scalars)

    judge.holds(implementation, experiment)
