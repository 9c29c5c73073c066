"""Word vectors of the board: each held to its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from suites.accuracy import board, learning
from suites.accuracy.lazy import Lazy

word_vectors: Any = Lazy("suites.accuracy.models.word_vectors")

TEXTS = [text.split() for text in ("a red lamp", "a red box", "a blue lamp", "once")]


def test_information_is_counted_within_the_window_and_never_below_zero():
    place, table = word_vectors.ppmi(TEXTS)
    assert place.keys() == {"a", "red", "lamp"}, "what occurs once has no vector"
    assert [place[word] for word in ("a", "red", "lamp")] == [0, 1, 2]
    # What has no vector stands in nobody's way: "a lamp" is near. Pairs, both ways: a-red 2, a-lamp 2, red-lamp 1.
    pairs = {"a": {"red": 2, "lamp": 2}, "red": {"a": 2, "lamp": 1}, "lamp": {"a": 2, "red": 1}}
    total = {word: sum(row.values()) for word, row in pairs.items()}
    smooth = sum(n**0.75 for n in total.values())
    for word, row in pairs.items():
        for context, n in row.items():
            wanted = math.log(n / total[word] / (total[context] ** 0.75 / smooth))
            assert table.toarray()[place[word], place[context]] == pytest.approx(max(0.0, wanted))


def test_singular_vectors_give_the_information_back():
    place, rows = word_vectors.ppmi_svd(TEXTS)
    _, table = word_vectors.ppmi(TEXTS)
    values = np.linalg.svd(table.toarray(), compute_uv=False)
    assert rows.shape == (len(place), len(place))
    np.testing.assert_allclose(np.sort((rows**2).sum(0))[::-1], values, atol=1e-9)


@pytest.mark.parametrize("name", ["word2vec", "ppmi_svd"])
def test_two_learn_the_same_and_find_what_stands_alike(name):
    texts = [f"the {colour} {thing} is here" for colour in ("red", "blue") for thing in ("lamp", "box")] * 40
    texts += [f"we {verb} it now" for verb in ("buy", "sell")] * 40
    one, other = (word_vectors.MeanOfWords(getattr(word_vectors, name), texts) for _ in range(2))
    np.testing.assert_array_equal(one.rows, other.rows)
    table = one.scores(["red", "buy"], ["blue", "sell"])
    assert table[0, 0] > table[0, 1] and table[1, 1] > table[1, 0]


def test_frequent_words_count_less_and_unknown_ones_nothing():
    texts = ["the red lamp", "the blue box", "the lamp", "the box the"] * 5
    model = word_vectors.MeanOfWords(word_vectors.ppmi_svd, texts)
    alone, with_the = model.embed(["lamp box", "lamp the box"])
    assert alone @ with_the > 0.9
    assert not model.embed(["nothing known"]).any()
    np.testing.assert_allclose(np.linalg.norm(model.embed(["Lamp", "the"]), axis=1), 1)


def test_of_the_users_passages_it_learns_from_these():
    model = word_vectors.MeanOfWords(word_vectors.ppmi_svd, None)
    table = model.scores(["red lamp"], ["a red lamp", "a blue box", "a red box", "a blue lamp"])
    assert table.argmax() == 0


def test_each_task_has_the_texts_of_its_corpus(monkeypatch):
    assert set(learning.texts("clinic")) < set(learning.plain("clinic_triage") or ())
    assert learning.plain("python_docs_search") == learning.texts("python_docs")
    monkeypatch.setitem(learning.BROUGHT, "mine", (("good", "1"),))
    monkeypatch.setitem(learning.BROUGHT, "yours", ())
    assert learning.plain("mine") == ("good",) and learning.plain("yours") is None
    assert {e.model for e in board.BUILT_IN if e.task == "shop_search"} >= {"word2vec", "ppmi-svd"}
