"""Modules that are imported when first used, so that collecting the tests costs no second of importing."""

from __future__ import annotations

import importlib
from typing import Any

from suites.accuracy import harness


class Lazy:
    """Stands for a module; offline mode is set before it is imported, as lm-eval and its libraries need it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest and hypothesis look at every name of a test module while they collect.
        if attribute.startswith("_") or attribute in ("pytestmark", "hypothesis", "is_hypothesis_test"):
            raise AttributeError(attribute)
        harness.offline()
        return getattr(importlib.import_module(self._name), attribute)
