"""What was given, and by which source: arguments, environment, `.env`, file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.config.faults import ConfigError, unknown
from otel_token_monitor.config.files import read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "CONFIG_VARIABLE",
    "VARIABLES",
    "Given",
    "gathered",
    "of_arguments",
    "of_environment",
]

CONFIG_VARIABLE: Final = "TOKEN_MONITOR_CONFIG"
"""The environment variable that names the file, where no argument does."""

VARIABLES: Final = {
    "project": "TOKEN_PROJECT",
    "data_dir": "TOKEN_MONITOR_DATA_DIR",
    "host": "OTEL_EXPORTER_PROMETHEUS_HOST",
    "port": "OTEL_EXPORTER_PROMETHEUS_PORT",
    "serve": "TOKEN_SERVE",
    "instrumentation": "TOKEN_INSTRUMENTATION",
    "capture": "TOKEN_CAPTURE",
    "stream_usage": "TOKEN_STREAM_USAGE",
    "max_label_sets": "TOKEN_MAX_LABEL_SETS",
    "histograms": "TOKEN_HISTOGRAMS",
    "drain_interval": "TOKEN_DRAIN_INTERVAL",
    "auto_monitor": "TOKEN_AUTO_MONITOR",
    "inbound_projects": "TOKEN_INBOUND_PROJECTS",
    "provider_hosts": "TOKEN_PROVIDER_HOSTS",
    "daily_limit": "TOKEN_DAILY_LIMIT",
    "monthly_limit": "TOKEN_MONTHLY_LIMIT",
    "per_minute_limit": "TOKEN_PER_MINUTE_LIMIT",
    "requests_per_minute_limit": "REQUESTS_PER_MINUTE_LIMIT",
    "requests_per_day_limit": "REQUESTS_PER_DAY_LIMIT",
    "requests_per_month_limit": "REQUESTS_PER_MONTH_LIMIT",
    "daily_cost_limit": "TOKEN_DAILY_COST_LIMIT",
    "monthly_cost_limit": "TOKEN_MONTHLY_COST_LIMIT",
    "warning_threshold": "TOKEN_WARNING_THRESHOLD",
    "alert_threshold": "TOKEN_ALERT_THRESHOLD",
    "timezone": "TOKEN_TIMEZONE",
    "monitor_interval": "TOKEN_MONITOR_INTERVAL",
    "auto_report": "TOKEN_AUTO_REPORT",
    "report_threshold": "TOKEN_REPORT_THRESHOLD",
    "webhook_url": "TOKEN_WEBHOOK_URL",
    "enable_file_logging": "TOKEN_ENABLE_FILE_LOGGING",
    "log_level": "TOKEN_LOG_LEVEL",
    "alerts_token": "TOKEN_ALERTS_TOKEN",
    "alerts_token_file": "TOKEN_ALERTS_TOKEN_FILE",
    "retention_days": "TOKEN_RETENTION_DAYS",
    "enable_compression": "TOKEN_ENABLE_COMPRESSION",
    "global_daily_limit": "GLOBAL_TOKEN_DAILY_LIMIT",
    "global_monthly_limit": "GLOBAL_TOKEN_MONTHLY_LIMIT",
    "global_data_dir": "GLOBAL_TOKEN_DATA_DIR",
}
"""The environment variable of each field; limits by project and by model have none."""

# What holds where nothing else was given.
_FALLBACK_VARIABLES: Final = {"project": "OTEL_SERVICE_NAME"}

_READ: Final = (CONFIG_VARIABLE, *VARIABLES.values(), *_FALLBACK_VARIABLES.values())

_DOTENV: Final = ".env"


class Given(NamedTuple):
    """A value, and its key as the user wrote it."""

    key: str
    value: object


def gathered(
    fields: Collection[str],
    file: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
    arguments: Mapping[str, object],
    faults: list[str],
) -> dict[str, Given]:
    """What the first source that has it gives for each field; what is wrong is added to `faults`.

    An argument of None, an empty variable and a null in the file give nothing.
    """
    variables = _environment(environ, faults)
    return {
        **_of_variables(variables, _FALLBACK_VARIABLES),
        **_of_file(fields, file, variables, faults),
        **_of_variables(variables, VARIABLES),
        **of_arguments(fields, arguments, faults),
    }


def _environment(environ: Mapping[str, str] | None, faults: list[str]) -> dict[str, Given]:
    """Each variable of ours that is set, also to nothing.

    Without `environ` these are the process's own, and below them those of ./.env: as after
    python-dotenv's `load_dotenv()`, but the environment stays as it is.
    """
    below = _dotenv(faults) if environ is None else {}
    environ = os.environ if environ is None else environ
    return below | {name: Given(name, environ[name]) for name in _READ if name in environ}


def of_arguments(
    fields: Collection[str], arguments: Mapping[str, object], faults: list[str]
) -> dict[str, Given]:
    """The arguments that name a field and are not None."""
    faults += [f"argument {unknown(name, fields)}" for name in arguments if name not in fields]
    return {
        name: Given(f"argument {name}", value)
        for name, value in arguments.items()
        if name in fields and value is not None
    }


def of_environment(environ: Mapping[str, str] | None, faults: list[str]) -> dict[str, Given]:
    """The fields whose variable is set."""
    return _of_variables(_environment(environ, faults), VARIABLES)


def _of_variables(
    environment: Mapping[str, Given], variables: Mapping[str, str]
) -> dict[str, Given]:
    return {
        field: environment[variable]
        for field, variable in variables.items()
        if variable in environment and environment[variable].value
    }


def _of_file(
    fields: Collection[str],
    file: str | os.PathLike[str] | None,
    environment: Mapping[str, Given],
    faults: list[str],
) -> dict[str, Given]:
    default = Given(CONFIG_VARIABLE, None)
    source, named = environment.get(CONFIG_VARIABLE, default)
    path = str(named) if named else None
    if file is not None:
        source, path = "argument file", os.fspath(file)
    if path is None:
        return {}
    try:
        document = read_file(path, source)
    except ConfigError as error:
        faults += error.faults
        return {}
    faults += [f"{path}: {unknown(key, fields)}" for key in document if key not in fields]
    return {
        key: Given(f"{path}: {key}", value)
        for key, value in document.items()
        if key in fields and value is not None
    }


def _dotenv(faults: list[str]) -> dict[str, Given]:
    if not os.path.isfile(_DOTENV):  # noqa: PTH113 - Path.is_file raises where this says no
        return {}
    # Imported here: most processes have no such file.
    from dotenv import dotenv_values  # noqa: PLC0415

    try:
        values = dotenv_values(_DOTENV, interpolate=False)
    except UnicodeDecodeError as error:
        faults.append(f"{_DOTENV}: byte {error.start} is not UTF-8 text")
        return {}
    except OSError as error:
        faults.append(f"{_DOTENV}: cannot be read: {error.strerror}")
        return {}
    return {
        name: Given(f"{_DOTENV}: {name}", value)
        for name in _READ
        if (value := values.get(name)) is not None
    }
