"""The entry point for `opentelemetry-instrument`: counting without a line of code."""

from __future__ import annotations

import logging

from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.instrumenting import instrument
from otel_token_monitor.spans.instrumentations import InstrumentationError

__all__ = ["start"]

_log = logging.getLogger("otel_token_monitor")


def start() -> None:
    """Start the monitor if `TOKEN_AUTO_MONITOR=true` is set.

    Called once all instrumentations are active. An application that asked for nothing but tracing
    must not fail because of us: what is wrong with the configuration is logged.
    """
    try:
        if TokenMonitorConfig().auto_monitor:
            instrument()
    except (ConfigError, InstrumentationError) as error:
        _log.error("otel_token_monitor does not count: %s", error)
