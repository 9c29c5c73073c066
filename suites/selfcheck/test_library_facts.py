"""What transformers does around a model's forward pass, as far as people stumble over it: each a fact of the pinned version.

No law can be put to these, as they are no function of weights and ids; whoever compares models trips over them.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from suites.accuracy.lazy import Lazy

torch: Any = Lazy("torch")
transformers: Any = Lazy("transformers")


def gpt2(**more: Any) -> Any:
    sizes = {
        "n_layer": 8,
        "n_head": 2,
        "n_embd": 64,
        "vocab_size": 50,
        "n_positions": 16,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**(sizes | more)))


def mamba() -> Any:
    torch.manual_seed(0)
    return transformers.MambaForCausalLM(transformers.MambaConfig(hidden_size=64, num_hidden_layers=2, vocab_size=50))


def test_projections_into_the_residual_stream_begin_smaller():
    """GPT-2 divides their first weights by the root of how many there are, two a layer (Radford et al. 2019, section 2.3)."""
    model = gpt2()
    into, others = model.transformer.h[0].attn.c_proj.weight, model.transformer.h[0].attn.c_attn.weight
    assert others.std().item() == pytest.approx(0.02, rel=0.1)
    assert into.std().item() == pytest.approx(0.02 / math.sqrt(2 * 8), rel=0.1)


def test_a_configuration_is_changed_by_the_model_that_is_made_of_it():
    """The kind of attention that is asked for is written into the configuration that was passed: pass a copy."""
    config = transformers.GPT2Config(n_layer=1, n_head=1, n_embd=4, vocab_size=5)
    transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    assert config._attn_implementation == "eager"


def test_a_new_model_is_in_training_mode_and_a_loaded_one_is_not(tmp_path):
    """Dropout is on in what a constructor gives, and off in what `from_pretrained` gives."""
    model = gpt2()
    assert model.training
    model.save_pretrained(tmp_path)
    assert not transformers.GPT2LMHeadModel.from_pretrained(tmp_path).training


def test_a_matrix_of_t5_stays_in_float32(tmp_path):
    """Loaded in float16, the last matrix of its feed-forward half keeps float32: in half precision it overflowed."""
    config = transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=9)
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    loaded = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float16)
    kept = {name for name, weight in loaded.named_parameters() if weight.dtype == torch.float32}
    assert kept == {
        f"{stack}.block.0.layer.{i}.DenseReluDense.wo.weight" for stack, i in (("encoder", 1), ("decoder", 2))
    }


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_upcasting_attention_is_for_half_precision_and_eager(attention):
    """`reorder_and_upcast_attn` is not looked at by SDPA, and by eager attention refused in float64."""
    plain, flagged = gpt2(), gpt2(reorder_and_upcast_attn=True)
    flagged.load_state_dict(plain.state_dict())
    ids = torch.arange(12).reshape(2, 6)
    for model in (plain, flagged):
        model.double().eval().set_attn_implementation(attention)
    with torch.no_grad():
        wanted = plain(ids).logits
        if attention == "eager":
            with pytest.raises(RuntimeError, match="upcasting"):
                flagged(ids)
        else:
            assert torch.equal(flagged(ids).logits, wanted)


def test_steps_of_mamba_begin_between_a_thousandth_and_a_tenth():
    """The bias of the steps is the inverse of softplus, `dt + log(-expm1(-dt))`, of a step of at least 1e-4."""
    model = mamba()
    steps = torch.nn.functional.softplus(model.backbone.layers[0].mixer.dt_proj.bias.detach().double())
    assert steps.min().item() >= 0.001 * 0.99 and steps.max().item() <= 0.1 * 1.01


def test_rates_of_mamba_follow_the_model_into_bfloat16():
    """Nothing keeps `A_log` and `D` in float32, as its authors have them."""
    assert {weight.dtype for weight in mamba().to(torch.bfloat16).parameters()} == {torch.bfloat16}


def test_scores_of_generation_are_float32():
    """`generate` casts the logits that it draws from to float32, whatever the model computes in."""
    model = gpt2().to(torch.bfloat16).eval()
    ids = torch.arange(4)[None]
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=2,
        pad_token_id=0,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
    )
    assert {score.dtype for score in (*out.scores, *out.logits)} == {torch.float32}


def test_the_kind_of_the_first_labels_is_remembered():
    """A classifier writes what its first labels were into its configuration, and takes later ones for the same."""
    config = transformers.GPT2Config(n_layer=1, n_head=1, n_embd=4, vocab_size=5, num_labels=3, pad_token_id=0)
    model = transformers.GPT2ForSequenceClassification(config).eval()
    ids = torch.tensor([[1, 2], [3, 4]])
    model(ids, labels=torch.tensor([0, 1]))
    assert model.config.problem_type == "single_label_classification"
    with pytest.raises((RuntimeError, ValueError)):
        model(ids, labels=torch.rand(2, 3)[:, :2])


@pytest.mark.parametrize("heads", [4, 6])
def test_penalties_of_bloom_depend_on_the_distance_alone(heads):
    """ALiBi (Press et al. 2022, section 3): BLOOM adds a slope times the place of the key, which a softmax over keys cannot
    tell from a slope times the distance. Slopes of 4 heads are 2 to the power of -2, -4, -6, -8."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    from reference.attention.scaled_dot_product import scaled_dot_product

    length = 9
    bias = build_alibi_tensor(torch.ones(1, length), heads, torch.float32).double().view(heads, 1, length)
    slopes = bias[:, 0, 1] - bias[:, 0, 0]
    assert heads != 4 or slopes.tolist() == [0.25, 0.0625, 0.015625, 0.00390625]
    distance = torch.arange(length)[:, None] - torch.arange(length)
    query, key, value = torch.randn(3, heads, length, 8, generator=torch.Generator().manual_seed(0)).double()
    by_place = scaled_dot_product(query, key, value, causal=True, bias=bias)
    by_distance = scaled_dot_product(query, key, value, causal=True, bias=-slopes[:, None, None] * distance)
    torch.testing.assert_close(by_place, by_distance, rtol=1e-6, atol=1e-6)
    assert (by_place - scaled_dot_product(query, key, value, causal=True)).abs().max() > 0.01


def test_dropout_of_attention_leaves_rows_that_do_not_sum_to_one():
    """What is kept of the weights is divided by the share that is kept, after the softmax and not before it."""
    query, key = torch.randn(2, 1, 64, 8, generator=torch.Generator().manual_seed(0)).double()
    attend = torch.nn.functional.scaled_dot_product_attention
    weights = attend(query, key, torch.eye(64).double()[None])
    torch.manual_seed(0)
    dropped = attend(query, key, torch.eye(64).double()[None], dropout_p=0.25)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], weights[kept] / 0.75)
    assert 0.7 < kept.double().mean() < 0.8
    assert (dropped.sum(-1) - 1).abs().max() > 0.05


def test_vocabularies_are_padded():
    """Mamba's is of 50,280 rows, a multiple of 8, where the tokenizer that it shares with GPT-NeoX has 50,277 tokens; who
    pads a table gets rows that no text will ever use."""
    assert transformers.MambaConfig().vocab_size == 50_280 == -(-50_277 // 8) * 8
    model = gpt2(vocab_size=50)
    model.resize_token_embeddings(51, pad_to_multiple_of=8)
    assert model.config.vocab_size == len(model.transformer.wte.weight) == 56
