"""What the pages say of speeds beside the figures: which are the same, and how much of the possible they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.selfcheck.reports_synthetic import built, record, text, timing


def ratio(implementation: str, value: float, word: str | None, **fields: Any) -> Any:
    told = {"comparison": word, "margin": 0.025} if word else {}
    plain: dict[str, Any] = {"metric": "decode ratio", "unit": "x baseline", "better": "higher"}
    return timing(implementation, value, 0.01, **{**plain, **told, **fields})


def test_the_word_of_a_comparison_stands_beside_its_figure(tmp_path: Path) -> None:
    words = {"SAME": 1.0, "FASTER": 1.2, "SLOWER": 0.8, "AMBIGUOUS": 1.02}
    site = built(tmp_path, [ratio(f"i-{word.lower()}", value, word) for word, value in words.items()])
    page, table = text(site / "index.html"), (site / "leaderboard.md").read_text()
    for word, value in words.items():
        assert f"i-{word.lower()} {word} " in page
        assert f"| {value:.4g} x baseline, {word} |" in table
    assert "SAME : the whole interval lies within 2.5 % of 1" in page


def test_figures_that_nobody_compared_say_nothing(tmp_path: Path) -> None:
    page = text(built(tmp_path, [timing("i", 10.0), ratio("j", 1.0, None)]) / "index.html")
    assert not any(word in page for word in ("SAME", "FASTER", "SLOWER", "AMBIGUOUS", "whole interval"))


def test_no_other_word_can_be_recorded() -> None:
    with pytest.raises(ValueError, match="comparison"):
        ratio("i", 1.0, "as fast")


def test_shares_of_the_possible_stand_beside_their_rates(tmp_path: Path) -> None:
    """Each beside that of the same implementation and settings, and on no board of its own."""

    def share(name: str, value: float, what: str = "MFU", **fields: Any) -> Any:
        return timing(name, value, 0.01, metric=f"prefill {what}", unit="share", **fields)

    rows = [
        timing("fast", 100.0, metric="prefill"),
        timing("slow", 50.0, metric="prefill"),
        timing("slow", 20.0, metric="prefill", settings={"batch": 8}),
        share("fast", 0.42),
        share("slow", 0.21),
        share("slow", 0.33, settings={"batch": 8}),
        share("fast", 0.07, what="bandwidth use"),
    ]
    site = built(tmp_path, rows)
    page, table = text(site / "index.html"), (site / "leaderboard.md").read_text()
    assert "MFU 42 % (41 – 43) bandwidth use 7 % (6 – 8)" in page and page.count("MFU") == 3
    assert page.index("MFU 42 %") < page.index("MFU 21 %") < page.index("MFU 33 %")
    assert "| MFU 42 %, bandwidth use 7 % |" in table and table.count("of the possible") == 2
    assert "Throughput 2 boards" in page


def test_peaks_are_on_the_page_of_timing(tmp_path: Path) -> None:
    peak: dict[str, Any] = dict(kind="power", implementation="torch", metric="peak: matrix product", unit="FLOP/s")
    rows = [record(None, **peak, dtype="float32", value=1.5e11, low=1.4e11, high=1.6e11, settings={"n": 1024})]
    assert "matrix product float32 150 GFLOP/s 140 – 160 n = 1024" in text(built(tmp_path, rows) / "timing.html")


def test_what_was_timed_is_listed_with_its_sizes(tmp_path: Path) -> None:
    settings = {"batch": 8, "prompt_tokens": 128, "threads": 1}
    out: dict[str, Any] = dict(verdict="unsupported", message="not timed: it needs about 80 GiB", settings={"batch": 9})
    rows = [
        timing("fast", 100.0, metric="prefill", settings=settings),
        timing("slow", 50.0, metric="prefill", settings=settings, dtype="bfloat16"),
        timing("slow", None, metric="prefill", **out),
        ratio("slow", 0.5, "SLOWER"),
    ]
    page = text(built(tmp_path, rows) / "timing.html")
    assert "prefill bfloat16, float32 2 batch 8, prompt tokens 128; not timed: it needs about 80 GiB" in page
    assert "What was timed 1" in page and "batch 9" not in page
