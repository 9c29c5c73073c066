"""Every mistake in `--implementation` is one message that says what to write, before any test runs."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures import targets
from fixtures.concepts import concept, concepts
from fixtures.implementations import built_in

ATTENTION = "attention.scaled_dot_product"
MINE = """
def attention(query, key, value, *, mask=None, causal=False, scale=None):
    return value

def anything(*args, **kwargs):
    return args[2]

def without_a_mask(query, key, value, *, causal=False, scale=None):
    return value

def two_arguments(query, key, *, mask=None, causal=False, scale=None):
    return query

class Holder:
    attention = staticmethod(attention)

reference = attention
number = 5
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def told(*flags: str, folder: Path) -> str:
    """What the user is told about these flags; the checks are made here and not in a process of their own."""
    answer = folder / "answer.json"
    targets._main(str(answer), list(flags))
    result = json.loads(answer.read_text())
    assert ("error" in result) != bool(result.get("targets")), "one message, or every target"
    return str(result.get("error", ""))


def test_a_right_target_is_described(mine: Path, tmp_path: Path) -> None:
    for attribute in ("attention", "anything", "Holder.attention", "reference"):
        assert not told(f"{ATTENTION}={mine}:{attribute}", folder=tmp_path)
    described = targets.describe(f"{ATTENTION}={mine}:attention")
    assert (described["concept"], described["target"]) == (ATTENTION, f"{mine}:attention")


