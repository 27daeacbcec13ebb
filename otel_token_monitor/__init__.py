"""Count every token that an application spends on models, exactly once."""

from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.monitor import TokenMonitor, instrument, uninstrument
from otel_token_monitor.spans.instrumentations import InstrumentationError
from otel_token_monitor.spans.project import project
from otel_token_monitor.usage import TokenUsage, UsageRecord

__all__ = [
    "ConfigError",
    "InstrumentationError",
    "TokenMonitor",
    "TokenMonitorConfig",
    "TokenUsage",
    "UsageRecord",
    "instrument",
    "project",
    "uninstrument",
]
