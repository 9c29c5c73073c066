"""The data of the accuracy board: frozen, free of leaks, and what the recipes make of the topics."""

from __future__ import annotations

import json

import pytest

from fixtures.corpora import python_docs
from suites.accuracy.tasks import build, kinds
from suites.accuracy.tasks import python_docs as task


def test_a_changed_corpus_is_refused(tmp_path, monkeypatch):
    copy = tmp_path / "python_docs.jsonl"
    copy.write_bytes(python_docs.FILE.read_bytes().replace(b"Python", b"python", 1))
    monkeypatch.setattr(python_docs, "FILE", copy)
    with pytest.raises(ValueError, match="SHA-256"):
        python_docs.topics.__wrapped__()


def test_training_shares_no_run_of_words_with_what_is_held_out():
    held_out = {
        run for text in python_docs.held_out().values() for p in python_docs.paragraphs(text) for run in shingles(p)
    }
    training = {
        run for text in python_docs.training().values() for p in python_docs.paragraphs(text) for run in shingles(p)
    }
    assert len(held_out) > 5000 and len(training) > 20_000
    assert not held_out & training


def test_a_split_by_name_alone_would_leak():
    """Why paragraphs are taken out: topics repeat one another."""
    others = [text for topic, text in python_docs.topics().items() if not python_docs.is_held_out(topic)]
    naive = {run for text in others for p in python_docs.paragraphs(text) for run in shingles(p)}
    held_out = {
        run for text in python_docs.held_out().values() for p in python_docs.paragraphs(text) for run in shingles(p)
    }
    assert len(held_out & naive) > len(held_out) / 10


def shingles(paragraph: str) -> set[str]:
    return set(python_docs.shingles(paragraph))


def test_held_out_and_training_topics_are_apart():
    assert not set(python_docs.held_out()) & set(python_docs.training())
    assert 10 <= len(python_docs.held_out()) < len(python_docs.topics()) / 3


def test_the_shipped_task_data_is_what_the_topics_give():
    for name, text in build.build().items():
        assert (build.HERE / name).read_text(encoding="utf-8") == text, f"{name}: python -m suites.accuracy.tasks.build"


def test_no_query_stands_in_any_passage():
    passages = {row["id"]: row["text"] for row in task.rows("passages.jsonl")}
    queries = task.rows("queries.jsonl")
    assert len(queries) >= 100 and len({row["query"] for row in queries}) == len(queries)
    assert len(set(passages.values())) == len(passages)
    for row in queries:
        assert not any(row["query"] in text for text in passages.values())
        (relevant,) = row["relevant"]
        assert len(passages[relevant].split()) >= build.LEFT


def test_changed_task_data_is_refused(tmp_path, monkeypatch):
    (tmp_path / "SHA256SUMS").write_bytes((task.DATA / "SHA256SUMS").read_bytes())
    (tmp_path / "queries.jsonl").write_text(json.dumps({"id": "q", "query": "?", "relevant": ["p0000"]}))
    monkeypatch.setattr(task, "DATA", tmp_path)
    with pytest.raises(ValueError, match="SHA-256"):
        task.checked.__wrapped__("queries.jsonl")


@pytest.mark.parametrize("answer", ["I think it is p0001", "{}", '["p0001"]', '{"p0001": "best"}', '{"p0001": NaN}'])
def test_an_answer_that_is_no_ranking_gets_no_number(answer):
    with pytest.raises(ValueError, match="JSON object of passage ids"):
        kinds.ranking({"relevant": ["p0001"]}, [answer])


@pytest.mark.parametrize("nats", [float("nan"), float("-inf"), 1.0])
def test_an_impossible_likelihood_gets_no_number(nats):
    with pytest.raises(ValueError, match="log-likelihood"):
        kinds.rolling({"topic": "t", "text": "abc"}, [nats])


def test_bytes_are_counted_not_characters():
    assert kinds.rolling({"topic": "t", "text": "ü"}, [-1.0]) == {"bits_per_byte": (-1.0, 2)}
