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

# The unit tests are to take half a minute; `make soak` and who looks for a fault ask for more.
# No deadlines: what a machine under load takes is no verdict.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


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
