"""Laws of T5: padding on either side of either text."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.t5_inputs import A_FEW, WHAT, large_pair, pairs
from fixtures.strategies.token_ids import every_other, of_every_kind, row_lengths, shown, visibility

sides = pytest.mark.parametrize("side", ["left", "right"])


def padded(tokens, length, side):
    """Mask (batch, length) of texts of so many tokens, and the columns of each of them."""
    columns = torch.arange(length)
    count = torch.tensor(tokens)[:, None]
    mask = (columns < count if side == "right" else columns >= length - count).long()
    return mask, [slice(0, n) if side == "right" else slice(length - n, length) for n in tokens]


@sides
@A_FEW
@given(pair=pairs(), data=st.data())
def test_padding_of_the_text_changes_nothing(implementation, side, pair, data):
    """Pit: a text that is padded and masked reads as alone, on either side: only distances count.

    Source: transformers' T5Model: "you should be able to pad the inputs on both the right and the left"
    """
    tokens = data.draw(row_lengths(*pair.text.shape))
    mask, columns = padded(tokens, pair.text.shape[1], side)
    model = pair.model

    def experiment(f):
        alone = [
            f(model.weights, pair.text[i : i + 1, own], pair.written[i : i + 1], **model.scalars)
            for i, own in enumerate(columns)
        ]
        return f(*pair.given, attention_mask=mask, **model.scalars), torch.cat(alone)

    judge.holds(implementation, experiment)


@sides
@A_FEW
@given(pair=pairs(), data=st.data())
def test_padding_of_what_is_written_changes_nothing(implementation, side, pair, data):
    """Pit: what the decoder has written may be padded and masked on either side as well."""
    tokens = data.draw(row_lengths(*pair.written.shape))
    mask, columns = padded(tokens, pair.written.shape[1], side)
    model = pair.model

    def experiment(f):
        together = f(*pair.given, decoder_attention_mask=mask, **model.scalars)
        alone = [
            f(model.weights, pair.text[i : i + 1], pair.written[i : i + 1, own], **model.scalars)
            for i, own in enumerate(columns)
        ]
        return tuple(together[i : i + 1, own] for i, own in enumerate(columns)), tuple(alone)

    judge.holds(implementation, experiment)


@judge.every_dtype
@A_FEW
@given(pair=pairs(), data=st.data())
def test_any_tokens_may_be_hidden(implementation, pair, data):
    """Values under masks with holes, of numbers or of booleans, for both texts."""
    masks = {
        "attention_mask": data.draw(visibility(*pair.text.shape)),
        "decoder_attention_mask": data.draw(visibility(*pair.written.shape)),
    }
    judge.agree(implementation, *pair.given, **masks, **pair.model.scalars)


@pytest.mark.parametrize("attention", ["encoder.block.0.layer.0", "decoder.block.0.layer.0", "decoder.block.0.layer.1"])
@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(pair=pairs(reads=8, writes=8, layers=1, decoder_layers=1))
def test_loud_scores_agree(implementation, attention, size, pair):
    """Scores of hundreds, thousands and more than 1e4 mean what they mean, in all three attentions, beside hidden tokens too.

    Pit: scores are clamped "for safety", or a mask adds -1e4. What is loud outvotes that with and without the mask alike.
    """
    model = pair.model
    loud = {name: w * size if attention in name and "Attention.q." in name else w for name, w in model.weights.items()}
    text, target = (of_every_kind(ids, model.vocabulary) for ids in (pair.text, pair.written))
    mask, written = every_other(text), every_other(target)
    masks = {"attention_mask": mask, "decoder_attention_mask": written}
    judge.agree_in(shown(written), implementation, loud, text, target, **masks, **model.scalars)


@A_FEW
@given(pair=pairs(reads=2, layers=1), data=st.data())
def test_hidden_tokens_stay_hidden_however_loud(implementation, pair, data):
    """Pit: a mask is no large number, and neither do scores of thousands outvote it nor overflow in softmax."""
    model = pair.model
    loud = {n: w * (1000 if n.endswith(("q.weight", "bias.weight")) else 1) for n, w in model.weights.items()}
    tokens = data.draw(row_lengths(*pair.text.shape))
    mask, _ = padded(tokens, pair.text.shape[1], "right")
    changed = pair.text.where(mask == 1, (pair.text + 1) % model.vocabulary)

    def experiment(f):
        options = {"attention_mask": mask, **model.scalars}
        return f(loud, changed, pair.written, **options), f(loud, pair.text, pair.written, **options)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("what", WHAT)
def test_large_models_and_texts_hide_what_small_ones_hide(implementation, what):
    """A mask means the same for few tokens, texts, layers and heads as for many."""
    pair = large_pair(what)
    mask, written = every_other(pair.text), every_other(pair.written)
    masks = {"attention_mask": mask, "decoder_attention_mask": written}
    judge.agree_in(shown(written), implementation, *pair.given, **masks, **pair.model.scalars)


def test_no_call_leaves_anything_to_the_next(implementation):
    """Forty texts one by one, others under a mask in between, give what they give together: no call remembers another."""
    model = large_pair("batch").model
    ids = torch.arange(5 * 40).reshape(40, 5) % model.vocabulary
    mask = every_other(ids[:1])

    def experiment(f):
        alone = []
        for row in ids.split(1):
            masks = {"attention_mask": mask, "decoder_attention_mask": mask}
            f(model.weights, row.flip(-1), row, **masks, **model.scalars)
            alone.append(f(model.weights, row, row.flip(-1), **model.scalars))
        return torch.cat(alone), f(model.weights, ids, ids.flip(-1), **model.scalars)

    judge.holds(implementation, experiment)


@A_FEW
@given(pair=pairs())
def test_masks_of_ones_are_no_masks(implementation, pair):
    """Masks that hide nothing give what no masks give."""
    ones = {"attention_mask": torch.ones_like(pair.text), "decoder_attention_mask": torch.ones_like(pair.written)}

    def experiment(f):
        return f(*pair.given, **ones, **pair.model.scalars), f(*pair.given, **pair.model.scalars)

    judge.holds(implementation, experiment)
