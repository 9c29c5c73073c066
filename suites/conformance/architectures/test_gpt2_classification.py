"""Laws of GPT-2's classifier of texts: scores, where a text is read, and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.gpt2_classification_inputs import PADDING, ample_inputs, inputs, large, padded
from fixtures.strategies.gpt2_inputs import left_padded
from fixtures.strategies.rotary import A_FEW
from fixtures.strategies.token_ids import different_ids, every_other, of_every_kind, visibility
from fixtures.strategies.weights import LARGE


@judge.every_dtype
@A_FEW
@given(drawn=inputs(), side=st.sampled_from(["right", "left"]), data=st.data())
def test_scores_agree(implementation, drawn, side, data):
    """The scores of padded texts are the reference's, hidden tokens among them or not."""
    model, ids = drawn
    ids, _ = data.draw(padded(ids, side))
    mask = data.draw(visibility(*ids.shape))
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, attention_mask=mask, **model.scalars)


@judge.every_dtype
@A_FEW
@given(drawn=ample_inputs())
def test_gradients_of_every_parameter_agree(implementation, drawn):
    """Gradients of body and layer are the reference's."""
    model, ids = drawn
    judge.agree_gradients(implementation, model.weights, ids, padding_id=PADDING, **model.scalars)


@A_FEW
@given(drawn=inputs(small=True))
def test_epsilon_is_felt_by_small_activations(implementation, drawn):
    """Pit: where activations are near its root, the epsilon of every norm must be the given one."""
    model, ids = drawn
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, **model.scalars)


