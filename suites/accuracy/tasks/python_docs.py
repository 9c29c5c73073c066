"""What the YAML of the python_docs tasks refers to. Found by path, so that the tasks run from any directory."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

HERE = Path(__file__).parent
DATA = HERE / "python_docs"


@cache
def metric(name: str) -> ModuleType:
    """A module of suites/accuracy/metrics, by path: under lm_eval's own command line there is no package `suites`."""
    spec = importlib.util.spec_from_file_location(f"assay_metric_{name}", HERE.parent / "metrics" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def checked(name: str) -> str:
    """Text of a data file; raises `ValueError` where it is not the one that the task's version means."""
    expected = [line.split() for line in (DATA / "SHA256SUMS").read_text().splitlines()]
    raw = (DATA / name).read_bytes()
    if [found := hashlib.sha256(raw).hexdigest(), name] not in expected:
        raise ValueError(f"{DATA / name} has SHA-256 {found}, not the one in SHA256SUMS: restore it, or build it anew")
    return raw.decode()


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in checked(name).splitlines()]


def search(**_: Any) -> datasets.DatasetDict:
    import datasets

    checked("passages.jsonl")
    return datasets.DatasetDict({"test": datasets.Dataset.from_list(rows("queries.jsonl"))})


def held_out(**_: Any) -> datasets.DatasetDict:
    import datasets

    return datasets.DatasetDict({"test": datasets.Dataset.from_list(rows("held_out.jsonl"))})


def score_ranking(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """nDCG@10 and recall@10 of one answer, `{"passage id": score, ...}`."""
    try:
        scores = json.loads(results[0])
        assert isinstance(scores, dict) and scores
        ranking = metric("ndcg").ranked({str(identity): float(score) for identity, score in scores.items()})
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(
            "python_docs_search is answered with a JSON object of passage ids and scores, which only the adapters in "
            f"suites/accuracy/models give; got {results[0]!r:.80}"
        ) from error
    return {
        "ndcg@10": metric("ndcg").ndcg(ranking, dict.fromkeys(doc["relevant"], 1.0), 10),
        "recall@10": metric("recall").recall(ranking, doc["relevant"], 10),
    }


def score_rolling(doc: dict[str, Any], results: list[float]) -> dict[str, tuple[float, int]]:
    """(log-likelihood in nats, UTF-8 bytes) of one document; lm-eval aggregates to -sum(nats) / sum(bytes) / ln 2."""
    (nats,) = results
    if not (math.isfinite(nats) and nats <= 0):
        raise ValueError(f"topic {doc['topic']!r} has log-likelihood {nats}, expected a finite number of at most 0")
    return {"bits_per_byte": (nats, len(doc["text"].encode()))}
