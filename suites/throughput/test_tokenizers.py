"""Tokenizers: how many megabytes a second they cut, encode and learn from, and how the time grows with the length.

Each concept has its tasks: English (the documentation of Python), one word without any space in it, and training for a
fixed number of tokens. In every round every implementation is timed at every length; speeds are those at the greatest,
and the exponent of growth is the slope of the logarithm of time over that of length: 1 is linear, 2 is quadratic.
An exponent is reported, never failed: it is a fact about a library, not a law.

Texts are ASCII, so a character is a byte. Each call gets another one, though words come again, as in any text: caches
of words work, caches of texts do not. Training is timed where all must learn the same: not for unigram models, and not
for WordPiece nor for marked characters, of which `tokenizers` learns something else each time, in the order of a hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.concepts import concept
from fixtures.implementations import Implementation, Unsupported, for_concept
from fixtures.recipes import RECIPES, VOCABULARY, Encode, Recipe, text_of

if TYPE_CHECKING:
    from fixtures.subject import Subject
    from fixtures.timing import Work
    from fixtures.trials import Case

ROUNDS = 6
"""With fewer there is no interval, and growth takes several lengths a round."""


@dataclass(frozen=True)
class Task:
    """What is timed at each of `lengths`, and the seconds that a contest may take for each competitor."""

    metric: str
    input: str
    lengths: tuple[int, ...]
    seconds: float

    @property
    def learns(self) -> bool:
        return self.metric == TRAIN.metric


ENCODE = Task("encode", "English", (2_000, 6_000, 20_000, 64_000), 1.0)
WORD = Task("encode one word", "letters", (500, 2_000, 5_000, 16_000), 0.5)
TRAIN = Task("train", "English", (4_000, 12_000, 40_000, 128_000), 0.7)
TASKS = (ENCODE, WORD, TRAIN)


def shortened(task: Task, by: int) -> Task:
    return replace(task, lengths=tuple(length // by for length in task.lengths))


CONTESTS = [
    (name, shortened(task, recipe.shorter))
    for name, recipe in RECIPES.items()
    for task in TASKS
    if recipe.learnt or task is not TRAIN
]


@dataclass(frozen=True)
class Witness:
    """Which text went in, and what came out, for training a tokenizer."""

    length: int
    number: int
    result: Any


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "users" in metafunc.fixturenames:
        brought = [i for name in RECIPES for i in for_concept(name, metafunc.config) if i.users]
        # An item without anybody to try is dropped after collection, by the conftest beside.
        metafunc.parametrize("users", brought or [None], ids=[i.name for i in brought] or ["nobody"])
        return
    names = [f"{name.rpartition('.')[2]}-{task.metric}" for name, task in CONTESTS]
    metafunc.parametrize(("identifier", "task"), CONTESTS, ids=names)


def test_users_implementation_returns(
    request: pytest.FixtureRequest, record: Callable[..., None], users: Implementation
) -> None:
    """Each task once, before all contests: should it end the process or hang, this test is lost and no timing."""
    from fixtures.trials import trial

    def case(task: Task) -> Case:
        return _facts(request, users, task), lambda: _work(_subject(users), task)(max(task.lengths))

    tasks = [task for name, task in CONTESTS if name == users.concept]
    trial(request, record, users, users.concept, [case(task) for task in tasks])


def test_throughput(request: pytest.FixtureRequest, record: Callable[..., None], identifier: str, task: Task) -> None:
    """Megabytes a second and growth of all implementations, in one contest; whoever is wrong gets no figure."""
    from fixtures import judge
    from fixtures.contests import held, over_lengths
    from fixtures.throughput import haste

    part = haste(request.config, "cpu")

    def certify(subject: Subject, witness: Witness) -> None:
        read = RECIPES[identifier].read(task.learns)
        judge.exact(read(witness.result), truth(identifier, task, witness.length, witness.number), "result")

    held(
        request,
        record,
        identifier,
        subject=_subject,
        work=lambda subject: _work(subject, task),
        certify=certify,
        facts=lambda implementation: _facts(request, implementation, task),
        rows=partial(over_lengths, lengths=task.lengths, setting="bytes", units=1e-6),
        device="cpu",
        sizes=task.lengths,
        baseline="tokenizers",
        seconds=task.seconds * part,
        rounds=max(1, round(ROUNDS * part)),
    )


@cache
def truth(identifier: str, task: Task, length: int, number: int) -> Any:
    """The reference's result on that text."""
    recipe, target = RECIPES[identifier], concept(identifier).load()
    result = _calling(recipe, target, task)(text_of(task.input, length, number))
    return recipe.read(task.learns)(result)


def _calling(recipe: Recipe, target: Any, task: Task) -> Encode:
    if not task.learns:
        return recipe.made(target)
    if not hasattr(target, "train"):
        raise Unsupported("it has no `train`")
    return lambda text: target.train(text.splitlines(), VOCABULARY // 4)


def _work(subject: Subject, task: Task) -> Work:
    """The task as the subject does it: another text at every call."""
    without, calls = subject.implementation.without, count()
    if task.learns and "train" in without:
        raise Unsupported(f"no `train`: {without['train']}")
    call = _calling(RECIPES[subject.concept.id], subject.load(), task)

    def work(length: int) -> Witness:
        number = next(calls)
        return Witness(length, number, call(text_of(task.input, length, number)))

    return work


def _subject(implementation: Implementation) -> Subject:
    from fixtures.subject import Subject

    return Subject(concept(implementation.concept), implementation, None, "cpu")


def _facts(request: pytest.FixtureRequest, implementation: Implementation, task: Task) -> dict[str, Any]:
    """What a record says whatever comes out."""
    return dict(
        kind="throughput",
        concept=implementation.concept,
        implementation=implementation.name,
        versions=implementation.versions,
        metric=task.metric,
        unit="MB/s",
        better="higher",
        dtype=None,
        device="cpu",
        settings={"input": task.input, "bytes": max(task.lengths)},
        node=request.node.nodeid,
    )
