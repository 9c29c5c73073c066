"""Other people's timers on the same work in the same run: where they are sound, they and ours give the same figure.

The work is the forward pass of a small GPT-2, many times over. `torch.utils.benchmark` is sound: where it and ours are
beyond doubt more than 10 % apart, one of the two is wrong, and the test fails, unless others used the machine meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fixtures import devices

SOUND = "torch.utils.benchmark"
"""The timer that must agree."""


def test_other_timers_agree(request: pytest.FixtureRequest, record: Callable[..., None]) -> None:
    import torch

    from fixtures import contention, peers
    from fixtures.audit import CALLS, TOKENS, forward_passes
    from fixtures.contests import measured
    from fixtures.estimates import compared
    from fixtures.implementations import Unsupported
    from fixtures.throughput import haste, unchecked
    from fixtures.timing import stopwatch
    from fixtures.trials import teller

    device = devices.selected(request.config)
    cuda, watch = device.startswith("cuda"), stopwatch(device)
    makers: dict[str, Callable[[], peers.Peer]] = {
        SOUND: peers.torch_benchmark,
        "pytest-benchmark": partial(peers.pytest_benchmark, request),
        "plain loop": partial(peers.plain_loop, watch, waits=not cuda),
    }
    if cuda:
        makers["triton.testing.do_bench"] = peers.triton_do_bench
    known: dict[str, Any] = dict(
        kind="power",
        concept="architectures.gpt2",
        dtype="float32",
        settings={"forward_passes": CALLS, "tokens": TOKENS, "threads": torch.get_num_threads()},
    )
    theirs: dict[str, peers.Peer] = {}
    for name, maker in makers.items():
        try:
            theirs[name] = maker()
        except Unsupported as error:
            record(
                **known, implementation=name, metric="timer: seconds a call", verdict="unsupported", message=str(error)
            )

    def make() -> Callable[[], object]:
        return partial(forward_passes(device, CALLS), 1)

    rounds = peers.ROUNDS if haste(request.config, device) == 1 else 1
    with contention.exclusive(contention.identity(device), say=teller(request.config)), unchecked():
        neighbours = contention.Neighbours()
        found = peers.beside(make, theirs, watch, rounds)
        load = neighbours.load()
    crowded = load is not None and load > neighbours.limit
    for name, one in found.items():
        word = compared(one.ratio)
        common = known | dict(implementation=name, contended=crowded, verdict="pass")
        why = None
        if name != peers.OURS and word != "SAME":
            why = "the interval leaves open whether it differs" if word == "AMBIGUOUS" else one.why
        record(**common, **measured(one.seconds), metric="timer: seconds a call", unit="s", better="lower", message=why)
        if name != peers.OURS:
            record(**common, **measured(one.ratio), metric="timer: ratio", unit="x assay", comparison=_turned(word))
    sound = found[SOUND]
    if rounds > 1 and not crowded and not sound.agrees:
        pytest.fail(
            f"{SOUND} says {sound.seconds.median:.4g} s a call, {sound.ratio.median:.3f} times what we say "
            f"({sound.ratio.low:.3f} to {sound.ratio.high:.3f}): one of the two is wrong",
            pytrace=False,
        )


def _turned(word: str) -> str:
    """The ratio is one of times, the word one of speeds."""
    return {"FASTER": "SLOWER", "SLOWER": "FASTER"}.get(word, word)
