"""What tasks of one kind share: the fields of their documents, and how an answer is scored.

| kind | fields of a document | asked by | answered by |
|---|---|---|---|
| classification | `text`, `prompt`, `choices`, `label` | `multiple_choice` | log-likelihoods or scores of the choices |
| cloze | `before`, `after`, `choices`, `label` | `multiple_choice` | the same, each choice with what comes after it |
| generation | `prompt`, `answers` | `generate_until` | text |
| tags | `prompt`, `words`, `tags` | `generate_until` | one tag a word |
| similarity | `a`, `b`, `score` | `generate_until` | a number |
| retrieval | `query`, `relevant` (ids), `gains` | `generate_until` | a JSON object of ids and scores |
| modelling | `text` | `loglikelihood_rolling` | nats |

The YAML of every task names these functions. They are found by path, so that tasks run from any directory, also from
lm_eval's own command line; `data_sha256` in a task's metadata pins the documents that its version means.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from suites.accuracy.metrics import f1, ndcg, recall, rouge_l, spearman, squad

if TYPE_CHECKING:
    import datasets

Doc = dict[str, Any]


def digest(documents: Iterable[Doc]) -> str:
    """SHA-256 of documents in their order, whatever the order of their fields."""
    lines = (json.dumps(doc, ensure_ascii=False, sort_keys=True) + "\n" for doc in documents)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def dataset(documents: list[Doc], data_sha256: str | None) -> datasets.DatasetDict:
    """The documents as lm-eval wants them. Raises `ValueError` where they are not those of the task's version."""
    import datasets

    if data_sha256 and (found := digest(documents)) != data_sha256:
        raise ValueError(
            f"the documents have SHA-256 {found}, and the task's metadata says {data_sha256}: changed data needs a new "
            "version of the task"
        )
    return datasets.DatasetDict({"test": datasets.Dataset.from_list(documents)})


def chosen(doc: Doc, results: list[tuple[float, bool]]) -> int | None:
    """Index of the one best choice; None where several are best: a constant model must not be right by their order."""
    scores = [score for score, _ in results]
    if any(math.isnan(score) or score == math.inf for score in scores) or max(scores) == -math.inf:
        raise ValueError(f"the choices {doc['choices']} have log-likelihoods {scores}, which are no likelihoods")
    best = [index for index, score in enumerate(scores) if score == max(scores)]
    return best[0] if len(best) == 1 else None


def classification(doc: Doc, results: list[tuple[float, bool]]) -> dict[str, Any]:
    """Accuracy, and (label, answer) for macro F1."""
    answer = chosen(doc, results)
    return {"accuracy": float(answer == doc["label"]), "macro_f1": (doc["label"], -1 if answer is None else answer)}


def macro_f1(items: list[tuple[int, int]]) -> float:
    """Aggregation of (label, answer) pairs; an answer of -1 is that of a model which could not choose."""
    labels = [label for label, _ in items]
    return f1.macro_f1([answer for _, answer in items], labels, sorted(set(labels)))


def filled(doc: Doc) -> list[str]:
    """Each choice with what comes after the blank: a causal model reads what follows too."""
    return [f"{choice}{doc['after']}" for choice in doc["choices"]]


def cloze(doc: Doc, results: list[tuple[float, bool]]) -> dict[str, float]:
    return {"accuracy": float(chosen(doc, results) == doc["label"])}


def generation(doc: Doc, results: list[str]) -> dict[str, float]:
    """SQuAD's exact match and F1, of the best of the answers."""
    return {
        "exact_match": squad.exact_match(results[0], doc["answers"]),
        "f1": squad.token_f1(results[0], doc["answers"]),
    }


def summary(doc: Doc, results: list[str]) -> dict[str, float]:
    """Whether the answer is the one right summary, and how much of it it has."""
    return {
        "exact_match": squad.exact_match(results[0], doc["answers"]),
        "rouge_l": rouge_l.rouge_l(results[0], doc["answers"]),
    }


def tags(doc: Doc, results: list[str]) -> dict[str, tuple[int, int]]:
    """(words whose tag is right, words): a missing tag is a wrong one, and each that is too many takes a right one."""
    given, wanted = results[0].split(), doc["tags"]
    right = sum(tag == answer for tag, answer in zip(wanted, given, strict=False))
    return {"tag_accuracy": (max(0, right - max(0, len(given) - len(wanted))), len(wanted))}


def ranking(doc: Doc, results: list[str]) -> dict[str, float]:
    """nDCG@10 and recall@10 of one answer, `{"passage id": score, ...}`."""
    try:
        scores = json.loads(results[0])
        assert isinstance(scores, dict) and scores
        ranked = ndcg.ranked({str(identity): float(score) for identity, score in scores.items()})
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(
            "a search is answered with a JSON object of passage ids and scores, which only the adapters in "
            f"suites/accuracy/models give; got {results[0]!r:.80}"
        ) from error
    gains = dict(zip(doc["relevant"], doc.get("gains") or [1.0] * len(doc["relevant"]), strict=True))
    return {
        "ndcg@10": ndcg.ndcg(ranked, gains, 10),
        "recall@10": recall.recall(ranked, [identity for identity, gain in gains.items() if gain > 0], 10),
    }


def similarity(doc: Doc, results: list[str]) -> dict[str, tuple[float, float]]:
    """(the model's score, the gold one) of a pair."""
    try:
        found = float(results[0])
        assert math.isfinite(found)
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"how alike two texts are is answered with a finite number, which only the adapters in "
            f"suites/accuracy/models give; got {results[0]!r:.80}"
        ) from error
    return {"spearman": (found, doc["score"])}


def rank_correlation(items: list[tuple[float, float]]) -> float:
    """Aggregation of (score, gold) pairs."""
    return spearman.spearman([score for score, _ in items], [gold for _, gold in items])


def rolling(doc: Doc, results: list[float]) -> dict[str, tuple[float, int]]:
    """(log-likelihood in nats, UTF-8 bytes) of one text; lm-eval aggregates to -sum(nats) / sum(bytes) / ln 2."""
    (nats,) = results
    if not (math.isfinite(nats) and nats <= 0):
        raise ValueError(f"{doc['text']!r:.60} has log-likelihood {nats}, expected a finite number of at most 0")
    return {"bits_per_byte": (nats, len(doc["text"].encode()))}


def ratio(items: list[tuple[float, float]]) -> float:
    """Aggregation of (part, whole) pairs."""
    return math.fsum(part for part, _ in items) / math.fsum(whole for _, whole in items)
