"""Runs of the suite on users' implementations, right and wrong ones: each gets its verdict, and the run goes on."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from suites.selfcheck.runs import ATTENTION, LAWS, Finished, again, once, run

pytestmark = [
    pytest.mark.xdist_group("runs"),
    pytest.mark.skipif(os.name != "posix", reason="ends processes by signals"),
]

USERS = """
import ctypes, os
import torch
from torch.nn.functional import scaled_dot_product_attention as sdpa

def written(function):
    def call(query, key, value, *, mask=None, causal=False, scale=None):
        return function(query, key, value, mask, causal, scale)
    return call

@written
def holds_the_interpreter(query, key, value, mask, causal, scale):
    lock = ctypes.create_string_buffer(128)
    for _ in range(2):  # the second waits for ever, and no signal handler runs meanwhile
        ctypes.PyDLL(None).pthread_mutex_lock(lock)

@written
def kills_its_process(*_):
    os.kill(os.getpid(), 9)

@written
def ends_its_process(*_):
    os._exit(3)

@written
def loops(*_):
    while True:
        try:
            pass
        except Exception:
            pass

@written
def raises(*_):
    raise LookupError("no such head")

@written
def leaves(*_):
    raise SystemExit("goodbye")

@written
def interrupts(*_):
    raise KeyboardInterrupt

class Mute(Exception):
    def __str__(self):
        raise LookupError
    __repr__ = __str__

@written
def cannot_be_shown(*_):
    raise Mute

@written
def is_sparse(query, key, value, mask, causal, scale):
    return sdpa(query, key, value).to_sparse()

@written
def says(*_):
    return "attention"

@written
def has_another_shape(query, key, value, mask, causal, scale):
    return value

@written
def makes_nan(query, key, value, mask, causal, scale):
    return sdpa(query, key, value) * float("nan")

@written
def is_wrong(query, key, value, mask, causal, scale):
    return sdpa(query, key, value, scale=1 / query.shape[-1])

def lacks(query, key, value, *, causal=False, scale=None):
    return sdpa(query, key, value, is_causal=causal, scale=scale)
lacks.assay = {"without": {"mask": "not written yet"}, "dtypes": ["float32"]}

@written
def is_right(query, key, value, mask, causal, scale):
    return sdpa(query, key, value, attn_mask=mask, is_causal=causal, scale=scale)
"""
NAMES = ["reference", *(line.split()[1].split("(")[0] for line in USERS.splitlines() if line.startswith("def "))]
NAMES.remove("written")
ENDING = {"holds_the_interpreter", "kills_its_process", "ends_its_process"}
AGREES, MASKED = "test_agrees_with_the_reference", "test_agrees_under_a_mask"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Everybody under one law, some under more; those that end their process come first."""

    def make(folder: Path) -> Finished:
        folder.mkdir()
        (folder / "users.py").write_text(USERS)
        flags = [word for name in NAMES for word in ("--only-implementation", name)]
        for name in NAMES[1:]:
            flags += ["--implementation", f"{ATTENTION}={folder / 'users.py'}:{name}"]
        # A worker that is ended costs some seconds: those who do so are judged in one dtype only.
        once_only = "not (float32 and (process or interpreter))"
        wanted = f"({AGREES} and {once_only}) or ((loops or is_right) and causal) or (lacks and {MASKED})"
        return run(
            folder, LAWS, *flags, "--dtype", "float64", "--dtype", "float32", "--call-timeout", "1", "-k", wanted
        )

    return once(tmp_path_factory, "judged", make)


def test_everybody_has_a_verdict_and_the_run_fails(judged: Finished) -> None:
    assert judged.code == pytest.ExitCode.TESTS_FAILED, judged.output
    under_one_law = {(r["implementation"], r["dtype"]) for r in judged.records if r["law"] == AGREES}
    everybody = {(name, "float64") for name in NAMES}
    assert under_one_law == everybody | {(name, "float32") for name in NAMES if name not in ENDING}, judged.output
    assert len({r["node"] for r in judged.records}) == len(judged.records), "each law once"


def test_only_the_named_implementations_are_judged(judged: Finished) -> None:
    assert {r["implementation"] for r in judged.records} == set(NAMES)


def verdicts(judged: Finished, name: str, law: str = AGREES) -> dict[str, str]:
    """Verdict by dtype."""
    return {r["dtype"]: r["verdict"] for r in judged.records if (r["implementation"], r["law"]) == (name, law)}


def messages(judged: Finished, name: str) -> str:
    """One a line."""
    return "".join(f"{r['verdict']}: {r['message']}\n" for r in judged.records if r["implementation"] == name)


