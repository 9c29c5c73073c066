"""The pages: escaped, complete for any part of the results, with every denominator and every command."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path
from typing import Any

import pytest

from reports import prose, site
from reports.schema import Record
from suites.selfcheck.reports_synthetic import (
    ATTENTION,
    Page,
    built,
    control,
    environment,
    judged,
    page,
    record,
    run,
    score,
    text,
    timing,
)

ALERT = "<script>alert(1)</script>"
FAULT: dict[str, Any] = {"kind": "control", "role": "fault"}


def everything() -> list[Record]:
    """A record of each kind and verdict."""
    verdicts = ("pass", "fail", "deviation", "inconclusive", "unsupported", "error", "crash", "timeout")
    return [
        *(
            record(f"test_{verdict}", verdict=verdict, dtype="float64", replay=f"pytest -k {verdict}")
            for verdict in verdicts
        ),
        record("test_a", implementation="no scale", rejected_by=["test_a"], link="https://x.org", **FAULT),
        record("test_b", implementation="blocked", kind="control", role="variant"),
        record("test_odd", verdict="fail", looks_like="no scale", agrees_with=["other"]),
        control("zeros", "null", "test_a"),
        control("5:1 Add_Sub", "mutant", verdict="fail", message="line 5\n- a + b\n+ a - b"),
        control("6:1 Add_Sub", "mutant", verdict="deviation", message="line 6\n- c + 0\n+ c - 0", example="It is 0."),
        judged("assay", "fault", 9, 9),
        judged("assay", "variant", 1, 9, verdict="fail", message="told"),
        judged("other", "fault", 5, 9, link="https://y.org"),
        score("m", 0.5, replay="pytest -k score"),
        timing("i", 10.0),
        timing("crowded", 10.0, contended=True),
        record("test_claim", kind="claim", value=1.0),
    ]


def test_links_and_markup_are_whole(tmp_path: Path) -> None:
    folder = built(tmp_path, everything(), run(concepts=[page(), page(id="losses.other")]))
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    assert {path.name for path in pages} >= {"index.html", "failures.html", "environment.html", f"{ATTENTION}.html"}
    for path, found in pages.items():
        assert len(found.ids) == len(set(found.ids))
        for address in found.addresses:
            if address.startswith("https://"):
                continue
            file, _, anchor = address.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), f"{path.name} -> {address}"
            assert not anchor or anchor in pages[target].ids, f"{path.name} -> {address}"


def test_the_pages_may_load_nothing(tmp_path: Path) -> None:
    for path in built(tmp_path, everything()).rglob("*.html"):
        [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', path.read_text())
        assert "default-src &#39;none&#39;" in policy and "unsafe" not in policy and "http" not in policy
        for kind in ("style", "script"):
            [content] = re.findall(rf"<{kind}>(.*?)</{kind}>", path.read_text(), flags=re.DOTALL)
            assert site._hash(content).strip("'") in html.unescape(policy)


def test_nothing_that_a_record_says_becomes_markup(tmp_path: Path) -> None:
    texts = ("message", "example", "replay", "node", "link", "unit", "dtype", "device", "environment", "run")
    common: dict[str, Any] = {**dict.fromkeys(texts, ALERT), "versions": {ALERT: ALERT}, "settings": {ALERT: ALERT}}
    named: dict[str, Any] = dict(concept=ALERT, implementation=ALERT)
    verdicts = ("fail", "deviation", "inconclusive", "crash", "unsupported")
    records = [
        *(record(f"{ALERT}{verdict}", **common, **named, verdict=verdict) for verdict in verdicts),
        record(ALERT, kind="control", role="fault", rejected_by=[ALERT], **common, **named),
        record(ALERT, kind="control", role="variant", rejected_by=[ALERT], verdict="fail", **common, **named),
        record(ALERT, kind="claim", **common, **named),
        *(control(ALERT, role, ALERT, verdict="fail", **common, **named) for role in ("null", "mutant")),
        *(control(f"{ALERT}2", "mutant", verdict=verdict, **common, concept=ALERT) for verdict in verdicts),
        *(
            judged(rule, role, 4, 9, **{**common, "dtype": dtype}, concept=ALERT)
            for rule in ("assay", ALERT)
            for role in ("fault", "variant")
            for dtype in ("float32", ALERT)
        ),
        record(ALERT, kind="power", metric="flake rate", value=0.0, high=0.1, n=9, **common, **named),
        *(
            record(None, kind="power", metric=f"{what}{ALERT}", value=1.0, low=0.9, high=1.1, **common, **named)
            for what in ("timer: ", "peak: ")
        ),
        record(None, kind="power", metric="audit: two copies", value=1.0, low=0.9, high=1.1, **common, **named),
        record(f"{ALERT}odd", verdict="fail", looks_like=ALERT, agrees_with=[ALERT], **common, **named),
        *(record(ALERT, kind="throughput", metric=ALERT, value=value, **common, **named) for value in (1.0, None)),
        record(ALERT, kind="accuracy", metric=ALERT, value=1.0, **common, task=ALERT, model=ALERT),
        record(ALERT, kind="accuracy", metric=ALERT, verdict="error", **common, task=ALERT, model=f"{ALERT}2"),
    ]
    hostile = environment(
        id=ALERT, python=ALERT, platform=ALERT, cpu=ALERT, gpus=[ALERT], driver=ALERT, cuda=ALERT, commit=ALERT,
        versions={ALERT: ALERT, "torch": ALERT}, flags={ALERT: ALERT},
    )  # fmt: skip
    told = page(
        id=ALERT, path=ALERT, contract=ALERT, laws={ALERT: ALERT},
        doc=f"{ALERT}\n\n# {ALERT}\n\n$\\text{{{ALERT}}}$ ${ALERT}$ $$\\href{{javascript:alert(1)}}{{x}} {ALERT}$$\n\n"
        f"[a](javascript:alert(1)) [c](../secret.html) $\\text{{{{{ALERT}}}}}$"
        f" ![b](https://x.org/i.png) <img src=x onerror=alert(1)>\n\n    {ALERT}\n\n`{ALERT}`",
    )  # fmt: skip
    folder = built(tmp_path, records, run(ALERT, command=ALERT, environment=hostile, concepts=[told]))
    shown = list(folder.rglob("*.html"))
    assert len(shown) == 7
    for path in shown:
        found = Page(path)
        assert found.tags.count("script") == 1 and "img" not in found.tags
        assert not [address for address in found.addresses if re.search("javascript|secret|<", address)]
        assert "alert(1)" in path.read_text()
    assert "faults let through" in text(folder / "rules.html") and "9 runs" in text(folder / "power.html")
    for path in [*shown, folder / "leaderboard.md"]:
        assert ALERT not in path.read_text()


def test_a_link_that_is_not_of_the_web_is_only_text(tmp_path: Path) -> None:
    records = [
        record(f"test_{n}", verdict="deviation", link=link)
        for n, link in enumerate(["javascript:alert(1)", "https://ok.org/"])
    ]
    folder = built(tmp_path, records)
    found = Page(folder / "failures.html").addresses
    assert "https://ok.org/" in found and not [address for address in found if "javascript" in address]


def test_control_characters_are_spelt_out(tmp_path: Path) -> None:
    folder = built(tmp_path, [record(verdict="fail", message="a\x00b\x1b[31mc\u202ed")])
    content = (folder / "failures.html").read_text()
    assert not re.search("[\x00\x1b\u202e]", content) and "a\\x00b\\x1b[31mc\\u202ed" in content


@pytest.mark.parametrize(
    ("records", "has", "lacks"),
    [
        ([], "no records", "Conformance"),
        ([timing("i", 5.0)], "How fast is it?", "Is it right?"),
        ([timing("i", None, verdict="error")], "Not ranked", "Is it right?"),
        ([score("m", math.nan, None)], "Not ranked", "How fast is it?"),
        ([record(verdict="fail", implementation="x" * 400)], "1 not kept", "How good is it?"),
        ([record(verdict="unsupported")], "unsupported", "Not kept"),
        ([record(implementation="f", **FAULT)], "faults rejected", "Is it right?"),
        ([judged("assay", "fault", 1, 2)], "Power", "Is it right?"),
        ([control("m", "mutant", verdict="inconclusive")], "1 mutant cannot be imported", "Is it right?"),
        ([record(kind="claim")], "Claims", "Is it right?"),
        ([record(concept="../../etc/passwd")], "Is it right?", "How good is it?"),
        ([record(f"test_{n}", implementation=f"i{n % 30}") for n in range(300)], "Is it right?", "Not kept"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_any_part_alone_makes_a_whole_site(tmp_path: Path, records: list[Record], has: str, lacks: str) -> None:
    folder = built(tmp_path, records)
    for path in folder.rglob("*.html"):
        assert path.resolve().is_relative_to(folder)
        Page(path)
    assert has in text(folder / "index.html") and lacks not in text(folder / "index.html")


def test_denominators_leave_out_what_was_not_judged(tmp_path: Path) -> None:
    verdicts = ["pass", "pass", "fail", "crash", "deviation", "inconclusive", "unsupported"]
    folder = built(tmp_path, [record(f"test_{n}", verdict=verdict) for n, verdict in enumerate(verdicts)])
    assert "2 / 5 / 6 1 deviation 2 not kept" in text(folder / "index.html")
    assert "2 / 5 / 6, 1 deviation" in (folder / "leaderboard.md").read_text()


def test_each_failure_has_its_example_and_its_command(tmp_path: Path) -> None:
    bad = record(
        verdict="fail", message="off by one", example="x = [0.5]", replay="pytest 'a.py::test_agrees[mine-float64]'"
    )
    folder = built(tmp_path, [bad])
    for path in (folder / "failures.html", folder / "concepts" / f"{ATTENTION}.html"):
        for words in ("off by one", "x = [0.5]", "pytest &#39;a.py::test_agrees[mine-float64]&#39;"):
            assert words in path.read_text()


def test_a_fault_that_survives_and_a_variant_that_is_rejected_are_told(tmp_path: Path) -> None:
    records = [
        record(None, implementation="seen", rejected_by=["test_a"], **FAULT),
        record(None, implementation="missed", rejected_by=[], verdict="fail", message="Somebody believes it.", **FAULT),
        record(None, implementation="blocked", kind="control", role="variant", rejected_by=["test_b"], verdict="fail"),
    ]
    shown = text(built(tmp_path, records) / "index.html")
    for words in (
        "1 / 2 faults rejected",
        "0 / 1 variants accepted",
        "missed survived Somebody believes it.",
        "seen rejected",
    ):
        assert words in shown


def test_tex_becomes_mathml_and_broken_tex_stays_readable(tmp_path: Path) -> None:
    doc = r"The $\softmax$ of the score $\frac{QK^\top}{\sqrt{d}}$ and $\frac{$.\n\n| a |\n|---|\n| $x$ |".replace(
        r"\n", "\n"
    )
    folder = built(tmp_path, [], run(concepts=[page(doc=doc)]))
    content = (folder / "concepts" / f"{ATTENTION}.html").read_text()
    assert content.count("<math") == 3 and "<mi>softmax</mi>" in content and "<mfrac>" in content
    assert r'<code class="tex">\frac{</code>' in content
    assert re.search("<td>.*<math", content)


@pytest.mark.parametrize(
    ("tex", "below"),
    [
        (r"\argmin_x f", "arg\u2009min"),
        (r"\arg\max_x f", "arg\u2009max"),
        (r"\operatorname*{arg\,max}_x f", "arg\u2009max"),
        (r"\mathop{\mathrm{argmin}}_x f", "arg\u2009min"),
        (r"\max_x f", "max"),
        (r"\lim_x f", "lim"),
        (r"\operatorname*{softmax}_x f", "softmax"),
    ],
)
def test_what_an_operator_runs_over_stands_below_it(tex: str, below: str) -> None:
    shown = str(prose.math(tex, display=True))
    assert re.search(rf"<munder><mi[^>]*>{below}</mi>(<mrow>)?<mi>x</mi>(</mrow>)?</munder><mspace", shown)
    assert "munder" not in prose.math(tex)
    assert "<msub><mi>softmax</mi>" in prose.math(r"\operatorname{softmax}_x f", display=True)
    assert "ReLU6" in prose.math(r"\operatorname{ReLU6}(x)")


def test_the_reference_is_the_suspect_where_others_agree_against_it(tmp_path: Path) -> None:
    rows = [
        record("test_a", implementation="one", verdict="fail", agrees_with=["two"], looks_like="scaled twice"),
        record("test_a", implementation="two", verdict="fail", agrees_with=["one"]),
        record("test_b", implementation="two", verdict="fail", agrees_with=["one"]),
        record("test_a", implementation="three", verdict="fail", agrees_with=[]),
    ]
    folder = built(tmp_path, rows)
    said = "one and two agree against it"
    for name in ("index.html", "failures.html", f"concepts/{ATTENTION}.html"):
        assert f"The reference is the suspect. {said}" in text(folder / name).replace(f"{ATTENTION} : ", "")
    own = (folder / "concepts" / f"{ATTENTION}.html").read_text()
    assert own.count('<p class="suspect">') == 3 and "Looks like: <b>scaled twice</b>" in own
    assert (folder / "index.html").read_text().count("others agree</a>") == 2
    assert text(folder / "index.html").count(said) == 1
    assert said in (folder / "leaderboard.md").read_text()
    assert "suspect" not in text(built(tmp_path / "calm", rows[3:]) / "index.html")


def test_those_who_agree_under_one_law_are_named_together(tmp_path: Path) -> None:
    pairs = [("one", "two"), ("three", "two"), ("four", "five")]
    rows = [record("test_a", implementation=name, verdict="fail", agrees_with=[other]) for name, other in pairs]
    shown = text(built(tmp_path, rows) / "index.html")
    assert shown.count("The reference is the suspect.") == 2
    assert "one, three and two agree" in shown and "five and four agree" in shown


def test_one_is_not_some(tmp_path: Path) -> None:
    folder = built(tmp_path, [record(verdict="deviation", n=1)])
    for path in [*folder.rglob("*.html"), folder / "leaderboard.md"]:
        found = re.search(
            r"(?<![\d.,/])(?<!/ )\b1 (runs|records|rows|laws|implementations|examples|deviations)\b", text(path)
        )
        assert not found, f"{path.name}: {found}"
