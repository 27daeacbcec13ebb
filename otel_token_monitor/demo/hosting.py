"""A monitored process that shows alerts itself, whatever it shows."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.console import LOGGER
from otel_token_monitor.demo.screen import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.monitor import TokenMonitor

__all__ = ["DemoError", "quiet", "served_address"]

_START_SECONDS: Final = 30.0


class DemoError(Exception):
    """The demo cannot run, or what it shows is not what was received."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep off the screen what would only disturb it.

    Traceloop's instrumentation ends the span of a failed call twice, which changes nothing, and
    makes the SDK say so. Alerts are shown by the demo itself; a logger with a handler of its own
    has no need of standard error.
    """

    def is_news(record: logging.LogRecord) -> bool:
        return record.getMessage() != "Calling end() on an ended span."

    log, alerts = logging.getLogger("opentelemetry.sdk.trace"), logging.getLogger(LOGGER)
    nowhere = logging.NullHandler()
    log.addFilter(is_news)
    alerts.addHandler(nowhere)
    try:
        yield
    finally:
        alerts.removeHandler(nowhere)
        log.removeFilter(is_news)


def served_address(monitor: TokenMonitor) -> Address:
    """Where the monitor serves, once it does: it begins in the background."""
    deadline = time.monotonic() + _START_SECONDS
    while (address := monitor.address) is None:
        if time.monotonic() > deadline:
            message = f"port {monitor.config.port} was taken meanwhile: choose another with --port"
            raise DemoError(message)
        time.sleep(0.01)
    return Address(*address)
