"""GPT-2: how many tokens a second are trained on, by a step of forward, backward and AdamW.

Every step is the first from the same weights, on new texts; what puts them back is not timed. Whoever's loss or gradients
are not the reference's gets no figure. The reference is differentiated by autograd, and so is a user's implementation,
unless it offers `train` (see `fixtures.training`). transformers runs with and without activation checkpointing: less
memory, and a second forward pass, which is no operation of the model's and does not count in its share of the possible.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fixtures import devices
from fixtures.concepts import concept
from fixtures.grids import LONGEST, STEP, TRAINING, Size, grid, memory
from fixtures.implementations import DTYPES, Implementation, for_concept

if TYPE_CHECKING:
    from fixtures.subject import Subject
    from fixtures.throughput import Contest, Outcome
    from fixtures.training import Step, Witness

CONCEPT = "architectures.gpt2"
METRIC = "training step"
SECONDS = 1.0
"""of the contest for each competitor"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "users" in metafunc.fixturenames:
        brought = [i for i in for_concept(CONCEPT, metafunc.config) if i.users]
        # An item without anybody to try is dropped after collection, by the conftest beside.
        metafunc.parametrize("users", brought or [None], ids=[i.name for i in brought] or ["nobody"])
        return
    sizes = TRAINING[grid(metafunc.config)]
    metafunc.parametrize("size", sizes, ids=[size.name.replace(" ", "-") for size in sizes])


def test_users_implementation_returns(
    request: pytest.FixtureRequest, record: Callable[..., None], users: Implementation
) -> None:
    """One step, before the contest: should it end the process or hang, this test is lost and no timing."""
    from fixtures.training import Step
    from fixtures.trials import trial

    def call() -> object:
        return Step(_subject(request, users), STEP.model(), STEP.batch, STEP.tokens)(1)

    trial(request, record, users, CONCEPT, [(_facts(request, users, STEP), call)])


def test_throughput(request: pytest.FixtureRequest, record: Callable[..., None], size: Size) -> None:
    """Tokens a second, memory, and share of the possible, of all implementations in one contest."""
    from fixtures.contests import held
    from fixtures.throughput import haste
    from fixtures.training import Step, certify, with_checkpoints

    device = devices.selected(request.config)
    if reason := size.too_large(memory(device)):
        nobody = next(i for i in for_concept(CONCEPT, request.config))
        record(**_facts(request, nobody, size), verdict="unsupported", message=reason)
        pytest.skip(reason)
    model = size.model()
    steps: dict[str, Step] = {}

    def work(subject: Subject) -> Step:
        steps[subject.name] = Step(subject, model, size.batch, size.tokens)
        return steps[subject.name]

    def before(subject: Subject) -> None:
        if subject.name in steps:
            steps[subject.name].restore()

    def right(subject: Subject, witness: Witness) -> None:
        certify(subject, model, witness)

    def rows(facts: dict[str, Any], result: Contest, outcome: Outcome) -> list[dict[str, Any]]:
        return _rows(request, record, size, steps, facts, result, outcome)

    held(
        request,
        record,
        CONCEPT,
        subject=partial(_subject, request),
        work=work,
        certify=right,
        facts=lambda implementation: _facts(request, implementation, size),
        rows=rows,
        also=with_checkpoints,
        before=before,
        device=device,
        tokens=size.batch * size.tokens,
        seconds=SECONDS * LONGEST[grid(request.config)] * haste(request.config, device),
    )


def _rows(
    request: pytest.FixtureRequest,
    record: Callable[..., None],
    size: Size,
    steps: dict[str, Step],
    facts: dict[str, Any],
    result: Contest,
    outcome: Outcome,
) -> list[dict[str, Any]]:
    from fixtures.contests import rated
    from fixtures.memory import allocated
    from fixtures.possible import shares, training_flops
    from fixtures.throughput import limited

    rows = rated(facts, result, outcome)
    if outcome.rate is None:
        return rows
    device, name = devices.selected(request.config), facts["implementation"]
    try:
        with limited(name):
            used = float(allocated(partial(steps[name], 1), device))
    except Exception as error:
        lost = {"verdict": "inconclusive", "message": f"its memory cannot be seen: {error}"[:500]}
        rows.append(facts | lost | {"metric": f"{METRIC} memory", "unit": "B", "better": "lower"})
    else:
        memory = dict(value=used, low=used, high=used, unit="B", better="lower")
        rows.append(facts | {"metric": f"{METRIC} memory"} | memory)
    flops = training_flops(size.model(), tokens=size.tokens, batch=size.batch) / (size.batch * size.tokens)
    return rows + shares(request, record, facts, outcome.rate, flops=flops)


def _subject(request: pytest.FixtureRequest, implementation: Implementation) -> Subject:
    from fixtures.subject import Subject

    return Subject(concept(CONCEPT), implementation, _dtype(request.config), devices.selected(request.config))


def _dtype(config: pytest.Config) -> str:
    """Float32, or the widest that the run asks for."""
    wanted = config.getoption("dtype") or ("float32",)
    return next(dtype for dtype in DTYPES if dtype in wanted)


def _facts(request: pytest.FixtureRequest, implementation: Implementation, size: Size) -> dict[str, Any]:
    """What a record says whatever comes out."""
    import torch

    sizes = {"layers": size.layers, "width": size.heads * size.d_head, "vocabulary": size.vocabulary}
    return dict(
        kind="throughput",
        concept=CONCEPT,
        implementation=implementation.name,
        versions=implementation.versions,
        metric=METRIC,
        unit="tokens/s",
        better="higher",
        dtype=_dtype(request.config),
        device=devices.label(request.config),
        settings={"batch": size.batch, "tokens": size.tokens} | sizes | {"threads": torch.get_num_threads()},
        node=request.node.nodeid,
    )
