"""What adapters share: the refusal to score what cannot be scored, and how search tasks are answered."""

from __future__ import annotations

import importlib
import json
from abc import abstractmethod
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from lm_eval.api.model import LM

from suites.accuracy.metrics.ndcg import ranked

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


class NotEvaluated(Exception):
    """Why a model gets no number: `unsupported` where a task cannot judge its kind, `error` where it is broken."""

    def __init__(self, verdict: Literal["unsupported", "error"], message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


class WrongKind(NotEvaluated):
    """The task judges another kind of model; others may judge this one."""

    def __init__(self, message: str) -> None:
        super().__init__("unsupported", message)


class Adapter(LM):
    """An lm-eval model that can answer nothing yet; a subclass adds the one kind of request that it can."""

    def refuse(self, what: str) -> NotEvaluated:
        return NotEvaluated("unsupported", f"{type(self).__name__} has no {what}")

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        raise self.refuse("log-likelihood")

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        raise self.refuse("log-likelihood")

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        raise self.refuse("answers in text")


@cache
def collection(name: str) -> dict[str, str]:
    """Id -> text of what a task searches: a corpus of the project's, or a file in BEIR's layout."""
    if name.endswith(".jsonl"):
        from suites.accuracy.brought import passages

        return passages(Path(name))
    return dict(importlib.import_module(f"suites.accuracy.tasks.{name}").passages())


class Ranker(Adapter):
    """Answers search tasks: each query with a JSON object of the best passages' ids and scores."""

    @abstractmethod
    def scores(self, queries: list[str], passages: list[str]) -> np.ndarray[Any, Any]:
        """Scores of shape (queries, passages), higher is better."""

    def similarities(self, pairs: list[tuple[str, str]]) -> list[float]:
        """How alike the texts of each pair are: by default the score of the one as a query for the other."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        place = {text: index for index, text in enumerate(texts)}
        table = self.scores(texts, texts)
        return [float(table[place[one], place[other]]) for one, other in pairs]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        if all({"a", "b", "score"} <= set(getattr(request, "doc", None) or ()) for request in requests):
            found = self.similarities([(request.doc["a"], request.doc["b"]) for request in requests])
            return list(map(repr, found))
        answers = [""] * len(requests)
        together: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            if "collection" not in request.args[1]:
                raise WrongKind(f"{type(self).__name__} ranks texts, and has no answers in text")
            together[request.args[1]["collection"], request.args[1]["top"]].append(index)
        for (name, top), indices in together.items():
            passages = collection(name)
            table = self.scores([requests[i].args[0] for i in indices], list(passages.values()))
            for index, row in zip(indices, table, strict=True):
                if not np.isfinite(row).all():
                    raise NotEvaluated("error", f"scores of query {requests[index].args[0]!r:.60} are not all finite")
                named = dict(zip(passages, map(float, row), strict=True))
                answers[index] = json.dumps({identity: named[identity] for identity in ranked(named)[:top]})
        return answers
