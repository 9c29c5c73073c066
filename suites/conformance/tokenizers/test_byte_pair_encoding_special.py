"""Laws of byte-pair encoding: tokens that are found in a text before it is cut, normalization, and other cuts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.strategies.pairs import Encoder, Problem, drawn, plain, problems
from reference.tokenizers.byte_pair_encoding import BytePairEncoding

NAMES = ("<m>", "<AB>", "b", "a b")
FLAGS = {"lstrip": ["<m>"], "rstrip": ["<AB>"], "single_word": ["b"], "normalized": ["<AB>", "b"]}
UNKNOWN: dict[str, Any] = {"unknown": "?"}
AB = plain("ab-", ("a", "b"), unknown="?")


def options(encoder: Any) -> dict[str, Any]:
    """Ids of their own, unless a token is in the vocabulary."""
    own = encoder.vocabulary
    new = [name for name in NAMES if name not in own]
    ids = {**own, **{name: len(own) + n for n, name in enumerate(new)}}
    return {"special": {name: ids[name] for name in NAMES}, **FLAGS}


@given(problem=problems(drawn(), **UNKNOWN), data=st.data())
def test_special_tokens_in_a_text(implementation, problem: Problem, data):
    """Wherever such a token stands it is one id, at its place, also where a text is normalized first."""
    around = st.sampled_from([*NAMES, *NAMES, " ", "  ", "\n", "<ab>", "A", "<m", "\uff22", problem.text])
    text = "".join(data.draw(st.lists(around, max_size=8), label="parts"))
    more = {**options(problem.encoder), "steps": ["nfkc", "lowercase"]}
    found, truth = (problem.encoder.built(make, **more).encoding(text) for make in (implementation, BytePairEncoding))
    judge.exact([*found.ids], truth.ids, "ids")
    judge.exact([*map(tuple, found.offsets)], truth.offsets, "offsets")


@pytest.mark.parametrize(
    ("cut", "text", "tokens"),
    [
        (True, "ab-ab ab", ["ab", "-", "ab", "ab"]),
        ("whitespace", "ab-ab ab", ["ab", "-", "ab", "ab"]),
        ("whitespace", "a-b", ["a", "-", "b"]),
        ("bert", "ab--", ["ab", "-", "-"]),
        (True, "ab--", ["ab", "--"]),
        ("whitespace", "ab--", ["ab", "--"]),
    ],
)
def test_cuts_by_a_scheme(implementation, cut: Any, text: str, tokens: list[str]):
    """Words end where the scheme says: at spaces, or around punctuation too."""
    encoder = Encoder(("a", "b", "-"), (("a", "b"), ("-", "-")), options={"cut": cut})
    judge.exact(encoder.built(implementation).encode(text), encoder.ids(*tokens), "ids")


def test_special_tokens_by_example(implementation):
    """`<AB>` among `normalized` is found in any case, `<m>` as it is written; both take their spaces along."""
    ids = {**AB.vocabulary, **options(AB)["special"]}
    tokenizer = AB.built(implementation, steps=["lowercase"], **options(AB))
    found = tokenizer.encode("a <m><ab> A<M>b")
    judge.exact(found, [ids[token] for token in ("a", "<m>", "<AB>", "a", "?", "?", "?", "b")], "ids")


def test_the_longest_special_token_takes_all_spaces_along(implementation):
    """Of tokens that begin alike the longest is meant; with `rstrip` its place reaches to the next character."""
    first = len(AB.vocabulary)
    tokenizer = AB.built(implementation, special={"<x>": first, "<x>a": first + 1}, rstrip=["<x>a"])
    found = tokenizer.encoding("<x>a  b<x>")
    judge.exact([*found.ids], [first + 1, *AB.ids("b"), first], "ids")
    judge.exact([*map(tuple, found.offsets)], [(0, 6), (6, 7), (7, 10)], "offsets")


def test_special_tokens_are_decoded(implementation):
    """An id of such a token is its text."""
    tokenizer = AB.built(implementation, special={"<x>": len(AB.vocabulary)})
    judge.exact(tokenizer.decode(tokenizer.encode("ab<x>a")), "ab<x>a", "text")


@pytest.mark.parametrize("more", [{"steps": ["nfx"]}, {"cut": "words"}, {"special": {"": 99}}], ids=str)
def test_unknown_steps_and_cuts_are_rejected(implementation, more: dict[str, Any]):
    """A step or a scheme that there is not, and a special token of nothing, raise."""
    judge.rejects(lambda: AB.built(implementation, **more).encode("a"))
