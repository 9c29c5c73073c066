"""Runs one task on one model through lm-eval, offline, and gives every figure its interval."""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    from suites.accuracy.brought import Brought
    from suites.accuracy.measures import Score

TASKS = Path(__file__).with_name("tasks")

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
class Outcome:
    """What one evaluation gave: scores, the task's version and data, and every answer with its marks."""

    scores: tuple[Score, ...]
    settings: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)


@cache
def manager() -> TaskManager:
    offline()
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return TaskManager(include_path=str(TASKS), include_defaults=False)


BROUGHT: dict[str, Brought] = {}
"""Tasks on the user's own data, by name."""


def configuration(task: str) -> str | dict[str, Any]:
    """What lm-eval loads a task from: the name of a YAML file in tasks/, or a dict for the user's own data."""
    if task not in BROUGHT:
        return task
    from lm_eval.tasks._yaml_loader import load_yaml

    from suites.accuracy.tasks import kinds

    brought = BROUGHT[task]
    template = load_yaml(TASKS / brought.template)
    asked = template.get("generation_kwargs", {}) | brought.generation
    return template | {
        "task": task,
        "custom_dataset": lambda **_: kinds.dataset(list(brought.documents), None),
        "metadata": {"version": 1},
        **({"generation_kwargs": asked} if asked else {}),
    }


def data_sha256(task: str) -> str:
    """The hash of a task's documents, without building them where its file pins it."""
    if task in BROUGHT:
        from suites.accuracy.tasks import kinds

        return kinds.digest(BROUGHT[task].documents)
    found = re.search(r"data_sha256: (\w+)", (TASKS / f"{task}.yaml").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def evaluate(task: str, model: LM) -> Outcome:
    """Scores of a model. What the model's adapter or the task raises goes through."""
    offline()
    from lm_eval.evaluator import evaluate as lm_eval

    from suites.accuracy import measures
    from suites.accuracy.tasks import kinds

    # `simple_evaluate` would add the machine's description (seconds of subprocesses) and reseed every generator.
    loaded = manager().load([configuration(task)])
    results = lm_eval(lm=model, task_dict=loaded, bootstrap_iters=0, log_samples=True)
    assert results is not None
    samples = results["samples"][task]
    scores = []
    for metric in samples[0]["metrics"]:
        score = measures.score(metric, [sample[metric] for sample in samples])
        theirs = results["results"][task][f"{metric},none"]
        if abs(score.value - theirs) > 1e-9 * max(1.0, abs(score.value)):
            raise RuntimeError(f"{task}: {metric} is {score.value} by its samples, and {theirs} by lm-eval")
        scores.append(score)
    documents = loaded["tasks"][task].dataset["test"]
    settings = {
        "task_version": results["versions"][task],
        "data_sha256": kinds.digest(documents),
        "bootstrap_seed": 0,
    }
    marks = {score.metric: measures.marks(score.metric, [s[score.metric] for s in samples]) for score in scores}
    answers = [
        {"doc": sample["doc_id"], "answer": answer(sample["filtered_resps"])}
        | {metric: own[place] for metric, own in marks.items()}
        for place, sample in enumerate(samples)
    ]
    return Outcome(tuple(scores), settings, answers)


def answer(responses: list[Any]) -> str:
    """What a model said, on one line of a table: its text, or the log-likelihoods of the choices."""
    if all(isinstance(response, str) for response in responses):
        return "\n".join(responses)
    return json.dumps([response[0] if isinstance(response, (list, tuple)) else response for response in responses])
