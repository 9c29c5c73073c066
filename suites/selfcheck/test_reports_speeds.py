"""What the pages say of speeds beside the figures: which are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.selfcheck.reports_synthetic import built, text, timing


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
