"""Timings keep out of each other's way: under `--dist loadgroup` one worker runs all of a device."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before xdist reads the marks."""
    group = pytest.mark.xdist_group(f"throughput-{config.getoption('device')}")
    kept = []
    for item in items:
        if Path(__file__).parent in item.path.parents:
            callspec = getattr(item, "callspec", None)
            if callspec and callspec.params.get("users", item) is None:
                continue
            item.add_marker(group)
        kept.append(item)
    items[:] = kept
