"""The shipped GPT-2 is what its card says, and its recipe makes such models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from fixtures import zoo
from fixtures.concepts import ROOT
from fixtures.corpora import python_docs
from fixtures.zoo import gpt2_python_docs as recipe
from suites.accuracy.lazy import Lazy

torch: Any = Lazy("torch")
safetensors: Any = Lazy("safetensors.torch")

FOLDER = zoo.path(recipe.NAME)


def test_it_is_an_ordinary_directory_and_small():
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"} <= set(files)
    assert sum(files.values()) <= 8 * 2**20
    weights = safetensors.load_file(FOLDER / "model.safetensors")
    assert 1e6 <= sum(w.numel() for w in weights.values()) <= 3e6
    assert {w.dtype for w in weights.values()} == {torch.float32} and "lm_head.weight" not in weights


def test_its_tokenizer_is_trained_on_the_training_topics_and_nothing_else():
    shipped = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    again = json.loads(recipe.tokenizer(recipe.split(validate=False)[0]).to_str())["model"]
    assert (shipped["vocab"], shipped["merges"]) == (again["vocab"], again["merges"])


def test_its_card_says_what_is_measured():
    from tokenizers import Tokenizer
    from transformers import GPT2LMHeadModel

    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    stated = float(re.search(r"do not overlap \| ([\d.]+) \|", card)[1])  # type: ignore[index]
    model = GPT2LMHeadModel.from_pretrained(FOLDER).eval()
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    measured = recipe.bits_per_byte(model, tokenizer, list(python_docs.held_out().values()))
    assert measured == pytest.approx(stated, abs=1e-4)
    assert python_docs.SHA256 in card and f"{model.num_parameters():,} parameters" in card


def test_validation_takes_topics_from_training_only():
    kept, aside = recipe.split(validate=True)
    assert aside and sorted([*kept, *aside]) == sorted(python_docs.training().values())


def test_learning_rate_warms_up_and_falls_to_a_tenth():
    rates = [recipe.learning_rate(step, 900) for step in range(901)]
    assert max(rates) == rates[recipe.WARM_UP] == pytest.approx(recipe.LEARNING_RATE)
    assert rates[900] == pytest.approx(recipe.LEARNING_RATE / 10) and 0 < rates[0] < rates[1]


def test_the_recipe_repeats_itself_and_another_seed_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "bits_per_byte", lambda *_: 0.0)
    monkeypatch.setattr(recipe, "BATCH", 1)
    runs = [recipe.train(steps=2, seed=seed) for seed in (0, 0, 1)]
    one, two, other = (torch.cat([p.flatten() for p in model.parameters()]) for model, _, _ in runs)
    assert torch.equal(one, two) and not torch.equal(one, other)
    recipe.save(tmp_path, *runs[0])
    assert (tmp_path / "tokenizer.json").read_bytes() == (FOLDER / "tokenizer.json").read_bytes()
    assert set(safetensors.load_file(tmp_path / "model.safetensors")) == set(
        safetensors.load_file(FOLDER / "model.safetensors")
    )


def test_the_untrained_twin_differs_in_nothing_but_training():
    from suites.accuracy.models import causal

    twin, again, trained = (
        {name: p for name, p in adapter.model.named_parameters()}
        for adapter in (
            causal.untrained_twin(FOLDER, "cpu"),
            causal.untrained_twin(FOLDER, "cpu"),
            causal.from_folder(FOLDER, "cpu"),
        )
    )
    assert {n: p.shape for n, p in twin.items()} == {n: p.shape for n, p in trained.items()}
    assert all(torch.equal(p, again[n]) for n, p in twin.items())
    assert not torch.equal(twin["transformer.wte.weight"], trained["transformer.wte.weight"])


def test_the_command_names_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.zoo", "list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == sorted(zoo.RECIPES)
    wrong = subprocess.run(
        [sys.executable, "-m", "fixtures.zoo", "train", "gpt9"], cwd=ROOT, capture_output=True, text=True
    )
    assert wrong.returncode == 2 and recipe.NAME in wrong.stderr
    with pytest.raises(ValueError, match=recipe.NAME):
        zoo.path("gpt9")
