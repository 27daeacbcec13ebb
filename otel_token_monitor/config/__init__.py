"""What the monitor is told: by arguments, environment variables and a file, in this order."""

from otel_token_monitor.config.faults import ConfigError
from otel_token_monitor.config.limits import LIMITS, LimitSetting, ProjectLimits, ScopeLimits
from otel_token_monitor.config.model import TokenMonitorConfig
from otel_token_monitor.config.sources import CONFIG_VARIABLE, VARIABLES

__all__ = [
    "CONFIG_VARIABLE",
    "LIMITS",
    "VARIABLES",
    "ConfigError",
    "LimitSetting",
    "ProjectLimits",
    "ScopeLimits",
    "TokenMonitorConfig",
]
