r"""The states of a linear recurrence in parallel: what `selective_scan` goes through position by position.

A step $h \mapsto a h + b$ that follows another is one step again, of $(a_1 a_2,\; a_2 b_1 + b_2)$. So every position first
joins its own step with the one before; both now stand for two steps, and the next round joins with the position two
before, then four, until each stands for all steps from the first on. Rounds are few, but each one works on all
positions: $t \log_2 t$ operations. Blelloch's tree needs $2 \log_2 t$ rounds and about $2t$ operations.

Kogge, Stone (1973), *A Parallel Algorithm for the Efficient Solution of a General Class of Recurrence Equations*, IEEE
Transactions on Computers C-22: this one. Blelloch (1990), *Prefix Sums and Their Applications*, CMU-CS-90-190: the tree.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def parallel_scan(a: Float[Tensor, "t *rest"], b: Float[Tensor, "t *rest"]) -> Float[Tensor, "t *rest"]:
    """All `h[k] = a[k] * h[k - 1] + b[k]`, from a state of 0 on. A state of one's own goes into `b[0]`, times `a[0]`."""
    joined = 1  # so many steps, its own last ones, are joined at each position
    while joined < len(b):
        b = torch.cat([b[:joined], a[joined:] * b[:-joined] + b[joined:]])
        a = torch.cat([a[:joined], a[joined:] * a[:-joined]])
        joined *= 2
    return b
