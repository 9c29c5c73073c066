"""The user's own data is read before the first test: what is wrong with it is one message."""

from __future__ import annotations

import pytest

from fixtures import environment
from reports.records import ReportError
from suites.accuracy import board, brought, resuming
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
    config.stash[board.EARLIER] = earlier(config)


def earlier(config: pytest.Config) -> resuming.Earlier | None:
    """The results that `--resume` names."""
    if not (place := config.getoption("resume")):
        return None
    try:
        found = resuming.Earlier(place, environment.describe(config).id)
    except ReportError as error:
        raise pytest.UsageError(f"--resume {place}: {error}") from None
    if found.elsewhere:
        raise pytest.UsageError(
            f"--resume {place}: run {found.id} was made on another machine, by other versions or at another commit, so "
            "nothing of it can be taken over; leave --resume out"
        )
    return found
