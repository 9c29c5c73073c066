"""Attention, scans and whole models: how time and memory grow with the length of the text.

In every round every implementation is timed at every length, forward and without gradients. Speeds are those at the
greatest length; the exponent of growth is the slope of the logarithm of time, or of memory, over that of length: 1 is
linear, 2 is quadratic. What does not grow (a launch, a layer that is linear) pulls the exponent down at short lengths.

Memory is the most that torch's allocator has given out at once during a call, kernels' own scratch included. It is the
same at every call, so its exponent has no interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from fixtures import devices
from fixtures.concepts import concept, concepts
from fixtures.grids import LONGER, LONGEST, grid, lengthened
from fixtures.growing import GROWING, Growing, drawn, turned
from fixtures.implementations import DTYPES, Implementation, for_concept

if TYPE_CHECKING:
    from fixtures.subject import Subject
    from fixtures.throughput import Contest, Outcome
    from fixtures.timing import Work
    from fixtures.trials import Case

ROUNDS = 6
"""With fewer there is no interval, and growth takes several lengths a round."""

METRIC, SETTING = "forward", "tokens"


@dataclass(frozen=True)
class Witness:
    """Which input went in, and what came out."""

    length: int
    number: int
    result: Any


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    known = [name for name in GROWING if name in concepts()]
    if "users" in metafunc.fixturenames:
        brought = [i for name in known for i in for_concept(name, metafunc.config) if i.users]
        # An item without anybody to try is dropped after collection, by the conftest beside.
        metafunc.parametrize("users", brought or [None], ids=[i.name for i in brought] or ["nobody"])
        return
    metafunc.parametrize("identifier", known)


def test_users_implementation_returns(
    request: pytest.FixtureRequest, record: Callable[..., None], users: Implementation
) -> None:
    """One call at the greatest length, before all contests: should it end the process or hang, no timing is lost."""
    import torch

    from fixtures.trials import trial

    def call() -> object:
        return _work(_subject(request, users))(max(GROWING[users.concept].lengths))

    with torch.no_grad():
        cases: list[Case] = [(_facts(request, users), call)]
        trial(request, record, users, users.concept, cases)


def test_growth(request: pytest.FixtureRequest, record: Callable[..., None], identifier: str) -> None:
    """Tokens a second, and the growth of time and memory, of all implementations in one contest."""
    import torch

    from fixtures import judge
    from fixtures.contests import held
    from fixtures.subject import Subject
    from fixtures.throughput import haste

    own, part = _own(request.config, identifier), haste(request.config, devices.selected(request.config))
    works: dict[str, Work] = {}

    def work(subject: Subject) -> Work:
        works[subject.name] = _work(subject)
        return works[subject.name]

    def certify(subject: Subject, witness: Witness) -> None:
        """What was timed goes before the judge as if it had just been called."""
        args, options = _arguments(identifier, witness.length, witness.number)
        replay = replace(subject.implementation, load=lambda: lambda *_, **__: witness.result)
        judge.agree(Subject(subject.concept, replay, subject.dtype, subject.device, subject.tally), *args, **options)

    def rows(facts: dict[str, Any], result: Contest, outcome: Outcome) -> list[dict[str, Any]]:
        from fixtures.contests import over_lengths

        timed = over_lengths(facts, result, outcome, lengths=own.lengths, setting=SETTING)
        return timed + (_memory(request, facts, works[facts["implementation"]], own.lengths) if len(timed) > 1 else [])

    with torch.no_grad():
        held(
            request,
            record,
            identifier,
            subject=lambda implementation: _subject(request, implementation),
            work=work,
            certify=certify,
            facts=lambda implementation: _facts(request, implementation),
            rows=rows,
            device=devices.selected(request.config),
            sizes=own.lengths,
            baseline="reference",
            seconds=own.seconds * LONGEST[grid(request.config)] * part,
            rounds=max(1, round(ROUNDS * part)),
        )


def _memory(
    request: pytest.FixtureRequest, facts: dict[str, Any], work: Work, lengths: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Records of the peak at each length, and of its growth; nothing where it cannot be seen."""
    from fixtures.estimates import growth
    from fixtures.memory import allocated
    from fixtures.throughput import limited

    device = devices.selected(request.config)
    try:
        with limited(facts["implementation"]):
            peaks = [(length, allocated(partial(work, length), device)) for length in lengths]
    except Exception as error:  # what is compiled need not bear to be watched
        lost = {"verdict": "inconclusive", "message": f"its memory cannot be seen: {error}"[:500]}
        return [facts | lost | {"metric": f"{METRIC} memory", "unit": "B", "better": "lower"}]
    power, settings = growth(peaks), facts["settings"]
    span = settings | {SETTING: f"{min(lengths):,} to {max(lengths):,}"}
    figures = [
        (f"{METRIC} memory growth", "exponent", power, span),
        *((f"{METRIC} memory", "B", float(size), settings | {SETTING: length}) for length, size in peaks),
    ]
    return [
        facts | dict(metric=metric, unit=unit, settings=where, better="lower", value=value, low=value, high=value)
        for metric, unit, value, where in figures
    ]


def _own(config: pytest.Config, identifier: str) -> Growing:
    """What is timed of the concept; in the full grid also greater lengths, where no table of positions ends."""
    own = GROWING[identifier]
    return own if own.model else replace(own, lengths=lengthened(own.lengths, LONGER[grid(config)]))


def _arguments(identifier: str, length: int, number: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """All of the contract's, a model's weights among them."""
    own = GROWING[identifier]
    args, options = drawn(own, length)
    args = turned(args, number)
    if own.model is None:
        return args, options
    model = own.model()
    return (model.weights, *args), {**model.scalars, **options}


def _work(subject: Subject) -> Work:
    """A call as the subject does it, with a model's weights in place and another input each time."""
    from fixtures.throughput import prepared

    own, calls = GROWING[subject.concept.id], count()
    model = own.model() if own.model else None
    target = subject.implementation.load()
    f = prepared(subject.implementation, subject.rounded(model.weights), **model.scalars) if model else target
    ready: dict[int, Any] = {}

    def work(length: int) -> Witness:
        number = next(calls)
        if length not in ready:
            ready[length] = subject.rounded(drawn(own, length))
        args, options = ready[length]
        return Witness(length, number, f(*turned(args, number), **options))

    return work


def _subject(request: pytest.FixtureRequest, implementation: Implementation) -> Subject:
    from fixtures.subject import Subject

    dtype, device = _dtype(request.config), devices.selected(request.config)
    return Subject(concept(implementation.concept), implementation, dtype, device)


def _dtype(config: pytest.Config) -> str:
    """Float32, or the widest that the run asks for."""
    wanted = config.getoption("dtype") or ("float32",)
    return next(dtype for dtype in DTYPES if dtype in wanted)


def _facts(request: pytest.FixtureRequest, implementation: Implementation) -> dict[str, Any]:
    """What a record says whatever comes out."""
    import torch

    return dict(
        kind="throughput",
        concept=implementation.concept,
        implementation=implementation.name,
        versions=implementation.versions,
        metric=METRIC,
        unit="tokens/s",
        better="higher",
        dtype=_dtype(request.config),
        device=devices.label(request.config),
        settings={
            SETTING: max(_own(request.config, implementation.concept).lengths),
            "threads": torch.get_num_threads(),
        },
        node=request.node.nodeid,
    )
