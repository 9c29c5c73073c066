"""Whatever an implementation raises, returns or changes is a verdict about it, and about nobody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import fixtures.subject
from fixtures import limits
from fixtures.concepts import concept
from fixtures.implementations import Implementation, Unsupported
from fixtures.subject import ImplementationError, Subject, WrongResult, shown
from suites.selfcheck.subjects import attention, normal, toy


def judged(call: Callable[..., Any]) -> Any:
    """What comes back through a subject in float32; `call` gets the value alone."""
    return attention(lambda query, key, value: call(value), "float32")(normal(2, 3), normal(2, 3), normal(2, 3))


class Mute(Exception):
    """One that cannot be shown."""

    def __str__(self) -> str:
        raise LookupError("no words")

    __repr__ = __str__


class Dead(BaseException):
    """Neither."""

    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Mute(), "raised Mute: <Mute whose __str__ raises LookupError>"),
        (Dead(), "raised Dead: <Dead whose __str__ raises SystemExit>"),
        (ValueError(), "raised ValueError"),
        (ValueError("x" * 600), f"raised ValueError: {'x' * 500}... (600 characters)"),
    ],
)
def test_an_exception_that_cannot_be_shown_is_named(error: BaseException, message: str) -> None:
    def call(value: Tensor) -> Tensor:
        raise error

    with pytest.raises(ImplementationError) as caught:
        judged(call)
    assert str(caught.value) == message
    assert caught.value.__cause__ is error


def test_a_value_that_cannot_be_shown_is_named() -> None:
    assert shown(Mute()) == "<Mute whose __repr__ raises LookupError>"
    assert shown("abcdef", limit=3) == "'ab... (8 characters)"


class Raising(torch.Tensor):
    """No method works."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError("my tensor does not do that")