@pytest.mark.parametrize("flag", ["attention", f"{ATTENTION}", f"{ATTENTION}=", "=mine.py:attention", ""])
def test_without_an_equals_sign_the_form_is_shown(flag: str) -> None:
    with pytest.raises(targets.TargetError, match=r"write CONCEPT=TARGET, for example attention\.scaled_dot_product="):
        targets.check([flag])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("attention.scaled_dot_produkt", ATTENTION),
        ("scaled_dot_product", ATTENTION),
        ("attention.sdpa_scaled_dot_product", ATTENTION),
        ("models.gpt2", "architectures.gpt2"),
        ("byte_level_bpe", "tokenizers.byte_level_bpe"),
    ],
)
def test_an_unknown_concept_gets_the_nearest_names(name: str, nearest: str) -> None:
    with pytest.raises(targets.TargetError) as caught:
        targets.check([f"{name}=mine.py:attention"])
    assert f"unknown concept {name!r}; did you mean" in str(caught.value)
    assert nearest in str(caught.value)
    assert not all(known in str(caught.value) for known in concepts()), "the nearest, not all"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{mine}", "write package.module:attribute or path/to/file.py:attribute"),
        ("{mine}:", "write package.module:attribute or path/to/file.py:attribute"),
        ("{folder}/yours.py:attention", "there is no file {folder}/yours.py"),
        ("{folder}:attention", "there is no file {folder}"),
        ("no_such_package.part:f", "there is no module 'no_such_package'; for a file write path/to/no_such_package"),
        ("json.no_such_part:f", "there is no module 'json.no_such_part'"),
        ("{mine}:atention", "has no attribute 'atention'; did you mean attention"),
        ("{mine}:Holder.atention", "has no attribute 'atention'; did you mean attention?"),
        ("{mine}:zzz", "has no attribute 'zzz'"),
        ("{mine}:number", "it is a int; expected something that can be called like\ndef scaled_dot_product(query"),
        ("{mine}:without_a_mask", "cannot be called as the reference is (got an unexpected keyword argument 'mask')"),
        ("{mine}:without_a_mask", "its signature is (query, key, value, *, causal=False, scale=None)"),
        ("{mine}:without_a_mask", "An option it lacks may be declared: your_function.assay = {{'without'"),
        ("{mine}:two_arguments", "cannot be called as the reference is (too many positional arguments)"),
    ],
)
def test_what_is_wrong_with_a_target_is_said(target: str, message: str, mine: Path, tmp_path: Path) -> None:
    flag = f"{ATTENTION}={target.format(mine=mine, folder=tmp_path)}"
    answer = told(flag, folder=tmp_path)
    assert answer.startswith(f"--implementation {flag}: ")
    assert message.format(mine=mine, folder=tmp_path) in answer


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('no GPU here')", "importing it raised RuntimeError: no GPU here"),
        ("import no_such_library", "importing it raised ModuleNotFoundError: No module named 'no_such_library'"),
        ("def f(:", "importing it raised SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise KeyboardInterrupt", "importing it raised KeyboardInterrupt"),
        (
            "class E(Exception):\n    def __str__(self): 1 / 0\nraise E",
            "raised E: <E whose __str__ raises ZeroDivisionError>",
        ),
        ("import sys; sys.exit('go away')", "importing it raised SystemExit: go away"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_mistake(source: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(source)
    answer = told(f"{ATTENTION}={tmp_path / 'broken.py'}:f", folder=tmp_path)
    assert message in answer
    # Nothing half imported stays behind, which a second look would take for the module.
    assert answer == told(f"{ATTENTION}={tmp_path / 'broken.py'}:f", folder=tmp_path)


DECLARED: dict[str, tuple[Any, str]] = {
    "no dict": (["mask"], "its attribute `assay` must be a dict with some of the keys dtypes, devices, without, req"),
    "unknown key": ({"dtype": ["float32"]}, "must be a dict with some of the keys dtypes"),
    "unknown dtype": ({"dtypes": ["float8"]}, "names 'float8'; known are float64, float32, bfloat16, float16"),
    "unknown device": ({"devices": ["gpu"]}, "names 'gpu'; known are cpu, cuda"),
    "unknown option": ({"without": {"maks": "no"}}, "names 'maks'; known are mask, causal, scale"),
    "no option": ({"without": ["key"]}, "names 'key'; known are mask, causal, scale"),
    "no dtypes": (
        {"dtypes": []},
        "`assay['dtypes']` is empty, and nothing could be judged; write some of float64, float32",
    ),
    "no devices": (
        {"devices": ()},
        "`assay['devices']` is empty, and nothing could be judged; write some of cpu, cuda",
    ),
    "empty text": ({"dtypes": ""}, "`assay['dtypes']` names ''; known are float64"),
    "empty requirement": ({"requires": [""]}, "names ''; expected a requirement such as 'torch>=2.6'"),
    "no requirement": ({"requires": "torch is needed"}, "expected a requirement such as 'torch>=2.6'"),
    "no list": ({"dtypes": 64}, "`assay['dtypes']` must be a list of strings, got 64"),
    "no strings": ({"dtypes": [float]}, "`assay['dtypes']` must be a list of strings"),
}


@pytest.mark.parametrize("wrong", DECLARED)
def test_a_declaration_that_means_nothing_is_a_mistake(wrong: str, mine: Path, tmp_path: Path) -> None:
    declared, message = DECLARED[wrong]
    mine.write_text(f"{MINE}\nattention.assay = {declared!r}".replace("<class 'float'>", "float"))
    assert message in told(f"{ATTENTION}={mine}:attention", folder=tmp_path)


def test_declarations_are_taken_over(mine: Path) -> None:
    declared = {"without": "mask", "dtypes": "float32", "devices": ("cpu",), "requires": ["torch>=2"]}
    mine.write_text(f"{MINE}\nwithout_a_mask.assay = {declared!r}")
    assert targets.describe(f"{ATTENTION}={mine}:without_a_mask")["declared"] == {
        "without": {
            **dict.fromkeys(("bias", "softcap"), "its signature has no such option"),
            "mask": "declared as not supported",
        },
        "dtypes": ("float32",),
        "devices": ("cpu",),
        "requires": ("torch>=2",),
    }


def test_a_class_contract_wants_a_class(tmp_path: Path, mine: Path) -> None:
    mine.write_text("class Tokenizer:\n    def __init__(self, vocabulary, merges): ...\n\ndef one(vocabulary): ...")
    assert not told(f"tokenizers.byte_level_bpe={mine}:Tokenizer", folder=tmp_path)
    assert "class ByteLevelBPE:" in told(f"tokenizers.byte_level_bpe={mine}:one", folder=tmp_path)


def test_options_that_a_class_does_not_have_are_unsupported(mine: Path) -> None:
    mine.write_text(
        "class Plain:\n    def __init__(self, vocabulary, merges): ...\n"
        "class Some:\n    def __init__(self, vocabulary, merges, *, special=None): ...\n"
        "    assay = {'without': {'pattern': 'mine'}}\n"
        "class Any:\n    def __init__(self, *tables, **options): ...\n"
    )
    without = {
        name: targets.describe(f"tokenizers.byte_level_bpe={mine}:{name}")["declared"]["without"]
        for name in ("Plain", "Some", "Any")
    }
    assert without["Plain"]["pattern"] == without["Plain"]["special"] == "its signature has no such option"
    assert "special" not in without["Some"] and without["Some"]["pattern"] == "mine" and not without["Any"]


def test_every_target_has_a_name_of_its_own(tmp_path: Path) -> None:
    described = [
        {"concept": ATTENTION, "target": target}
        for target in ("a.py:f", "b.py:f", "deep/b.py:f", "b.py:g", "pack.age:f", "a.py:reference", "a.py:torch-sdpa")
    ]
    names = [target["name"] for target in targets.named(described)]
    assert names == ["f", "b.f", "b.f.2", "g", "pack.age.f", "a.reference", "a.torch-sdpa"]
    assert not set(names) & {i.name for i in built_in(concept(ATTENTION))}
    elsewhere = [{"concept": c, "target": "a.py:f"} for c in (ATTENTION, "architectures.gpt2")]
    assert [target["name"] for target in targets.named(elsewhere)] == ["f", "f"]


def test_the_check_is_made_in_a_process_of_its_own(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several good flags in one; a module beside `pytest` is found; nothing is imported here."""
    monkeypatch.chdir(mine.parent)
    monkeypatch.syspath_prepend(str(mine.parent))
    flags = [f"{ATTENTION}=mine.py:attention", f"{ATTENTION}=mine:anything"]
    before = set(sys.modules)
    described = targets.check(flags)
    assert [target["target"] for target in described] == ["mine.py:attention", "mine:anything"]
    anywhere = [f"{ATTENTION}={mine}:attention", f"{ATTENTION}=mine:anything"]
    assert [target["flag"] for target in described] == anywhere, "a file is found from any folder"
    assert not [name for name in set(sys.modules) - before if "mine" in name]
    with pytest.raises(targets.TargetError, match=r"mine:atention: .* did you mean attention"):
        targets.check([f"{ATTENTION}=mine:atention"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import time\ntime.sleep(600)", r"importing took more than 2 s; a module must not compute or wait"),
        ("import os\nos.kill(os.getpid(), 9)", r"importing ended the process \(signal 9\)"),
        ("import os, sys\nprint('bye', file=sys.stderr, flush=True)\nos._exit(3)", r"\(exit status 3\)\nbye"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_import_that_hangs_or_kills_is_a_mistake(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "IMPORT_SECONDS", 2 if "sleep" in source else 90)
    (tmp_path / "bad.py").write_text(source)
    started = time.monotonic()
    with pytest.raises(targets.TargetError, match=message):
        targets.check([f"{ATTENTION}={tmp_path / 'bad.py'}:f"])
    assert time.monotonic() - started < 25


@pytest.mark.skipif(os.name != "posix", reason="file descriptors")
def test_an_import_that_asks_a_question_gets_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "IMPORT_SECONDS", 10)
    (tmp_path / "asks.py").write_text("input('licence accepted?')")
    terminal, _ = os.pipe()
    before = os.dup(0)
    os.dup2(terminal, 0)  # here somebody might still type
    try:
        with pytest.raises(targets.TargetError, match="importing it raised EOFError"):
            targets.check([f"{ATTENTION}={tmp_path / 'asks.py'}:f"])
    finally:
        os.dup2(before, 0)
