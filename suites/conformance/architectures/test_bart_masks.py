"""Laws of BART: padding of sources and targets, and words that a mask hides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.bart_inputs import A_FEW, PADDING, in_positions, inputs, large_inputs
from fixtures.strategies.token_ids import different_ids, every_other, of_every_kind, row_lengths, shown, visibility

MASKS = {"encoder": "attention_mask", "decoder": "decoder_attention_mask"}


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_padding_of_a_source_on_the_right_changes_nothing(implementation, drawn, data):
    """A source gives the same states and logits alone and in a padded batch, whatever the padding is."""
    model, source, target = drawn
    tokens = data.draw(row_lengths(*source.shape))
    mask = (torch.arange(source.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        states = {"returns": "encoder_hidden_states"} | model.scalars
        padded = f(model.weights, source, target, attention_mask=mask, **states)
        logits = f(model.weights, source, target, attention_mask=mask, **model.scalars)
        pairs = [(source[i : i + 1, :n], target[i : i + 1]) for i, n in enumerate(tokens)]
        alone = [f(model.weights, *pair, **states) for pair in pairs]
        alone += [f(model.weights, *pair, **model.scalars) for pair in pairs]
        return (*(padded[:, i : i + 1, :n] for i, n in enumerate(tokens)), *logits.split(1)), tuple(alone)

    judge.holds(implementation, experiment)


@A_FEW
@given(drawn=inputs(), data=st.data())
def test_padding_of_a_target_on_the_right_changes_nothing(implementation, drawn, data):
    """A target gives the same logits alone and in a padded batch, whatever the padding is."""
    model, source, target = drawn
    tokens = data.draw(row_lengths(*target.shape))
    mask = (torch.arange(target.shape[1]) < torch.tensor(tokens)[:, None]).long()

    def experiment(f):
        padded = f(model.weights, source, target, decoder_attention_mask=mask, **model.scalars)
        pairs = [(source[i : i + 1], target[i : i + 1, :n]) for i, n in enumerate(tokens)]
        alone = [f(model.weights, *pair, **model.scalars) for pair in pairs]
        return tuple(padded[i : i + 1, :n] for i, n in enumerate(tokens)), tuple(alone)

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("stack", MASKS)
@A_FEW
@given(drawn=inputs(batch=1), data=st.data())
def test_a_hidden_word_is_as_good_as_absent_and_nothing_moves(implementation, stack, drawn, data):
    """Pit: positions count columns. Behind padding on the left, or holes, a text reads as alone at its later positions."""
    model, source, target = drawn
    text = source if stack == "encoder" else target
    mask = data.draw(visibility(*text.shape)).flip(-1)
    kept = mask[0].nonzero()[:, 0]
    moved = in_positions(model, stack, kept)

    def experiment(f):
        given = {MASKS[stack]: mask} | model.scalars
        if stack == "decoder":
            logits = f(model.weights, source, target, **given)[:, kept]
            return logits, f(moved, source, target[:, kept], **model.scalars)
        states = f(model.weights, source, target, returns="encoder_hidden_states", **given)[:, :, kept]
        alone = f(moved, source[:, kept], target, returns="encoder_hidden_states", **model.scalars)
        logits = f(model.weights, source, target, **given)
        return (states, logits), (alone, f(moved, source[:, kept], target, **model.scalars))

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("attention", ["encoder.layers.0.self_attn", "decoder.layers.0.self_attn", "encoder_attn"])
@pytest.mark.parametrize("size", [1e3, 1e5])
@A_FEW
@given(drawn=inputs(at_least=8, layers=1, decoder_layers=1))
def test_loud_scores_agree(implementation, attention, size, drawn):
    """Scores of hundreds, thousands and more than 1e4 mean what they mean, in all three attentions, beside hidden words too.

    Pit: scores are clamped "for safety", or a mask adds -1e4. What is loud outvotes that with and without the mask alike.
    """
    model, *drawn = drawn
    source, target = (of_every_kind(ids, model.vocabulary) for ids in drawn)
    loud = {name: w * size if f"{attention}.q_proj." in name else w for name, w in model.weights.items()}
    mask, written = every_other(source), every_other(target)
    masks = {"attention_mask": mask, "decoder_attention_mask": written}
    judge.agree_in(shown(written), implementation, loud, source, target, **masks, **model.scalars)


@pytest.mark.parametrize("stack", MASKS)
@A_FEW
@given(drawn=inputs(at_least=2, batch=1, layers=1, decoder_layers=1), data=st.data())
def test_hidden_words_stay_hidden_however_loud(implementation, stack, drawn, data):
    """Pit: a mask is no large number, and neither do scores of thousands outvote it nor overflow in softmax."""
    model, source, target = drawn
    loud = {name: w * 1000 if ".q_proj." in name else w for name, w in model.weights.items()}
    text = source if stack == "encoder" else target
    mask = data.draw(visibility(*text.shape)).flip(-1)
    kept = mask[0].nonzero()[:, 0]
    hidden = text.where(mask.bool(), data.draw(different_ids(text, model.vocabulary)))

    def experiment(f):
        given = {MASKS[stack]: mask} | model.scalars
        pairs = [(other, target) if stack == "encoder" else (source, other) for other in (text, hidden)]
        before, after = (f(loud, *pair, **given) for pair in pairs)
        return (before, after) if stack == "encoder" else (before[:, kept], after[:, kept])

    judge.holds(implementation, experiment)


@pytest.mark.parametrize("attention", ["cross_attentions", "encoder_attentions", "attentions"])
@A_FEW
@given(drawn=inputs(at_least=2), data=st.data())
def test_what_a_mask_hides_has_no_weight(implementation, attention, drawn, data):
    """Pit: cross-attention sees what the source's mask shows, and so does the encoder; the target has a mask of its own."""
    model, source, target = drawn
    text, name = (target, "decoder_attention_mask") if attention == "attentions" else (source, "attention_mask")
    mask = data.draw(visibility(*text.shape))
    given = {name: mask, "returns": attention} | model.scalars
    judge.agree(implementation, model.weights, source, target, **given)
    weights = implementation(model.weights, source, target, **given).movedim(-1, 2)  # (layers, batch, keys, ...)
    judge.zero(implementation, weights[:, ~mask.bool()])


@pytest.mark.parametrize("stack", MASKS)
@A_FEW
@given(drawn=inputs(), data=st.data())
def test_the_id_of_padding_hides_nothing_by_itself(implementation, stack, drawn, data):
    """Pit: only masks hide. Without one, words with the id of padding are read like any others."""
    model, source, target = drawn
    text = source if stack == "encoder" else target
    padded = text.where(data.draw(visibility(*text.shape)).bool(), PADDING)
    pair = (padded, target) if stack == "encoder" else (source, padded)
    judge.agree(implementation, model.weights, *pair, **model.scalars)


def test_no_call_leaves_anything_to_the_next(implementation):
    """Forty texts one by one, others under a mask in between, give what they give together: no call remembers another."""
    model, *_ = large_inputs("batch")
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
@given(drawn=inputs())
def test_masks_of_ones_are_no_masks(implementation, drawn):
    """Masks that hide nothing give what no masks give."""
    model, source, target = drawn
    ones = {"attention_mask": torch.ones_like(source), "decoder_attention_mask": torch.ones_like(target)}

    def experiment(f):
        masked = f(model.weights, source, target, **ones, **model.scalars)
        return masked, f(model.weights, source, target, **model.scalars)

    judge.holds(implementation, experiment)
