"""The user's own data is read before the first test: what is wrong with it is one message."""

from __future__ import annotations

import pytest

from suites.accuracy import board, brought
from suites.accuracy.lines import DataError


def pytest_configure(config: pytest.Config) -> None:
    tasks: dict[str, brought.Brought] = {}
    for given in config.getoption("data"):
        try:
            task = brought.read(given)
        except DataError as error:
            raise pytest.UsageError(str(error)) from None
        if tasks.setdefault(task.name, task).folder != task.folder:
            raise pytest.UsageError(
                f"--data: {task.folder} and {tasks[task.name].folder} would both be called {task.name}; rename one"
            )
        board.bring(task)
    config.stash[board.DATA] = list(tasks.values())
