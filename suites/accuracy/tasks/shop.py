"""The documents of the shop's tasks, all from its test split."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from fixtures.corpora import Split
from fixtures.corpora.shop import descriptions, draws, grading, instructions, prompts, reviews, sentences, words, world
from suites.accuracy.tasks import kinds

if TYPE_CHECKING:
    import datasets

    from suites.accuracy.tasks.kinds import Doc

SPLIT: Split = "test"


def sentiment(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Is a review positive or negative?"""
    docs = [
        {
            "text": told.text,
            "prompt": prompts.sentiment(told.text),
            "choices": list(prompts.SENTIMENTS),
            "label": int(told.positive),
        }
        for told in reviews.reviews(SPLIT)
    ]
    return kinds.dataset(docs, data_sha256)


def tagging(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """The part of speech of every word."""
    docs = [
        {"prompt": prompts.tagged(one), "words": one.words, "tags": [tag for _, tag in one.tagged]}
        for one in sentences.sentences(SPLIT, 400)
    ]
    return kinds.dataset(docs, data_sha256)


@cache
def asked() -> list[descriptions.Question]:
    return descriptions.questions(SPLIT)[:400]


@cache
def passages() -> dict[str, str]:
    """Id -> text of every description: what is searched."""
    return {f"d{index:03d}": told.text for index, told in enumerate(descriptions.descriptions(SPLIT))}


def _questions(documents: list[str], data_sha256: str | None) -> datasets.DatasetDict:
    docs = [
        {
            "prompt": prompts.asked(question, document),
            "context": document,
            "question": question.text,
            "answers": [question.answer],
            "about": question.about,
        }
        for question, document in zip(asked(), documents, strict=True)
    ]
    return kinds.dataset(docs, data_sha256)


def questions(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """A question, and the description that answers it."""
    return _questions([descriptions.description(q.product, SPLIT).text for q in asked()], data_sha256)


def questions_closed_book(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """The same questions, and nothing to read: nobody can know the answers, so this is what guessing gives."""
    return _questions([""] * len(asked()), data_sha256)


def questions_retrieved(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """The same questions, each after the description that BM25 finds first."""
    from suites.accuracy.models.bm25 import Index

    index = Index(list(passages().values()))
    texts = list(passages().values())
    return _questions([texts[int(index.scores(q.text).argmax())] for q in asked()], data_sha256)


def _instructions(kind: Any, data_sha256: str | None) -> datasets.DatasetDict:
    docs = [
        {"prompt": prompts.instructed(one), "answers": [one.answer], "operations": " then ".join(one.operations)}
        for one in instructions.instructions(SPLIT, kind, 300)
    ]
    return kinds.dataset(docs, data_sha256)


def instructions_seen(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Wordings that training has, on other lists."""
    return _instructions("seen", data_sha256)


def instructions_unseen(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Wordings that training has not, and two operations in a row."""
    return _instructions("unseen", data_sha256)


def review_prompts(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Of what to write a review, and what it must say."""
    docs = [
        {
            "prompt": prompts.review(told.product, told.rating, told.parts),
            "product": told.product.name,
            "rating": told.rating,
            "parts": json.dumps(told.parts),
        }
        for told in reviews.reviews(SPLIT)[:200]
    ]
    return kinds.dataset(docs, data_sha256)


@cache
def _by_name() -> dict[str, world.Product]:
    return {product.name: product for product in world.products(SPLIT)}


def graded(doc: Doc, results: list[str]) -> dict[str, float]:
    """The share of what was asked for that the review keeps, and whether it keeps all of it."""
    mark = grading.grade(results[0], _by_name()[doc["product"]], doc["rating"], json.loads(doc["parts"])).share
    return {"grade": mark, "all_kept": float(mark == 1)}


def summaries(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """A description in one sentence."""
    told = descriptions.descriptions(SPLIT)[:200]
    docs = [{"prompt": prompts.summarized(d.text), "answers": [descriptions.summary(d.product)]} for d in told]
    return kinds.dataset(docs, data_sha256)


def agreement(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Which form of a verb agrees with its subject?"""
    docs = []
    for index, one in enumerate(sentences.sentences(SPLIT, 500)):
        right, draw = one.words[one.verb], draws("agreement", index)
        choices = sorted((right, one.wrong), key=lambda _: draw.random())
        before, after = " ".join(one.words[: one.verb]), " ".join(one.words[one.verb + 1 : -1])
        docs.append(
            {"before": before, "after": f" {after}.", "choices": choices, "label": choices.index(right)}
            | {"attracted": one.attracted}
        )
    return kinds.dataset(docs, data_sha256)


BLANKS = {
    "colour": ("The colour of {name} is", "."),
    "material": ("{name} is made of", "."),
    "kind": ("{name} is called the best", "of its year."),
}


def facts(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Which word fills a blank, after a text that tells it? The other product's is among the choices."""
    values = {"colour": tuple(words.COLOURS), "material": tuple(words.MATERIALS), "kind": tuple(words.KINDS)}
    docs = []
    for told in descriptions.descriptions(SPLIT)[:400]:
        draw = draws("facts", told.product.name)
        about = draw.choice(tuple(BLANKS))
        right, tempting = getattr(told.product, about), getattr(told.other, about)
        others = draw.sample([value for value in values[about] if value not in (right, tempting)], 2)
        choices = sorted((right, tempting, *others), key=lambda _: draw.random())
        before, after = BLANKS[about]
        text = f"{told.text} {before.format(name=told.product.name)}"
        after = after if after == "." else f" {after}"
        docs.append({"before": text, "after": after, "choices": choices, "label": choices.index(right)})
    return kinds.dataset(docs, data_sha256)


def search(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Wishes in other words than the descriptions'. Every product that grants the wish is relevant."""
    products = world.products(SPLIT)
    ids = list(passages())
    docs = []
    for product in products[::3]:
        wanted = (product.kind, product.colour, product.material)
        relevant = [
            identity
            for identity, other in zip(ids, products, strict=True)
            if (other.kind, other.colour, other.material) == wanted
        ]
        query = descriptions.search_query(product, draws("query", product.name))
        docs.append({"query": query, "relevant": relevant, "collection": kinds.digest([passages()])})
    return kinds.dataset(docs, data_sha256)


def texts(data_sha256: str | None = None, **_: Any) -> datasets.DatasetDict:
    """Descriptions and reviews, as they are."""
    told = zip(descriptions.descriptions(SPLIT)[:150], reviews.reviews(SPLIT)[:150], strict=True)
    return kinds.dataset([{"text": f"{d.text}\n{r.text}\n"} for d, r in told], data_sha256)
