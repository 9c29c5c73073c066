"""What is said of a rejection: which fault it looks like, who answers the same, and nothing where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures import diagnosis, judge
from fixtures.implementations import Implementation
from fixtures.strategies.attention import Problem
from fixtures.subject import Subject
from reference.attention.scaled_dot_product import scaled_dot_product
from suites.selfcheck.subjects import ATTENTION

PROBLEM = Problem((2,), t=4, s=6, d=3, v=2, regime="normal", seed=5)


def law(implementation: Subject, problem: Problem) -> None:
    judge.agree(implementation, problem.query, problem.key, problem.value, causal=True)


def ones_own(query: Tensor, key: Tensor, value: Tensor, ahead: int) -> Tensor:
    """Somebody's attention that shares nothing with the reference."""
    t, s = query.shape[-2], key.shape[-2]
    visible = torch.arange(s) <= torch.arange(t)[:, None] + s - t + ahead
    scores = torch.einsum("...td,...sd->...ts", query, key) / math.sqrt(query.shape[-1])
    return torch.einsum("...ts,...sv->...tv", scores.masked_fill(~visible, -math.inf).softmax(-1), value)


def found(call: Callable[..., Any], dtype: str = "float64") -> diagnosis.Diagnosis:
    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: call), dtype, "cpu")
    with pytest.raises(judge.Rejected):
        law(subject, PROBLEM)
    return diagnosis.diagnose(law, {"implementation": subject, "problem": PROBLEM}, subject)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_known_misconception_is_named_with_its_line(dtype: str) -> None:
    one = found(lambda q, k, v, causal: ones_own(q, k, v, ahead=1), dtype)
    assert [fault.name for fault in one.looks_like] == ["causal mask lets one future key through"]
    lines = diagnosis.told(one, Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: None), dtype, "cpu"))
    assert lines[0].startswith("looks like: causal mask lets one future key through (")
    number = int(lines[1].split(":")[1].split()[0])
    assert lines[2].strip() == "- " + ATTENTION.source.splitlines()[number - 1].strip()
    assert "diagonal=s - t + 1" in lines[3]


def test_an_error_of_its_own_looks_like_nothing() -> None:
    one = found(lambda q, k, v, causal: ones_own(q, k, v, ahead=0) * 1.01)
    assert not one.looks_like and not one.agrees_with
    assert (
        diagnosis.told(one, Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: None), None, "cpu")) == []
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_in_float64_an_error_of_another_size_is_another(dtype: str) -> None:
    """An error of nearly the same direction, a twentieth larger: below float64 that may be rounding, there it is not."""

    def larger(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        right, wrong = (ones_own(query, key, value, ahead) for ahead in (0, 1))
        return right + 1.05 * (wrong - right)

    names = [fault.name for fault in found(larger, dtype).looks_like]
    assert names == ([] if dtype == "float64" else ["causal mask lets one future key through"])


def test_where_others_answer_the_same_the_reference_is_the_suspect() -> None:
    def top_left(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        return ones_own(query, key, value, ahead=query.shape[-2] - key.shape[-2])

    one = found(top_left)
    assert "torch-sdpa" in one.agrees_with and "transformers-eager" not in one.agrees_with
    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: top_left), "float64", "cpu")
    assert diagnosis.told(one, subject)[0].startswith("the reference is a suspect: torch-sdpa, ")
    one.deviating, one.agrees_with = {name: "top left" for name in one.agrees_with}, []
    assert diagnosis.told(one, subject)[0].endswith("answer the same, a known deviation: top left")


def test_what_raises_where_the_reference_answers_is_no_likeness() -> None:
    def raises(*_: Any, **__: Any) -> Tensor:
        raise ValueError("no")

    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: raises), "float64", "cpu")
    one = diagnosis.diagnose(law, {"implementation": subject, "problem": PROBLEM}, subject)
    assert not one.looks_like


def test_the_reference_itself_is_not_diagnosed() -> None:
    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: scaled_dot_product), "float64", "cpu")
    one = diagnosis.diagnose(law, {"implementation": subject, "problem": PROBLEM}, subject)
    assert not one.looks_like and not one.agrees_with


def test_gradients_are_answers_too() -> None:
    """Values that are right tell nothing of gradients that are not: these are held against the faults' gradients."""

    def gradient_law(implementation: Subject, problem: Problem) -> None:
        judge.agree_gradients(implementation, problem.query, problem.key, problem.value, causal=True)

    def detached(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        right = ones_own(query, key, value, ahead=0)
        return right + 0.5 * (value - value.detach()).sum()

    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: detached), "float64", "cpu")
    with pytest.raises(judge.Rejected):
        gradient_law(subject, PROBLEM)
    traced = diagnosis.Traced(ATTENTION, subject.implementation, "float64", "cpu")
    with pytest.raises(judge.Rejected):
        gradient_law(traced, PROBLEM)
    values, gradients = traced.answers
    assert isinstance(values, Tensor) and [g.shape for g in gradients] == [
        x.shape for x in (PROBLEM.query, PROBLEM.key, PROBLEM.value)
    ]


def test_who_has_the_same_roundings_has_not_the_same_mistake() -> None:
    """Values of float32 are a library's own to the last digit, and not the reference's; what was rejected is a gradient."""

    def gradient_law(implementation: Subject, problem: Problem) -> None:
        judge.agree_gradients(implementation, problem.query, problem.key, problem.value)

    def spoilt(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        attended = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        return attended + 0.5 * (value - value.detach()).sum()

    subject = Subject(ATTENTION, Implementation("mine", ATTENTION.id, lambda: spoilt), "float32", "cpu")
    with pytest.raises(judge.Rejected):
        gradient_law(subject, PROBLEM)
    one = diagnosis.diagnose(gradient_law, {"implementation": subject, "problem": PROBLEM}, subject)
    assert not one.agrees_with and not one.looks_like