@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(drawn=inputs(at_least=8, low=0, layers=1))
def test_loud_scores_agree(implementation, size, drawn):
    """Attention's scores of hundreds, thousands and more than 1e4 mean what they mean, beside hidden tokens too.

    Pit: scores are clamped "for safety", or a mask adds -1e4. What is loud outvotes that with and without the mask alike.
    """
    model, ids = drawn
    thirds = torch.tensor([size, 1.0, 1.0], dtype=torch.float64).repeat_interleave(model.d)
    loud = {name: w * thirds if ".c_attn." in name else w for name, w in model.weights.items()}
    ids, mask = of_every_kind(ids, model.vocabulary), every_other(ids)
    ids[:, -1] = mask[:, -1] = 1  # the last token is read, and shown
    judge.agree(implementation, loud, ids, padding_id=PADDING, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_texts_padded_on_the_right_are_read_before_the_padding(implementation, drawn, data):
    """Pit: the last column is padding in most rows; a text is read at its last token, and says what it says alone.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/gpt2/modeling_gpt2.py
    """
    model, ids = drawn
    ids, tokens = data.draw(padded(ids, "right"))
    mask = (torch.arange(ids.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        alone = [f(model.weights, ids[i : i + 1, :n], **model.scalars) for i, n in enumerate(tokens)]
        return f(model.weights, ids, padding_id=PADDING, attention_mask=mask, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_texts_padded_on_the_left_are_read_at_their_end(implementation, drawn, data):
    """Pit: as many columns as a text has tokens is not where it ends; padding on the left moves that.

    Source: https://github.com/huggingface/transformers/pull/35911
    """
    model, ids = drawn
    ids, tokens = data.draw(padded(ids, "left"))
    length = ids.shape[1]
    mask, positions = left_padded(tokens, length)

    def experiment(f):
        options = {"padding_id": PADDING, "attention_mask": mask, "position_ids": positions}
        alone = [f(model.weights, ids[i : i + 1, length - n :], **model.scalars) for i, n in enumerate(tokens)]
        return f(model.weights, ids, **options, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), end=st.integers(1, 3))
def test_a_text_that_ends_with_the_token_of_padding_is_read_before_it(implementation, drawn, end):
    """Pit: padding is known by its number. Where the token of the end pads, a text is read before its own ends, too.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/gpt2/modeling_gpt2.py
    """
    model, ids = drawn
    end = min(end, ids.shape[1] - 1)
    ids[:, -end:] = PADDING

    def experiment(f):
        whole = f(model.weights, ids, padding_id=PADDING, attention_mask=torch.ones_like(ids), **model.scalars)
        return whole, f(model.weights, ids[:, :-end], padding_id=PADDING, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=3), data=st.data())
def test_padding_amid_a_text_does_not_end_it(implementation, drawn, data):
    """Pit: a text ends with its rightmost token, not before its first padding; in between it is a token like others.

    Source: https://github.com/huggingface/transformers/pull/35911
    """
    model, ids = drawn
    ids[:, data.draw(st.integers(0, ids.shape[1] - 2), label="column")] = PADDING

    def experiment(f):
        alone = [f(model.weights, row[None], **model.scalars) for row in ids]
        return f(model.weights, ids, padding_id=PADDING, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_the_mask_does_not_say_where_a_text_ends(implementation, drawn, data):
    """Pit: a mask hides tokens from attention; a text is read at its last token even where the mask hides that.

    Source: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/models/gpt2/modeling_gpt2.py
    """
    model, ids = drawn
    mask = torch.ones_like(ids)
    mask[:, -data.draw(st.integers(1, ids.shape[1] - 1), label="hidden") :] = 0
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, attention_mask=mask, **model.scalars)


@A_FEW
@given(drawn=inputs(low=PADDING))
def test_any_token_may_be_that_of_padding(implementation, drawn):
    """A text is read before as many tokens of the last kind as there are at its end, or not at all."""
    model, ids = drawn
    ids[:, 0] = 1
    for padding in (0, 2, model.vocabulary - 1):
        judge.agree(implementation, model.weights, ids, padding_id=padding, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2, batch=1), last=st.sampled_from([0, -1]))
def test_one_text_without_padding_is_read_in_its_last_column(implementation, drawn, last):
    """Pit: without a token of padding there is no padding, be the last token 0 or the end of the vocabulary."""
    model, ids = drawn
    ids[:, -1] = last % model.vocabulary
    judge.agree(implementation, model.weights, ids, **model.scalars)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_what_stands_behind_the_end_does_not_matter(implementation, drawn, data):
    """The tokens after the one that is read are its future."""
    model, ids = drawn
    cut = data.draw(st.integers(1, ids.shape[1] - 1), label="column")
    padding = model.vocabulary
    wider = {n: torch.cat([w, w[:1]]) if n.endswith("wte.weight") else w for n, w in model.weights.items()}
    behind = torch.full_like(ids[:, cut:], padding)

    def experiment(f):
        filled = f(wider, torch.cat([ids[:, :cut], behind], 1), padding_id=padding, **model.scalars)
        return filled, f(wider, ids[:, :cut], padding_id=padding, **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_the_whole_text_is_read(implementation, drawn, data):
    """Other tokens before the last one change the scores as the reference says, the first one too."""
    model, ids = drawn
    other = torch.cat([data.draw(different_ids(ids, model.vocabulary, low=1))[:, :-1], ids[:, -1:]], dim=1)
    judge.agree(implementation, model.weights, other, padding_id=PADDING, **model.scalars)


@A_FEW
@given(drawn=inputs(), factor=st.sampled_from([-2.0, 3.0]))
def test_the_layer_has_no_bias(implementation, drawn, factor):
    """A layer times a number gives scores times that number."""
    model, ids = drawn
    grown = {name: w * factor if name == "score.weight" else w for name, w in model.weights.items()}

    def experiment(f):
        scores = f(model.weights, ids, padding_id=PADDING, **model.scalars)
        return f(grown, ids, padding_id=PADDING, **model.scalars), factor * scores

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("what", LARGE)
def test_large_models_and_texts_agree(implementation, what):
    """What is right for few tokens, texts, words, layers and heads is right for many."""
    model, ids = large(what)
    ids[0, ids.shape[1] // 2 :] = PADDING
    judge.agree(implementation, model.weights, ids, padding_id=PADDING, **model.scalars)
