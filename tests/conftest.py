"""What holds for every test."""

from __future__ import annotations

import gc
import logging
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The unit tests are to take half a minute; `make soak` and who looks for a fault ask for more.
# No deadlines: what a machine under load takes is no verdict.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have files of tests that wait, for Prometheus mostly, run beside files that compute.

    The fewer tests a file has, the longer each waits: those first, and all in the first two thirds,
    so that no processor idles in the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    by_size = sorted(files.values(), key=len)
    waiting = [file for file in by_size if file[0].path.parent.name == "deploy"]
    computing = [file for file in reversed(by_size) if file not in waiting]
    placed = [(2 / 3 * number / len(waiting), file) for number, file in enumerate(waiting)]
    placed += [(number / len(computing), file) for number, file in enumerate(computing)]
    placed.sort(key=lambda place: place[0])
    items[:] = [item for _, file in placed for item in file]


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays: thousands of tests, and all that they import."""
    gc.collect()
    gc.freeze()


class _Errors(logging.Handler):
    """Collects what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        # What budgets have to say is critical, and no fault of ours.
        if record.name != "otel_token_monitor.alerts":
            self.records.append(record)


@pytest.fixture(autouse=True)
def _no_errors_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the monitor logged an error, unless it is marked `logs_errors`.

    So the one broad `except` of the package cannot hide a bug.
    """
    errors = _Errors()
    logger = logging.getLogger("otel_token_monitor")
    logger.addHandler(errors)
    try:
        yield
    finally:
        logger.removeHandler(errors)
    if request.node.get_closest_marker("logs_errors") is None:
        formatter = logging.Formatter()
        assert [formatter.format(record) for record in errors.records] == []
