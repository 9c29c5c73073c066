"""Laws of a function that is no concept: each holds for the right one, and each rejects at least one named wrong one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Subject:
    """A function, its laws, and wrong versions of it."""

    right: Callable[..., Any]
    laws: dict[str, Callable[..., None]] = field(default_factory=dict)
    wrong: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def law(self, *examples: dict[str, Any], **drawn: SearchStrategy[Any]) -> Callable[..., Callable[..., None]]:
        """A law: its first argument is the function; the others come from `examples`, then from what is `drawn`."""

        def decorate(check: Callable[..., None]) -> Callable[..., None]:
            def holds(function: Callable[..., Any], *, shrink: bool) -> None:
                for example in examples:
                    check(function, **example)
                if drawn:
                    test = given(**drawn)(lambda **found: check(function, **found))
                    if shrink:
                        settings(max_examples=max(25, settings().max_examples))(test)()
                    else:  # wrong versions are judged on inputs that are the same in every profile
                        settings(phases=[Phase.generate], max_examples=25, derandomize=True)(test)()
                elif not examples:
                    check(function)

            self.laws[check.__name__] = holds
            return check

        return decorate

    def control(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A wrong version, named by what it does."""
        self.wrong[function.__name__] = function
        return function

    def hold(self) -> None:
        for law in self.laws.values():
            law(self.right, shrink=True)

    def rejected(self) -> None:
        """Every wrong version breaks some law, and every law is broken by some wrong version."""
        broken = {name: {law for law, holds in self.laws.items() if fails(holds, f)} for name, f in self.wrong.items()}
        assert all(broken.values()), f"no law rejects {[name for name, laws in broken.items() if not laws]}"
        idle = set(self.laws).difference(*broken.values())
        assert not idle, f"no wrong version breaks {sorted(idle)}"


def fails(holds: Callable[..., None], function: Callable[..., Any]) -> bool:
    """Only a law's own verdict counts: a control that crashes is a bad control."""
    try:
        holds(function, shrink=False)
    except AssertionError:
        return True
    return False


def same(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def refuses(function: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    try:
        function(*arguments, **options)
    except Exception as error:
        return isinstance(error, ValueError)
    return False
