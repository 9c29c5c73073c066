"""Answers by patterns written by hand, as question answering began: no model, and no training."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from suites.accuracy.models.base import Adapter, WrongKind

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

PATTERNS = (
    # (what a question about it has, where its answer stands; {name} is what is asked about)
    (
        r"who makes|which firm|the maker of (?P<name>\w+)\?$",
        r"(?:made by|maker of {name} is) ([\w ]+)\.|([\w ]+) makes",
    ),
    (r"colour", r"(?:comes in|colour of {name} is) (\w+)|{name} is (\w+)\."),
    (r"made of|material", r"(?:made of|consists of|they use) (\w+)"),
    (r"how much|cost|price", r"(\d+ euros)"),
    (r"heavy|weigh", r"(\d+ grams)"),
    (r"warranty", r"(\d+ years?)"),
    (r"since when|which year", r"(?:since|in) (\d{{4}})"),
    (r"city|at home", r"(?:home in|factory in|works in) (\w+)"),
    (r"what kind|^what is", r"is an? (\w+)|This (\w+) is called|look for an? (\w+)"),
)


class Patterns(Adapter):
    """The first match, in a sentence that names what is asked about, else in the whole text."""

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        if any("question" not in request.doc for request in requests):
            raise WrongKind("patterns for questions answer questions only")
        return [answer(request.doc["question"], request.doc["context"]) for request in requests]


def answer(question: str, text: str) -> str:
    """The answer that the first fitting pattern finds; empty where none does."""
    names = re.findall(r"\b[A-Z]\w+", question[1:])
    name = names[0] if names else ""
    near = " ".join(sentence for sentence in re.split(r"(?<=\.) ", text) if name in sentence)
    for asked, told in PATTERNS:
        if re.search(asked, question, re.IGNORECASE):
            for place in (near, text):
                if found := re.search(told.format(name=re.escape(name)), place):
                    return next(group for group in found.groups() if group)
    return ""
