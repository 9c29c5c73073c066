"""Laws of SentencePiece's unigram model: the options of training."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures import judge
from fixtures.corpora.python_docs import topics
from reference.tokenizers.sentencepiece_unigram import SentencepieceUnigram

PAGES = [page[:250] for page in list(topics().values())[::16]]
"""Beginnings of pages of the Python documentation."""


def learnt(tokenizer: Any) -> list[str]:
    return [text for text, _, kind in tokenizer.pieces if kind == "normal"]


def test_the_longest_piece_is_an_option(implementation):
    """Where 3 characters are asked for there are pieces of 3, and none of 4."""
    judge.exact(max(map(len, learnt(implementation.train(PAGES, 120, longest=3)))), 3, "length of the longest piece")


def test_nothing_is_learnt_but_seeds(implementation):
    """Who begins with 60 pieces ends with no more, whatever the size, besides characters."""
    longer = [piece for piece in learnt(implementation.train(PAGES, 160, seeds=60)) if len(piece) > 1]
    judge.exact(longer[60:], [], "more longer pieces than seeds")


@pytest.mark.parametrize("rounds", [None, 1, 2, 4])
def test_em_makes_the_corpus_more_probable(implementation, rounds: int | None):
    """Rounds of EM, by default two, lead to pieces under which a corpus is more probable than by their first scores."""
    options = {} if rounds is None else {"rounds": rounds}
    before, after = (fit(implementation.train(PAGES, 120, **own)) for own in ({"rounds": 0}, options))
    judge.exact(after > before, True, f"a log-likelihood of {after} is more than {before}")


def fit(tokenizer: Any) -> float:
    """The log-likelihood of the corpus."""
    return SentencepieceUnigram([tuple(piece) for piece in tokenizer.pieces]).expectation(PAGES)[0]


@pytest.mark.parametrize(("option", "values"), [("rounds", (1, 4)), ("shrink", (0.5, 0.9))])
def test_how_much_is_learnt_before_pruning_shows(implementation, option: str, values: tuple[float, float]):
    """More rounds, or less pruned at once, leave other scores."""
    first, other = ([*implementation.train(PAGES, 120, **{option: value}).pieces] for value in values)
    judge.exact(other == first, False, "the pieces are the same")
