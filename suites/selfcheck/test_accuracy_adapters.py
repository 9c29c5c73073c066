"""The adapters of the accuracy board: right log-likelihoods, right vectors, and no number by accident."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.corpora import python_docs
from suites.accuracy import harness
from suites.accuracy.lazy import Lazy

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

torch: Any = Lazy("torch")
tokenizers: Any = Lazy("tokenizers")
transformers: Any = Lazy("transformers")
base: Any = Lazy("suites.accuracy.models.base")
causal: Any = Lazy("suites.accuracy.models.causal")
embeddings: Any = Lazy("suites.accuracy.models.embeddings")
lexical: Any = Lazy("suites.accuracy.models.lexical")

TEXT = "Wörter und Bytes: " + python_docs.topics()["lambda"]


def byte_tokenizer(*, begins: bool = False, lower: bool = False) -> PreTrainedTokenizerFast:
    """One token a byte, and <s>; `begins`: it puts <s> before a text by itself, as Llama's does."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    bpe = tokenizers.models.BPE(vocab={c: i for i, c in enumerate([*alphabet, "<s>"])}, merges=[])
    tokenizer = tokenizers.Tokenizer(bpe)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    if lower:
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    if begins:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 256)]
        )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")


def gpt2(context: int = 16, size: int = 257) -> GPT2LMHeadModel:
    torch.manual_seed(3)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=size, n_positions=context, n_embd=16, n_layer=2, n_head=2)
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def rolling(*texts: str):
    return [SimpleNamespace(args=(text,)) for text in texts]


def directly(model: GPT2LMHeadModel, ids: list[int], context: int) -> float:
    """Each token after as many of those before it as its window holds; the last window reaches back to be full."""
    tokens = [256, *ids]
    total, done = 0.0, 0
    while done < len(ids):
        end = min(done + context, len(ids))
        start = max(0, end - context)
        log_probabilities = torch.log_softmax(model(torch.tensor([tokens[start:end]])).logits[0], dim=-1)
        total += sum(float(log_probabilities[i - start, tokens[i + 1]].detach()) for i in range(done, end))
        done = end
    return total


@pytest.mark.parametrize("length", [1, 15, 16, 17, 32, 33, 200])
@pytest.mark.parametrize("begins", [False, True])
def test_rolling_log_likelihood_is_the_chain_rule(length, begins):
    """Also past the context, and where the tokenizer would begin the text by itself: that token is no text."""
    tokenizer, model = byte_tokenizer(begins=begins), gpt2()
    text = TEXT.encode()[:length].decode(errors="ignore")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text.encode())
    (ours,) = causal.Causal(model, tokenizer).loglikelihood_rolling(rolling(text))
    assert ours == pytest.approx(directly(model, ids, 16), rel=1e-10)


def test_lm_evals_defaults_score_the_token_that_the_tokenizer_adds():
    """Why the adapter sets `add_bos_token`: otherwise <s> after <s> is scored as if it were text."""
    harness.offline()
    from lm_eval.models.huggingface import HFLM

    tokenizer, model = byte_tokenizer(begins=True), gpt2()
    (theirs,) = HFLM(pretrained=model, tokenizer=tokenizer).loglikelihood_rolling(rolling("abc"))
    ids = tokenizer("abc", add_special_tokens=False)["input_ids"]
    assert theirs == pytest.approx(directly(model, [256, *ids], 16), rel=1e-6)
    assert theirs < directly(model, ids, 16) - 0.1


def test_log_likelihoods_do_not_hang_on_their_company():
    adapter = causal.Causal(gpt2(), byte_tokenizer())
    texts = [TEXT[:n] for n in (3, 40, 17, 1, 90)]
    together = adapter.loglikelihood_rolling(rolling(*texts))
    alone = [adapter.loglikelihood_rolling(rolling(text))[0] for text in reversed(texts)]
    assert together == pytest.approx(alone[::-1], rel=1e-12)


def test_uniform_logits_cost_eight_bits_and_a_little():
    model = gpt2()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    (nats,) = causal.Causal(model, byte_tokenizer()).loglikelihood_rolling(rolling("abcd" * 30))
    assert nats == pytest.approx(-120 * math.log(257))


def test_dropout_is_off():
    adapter = causal.Causal(gpt2().train(), byte_tokenizer())
    assert adapter.loglikelihood_rolling(rolling(TEXT)) == adapter.loglikelihood_rolling(rolling(TEXT))


@pytest.mark.parametrize("decoder", [False, True])
def test_a_model_that_looks_ahead_is_never_scored_as_causal(decoder):
    """lm-eval gives such a model a number in silence."""
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    torch.manual_seed(0)
    model = transformers.BertLMHeadModel(
        transformers.BertConfig(vocab_size=257, max_position_embeddings=64, is_decoder=decoder, **sizes)
    )
    if decoder:
        assert causal.Causal(model, byte_tokenizer()).loglikelihood_rolling(rolling(TEXT))[0] < 0
    else:
        with pytest.raises(base.NotEvaluated, match="later tokens") as refused:
            causal.Causal(model, byte_tokenizer())
        assert refused.value.verdict == "unsupported"


