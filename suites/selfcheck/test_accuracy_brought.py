"""`--data`: what users bring is read as they mean it, and every mistake is one sentence with its file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.concepts import ROOT
from suites.accuracy import board, brought, harness
from suites.accuracy.lazy import Lazy
from suites.accuracy.lines import DataError

base: Any = Lazy("suites.accuracy.models.base")
lexical: Any = Lazy("suites.accuracy.models.lexical")
classifiers: Any = Lazy("suites.accuracy.models.classifiers")


def lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def folder(tmp_path: Path, **files: str) -> Path:
    for name, content in files.items():
        path = tmp_path / "mine" / name.replace("__", "/")
        path = path.with_name(path.name.replace("_", "."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path / "mine"


SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Bob lives in Rome.",
                    "qas": [
                        {"question": "Where?", "answers": [{"text": "Rome"}, {"text": "in Rome"}, {"text": "Rome"}]},
                        {"question": "When?", "answers": [], "is_impossible": True},
                    ],
                }
            ]
        }
    ]
}

BEIR = {
    "corpus_jsonl": lines({"_id": "a", "title": "Tea", "text": "hot"}, {"_id": "b", "text": "cold"}),
    "queries_jsonl": lines({"_id": "q", "text": "tea"}, {"_id": "r", "text": "ice"}, {"_id": "s", "text": "none"}),
    "qrels__test_tsv": "query-id\tcorpus-id\tscore\nq\ta\t2\nq\tb\t1\nr\tb\t1\ns\ta\t0\n",
}


def test_classification(tmp_path):
    rows = lines({"text": "good", "label": "pos"}, "", {"text": "bad", "label": "neg"})
    task = brought.read(f"classification={folder(tmp_path, test_jsonl=rows, train_jsonl=rows)}")
    assert task.name == "mine_classification" and task.train == (("good", "pos"), ("bad", "neg"))
    assert [(d["text"], d["choices"][d["label"]]) for d in task.documents] == [("good", "pos"), ("bad", "neg")]


def test_retrieval_takes_grades_and_leaves_out_queries_without_anything_relevant(tmp_path):
    task = brought.read(f"retrieval={folder(tmp_path, **BEIR)}")
    assert [(d["query"], d["relevant"], d["gains"]) for d in task.documents] == [
        ("tea", ["a", "b"], [2.0, 1.0]),
        ("ice", ["b"], [1.0]),
    ]
    assert brought.passages(tmp_path / "mine" / "corpus.jsonl") == {"a": "Tea hot", "b": "cold"}


def test_questions_without_an_answer_are_kept(tmp_path):
    task = brought.read(f"questions={folder(tmp_path, dev_json=json.dumps(SQUAD))}")
    assert [d["answers"] for d in task.documents] == [["Rome", "in Rome"], []]
    assert task.documents[0]["prompt"] == "Bob lives in Rome.\nQuestion: Where?\nAnswer:"


def test_the_place_of_the_better_answer_tells_nothing(tmp_path):
    rows = [{"prompt": "p", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(200)]
    task = brought.read(f"preference={folder(tmp_path, test_jsonl=lines(*rows))}")
    assert 60 < sum(d["label"] for d in task.documents) < 140
    assert all(d["choices"][d["label"]].startswith("yes") for d in task.documents)


def test_text_is_taken_as_it_is(tmp_path):
    content = "one\n\ntwo "
    task = brought.read(f"text={folder(tmp_path, a_txt=content, b_txt=' ')}")
    assert task.documents == ({"text": content},)


GOOD = {"text": "good", "label": "pos"}
MISTAKES = [
    ("classification", {"test_jsonl": lines(GOOD, "{text: 1}")}, "test.jsonl:2: expected a JSON object"),
    ("classification", {"test_jsonl": lines(GOOD, [1])}, "test.jsonl:2: expected a JSON object, got"),
    ("classification", {"test_jsonl": lines(GOOD, {"text": "x"})}, "test.jsonl:2: has no 'label'"),
    ("classification", {"test_jsonl": lines({"text": 3, "label": "x"})}, "test.jsonl:1: 'text' is 3, expected str"),
    ("classification", {"test_jsonl": lines({"text": "t", "label": True})}, "'label' is True, expected str or int"),
    ("classification", {"test_jsonl": lines(GOOD)}, "expected two labels"),
    ("classification", {"test_jsonl": ""}, "test.jsonl: has no lines"),
    ("classification", {"other_txt": ""}, "test.jsonl: there is no such file"),
    (
        "classification",
        {"test_jsonl": lines(GOOD), "train_jsonl": lines({"text": "a", "label": "neg"})},
        "test.jsonl:1: the label 'pos' does not stand in train.jsonl",
    ),
    ("similarity", {"test_jsonl": lines({"a": "x", "b": "y", "score": "3"})}, ":1: 'score' is '3', expected int or"),
    ("similarity", {"test_jsonl": '{"a": "x", "b": "y", "score": NaN}\n'}, "the score nan is not finite"),
    ("similarity", {"test_jsonl": lines({"a": "x", "b": "y", "score": 3})}, "there is no order"),
    ("retrieval", BEIR | {"qrels__test_tsv": "q a 1\n"}, "test.tsv:1: expected 3 cells with tabs"),
    ("retrieval", BEIR | {"qrels__test_tsv": "q\tz\t1\n"}, "test.tsv:1: 'z' does not stand in corpus.jsonl"),
    ("retrieval", BEIR | {"qrels__test_tsv": "h\th\th\nq\ta\tone\n"}, "test.tsv:2: expected a number"),
    ("retrieval", BEIR | {"qrels__test_tsv": "h\th\th\nq\ta\t0\n"}, "no query has a relevant document"),
    ("retrieval", BEIR | {"corpus_jsonl": lines({"_id": "a", "text": "x"}) * 2}, "corpus.jsonl:2: the id 'a' stands"),
    ("questions", {"dev_json": "{"}, "dev.json: is no JSON"),
    ("questions", {"dev_json": '{"data": [{}]}'}, "dev.json: is not in SQuAD's layout"),
    ("questions", {"a_json": "{}", "b_json": "{}"}, "expected one .json file"),
    ("preference", {"test_jsonl": lines({"prompt": "", "chosen": "a", "rejected": "a"})}, ":1: 'chosen' and"),
    ("text", {"a_md": "text"}, "expected .txt files with text, got none"),
]


@pytest.mark.parametrize(("kind", "files", "message"), MISTAKES, ids=[m[:40] for _, _, m in MISTAKES])
def test_every_mistake_has_its_place(tmp_path, kind, files, message):
    with pytest.raises(DataError) as refused:
        brought.read(f"{kind}={folder(tmp_path, **files)}")
    assert message in str(refused.value) and len(str(refused.value).splitlines()) == 1


def test_a_byte_that_is_no_utf_8_has_its_line(tmp_path):
    place = folder(tmp_path, test_jsonl=lines(GOOD))
    (place / "test.jsonl").write_bytes(lines(GOOD).encode() + b'{"text": "\xe9"}\n')
    with pytest.raises(DataError, match=r"test\.jsonl:2: expected UTF-8, got the byte 0xe9"):
        brought.read(f"classification={place}")


@pytest.mark.parametrize(("given", "message"), [("sentiment=.", "write KIND=DIR"), ("text", "write KIND=DIR")])
def test_an_unknown_kind_names_those_there_are(given, message):
    with pytest.raises(DataError, match=message) as refused:
        brought.read(given)
    assert "classification, similarity, retrieval" in str(refused.value)


def test_a_mistake_ends_the_run_before_any_test(tmp_path):
    command = [sys.executable, "-m", "pytest", "suites/accuracy", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--data=text={tmp_path / 'none'}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4 and "there is no such folder" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.fixture
def bring(monkeypatch):
    """Put a task on the board, for this test only."""
    monkeypatch.setattr(board, "TASKS", dict(board.TASKS))
    monkeypatch.setattr(harness, "BROUGHT", {})

    def put(given: str) -> str:
        task = brought.read(given)
        board.bring(task)
        return task.name

    return put


def test_a_perfect_ranking_of_brought_data_is_perfect(tmp_path, bring):
    class Right(base.Ranker):
        def scores(self, queries, passages):
            import numpy as np

            return np.array([[{"tea": (2, 1), "ice": (0, 1)}[q][i] for i in range(2)] for q in queries], dtype=float)

    outcome = harness.evaluate(bring(f"retrieval={folder(tmp_path, **BEIR)}"), Right())
    assert {score.metric: (score.value, score.n) for score in outcome.scores} == {
        "ndcg@10": (1, 2),
        "recall@10": (1, 2),
    }


def test_similarities_are_correlated_by_rank(tmp_path, bring):
    rows = [{"a": "tea", "b": b, "score": score} for b, score in (("tea", 5), ("tea pot", 3), ("ice", 0), ("x", 0))]
    (score,) = harness.evaluate(
        bring(f"similarity={folder(tmp_path, test_jsonl=lines(*rows))}"), lexical.TfIdf()
    ).scores
    assert (score.metric, score.value, score.n) == ("spearman", pytest.approx(1), 4)


def test_classes_are_learnt_from_what_was_brought(tmp_path, bring):
    rows = [{"text": f"{word} {i}", "label": word} for i in range(20) for word in ("tea", "ice")]
    name = bring(f"classification={folder(tmp_path, test_jsonl=lines(*rows[:8]), train_jsonl=lines(*rows[8:]))}")
    for entry in board.of_brought(harness.BROUGHT[name]):
        if entry.model in ("naive-bayes", "linear-svm"):
            outcome = harness.evaluate(name, entry.build("cpu"))
            assert {s.metric: s.value for s in outcome.scores} == {"accuracy": 1, "macro_f1": 1}
