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
from fixtures.implementations import DTYPES, Implementation, for_concept

if TYPE_CHECKING:
    from torch import Tensor

    from fixtures.strategies.weights import Gpt2
    from fixtures.subject import Subject
    from fixtures.throughput import Contest, Outcome
    from fixtures.timing import Work
    from fixtures.trials import Case

CONCEPT = "architectures.gpt2"
BATCH = 1

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
    """What is timed: `call(model, prompt, size)` for each of `sizes`, `tokens` of `metric` for each unit of size."""

    metric: str
    call: Callable[[Model, Prompt, int], Witness]
    sizes: tuple[int, ...]
    tokens: int
    settings: dict[str, int]


def prefill(f: Model, prompt: Prompt, size: int) -> Witness:
    """Reads a prompt of `size` tokens."""
    ids = prompt(size)
    return Witness([ids], [f(ids, cache=[])])


def decode(f: Model, prompt: Prompt, size: int) -> Witness:
    """Reads a short prompt and writes `size` tokens, each the likeliest."""
    cache: list[Any] = []
    witness = Witness([prompt(16)], [])
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
    text, logits = own(prompt(16), size + 1)
    return Witness([text[:, :-1]], [logits])


TASKS = (
    Task("prefill", prefill, (128,), BATCH, {"prompt_tokens": 128}),
    Task("decode", decode, (2, 8, 16), 1, {"prompt_tokens": 16, "written_tokens": 16}),
    Task("generate", generate, (2, 8, 16), 1, {"prompt_tokens": 16, "written_tokens": 16}),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "users" in metafunc.fixturenames:
        brought = [i for i in for_concept(CONCEPT, metafunc.config) if i.users]
        # An item without anybody to try is dropped after collection, by the conftest beside.
        metafunc.parametrize("users", brought or [None], ids=[i.name for i in brought] or ["nobody"])
        return
    metafunc.parametrize("dtype", _dtypes(metafunc.config))
    metafunc.parametrize("task", TASKS, ids=[task.metric for task in TASKS])


@pytest.fixture(scope="module")
def model() -> Gpt2:
    from fixtures.strategies.weights import Gpt2

    return Gpt2(seed=0, layers=4, heads=4, d_head=64, inner=1024, vocabulary=8192, positions=256, epsilon=1e-5)


def test_users_implementation_returns(
    request: pytest.FixtureRequest, record: Callable[..., None], model: Gpt2, users: Implementation
) -> None:
    """Each task once, before all contests: should it end the process or hang, this test is lost and no timing."""
    import torch

    from fixtures.subject import Subject
    from fixtures.trials import trial

    def case(task: Task, dtype: str) -> Case:
        subject = Subject(concept(CONCEPT), users, dtype, devices.selected(request.config))
        return _facts(request, users, model, task, dtype), lambda: _work(subject, model, task)(max(task.sizes))

    with torch.no_grad():
        trial(
            request, record, users, CONCEPT, [case(task, dtype) for dtype in _dtypes(request.config) for task in TASKS]
        )


def test_throughput(
    request: pytest.FixtureRequest, record: Callable[..., None], model: Gpt2, task: Task, dtype: str
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
            work=lambda subject: _work(subject, model, task),
            certify=certify,
            facts=lambda implementation: _facts(request, implementation, model, task, dtype),
            rows=partial(_rows, request, record, model, task),
            device=device,
            sizes=task.sizes,
            tokens=task.tokens,
            seconds=SECONDS * haste(request.config, device),
        )
    if task.metric == "generate" and device == "cpu":
        no_slower(result, "reference", ("transformers-eager", "transformers-sdpa"))


def _rows(
    request: pytest.FixtureRequest,
    record: Callable[..., None],
    model: Gpt2,
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

    rows, longest = rated(facts, result, outcome), max(task.sizes)
    if outcome.rate is None:
        return rows
    if task.metric == "prefill":
        counted = {"flops": forward_flops(model, tokens=longest) / longest}
    else:
        context = task.settings["prompt_tokens"] + longest / 2
        itemsize = getattr(torch, facts["dtype"]).itemsize
        counted = {"traffic": decode_bytes(model, context=context, itemsize=itemsize, batch=BATCH) / BATCH}
    return rows + shares(request, record, facts, outcome.rate, **counted)


def _dtypes(config: pytest.Config) -> list[str]:
    wanted = config.getoption("dtype") or ("float32", "bfloat16")
    return [dtype for dtype in DTYPES if dtype in wanted]


def _work(subject: Subject, model: Gpt2, task: Task) -> Work:
    """The task as the subject does it, with the weights in its dtype and a new prompt for every call."""
    import torch

    from fixtures.throughput import prepared

    f = prepared(subject.implementation, subject.rounded(model.weights), **model.scalars)
    generator = torch.Generator(subject.device).manual_seed(1)

    def prompt(length: int) -> Tensor:
        return torch.randint(model.vocabulary, (BATCH, length), generator=generator, device=subject.device)

    return lambda size: task.call(f, prompt, size)


def _facts(
    request: pytest.FixtureRequest, implementation: Implementation, model: Gpt2, task: Task, dtype: str
) -> dict[str, Any]:
    """What a record says whatever comes out."""
    import torch

    sizes = {"batch": BATCH, "layers": model.layers, "width": model.d, "vocabulary": model.vocabulary}
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
        settings=task.settings | sizes | {"threads": torch.get_num_threads()},
        node=request.node.nodeid,
    )
