"""What the monitor is told: by arguments, environment variables and a file, in this order."""

from __future__ import annotations

import logging
import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
)

from otel_token_monitor.config.faults import SHOWN_LENGTH, ConfigError, shown
from otel_token_monitor.config.files import read_file
from otel_token_monitor.usage import MAX_PROJECT_LENGTH, check_project

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONFIG_VARIABLE", "VARIABLES", "TokenMonitorConfig"]

CONFIG_VARIABLE: Final = "TOKEN_MONITOR_CONFIG"
"""The environment variable that names the file, where no argument does."""

VARIABLES: Final = {
    "project": "TOKEN_PROJECT",
    "data_dir": "TOKEN_MONITOR_DATA_DIR",
    "host": "OTEL_EXPORTER_PROMETHEUS_HOST",
    "port": "OTEL_EXPORTER_PROMETHEUS_PORT",
    "serve": "TOKEN_SERVE",
    "instrumentation": "TOKEN_INSTRUMENTATION",
    "max_label_sets": "TOKEN_MAX_LABEL_SETS",
    "histograms": "TOKEN_HISTOGRAMS",
    "drain_interval": "TOKEN_DRAIN_INTERVAL",
    "auto_monitor": "TOKEN_AUTO_MONITOR",
    "inbound_projects": "TOKEN_INBOUND_PROJECTS",
    "provider_hosts": "TOKEN_PROVIDER_HOSTS",
}
"""The environment variable of each field."""

# What holds where nothing else was given.
_FALLBACK_VARIABLES: Final = {"project": "OTEL_SERVICE_NAME"}

# Keys that files of the original module may have, and that a later release brings.
_LATER_KEYS: Final = frozenset(
    {
        "alert_threshold",
        "auto_report",
        "daily_limit",
        "enable_compression",
        "enable_file_logging",
        "global_daily_limit",
        "global_monthly_limit",
        "log_level",
        "monitor_interval",
        "monthly_limit",
        "per_minute_limit",
        "report_threshold",
        "requests_per_minute_limit",
        "retention_days",
        "warning_threshold",
        "webhook_url",
    }
)

_BOOLEANS: Final = {
    word: value
    for value, words in {True: "true 1 yes on", False: "false 0 no off"}.items()
    for word in words.split()
}

_log = logging.getLogger("otel_token_monitor")


def _boolean(value: object) -> object:
    if isinstance(value, str | int):
        return _BOOLEANS.get(str(value).strip().lower(), value)
    return value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")  # noqa: TRY004 - Pydantic lets a TypeError pass
    return value


def _path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _directory(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("no path")
    return text


def _names(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _hosts(value: object) -> object:
    if isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        # A part without "=" has an empty provider, which is refused.
        return {host.strip(): provider.strip() for host, _, provider in pairs}
    return value


Flag = Annotated[bool, BeforeValidator(_boolean), Strict()]
Whole = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Project = Annotated[str, AfterValidator(check_project)]
Directory = Annotated[str, BeforeValidator(_path), AfterValidator(_directory)]
# Lengths have no place in these patterns: `{1,128}` takes 40 ms to compile.
Host = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}]+$")]
HostGlob = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}=/]+$")]
Provider = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}]+$", max_length=128)]

_FLAG: Final = "one of true, false, yes, no, on, off, 1, 0"


