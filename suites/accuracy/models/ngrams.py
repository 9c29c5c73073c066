"""N-gram language models over a tokenizer's tokens."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from suites.accuracy.models.base import Adapter

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from tokenizers import Tokenizer

    Gram = tuple[int, ...]

START = -1
"""Stands before a text; it is never predicted."""


class KneserNey(Adapter):
    """Interpolated Kneser-Ney (Kneser and Ney 1995; Chen and Goodman 1999, section 4.1), one discount an order.

    Lower orders count in how many contexts a token stands, not how often; below the unigrams all tokens are alike, so
    every token has a probability. The discount is n1 / (n1 + 2 n2) of the grams seen once and twice.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str], order: int = 4) -> None:
        super().__init__()
        if order < 1:
            raise ValueError(f"expected an order of at least 1, got {order}")
        self.tokenizer, self.order, self.size = tokenizer, order, tokenizer.get_vocab_size()
        counts: dict[int, Counter[Gram]] = {n: Counter() for n in range(1, order + 1)}
        for text in texts:
            ids = [START] * (order - 1) + tokenizer.encode(text).ids
            for end in range(order, len(ids) + 1):
                counts[order][tuple(ids[end - order : end])] += 1
        for n in range(order - 1, 0, -1):
            for gram in counts[n + 1]:
                counts[n][gram[1:]] += 1
        self.counts = counts
        self.discounts, self.totals, self.kinds = {}, {}, {}
        for n, grams in counts.items():
            times = Counter(grams.values())
            once, twice = times[1], times[2]
            self.discounts[n] = once / (once + 2 * twice) if once and twice else 0.5
            totals: defaultdict[Gram, int] = defaultdict(int)
            kinds: defaultdict[Gram, int] = defaultdict(int)
            for gram, count in grams.items():
                totals[gram[:-1]] += count
                kinds[gram[:-1]] += 1
            self.totals[n], self.kinds[n] = dict(totals), dict(kinds)

    def probability(self, token: int, context: Gram) -> float:
        """p(token | context); of a longer context its end counts."""
        p = 1 / self.size
        for n in range(1, self.order + 1):
            before = context[len(context) - n + 1 :] if n > 1 else ()
            total = self.totals[n].get(before)
            if total is None:  # no longer context was seen either
                break
            discount = self.discounts[n]
            seen = max(self.counts[n][(*before, token)] - discount, 0.0) if (*before, token) in self.counts[n] else 0.0
            p = (seen + discount * self.kinds[n][before] * p) / total
        return p

    def nats(self, ids: list[int], past: list[int]) -> float:
        """Log-probability of `ids` after `past`."""
        whole = [START] * (self.order - 1) + past + ids
        first = len(whole) - len(ids)
        context = self.order - 1
        return math.fsum(
            math.log(self.probability(whole[at], tuple(whole[at - context : at]))) for at in range(first, len(whole))
        )

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        answers = []
        for request in requests:
            context, continuation = request.args
            whole = self.tokenizer.encode(context + continuation).ids
            past = len(self.tokenizer.encode(context).ids) if context else 0
            answers.append((self.nats(whole[past:], whole[:past]), False))
        return answers

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        return [self.nats(self.tokenizer.encode(request.args[0]).ids, []) for request in requests]
