"""Recorded deviations are of somebody and from something that is there: what is dead is never seen to go away."""

from __future__ import annotations

import fnmatch

import pytest

from fixtures.concepts import concept, concepts
from fixtures.implementations import Deviation, built_in, deviations


def missing(entry: Deviation) -> str | None:
    """What the entry names that is not there."""
    if entry.concept not in concepts():
        return f"no concept {entry.concept}"
    if not fnmatch.filter(concept(entry.concept).laws, entry.law):
        return f"{entry.concept} has no law {entry.law}"
    if not fnmatch.filter([one.name for one in built_in(concept(entry.concept))], entry.implementation):
        return f"{entry.concept} has no implementation {entry.implementation}"
    return None


def test_every_deviation_names_a_law_and_somebody_who_deviates() -> None:
    assert len(deviations()) > 100
    assert not [
        f"{why}: delete or mend the entry ({entry.reason})" for entry in deviations() if (why := missing(entry))
    ]


@pytest.mark.parametrize(
    ("of", "who", "law", "why"),
    [
        ("attention.scaled_dot_product", "torch-*", "test_agrees_with_*", None),
        ("attention.none", "torch-*", "test_agrees_with_*", "no concept attention.none"),
        ("attention.scaled_dot_product", "torch-*", "test_nothing", "has no law test_nothing"),
        ("attention.scaled_dot_product", "nobody", "test_agrees_with_*", "has no implementation nobody"),
    ],
)
def test_what_is_not_there_is_named(of: str, who: str, law: str, why: str | None) -> None:
    found = missing(Deviation(of, who, law, reason="planted", link=""))
    assert (found is None) if why is None else (found is not None and why in found)