def test_a_tokenizer_that_loses_text_gets_no_bits():
    adapter = causal.Causal(gpt2(), byte_tokenizer(lower=True))
    assert adapter.loglikelihood_rolling(rolling("abc"))[0] < 0
    with pytest.raises(base.NotEvaluated, match="'Abc' came back as 'abc'"):
        adapter.loglikelihood_rolling(rolling("Abc"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused():
    with pytest.raises(base.NotEvaluated, match="knows only 250"):
        causal.Causal(gpt2(size=250), byte_tokenizer())


def test_nan_logits_are_refused():
    model = gpt2()
    torch.nn.init.constant_(model.transformer.ln_f.bias, math.nan)
    with pytest.raises(base.NotEvaluated, match="not all finite"):
        causal.Causal(model, byte_tokenizer())


def test_unigrams_are_counts_plus_one():
    tokenizer = byte_tokenizer().backend_tokenizer
    (nats,) = lexical.Unigram(tokenizer, ["aab"]).loglikelihood_rolling(rolling("abz"))
    counts = Counter("aab")
    assert nats == pytest.approx(sum(math.log((counts[c] + 1) / (3 + 257)) for c in "abz"))
    assert sum(map(math.exp, lexical.Unigram(tokenizer, [TEXT]).log_probabilities)) == pytest.approx(1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pooling_sees_no_padding(side):
    torch.manual_seed(0)
    states = torch.randn(1, 3, 4)
    padding = torch.full((1, 2, 4), 99.0)
    mask = torch.tensor([[0, 0, 1, 1, 1]] if side == "left" else [[1, 1, 1, 0, 0]])
    padded = torch.cat([padding, states] if side == "left" else [states, padding], 1)
    expected = {"mean": states.mean(1), "max": states.amax(1), "cls": states[:, 0], "lasttoken": states[:, -1]}
    for mode, vector in expected.items():
        torch.testing.assert_close(embeddings.pool(padded, mask, mode), vector)


@pytest.mark.parametrize("mode", ["mean", "max", "cls", "lasttoken"])
def test_a_text_without_tokens_is_zero(mode):
    states, mask = torch.randn(2, 3, 4), torch.tensor([[0, 0, 0], [1, 1, 0]])
    vectors = embeddings.pool(states, mask, mode)
    assert (vectors[0] == 0).all() and (vectors[1] != 0).all()
    assert embeddings.pool(states[:, :0], mask[:, :0], mode).tolist() == [[0.0] * 4] * 2


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, None),
        ({"pooling_mode": "weightedmean"}, None),
        ({}, None),
    ],
)
def test_pooling_is_what_the_directory_says_or_nothing(settings, mode):
    if mode:
        assert embeddings.pooling(settings) == mode
    else:
        with pytest.raises(base.NotEvaluated, match="pooling"):
            embeddings.pooling(settings)


def table(score):
    """A model whose scores are a function of query and passage."""

    class Table(base.Ranker):
        def scores(self, queries, passages):
            return np.array([[score(q, p) for p in passages] for q in queries], dtype=float)

    return Table()


def answers() -> dict[str, str]:
    from suites.accuracy.tasks import python_docs as task

    passages = base.collection("python_docs")
    return {row["query"]: passages[row["relevant"][0]] for row in task.rows("queries.jsonl")}


def test_through_lm_eval_a_perfect_model_is_perfect_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = answers()
    result = harness.evaluate("python_docs_search", table(lambda q, p: p == right[q]))
    assert {s.metric: s.value for s in result.scores} == {"ndcg@10": 1, "recall@10": 1}
    assert all(0.98 < s.low < s.high == 1 for s in result.scores)
    assert result.settings["task_version"] == 1 and not os.listdir(tmp_path)


def test_constant_scores_are_no_better_than_chance():
    """All tied: the ids decide, so a constant model must not be handed the relevant passage."""
    scores = {s.metric: s.value for s in harness.evaluate("python_docs_search", table(lambda q, p: 0.0)).scores}
    assert scores["recall@10"] < 0.05


def test_scores_that_are_not_finite_are_an_error():
    with pytest.raises(base.NotEvaluated, match="not all finite"):
        harness.evaluate("python_docs_search", table(lambda q, p: math.nan))


@pytest.mark.parametrize("task", ["python_docs_bits_per_byte", "python_docs_search"])
def test_the_wrong_kind_of_model_gets_no_number(task):
    search = task == "python_docs_search"
    model = lexical.Unigram(byte_tokenizer().backend_tokenizer, ["a"]) if search else lexical.Random()
    with pytest.raises(base.NotEvaluated) as refused:
        harness.evaluate(task, model)
    assert refused.value.verdict == "unsupported"


def test_bits_per_byte_through_lm_eval_weigh_documents_by_bytes():
    uniform = lexical.Unigram(byte_tokenizer().backend_tokenizer, [])
    (score,) = harness.evaluate("python_docs_bits_per_byte", uniform).scores
    assert score.value == pytest.approx(math.log2(257)) and score.n == len(python_docs.held_out())
    assert score.high - score.low < 1e-9  # one token a byte: every document costs the same


def test_random_scores_hang_on_the_query_alone():
    passages = [str(i) for i in range(30)]
    one, two = lexical.Random().scores(["a", "b"], passages), lexical.Random().scores(["b"], passages)
    assert (one[1] == two[0]).all() and not (one[0] == one[1]).any()
    assert not (lexical.Random(seed=1).scores(["b"], passages) == two).any()


def test_a_request_for_free_text_is_refused():
    request = SimpleNamespace(args=("Say something", json.loads('{"until": []}')))
    with pytest.raises(base.NotEvaluated, match="answers in text"):
        lexical.Random().generate_until([request])
