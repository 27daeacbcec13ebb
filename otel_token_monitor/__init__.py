"""Count every token that an application spends on models, exactly once."""

from typing import TYPE_CHECKING

from otel_token_monitor import instrumenting as _instrumenting
from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.instrumenting import instrument, uninstrument
from otel_token_monitor.monitor import TokenMonitor
from otel_token_monitor.spans.instrumentations import InstrumentationError
from otel_token_monitor.spans.project import project
from otel_token_monitor.usage import TokenUsage, UsageRecord

if TYPE_CHECKING:
    token_monitor: TokenMonitor
    """The monitor of `instrument()`, else one that is made from the environment when it is used."""

__all__ = [
    "ConfigError",
    "InstrumentationError",
    "TokenMonitor",
    "TokenMonitorConfig",
    "TokenUsage",
    "UsageRecord",
    "instrument",
    "project",
    "token_monitor",
    "uninstrument",
]

_module_monitor = _instrumenting.ModuleMonitor()


def __getattr__(name: str) -> object:
    """Give `token_monitor`: whoever asks for it will log calls by hand."""
    if name == "token_monitor":
        _instrumenting.expect_by_hand()
        return _module_monitor
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
