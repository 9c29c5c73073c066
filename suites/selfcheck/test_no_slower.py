"""Who must be as fast as others fails where it is slower, and only where that is beyond doubt."""

from __future__ import annotations

import pytest

from fixtures.contests import no_slower
from fixtures.throughput import Contest, Outcome
from fixtures.timing import Policy, Race

STEADY = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01, 0.99]


def contest(ours: list[float], theirs: list[float] = STEADY) -> Contest:
    """Seconds a unit that two took in the same rounds."""
    race = Race(Policy(), samples={"ours": ours, "theirs": theirs})
    outcomes = {name: Outcome("pass", rate=race.seconds(name)) for name in race.samples}
    return Contest(outcomes, "theirs", False, (), race)


def test_slower_fails_and_says_by_how_much() -> None:
    """Twice the time in all rounds."""
    with pytest.raises(pytest.fail.Exception, match=r"0\.5 .* times as fast as theirs"):
        no_slower(contest([2 * seconds for seconds in STEADY]), "ours", ["theirs", "nobody"])


@pytest.mark.parametrize("factors", [[0.5] * 8, [1.0] * 8, [1.3, 0.7, 1.4, 0.8, 1.2, 0.75, 1.35, 0.9]])
def test_faster_as_fast_or_unclear_passes(factors: list[float]) -> None:
    """Half the time, the same, and now this and now that."""
    no_slower(contest([f * seconds for f, seconds in zip(factors, STEADY, strict=True)]), "ours", ["theirs"])


def test_who_has_no_figure_is_not_compared() -> None:
    """Neither fails the other."""
    untimed = Outcome("inconclusive", "no interval")
    slow = contest([2 * seconds for seconds in STEADY])
    for name in ("ours", "theirs"):
        no_slower(Contest(slow.outcomes | {name: untimed}, None, False, (), slow.race), "ours", ["theirs"])