class Elsewhere(torch.Tensor):
    """No operation works."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise RuntimeError("my tensor does not do that either")


def in_itself(value: Tensor) -> list[Any]:
    result: list[Any] = [value]
    result.append({"inner": (result,)})
    return result


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda value: value.to_sparse(), "torch.sparse_coo"),
        (lambda value: value.to_sparse_csr(), "torch.sparse_csr"),
        (lambda value: value.to("meta"), "meta"),
        (lambda value: (value, {"more": [value.to("meta")]}), "meta"),
        (lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8), "quantized"),
        (lambda value: torch.nested.nested_tensor([value]), "nested"),
        (lambda value: value.as_subclass(Elsewhere), "Elsewhere, which need not hold its values itself"),
        (in_itself, "list that contains itself"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch says that some of these are not finished
def test_a_result_without_readable_values_is_wrong(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(WrongResult, match=f"^returned .*{message}"):
        judged(call)


@pytest.mark.parametrize("wrap", [lambda x: x.as_subclass(Raising), torch.nn.Parameter])
def test_a_subclass_of_tensor_is_taken_for_the_tensor_that_it_is(wrap: Callable[[Tensor], Tensor]) -> None:
    whole = toy(lambda value: (wrap(value), [wrap(value)]), torch.abs)(normal(2, 3))
    assert type(whole[0]) is type(whole[1][0]) is Tensor
    assert torch.equal(whole[0], whole[1][0])


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (lambda value: (value,), "a tuple of 1"),
        (lambda value: [value, value], "a tuple of 2"),
        (lambda value: {"out": value}, "a dict, {'out': tensor"),
        (lambda value: None, "None"),
        (lambda value: 0.5, "a float, 0.5"),
    ],
)
def test_what_is_not_of_the_kind_that_the_contract_says_is_told_so(wrap: Callable[[Tensor], Any], kind: str) -> None:
    """A tensor in a tuple has a first row, too, which is that tensor."""
    with pytest.raises(WrongResult, match=rf"(?s)^returned {kind}.*, expected a tensor$"):
        judged(wrap)
    flash, x = concept("attention.flash"), normal(2, 3)
    one = Subject(flash, Implementation("mine", flash.id, lambda: lambda query, key, value: query), "float64", "cpu")
    with pytest.raises(WrongResult, match=r"^returned a tensor, expected a tuple of 2$"):
        one(x, x, x)


def test_gradients_flow_through_it() -> None:
    x = torch.ones(2, requires_grad=True)
    result = attention(lambda query, key, value: (3 * value).as_subclass(Raising), "float32")(x, x, x)
    assert torch.equal(torch.autograd.grad(result.sum(), x)[0], torch.full((2,), 3.0))


@pytest.fixture
def listening() -> Iterator[None]:
    """As in a run, whoever listened before."""
    before, handler = limits._listening, signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limits.listen()
    yield
    limits.stop_listening()
    signal.signal(signal.SIGINT, handler)
    limits._listening = before


def test_a_keyboard_interrupt_that_is_made_up_is_an_error(listening: None) -> None:
    def call(value: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(ImplementationError, match="raised KeyboardInterrupt"):
        judged(call)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_keyboard_interrupt_from_the_keyboard_goes_through(listening: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_asked_to_stop", False)

    def call(value: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return value

    with pytest.raises(KeyboardInterrupt):
        judged(call)


def test_where_nobody_listens_an_interrupt_is_taken_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_listening", False)

    def call(value: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(call)


class Tokenizer:
    """All that is asked of it raises."""

    def __init__(self, vocabulary: Any, merges: Any) -> None: ...

    @property
    def encode(self) -> Any:
        raise LookupError("not loaded yet")

    def decode(self, ids: Any) -> Any:
        raise Mute


def test_objects_that_an_implementation_makes_are_borne_as_well() -> None:
    own = concept("tokenizers.byte_level_bpe")
    tokenizer = Subject(own, Implementation("mine", own.id, lambda: Tokenizer), None, "cpu")({}, [])
    with pytest.raises(ImplementationError, match=r"^`encode` raised LookupError: not loaded yet$"):
        tokenizer.encode("a")
    with pytest.raises(ImplementationError, match=r"^raised Mute: "):
        tokenizer.decode([1])
    with pytest.raises(pytest.skip.Exception, match="mine has no `vocabulary`"):
        _ = tokenizer.vocabulary


@pytest.mark.parametrize(
    ("train", "lacking"),
    [
        (lambda texts, size: "learnt", "pattern"),
        (lambda texts, size, pattern, /: "learnt", "pattern"),
        (lambda texts, size, *, pattern="gpt2": "learnt", None),
        (lambda texts, size, **options: "learnt", None),
    ],
    ids=["none", "by place only", "the option", "any"],
)
def test_an_option_that_a_method_does_not_have_is_unsupported(train: Callable[..., str], lacking: str | None) -> None:
    own = concept("tokenizers.byte_level_bpe")
    mine = Subject(own, Implementation("mine", own.id, lambda: SimpleNamespace(train=train)), None, "cpu")
    if lacking is None:
        assert mine.train([], 300, pattern="gpt4") == "learnt"
    else:
        with pytest.raises(Unsupported, match="no `pattern`: the signature of its `train` has no such option"):
            mine.train([], 300, pattern="gpt4")


def test_what_needs_no_gpu_runs_beside_one() -> None:
    """Also where torch has not been asked for one yet, or has none."""
    own = concept("tokenizers.byte_level_bpe")
    subject = Subject(own, Implementation("mine", own.id, lambda: lambda vocabulary, merges: 5), None, "cuda:0")
    assert subject({}, []) == 5


def test_what_cannot_be_loaded_is_an_error_of_the_implementation() -> None:
    subject = attention(lambda query, key, value: value)

    def load() -> Any:
        raise OSError("no such weights")

    object.__setattr__(subject.implementation, "load", load)
    with pytest.raises(ImplementationError, match=r"loading it raised OSError: no such weights"):
        subject(normal(1), normal(1), normal(1))


def test_a_first_call_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports a library, or compiles a kernel; who is as slow the second time is slow."""
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    monkeypatch.setattr(fixtures.subject, "_called", set())

    def slow(value: Tensor) -> Tensor:
        time.sleep(0.4)
        return value

    judged(slow)
    with pytest.raises(limits.TimedOut, match=r"a call took more than 0\.2 s"):
        judged(slow)
