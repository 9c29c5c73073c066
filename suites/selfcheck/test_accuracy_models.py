"""`--model`: what may be evaluated is, and everything else is one clear message, while the others go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.concepts import ROOT
from suites.accuracy import board
from suites.accuracy.lazy import Lazy

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

torch: Any = Lazy("torch")
tokenizers: Any = Lazy("tokenizers")
transformers: Any = Lazy("transformers")
base: Any = Lazy("suites.accuracy.models.base")
embeddings: Any = Lazy("suites.accuracy.models.embeddings")
loading: Any = Lazy("suites.accuracy.models.loading")

BITS, SEARCH = "python_docs_bits_per_byte", "python_docs_search"

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={c: i for i, c in enumerate([*alphabet, "<s>"])}, merges=[]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="<s>", pad_token="<s>")


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, Path]:
    torch.manual_seed(0)
    causal = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=257, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    )
    encoder = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=257, max_position_embeddings=64, **SMALL))
    folders = {}
    for name, model in (("gpt2", causal), ("bert", encoder)):
        folders[name] = tmp_path_factory.mktemp("models") / name
        model.save_pretrained(folders[name])
        tokenizer().save_pretrained(folders[name])
    return folders


@pytest.fixture
def folder(originals, tmp_path, request) -> Path:
    name = getattr(request, "param", "gpt2")
    return Path(shutil.copytree(originals[name], tmp_path / name))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("folder", ["gpt2", "bert"], indirect=True)
def test_a_sound_directory_is_evaluated_on_the_task_of_its_kind(folder):
    task, other = (BITS, SEARCH) if folder.name == "gpt2" else (SEARCH, BITS)
    assert board.user(task, str(folder), "cpu") is not None
    with pytest.raises(base.NotEvaluated, match="cannot be judged") as refused:
        board.user(other, str(folder), "cpu")
    assert refused.value.verdict == "unsupported"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_what_is_missing_is_named(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(board.NoTask, match=message) as refused:
        board.user(BITS, str(folder), "cpu")
    assert refused.value.verdict == "error"


def test_pickles_are_not_opened(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(folder / "ran").encode() + b"'\ntR.")
    with pytest.raises(board.NoTask, match="pickles only"):
        board.user(BITS, str(folder), "cpu")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_not_run(folder, file):
    edit(folder / file, auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(board.NoTask, match="auto_map"):
        board.user(BITS, str(folder), "cpu")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.9])
def test_damaged_weights_are_named(folder, keep):
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[: int(keep * len(raw))])
    with pytest.raises(board.NoTask, match=r"model\.safetensors is damaged"):
        board.user(BITS, str(folder), "cpu")


def test_a_missing_shard_is_named(folder):
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"wte.weight": "shard-2.safetensors"}})
    )
    with pytest.raises(board.NoTask, match=r"shard-2\.safetensors is missing"):
        board.user(BITS, str(folder), "cpu")


def test_a_damaged_configuration_is_named(folder):
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(board.NoTask, match=r"config.json cannot be read as JSON"):
        board.user(BITS, str(folder), "cpu")


@pytest.mark.parametrize(
    ("change", "what"), [({"n_layer": 2}, "drawn at random"), ({"n_embd": 32}, "transformers cannot load|fit")]
)
def test_weights_that_do_not_fit_are_not_filled_up_at_random(folder, change, what):
    edit(folder / "config.json", **change)
    with pytest.raises(base.NotEvaluated, match=what):
        loading.load(folder, transformers.AutoModelForCausalLM, "cpu")


@pytest.mark.parametrize(
    ("folder", "changes", "kinds"),
    [
        ("gpt2", {}, ("causal",)),
        ("gpt2", {"architectures": None}, ("causal",)),
        ("gpt2", {"architectures": ["GPT2ForSequenceClassification"]}, ("classifier",)),
        ("gpt2", {"architectures": ["GPT2DoubleHeadsModel"], "model_type": "never-heard-of"}, None),
        (
            "gpt2",
            {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "is_encoder_decoder": True},
            ("seq2seq",),
        ),
        ("gpt2", {"architectures": ["T5Model"], "model_type": "t5", "is_encoder_decoder": True}, None),
        ("gpt2", {"model_type": "never-heard-of"}, None),
        ("bert", {}, ("masked", "encoder")),
        ("bert", {"architectures": ["BertModel"]}, ("encoder",)),
        ("bert", {"architectures": ["BertForSequenceClassification"]}, ("classifier",)),
        ("bert", {"architectures": ["BertForTokenClassification"]}, None),
        ("bert", {"architectures": ["BertLMHeadModel"]}, ("encoder",)),
        ("bert", {"architectures": ["BertLMHeadModel"], "is_decoder": True}, ("causal",)),
    ],
    indirect=["folder"],
)
def test_kinds(folder, changes, kinds):
    edit(folder / "config.json", **changes)
    if kinds:
        assert loading.kinds(folder) == kinds
    else:
        with pytest.raises(base.NotEvaluated, match="no task judges") as refused:
            loading.kinds(folder)
        assert refused.value.verdict == "unsupported"


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
def test_sentence_transformers_modules_are_heeded(folder):
    plain = embeddings.from_folder(folder, "cpu")
    assert (plain.mode, plain.longest) == ("mean", 62)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, "do_lower_case": True}))
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "x.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    told = embeddings.from_folder(folder, "cpu")
    assert (told.mode, told.longest, told.lower) == ("cls", 20, True)
    torch.testing.assert_close(told.embed(["ABC"]), told.embed(["abc"]))
    torch.testing.assert_close(told.embed(["a" * 20]), told.embed(["a" * 60]))
    (folder / "modules.json").write_text(json.dumps([*modules, {"path": "2_Dense", "type": "x.Dense"}]))
    with pytest.raises(base.NotEvaluated, match="Dense"):
        embeddings.from_folder(folder, "cpu")


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
def test_vectors_do_not_hang_on_their_company(folder):
    encoder = embeddings.from_folder(folder, "cpu")
    texts = ["a", "a longer text than the others are", "ab", "", "Wörter"]
    together = encoder.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        torch.testing.assert_close(encoder.embed([text])[0], vector, rtol=0, atol=1e-6)
    model, ids = encoder.model, encoder.tokenizer(["ab"], return_tensors="pt")
    assert isinstance(model, type(transformers.AutoModel.from_pretrained(folder)))
    direct = model(**ids).last_hidden_state[0].mean(0)
    torch.testing.assert_close(together[2], direct / direct.norm(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["/no/such/directory", "../nor/this", "a b", "one/two/three"])
def test_what_is_neither_directory_nor_id_says_so(name):
    with pytest.raises(base.NotEvaluated, match="no such directory, and no id"):
        loading.locate(name)


def test_a_file_is_no_model(folder):
    with pytest.raises(base.NotEvaluated, match="is a file"):
        loading.locate(str(folder / "config.json"))


def test_a_hub_that_cannot_be_reached_says_so(tmp_path):
    closed = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    with pytest.raises(base.NotEvaluated, match="the hub cannot be reached") as refused:
        loading.locate("somebody/something", closed)
    assert refused.value.verdict == "error" and len(str(refused.value)) < 400


def test_one_broken_model_costs_nobody_else(originals, tmp_path):
    """A whole run: the sound models get figures, the broken one fails once, what cannot be judged is skipped."""
    broken = Path(shutil.copytree(originals["gpt2"], tmp_path / "broken"))
    (broken / "tokenizer.json").unlink()
    asked = [broken, originals["gpt2"], originals["bert"]]
    command = [sys.executable, "-m", "pytest", "suites/accuracy", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command += [f"--model={path}" for path in asked] + [
        "-k",
        "(broken or bert or gpt2]) and python_docs and not module",
    ]
    done = subprocess.run(
        [*command, f"--records={tmp_path / 'records'}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "1 failed, 2 passed, 3 skipped" in done.stdout, done.stdout[-3000:]
    (file,) = (tmp_path / "records").glob("*/records.jsonl")
    verdicts: dict[str, set[str]] = {}
    for record in map(json.loads, file.read_text().splitlines()):
        verdicts.setdefault(Path(record["model"]).name, set()).add(record["verdict"])
        assert (record["value"] is None) == (record["verdict"] != "pass")
    assert verdicts == {"broken": {"error"}, "gpt2": {"pass", "unsupported"}, "bert": {"pass", "unsupported"}}
