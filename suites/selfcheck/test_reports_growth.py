"""The picture of growth: every line that may be drawn is, with its exponent, and its points are on no leaderboard."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from reports.boards import boards
from reports.collection import collect
from reports.growth import Picture, pictures
from reports.schema import Record
from reports.tables import Report
from suites.selfcheck.reports_synthetic import ATTENTION, Page, built, run, text, timing, write

LENGTHS = (1000, 8000, 32000)


def grown(name: str, power: float, *, scale: float = 1e-6, **fields: object) -> list[Record]:
    """The times of an implementation that grows with that power, and its exponent."""
    known = {"dtype": None, "better": "lower", **fields}
    times = [(length, scale * length**power) for length in LENGTHS]
    return [
        *(
            timing(name, t, t / 50, metric="encode time", unit="s", settings={"input": "a", "bytes": n}, **known)
            for n, t in times
        ),
        timing(name, power, 0.02, metric="encode growth", unit="exponent", settings={"input": "a"}, **known),
    ]


def report_of(folder: Path, records: list[Record]) -> Report:
    return Report(collect([write(folder / "runs" / "r1", records, run())]))


def test_a_line_rises_with_its_exponent(tmp_path: Path) -> None:
    records = [*grown("linear", 1.0), *grown("quadratic", 2.0), *grown("slow", 1.0, scale=1e-4)]
    [picture] = pictures(report_of(tmp_path, records))
    lines = {line.name: line for line in picture.lines}
    assert picture.metric == "encode" and [tick.words for tick in picture.across] == ["1 kB", "8 kB", "32 kB"]

    def rise(name: str) -> float:
        (x, y, _, _), *_, (end, high, _, _) = lines[name].points
        return (y - high) / (end - x)

    assert rise("quadratic") == pytest.approx(2 * rise("linear"), rel=0.02)
    assert rise("slow") == pytest.approx(rise("linear"), rel=0.02)
    (x, y), (end, high) = picture.linear
    assert (y - high) / (end - x) == pytest.approx(rise("linear"), rel=0.02), "the dashed line"
    assert lines["quadratic"].exponent == "2.00 (1.98 – 2.02)"
    assert [line.name for line in picture.lines if line.best] == ["linear"]
    assert all(Picture.TOP <= y <= Picture.BOTTOM for line in picture.lines for _, y, _, _ in line.points)
    labels = [line.label for line in picture.lines]
    assert all(b - a >= Picture.PITCH - 0.1 for a, b in pairwise(labels))


def test_who_is_wrong_or_has_no_interval_has_no_line(tmp_path: Path) -> None:
    nothing = timing("nobody", None, metric="encode time", unit="s", settings={"input": "a", "bytes": 1000}, dtype=None)
    records = [*grown("right", 1.0), *grown("wrong", 1.0, verdict="fail"), nothing]
    [picture] = pictures(report_of(tmp_path, records))
    assert [line.name for line in picture.lines] == ["right"]
    assert (
        pictures(report_of(tmp_path / "one", [record for record in records if record.settings.get("bytes") == 1000]))
        == []
    )


def test_of_times_measured_again_the_newest_count(tmp_path: Path) -> None:
    [picture] = pictures(report_of(tmp_path, [*grown("a", 1.0, minutes=5), *grown("a", 2.0)]))
    assert [line.exponent for line in picture.lines] == ["1.00 (0.98 – 1.02)"]


def test_points_are_in_the_picture_and_on_no_board(tmp_path: Path) -> None:
    records = [*grown("a<b>", 1.0), *grown("b", 1.1)]
    found = boards(report_of(tmp_path, records), "throughput")
    assert [board.metric for board in found] == ["encode growth"]
    assert [entry.row.name for entry in found[0].entries] == ["a<b>", "b"], "the lower exponent first"
    site = built(tmp_path / "site", records)
    for page in ("index.html", f"concepts/{ATTENTION}.html"):
        assert "a&lt;b&gt; 1.00 (0.98 – 1.02)" in text(site / page) and "b 1.10 (1.08 – 1.12)" in text(site / page)
        assert "polyline" in Page(site / page).tags
