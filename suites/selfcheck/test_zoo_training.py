"""The zoo's trainer, and the shop's GPT-2: interrupted runs end where whole ones do, and the card says what is measured."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fixtures import zoo
from fixtures.corpora.shop import draws
from fixtures.corpora.shop.world import products
from fixtures.zoo import gpt2_shop, shop_texts, training
from suites.accuracy.lazy import Lazy

torch: Any = Lazy("torch")


class Interrupted(Exception):
    """Stands for a power cut."""


def train(folder: Any, stop: int | None = None, seed: int = 0) -> Any:
    """A small network with dropout; `stop`: the step at which the run is cut off."""
    torch.manual_seed(5)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

    def loss(model: Any, step: int) -> Any:
        if step == stop:
            raise Interrupted
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        return (model(x) - x.sum(-1, keepdim=True)).square().mean()

    plan = training.Plan(steps=230, learning_rate=1e-2, warm_up=10, seed=seed)
    done = training.train(network, loss, plan, name="small", folder=folder)
    return done, torch.cat([p.detach().flatten() for p in network.parameters()])


def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(tmp_path):
    _, whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop=150)
    assert (tmp_path / "cut" / training.CHECKPOINT).exists()
    done, resumed = train(tmp_path / "cut")
    assert torch.equal(whole, resumed) and done.steps == 230
    assert not list((tmp_path / "cut").iterdir())
    assert not torch.equal(whole, train(None, seed=1)[1])


def test_another_plan_does_not_go_on_with_a_checkpoint(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, stop=150)
    with pytest.raises(ValueError, match="of another plan"):
        train(tmp_path, seed=1)


def test_the_rate_warms_up_and_falls_to_a_hundredth():
    plan = training.Plan(steps=1000, learning_rate=0.5, warm_up=100)
    rates = [plan.rate(step) for step in range(1001)]
    assert max(rates) == rates[100] == pytest.approx(0.5)
    assert rates[0] == pytest.approx(0.005) and rates[1000] == pytest.approx(0.005)
    assert rates[:101] == sorted(rates[:101]) and rates[100:] == sorted(rates[100:], reverse=True)


def test_answers_are_tokens_of_their_own():
    """A tokenizer that joined the end of a prompt with the beginning of its answer would hide the answer's weight."""
    bpe = shop_texts.tokenizer()
    for index in range(60):
        parts = shop_texts.text(draws("selfcheck", index))
        ids, answers = shop_texts.encoded(parts)
        assert ids == bpe.encode("".join(part for part, _ in parts)).ids
        said = bpe.decode([token for token, answer in zip(ids, answers, strict=True) if answer])
        assert said == "".join(part for part, answer in parts if answer)


def test_every_task_is_taught():
    begun = {shop_texts.text(draws("selfcheck", index))[0][0].split()[0] for index in range(200)}
    assert {"Instruction:", "Review:", "Sentence:", "Write"} <= begun


def test_both_products_are_asked_about():
    """A model that was only ever asked about the first product would not have to read the name."""
    parts = shop_texts.lesson(draws("selfcheck"), 0.0)
    names = {name for name in re.findall(r"[A-Z][a-z]+", parts[0][0]) if any(f" {name}" in p for p, _ in parts[1::2])}
    assert len(names) >= 2


def test_rows_are_texts_one_after_another():
    texts = iter([([5, 6], [False, True]), ([7], [False]), ([8, 9], [True, True])])
    assert shop_texts.row(texts, 7, first=1, end=2) == (
        [1, 5, 6, 2, 7, 2, 8],
        [False, False, True, True, False, False, True],
    )


def test_descriptions_grow():
    def length(ease: float) -> int:
        return sum(len(shop_texts.described(draws("selfcheck", index), ease)[0]) for index in range(20))

    assert length(1.0) < length(0.5) < length(0.0)


def test_no_training_text_names_a_product_of_the_test():
    kept = {product.name for split in ("validation", "test") for product in products(split)}
    written = " ".join(part for index in range(300) for part, _ in shop_texts.text(draws("selfcheck", index)))
    assert not kept & set(re.findall(r"[A-Z][a-z]+", written))


@pytest.fixture(scope="module")
def card() -> str:
    return (zoo.path(gpt2_shop.NAME) / "README.md").read_text(encoding="utf-8")


def test_its_tokenizer_is_the_recipes():
    shipped = json.loads((zoo.path(gpt2_shop.NAME) / "tokenizer.json").read_text(encoding="utf-8"))
    again = json.loads(shop_texts.tokenizer().to_str())
    assert shipped["model"]["vocab"] == again["model"]["vocab"]
    assert shipped["model"]["merges"] == again["model"]["merges"]


def test_its_card_says_what_is_measured(card):
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(zoo.path(gpt2_shop.NAME)).eval()
    stated = float(re.search(r"unseen descriptions \| ([\d.]+) \|", card)[1])  # type: ignore[index]
    # Other processors round otherwise, and an answer that was nearly another becomes it.
    assert gpt2_shop.exact_match(model, "test") == pytest.approx(stated, abs=0.021)
    assert f"{model.num_parameters():,} parameters" in card and f"{gpt2_shop.PLAN.steps} steps" in card