@pytest.mark.parametrize(
    ("name", "verdict", "said"),
    [
        ("reference", "pass", "pass: None"),
        ("is_right", "pass", "pass: None"),
        ("is_wrong", "fail", "units of noise in"),
        ("has_another_shape", "fail", "returned shape"),
        ("makes_nan", "fail", "nan at [0, 0], expected"),
        ("says", "error", "error: returned a str, 'attention', expected a tensor"),
        ("raises", "error", "error: raised LookupError: no such head"),
        ("interrupts", "error", "error: raised KeyboardInterrupt"),
        ("cannot_be_shown", "error", "error: raised Mute: <Mute whose __str__ raises LookupError>"),
        ("is_sparse", "error", "error: returned a tensor that is torch.sparse_coo; expected an ordinary, dense one"),
        ("leaves", "error", "error: raised SystemExit: goodbye"),
        ("loops", "timeout", "loops: a call took more than 1 s"),
        ("holds_the_interpreter", "timeout", "a call hung, and the process was ended after"),
        ("kills_its_process", "crash", "the process ended during this law"),
        ("ends_its_process", "crash", "the process ended during this law"),
    ],
)
def test_the_verdict_says_what_happened(name: str, verdict: str, said: str, judged: Finished) -> None:
    assert set(verdicts(judged, name).values()) == {verdict}
    assert said in messages(judged, name)


def test_a_failure_has_a_small_example_and_passes_none(judged: Finished) -> None:
    for record in judged.records:
        assert (record["example"] is None) == (record["verdict"] in ("pass", "unsupported", "crash", "timeout")), record
    wrong = next(r for r in judged.records if r["implementation"] == "is_wrong")
    assert wrong["example"].startswith(f"{AGREES}( problem=Problem(batch=(), t=1, s=2, d=")
    assert wrong["example"] in judged.output


def test_what_is_declared_is_unsupported_and_not_tried(judged: Finished) -> None:
    assert verdicts(judged, "lacks") == {"float64": "unsupported", "float32": "pass"}
    assert verdicts(judged, "lacks", MASKED) == {"float64": "unsupported", "float32": "unsupported"}
    said = {r["dtype"]: r["message"] for r in judged.records if (r["implementation"], r["law"]) == ("lacks", MASKED)}
    assert said == {"float64": "computes in float32, not in float64", "float32": "no `mask`: not written yet"}


def test_after_three_laws_that_hang_the_rest_is_recorded_without_a_try(judged: Finished) -> None:
    tried = [r for r in judged.records if r["implementation"] == "loops"]
    assert len(tried) > 5
    assert {r["verdict"] for r in tried} == {"timeout"}
    not_tried = [r for r in tried if r["message"] == "not tried: 3 laws of loops have ended in a timeout already"]
    assert len(tried) - len(not_tried) == 3
    assert all(r["duration"] < 0.5 for r in not_tried)
    right = [r for r in judged.records if r["implementation"] == "is_right"]
    assert len(right) == len(tried), "the strikes are those of one implementation"


def test_the_replay_command_fails_again_with_the_same_example(judged: Finished, tmp_path: Path) -> None:
    wrong = next(r for r in judged.records if r["implementation"] == "is_wrong")
    last = shlex.split(wrong["replay"])[-4:]
    assert last == ["--profile", "quick", "--call-timeout", "1"], "or other inputs would be drawn"
    repeated = again(wrong, tmp_path)
    assert repeated.code == pytest.ExitCode.TESTS_FAILED, repeated.output
    (record,) = repeated.records
    same = ("implementation", "law", "dtype", "verdict", "message", "example", "node", "noise", "n", "replay")
    assert {key: record[key] for key in same} == {key: wrong[key] for key in same}


TOKENIZER = """
from reference.tokenizers.byte_level_bpe import ByteLevelBPE

class Reversing(ByteLevelBPE):
    def encode(self, text):
        return super().encode(text)[::-1]

    def decode(self, ids):
        return super().decode(list(ids)[::-1])
"""
CUTS, DECODES = "test_cuts_words_as_gpt2_does", "test_decodes_any_ids"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A law of given words, and one that draws by itself."""

    def make(folder: Path) -> Finished:
        folder.mkdir()
        (folder / "mine.py").write_text(TOKENIZER)
        concept = "tokenizers.byte_level_bpe"
        flags = ["--implementation", f"{concept}={folder / 'mine.py'}:Reversing", "--only-implementation", "Reversing"]
        suite = "suites/conformance/tokenizers/test_byte_level_bpe"
        laws = [f"{suite}.py::{CUTS}", f"{suite}_agreement.py::{DECODES}"]
        return run(folder, *laws, *flags, "-p", "no:xdist")

    return once(tmp_path_factory, "tokenizer", make)


def test_a_parametrized_law_shows_what_it_was_given(tokenizer: Finished) -> None:
    failed = [r for r in tokenizer.records if r["law"] == CUTS]
    assert {r["verdict"] for r in failed} == {"fail"}, tokenizer.output
    (example,) = (r["example"] for r in failed if "they" in r["node"])
    assert example == f"""{CUTS}(words=['they', "'ll", "'ve"])"""
    assert f"input: {example}\n" in tokenizer.output


def test_what_a_law_draws_by_itself_is_shown(tokenizer: Finished) -> None:
    record = tokenizer.record("Reversing", DECODES)
    assert record["verdict"] == "fail", tokenizer.output
    assert record["example"].startswith(f"{DECODES}( tables=Learnt(")
    assert "data=data(...), ); Draw 1 (ids): [" in record["example"]
    assert f"smallest example found: {record['example']}\n" in tokenizer.output
