"""GPT-2: how many tokens a second are read (prefill) and written (decode, generate).

Prefill is one call with a whole prompt and an empty cache. Decode is greedy, one token a call with the cache; its rate
is the reciprocal of the slope of time over the number of tokens written, so the prompt before them does not count.
`generate` is the same by an implementation's own loop, where it has one: transformers' `generate`, with what it checks
and prepares at every token. Prompts are drawn anew for every call. Weights are random, from a seed, every parameter of them.

An implementation that takes the state dict apart at every call is timed with that; to do so once, it may offer an
attribute `prepare(weights, *, heads, epsilon)` that returns a function of `(input_ids, *, cache)`; if that has an
attribute `generate(input_ids, tokens)`, which returns the whole text and the logits of each new token, it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fixtures import devices
from fixtures.concepts import concept
from fixtures.grids import LONGEST, READING, SMALL, Size, grid, memory
from fixtures.implementations import DTYPES, Implementation, for_concept

if TYPE_CHECKING:
    from torch import Tensor

    from fixtures.subject import Subject
    from fixtures.throughput import Contest, Outcome
    from fixtures.timing import Work
    from fixtures.trials import Case

CONCEPT = "architectures.gpt2"

PROMPT = 16
"""Tokens that are read before some are written."""

Model = Callable[..., "Tensor"]
Prompt = Callable[[int], "Tensor"]


@dataclass(frozen=True)
class Witness:
    """Tokens that went in, in order, and the logits that came out, of all of them or of the last ones: what the reference
    is asked about afterwards."""

    ids: list[Tensor]
    logits: list[Tensor]


@dataclass(frozen=True)
class Task:
    """What is timed: `call(model, prompt, size)` for each of the sizes. Rates of reading are those of all texts of a batch
    together, rates of writing those of one of them."""

    metric: str
    call: Callable[[Model, Prompt, int], Witness]

    @property
    def reads(self) -> bool:
        return self.metric == "prefill"

    def sizes(self, size: Size) -> tuple[int, ...]:
        return (size.tokens,) if self.reads else (2, 8, 16)

    def settings(self, size: Size) -> dict[str, int]:
        if self.reads:
            return {"prompt_tokens": size.tokens}
        return {"prompt_tokens": PROMPT, "written_tokens": max(self.sizes(size))}


def prefill(f: Model, prompt: Prompt, size: int) -> Witness:
    """Reads a prompt of `size` tokens."""
    ids = prompt(size)
    return Witness([ids], [f(ids, cache=[])])


def decode(f: Model, prompt: Prompt, size: int) -> Witness:
    """Reads a short prompt and writes `size` tokens, each the likeliest."""
    cache: list[Any] = []
    witness = Witness([prompt(PROMPT)], [])
    witness.logits.append(f(witness.ids[0], cache=cache))
    for _ in range(size):
        token = witness.logits[-1][:, -1].argmax(-1, keepdim=True)
        witness.ids.append(token)
        witness.logits.append(f(token, cache=cache))
    return witness


def generate(f: Model, prompt: Prompt, size: int) -> Witness:
    """As `decode`, by a loop of its own if it has one. The logits of the last token are computed by both."""
    own = getattr(f, "generate", None)
    if own is None:
        return decode(f, prompt, size)
    text, logits = own(prompt(PROMPT), size + 1)
    return Witness([text[:, :-1]], [logits])


TASKS = (Task("prefill", prefill), Task("decode", decode), Task("generate", generate))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "users" in metafunc.fixturenames:
        brought = [i for i in for_concept(CONCEPT, metafunc.config) if i.users]
        # An item without anybody to try is dropped after collection, by the conftest beside.
        metafunc.parametrize("users", brought or [None], ids=[i.name for i in brought] or ["nobody"])
        return
    sizes = READING[grid(metafunc.config)]
    cases = [(size, task) for size in sizes for task in TASKS if task.reads or size.writes]
    ids = ["-".join([*([] if size == SMALL else [size.name]), task.metric]) for size, task in cases]
    metafunc.parametrize(("size", "task"), cases, ids=[name.replace(" ", "-") for name in ids])
    metafunc.parametrize("dtype", _dtypes(metafunc.config))


def test_users_implementation_returns(
    request: pytest.FixtureRequest, record: Callable[..., None], users: Implementation
) -> None:
    """Each task once, before all contests: should it end the process or hang, this test is lost and no timing."""
    import torch

    from fixtures.subject import Subject
    from fixtures.trials import trial

    def case(task: Task, dtype: str) -> Case:
        subject = Subject(concept(CONCEPT), users, dtype, devices.selected(request.config))
        return _facts(request, users, SMALL, task, dtype), lambda: _work(subject, SMALL, task)(max(task.sizes(SMALL)))

    with torch.no_grad():
        trial(
            request, record, users, CONCEPT, [case(task, dtype) for dtype in _dtypes(request.config) for task in TASKS]
        )


def test_throughput(
    request: pytest.FixtureRequest, record: Callable[..., None], size: Size, task: Task, dtype: str
) -> None:
    """Tokens a second of all implementations, in one contest; whoever is wrong gets no figure.

    The reference, with its cache, writes as fast as transformers' `generate` at least, or the test fails.
    """
    import torch

    from fixtures import judge
    from fixtures.contests import held, no_slower
    from fixtures.subject import Subject
    from fixtures.throughput import SECONDS, haste

    device, own = devices.selected(request.config), concept(CONCEPT)
    if reason := size.too_large(memory(device)):
        nobody = next(i for i in for_concept(CONCEPT, request.config))
        record(**_facts(request, nobody, size, task, dtype), verdict="unsupported", message=reason)
        pytest.skip(reason)
    model = size.model()

    def certify(subject: Subject, witness: Witness) -> None:
        """What was timed goes before the judge as if it had just been called on all its tokens at once."""
        ids, logits = torch.cat(witness.ids, 1), torch.cat(witness.logits, 1)
        begin = ids.shape[1] - logits.shape[1]
        whole = torch.nn.functional.pad(logits, (0, 0, begin, 0))
        replay = replace(subject.implementation, load=lambda: lambda weights, input_ids, **scalars: whole)
        again = Subject(own, replay, dtype, device, subject.tally)
        if begin:
            right = own.load()(model.weights, ids, **model.scalars)[:, begin:]
            judge.holds(again, lambda f: (f(model.weights, ids, **model.scalars)[:, begin:], right))
        else:
            judge.agree(again, model.weights, ids, **model.scalars)

    with torch.no_grad():
        result = held(
            request,
            record,
            CONCEPT,
            subject=lambda implementation: Subject(own, implementation, dtype, device),
            work=lambda subject: _work(subject, size, task),
            certify=certify,
            facts=lambda implementation: _facts(request, implementation, size, task, dtype),
            rows=partial(_rows, request, record, size, task),
            device=device,
            sizes=task.sizes(size),
            tokens=size.batch if task.reads else 1,
            seconds=SECONDS * LONGEST[grid(request.config)] * haste(request.config, device),
        )
    if task.metric == "generate" and device == "cpu" and size == SMALL:
        no_slower(result, "reference", ("transformers-eager", "transformers-sdpa"))


def _rows(
    request: pytest.FixtureRequest,
    record: Callable[..., None],
    size: Size,
    task: Task,
    facts: dict[str, Any],
    result: Contest,
    outcome: Outcome,
) -> list[dict[str, Any]]:
    """The rate, its ratio to the baseline's, and its share of the possible: of arithmetic where a text is read, of traffic
    where it is written, token by token."""
    import torch

    from fixtures.contests import rated
    from fixtures.possible import decode_bytes, forward_flops, shares

    rows, longest, model = rated(facts, result, outcome), max(task.sizes(size)), size.model()
    if outcome.rate is None:
        return rows
    if task.reads:
        counted = {"flops": forward_flops(model, tokens=longest) / longest}
    else:
        # In the time of one token of each text the weights are read once, whatever the batch.
        itemsize = getattr(torch, facts["dtype"]).itemsize
        traffic = decode_bytes(model, context=PROMPT + longest / 2, itemsize=itemsize, batch=size.batch)
        counted = {"traffic": traffic}
    return rows + shares(request, record, facts, outcome.rate, **counted)


def _dtypes(config: pytest.Config) -> list[str]:
    wanted = config.getoption("dtype") or ("float32", "bfloat16")
    return [dtype for dtype in DTYPES if dtype in wanted]


def _work(subject: Subject, size: Size, task: Task) -> Work:
    """The task as the subject does it, with the weights in its dtype and a new prompt for every call."""
    import torch

    from fixtures.throughput import prepared

    model = size.model()
    f = prepared(subject.implementation, subject.rounded(model.weights), **model.scalars)
    generator = torch.Generator(subject.device).manual_seed(1)

    def prompt(length: int) -> Tensor:
        return torch.randint(model.vocabulary, (size.batch, length), generator=generator, device=subject.device)

    return lambda tokens: task.call(f, prompt, tokens)


def _facts(
    request: pytest.FixtureRequest, implementation: Implementation, size: Size, task: Task, dtype: str
) -> dict[str, Any]:
    """What a record says whatever comes out."""
    import torch

    width = size.heads * size.d_head
    sizes = {"batch": size.batch, "layers": size.layers, "width": width, "vocabulary": size.vocabulary}
    return dict(
        kind="throughput",
        concept=CONCEPT,
        implementation=implementation.name,
        versions=implementation.versions,
        metric=task.metric,
        unit="tokens/s",
        better="higher",
        dtype=dtype,
        device=devices.label(request.config),
        settings=task.settings(size) | sizes | {"threads": torch.get_num_threads()},
        node=request.node.nodeid,
    )