class TokenMonitorConfig(BaseModel):
    """How calls are watched, kept and shown.

    Made from keyword arguments alone it reads neither the environment nor a file: `load` does.
    Every field is checked again when it is assigned to; faults there are pydantic's
    ValidationError. A field's description says which values it takes.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    project: Annotated[
        Project, Field(description=f"a name of 1 to {MAX_PROJECT_LENGTH} printable characters")
    ] = "default"
    """The project of calls that name none themselves."""

    data_dir: Annotated[Directory, Field(description="the path of a directory, or :memory:")] = (
        "data/token_usage"
    )
    """Where the ledger is kept; ":memory:" keeps it in this process, and only while it runs."""

    host: Annotated[Host, Field(description="a host name or an address")] = "localhost"
    """The address that metrics are served at."""

    port: Annotated[Whole, Field(ge=0, le=65535, description="a whole number from 0 to 65535")] = (
        9464
    )
    """The port that metrics are served at; 0 lets the system choose a free one."""

    serve: Annotated[Flag, Field(description=_FLAG)] = True
    """Whether this process serves metrics."""

    instrumentation: Annotated[
        Literal["auto", "traceloop", "official", "openinference", "none"],
        Field(description="one of auto, traceloop, official, openinference, none"),
    ] = "auto"
    """What makes the spans; `auto` takes one that is active already, `none` switches on none."""

    max_label_sets: Annotated[Whole, Field(ge=1, description="a whole number from 1 up")] = 1000
    """How many label sets are told apart; calls beyond them count under `other`."""

    histograms: Annotated[Flag, Field(description=_FLAG)] = True
    """Whether histograms are shown."""

    drain_interval: Annotated[
        Seconds, Field(ge=0.005, le=5, description="a number of seconds from 0.005 to 5")
    ] = 0.1
    """Seconds between two writes to the ledger: what a crash may lose."""

    auto_monitor: Annotated[Flag | None, Field(description=_FLAG)] = None
    """Whether `opentelemetry-instrument` starts the monitor: only true does, None is no answer."""

    inbound_projects: Annotated[
        frozenset[Project],
        Field(
            description="project names, comma-separated or as a list, "
            f"each of 1 to {MAX_PROJECT_LENGTH} printable characters"
        ),
        BeforeValidator(_names),
    ] = frozenset()
    """The projects that callers may name in baggage; other names are not believed."""

    provider_hosts: Annotated[dict[HostGlob, Provider], BeforeValidator(_hosts)] = Field(
        default_factory=dict,
        description="a mapping of host[:port] patterns to providers, "
        "such as gateway.corp=openai,127.0.0.1:*=openai",
    )
    """Which provider answers at a host: `host[:port]` glob to provider, in the order given."""

    @classmethod
    def load(
        cls,
        *,
        file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        **arguments: object,
    ) -> Self:
        """Take each field from the first that gives it: arguments, environment, file, default.

        An argument of None, an empty variable and a null in the file give nothing. The file
        (.yaml, .yml or .json) is `file`, else what TOKEN_MONITOR_CONFIG names, else none.
        `environ` defaults to the process's own. Only values that come into effect are checked.

        Raises ConfigError, which names every fault.
        """
        environ = os.environ if environ is None else environ
        faults: list[str] = []
        given = {
            **_from_environment(environ, _FALLBACK_VARIABLES),
            **_from_file(file, environ, faults),
            **_from_environment(environ, VARIABLES),
            **_from_arguments(arguments, faults),
        }
        try:
            config = cls.model_validate({field: value for field, (_, value) in given.items()})
        except ValidationError as error:
            # A field has an error for each of its parts that is wrong: one line will do.
            wrong = dict.fromkeys(str(part["loc"][0]) for part in error.errors())
            faults += [
                f"{given[field].key}: {shown(given[field].value)} is not "
                f"{cls.model_fields[field].description}"
                for field in wrong
            ]
        if faults:
            raise ConfigError(faults)
        return config

    @classmethod
    def load_from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Take the fields from a file alone, whatever the environment says.

        Raises ConfigError.
        """
        return cls.load(file=path, environ={})


class _Given(NamedTuple):
    """A value, and its key as the user wrote it."""

    key: str
    value: object


def _from_environment(
    environ: Mapping[str, str], variables: Mapping[str, str]
) -> dict[str, _Given]:
    return {
        field: _Given(variable, environ[variable])
        for field, variable in variables.items()
        if environ.get(variable)
    }


def _from_arguments(arguments: Mapping[str, object], faults: list[str]) -> dict[str, _Given]:
    faults += [f"argument {_unknown(name)}" for name in arguments if name not in VARIABLES]
    return {
        name: _Given(f"argument {name}", value)
        for name, value in arguments.items()
        if name in VARIABLES and value is not None
    }


def _from_file(
    file: str | os.PathLike[str] | None, environ: Mapping[str, str], faults: list[str]
) -> dict[str, _Given]:
    source = CONFIG_VARIABLE if file is None else "argument file"
    path = environ.get(CONFIG_VARIABLE) or None if file is None else os.fspath(file)
    if path is None:
        return {}
    try:
        document = read_file(path, source)
    except ConfigError as error:
        faults += error.faults
        return {}
    later = [key for key in document if key in _LATER_KEYS]
    if later:
        _log.warning("%s: ignored until a later release brings them: %s", path, ", ".join(later))
    faults += [
        f"{path}: {_unknown(key)}"
        for key in document
        if key not in VARIABLES and key not in _LATER_KEYS
    ]
    return {
        key: _Given(f"{path}: {key}", value)
        for key, value in document.items()
        if key in VARIABLES and value is not None
    }


def _unknown(key: object) -> str:
    """Say that no field has this name; the value stays unsaid, it may be a secret."""
    name = key if isinstance(key, str) else ""
    close = get_close_matches(name.lower(), VARIABLES)
    said = name if name.isidentifier() and len(name) <= SHOWN_LENGTH else shown(key)
    remedy = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(VARIABLES)}"
    return f"{said} is unknown; {remedy}"
