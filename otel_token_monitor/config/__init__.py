"""What the monitor is told: by arguments, environment variables and a file, in this order."""

from otel_token_monitor.config.faults import ConfigError
from otel_token_monitor.config.model import CONFIG_VARIABLE, VARIABLES, TokenMonitorConfig

__all__ = ["CONFIG_VARIABLE", "VARIABLES", "ConfigError", "TokenMonitorConfig"]
