"""Runs one task on one model through lm-eval, offline, and gives every figure its interval."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

TASKS = Path(__file__).with_name("tasks")

UNITS = {"ndcg@10": None, "recall@10": None, "bits_per_byte": "bits/byte"}
"""Metrics on the board, and their units; the first two are shares of 1."""

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DISABLE_MULTIPROC": "1",
}

ENVIRONMENT = dict(os.environ)
"""The user's own environment, for the one thing that may use the network: fetching the model they named."""


def offline() -> None:
    """Let lm-eval and the libraries below it reach nothing but this machine. Call before they are imported."""
    os.environ.update(OFFLINE)


@dataclass(frozen=True)
class Score:
    """A figure with its 95 % interval; `n` is the number of queries or documents that were resampled."""

    metric: str
    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def beats(self, other: Score) -> bool:
        """Better, and so far that the intervals do not overlap."""
        return self.high < other.low if self.metric == "bits_per_byte" else self.low > other.high


@dataclass(frozen=True)
class Outcome:
    """What one evaluation gave: scores, and the task's version and data."""

    scores: tuple[Score, ...]
    settings: dict[str, str | int | float | bool | None] = field(default_factory=dict)


@cache
def manager() -> TaskManager:
    offline()
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return TaskManager(include_path=str(TASKS), include_defaults=False)


def evaluate(task: str, model: LM) -> Outcome:
    """Scores of a model. What the model's adapter or the task raises goes through."""
    offline()
    from lm_eval.evaluator import evaluate as lm_eval

    from suites.accuracy.metrics import intervals

    # `simple_evaluate` would add the machine's description (seconds of subprocesses) and reseed every generator.
    loaded = manager().load([task])
    results = lm_eval(lm=model, task_dict=loaded, bootstrap_iters=0, log_samples=True)
    assert results is not None
    samples = results["samples"][task]
    scores = []
    for metric in samples[0]["metrics"]:
        values: list[Any] = [sample[metric] for sample in samples]
        if metric == "bits_per_byte":
            bits = [-nats / math.log(2) for nats, _ in values]
            value, low, high = intervals.of_ratio(bits, [size for _, size in values])
        else:
            value, low, high = intervals.of_mean(values)
        theirs = results["results"][task][f"{metric},none"]
        if abs(value - theirs) > 1e-9 * max(1.0, abs(value)):
            raise RuntimeError(f"{task}: {metric} is {value} by its samples, and {theirs} by lm-eval")
        scores.append(Score(metric, value, low, high, len(values)))
    files = loaded["tasks"][task].config.metadata["files"]
    settings = {"task_version": results["versions"][task], "data_sha256": data_hash(tuple(files)), "bootstrap_seed": 0}
    return Outcome(tuple(scores), settings)


def data_hash(files: tuple[str, ...]) -> str:
    """SHA-256 over a task's data files one after another, named relative to suites/accuracy/tasks."""
    return hashlib.sha256(b"".join((TASKS / name).read_bytes() for name in files)).hexdigest()
