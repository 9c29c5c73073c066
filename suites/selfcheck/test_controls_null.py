"""Null implementations: what they answer, and that one which passes, or only crashes, turns the run red."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fixtures.concepts import concept
from fixtures.controls import null
from suites.selfcheck.runs import LAWS, Finished, once, run

NULLS = {entry.name: entry for entry in null.NULLS}
ATTENTION = concept("attention.scaled_dot_product")
BPE = concept("tokenizers.byte_level_bpe")


def attend(name: str, *seeds: int) -> tuple[Any, list[torch.Tensor]]:
    """The answers of a null to questions of these seeds, each of another length; and the right ones."""
    loaded, answers, right = NULLS[name].load(ATTENTION), [], []
    for seed in seeds:
        draw = torch.Generator().manual_seed(seed)
        query, key, value = (torch.randn(3 + seed % 2, 4, generator=draw, dtype=torch.float64) for _ in range(3))
        right.append(ATTENTION.load()(query, key, value))
        answers.append(loaded(query, key, value))
    return answers, right


def tokenizer(name: str) -> Any:
    vocabulary = BPE.load().train(["ab ab"], 257).vocabulary
    return NULLS[name].load(BPE)(dict(vocabulary), [("a", "b")])


@pytest.mark.parametrize("name", sorted(NULLS.keys() - {"nothing", "empty", "inputs overwritten"}))
def test_an_answer_has_the_right_form_and_the_wrong_values(name: str) -> None:
    answers, right = attend(name, 1, 2, 4)
    assert [(a.shape, a.dtype) for a in answers] == [(r.shape, r.dtype) for r in right]
    assert not torch.equal(answers[2], right[2]) or name == "first answer of each shape"


def test_answers_are_remembered() -> None:
    answers, right = attend("answer of the call before", 1, 2, 4)
    assert torch.equal(answers[0], right[0])
    assert torch.equal(answers[1], right[0][:3])
    answers, right = attend("first answer kept", 2, 4, 1)
    assert torch.equal(answers[1], right[0])
    assert torch.equal(answers[2], torch.cat([right[0], right[0][:1]]))
    answers, right = attend("first answer of each shape", 2, 1, 4)
    assert torch.equal(answers[1], right[1])
    assert torch.equal(answers[2], right[0])


def test_a_class_is_followed_into_its_objects() -> None:
    assert tokenizer("zeros").encode("abc") == [0, 0]
    assert tokenizer("empty").encode("abc") == []
    assert tokenizer("nothing").encode("abc") is None
    assert tokenizer("first input echoed").encode("abc") == [ord("a"), ord("b")]
    assert tokenizer("first input echoed").decode([64]) == "@"
    kept = tokenizer("first answer kept")
    assert [kept.encode("ab"), kept.encode("abab")] == [[256], [256, 256]]
    assert NULLS["ones"].load(BPE).train(["ab ab"], 257).merges == [("\1", "\1")]


def test_errors_stay_errors() -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        tokenizer("zeros").encode("\ud800")
    with pytest.raises(Exception, match="value"):  # jaxtyping sees it first
        NULLS["zeros"].load(ATTENTION)(torch.ones(1, 2), torch.ones(1, 2), torch.ones(3, 2))


def test_inputs_are_overwritten_after_a_right_answer() -> None:
    inputs = tuple(torch.ones(2, 2) for _ in range(3))
    assert torch.equal(NULLS["inputs overwritten"].load(ATTENTION)(*inputs), torch.ones(2, 2))
    assert all(torch.equal(x, torch.full((2, 2), 2.0)) for x in inputs)
    vocabulary, merges = dict(tokenizer("zeros").vocabulary), [("a", "b"), ("Ġ", "a")]
    vocabulary = {token: id for id, token in enumerate([*vocabulary, "Ġa"])}
    made = NULLS["inputs overwritten"].load(BPE)(vocabulary, merges)
    assert (len(vocabulary), merges) == (257, [("Ġ", "a"), ("a", "b")])
    assert made.encode("ab a") == [256, 257]


CRASHING = """
def pytest_configure(config):
    from fixtures.controls import null

    def raises(leaf, n, call):
        raise IndexError("out of scratch space")

    null.NULLS.append(null.Null("crashing", "It raises.", raises))
"""


@pytest.fixture(scope="module")
def nulls(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Under a law that looks at shapes and one that looks for errors: zeros are what it demands."""
    laws = [f"{LAWS}::{law}" for law in ("test_no_keys_give_zero", "test_bad_input_raises")]
    wanted = ["-p", "no:xdist", "--controls", "-k", "null-zeros or null-ones or null-crashing"]
    return once(tmp_path_factory, "nulls", lambda folder: run(folder, *laws, *wanted, plugin=CRASHING))


@pytest.mark.xdist_group("runs")
def test_a_null_that_passes_turns_the_run_red(nulls: Finished) -> None:
    assert nulls.code == pytest.ExitCode.TESTS_FAILED, nulls.output
    found = {r["implementation"]: (r["role"], r["verdict"], r["rejected_by"]) for r in nulls.records}
    assert found["zeros"] == ("null", "fail", [])
    assert found["ones"] == ("null", "pass", ["test_no_keys_give_zero"])
    assert "null 'zeros' survived all " in nulls.output
    assert "nulls rejected: 1 of 3" in nulls.output


@pytest.mark.xdist_group("runs")
def test_a_null_that_crashes_is_not_taken_for_rejected(nulls: Finished) -> None:
    (record,) = (r for r in nulls.records if r["implementation"] == "crashing")
    assert (record["verdict"], record["rejected_by"]) == ("fail", [])
    assert "e.g. test_no_keys_give_zero: raised IndexError: out of scratch space" in nulls.output


BROKEN = """
def pytest_configure(config):
    import fixtures.judge as judge

    def always(subject, result):
        raise judge.Rejected("always")

    judge.zero = always
"""


@pytest.mark.xdist_group("runs")
def test_a_law_that_rejects_the_reference_too_shows_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    wanted = [f"{LAWS}::test_no_keys_give_zero", "-p", "no:xdist", "--controls", "-k", "null-ones"]
    broken = once(tmp_path_factory, "broken", lambda folder: run(folder, *wanted, plugin=BROKEN))
    assert broken.code == pytest.ExitCode.TESTS_FAILED, broken.output
    assert "do not count, e.g. test_no_keys_give_zero rejects the reference as well: always" in broken.output
