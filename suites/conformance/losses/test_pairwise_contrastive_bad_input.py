"""Laws of the contrastive loss of pairs: what must raise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures import judge
from fixtures.subject import Subject as Implementation


def _some(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


BOTH = torch.tensor([1, 0, 1, 0])
WRONG: dict[str, tuple[Tensor, Tensor, Tensor, dict[str, Any]]] = {
    "too few on the right": (_some(4, 3), _some(3, 3), BOTH, {}),
    "too many on the right": (_some(4, 3), _some(5, 3), BOTH, {}),
    "one for all": (_some(4, 3), _some(1, 3), BOTH, {}),
    "a width of its own": (_some(4, 3), _some(4, 2), BOTH, {}),
    "too few labels": (_some(4, 3), _some(4, 3), BOTH[:3], {}),
    "one label for all": (_some(4, 3), _some(4, 3), BOTH[:1], {}),
    "labels with an axis too many": (_some(4, 3), _some(4, 3), BOTH[:, None], {}),
    "a label of -1": (_some(4, 3), _some(4, 3), 2 * BOTH - 1, {}),
    "a label of 2": (_some(4, 3), _some(4, 3), BOTH + 1, {}),
    "an unknown distance": (_some(4, 3), _some(4, 3), BOTH, {"distance": "hamming"}),
    "an unknown reduction": (_some(4, 3), _some(4, 3), BOTH, {"reduction": "average"}),
    "a power of 0": (_some(4, 3), _some(4, 3), BOTH, {"power": 0}),
    "a power of 3": (_some(4, 3), _some(4, 3), BOTH, {"power": 3}),
    "no margin": (_some(4, 3), _some(4, 3), BOTH, {"margin": 0.0}),
    "a negative margin": (_some(4, 3), _some(4, 3), BOTH, {"margin": -1.0}),
}


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_raises(implementation: Implementation, wrong: str, power: int) -> None:
    """Numbers, widths, labels and names that do not fit raise; nothing is cut, repeated, weighted or put in their place."""
    left, right, labels, options = WRONG[wrong]
    usual = {"margin": 0.5, "distance": "cosine", "power": power, "reduction": "sum"}
    judge.rejects(implementation, left, right, labels, **(usual | options))
