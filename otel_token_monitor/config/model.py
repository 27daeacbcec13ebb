"""The configuration: its fields, and how one is made, changed and kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
)

from otel_token_monitor.config import documents, values
from otel_token_monitor.config.amounts import COUNT, DOLLARS, SHARE
from otel_token_monitor.config.checks import combination_faults
from otel_token_monitor.config.faults import ConfigError, PartsError, shown, unknown
from otel_token_monitor.config.files import write_file
from otel_token_monitor.config.sources import Given, gathered, of_arguments, of_environment
from otel_token_monitor.config.timezones import TIMEZONE
from otel_token_monitor.usage import MAX_PROJECT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TokenMonitorConfig"]

_FLAG: Final = values.FLAG
_COUNT: Final = COUNT.takes
_COST: Final = DOLLARS.takes
_SHARE: Final = SHARE.takes


class TokenMonitorConfig(BaseModel):
    """How calls are watched, kept, shown and limited.

    Each field is taken from the first that gives it: arguments, environment, file, default. An
    argument of None, an empty variable and a null in the file give nothing. The file (.yaml, .yml
    or .json) is `file`, else what TOKEN_MONITOR_CONFIG names, else none. `environ` defaults to
    the process's own, laid over the variables in ./.env. Only values that come into effect are
    checked. A field's description says which values it takes.

    Raises ConfigError, which names every fault; so does an assignment to a field.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)

    project: Annotated[
        values.Project,
        Field(description=f"a name of 1 to {MAX_PROJECT_LENGTH} printable characters"),
    ] = "default"
    """The project of calls that name none themselves."""

    data_dir: Annotated[
        values.Directory, Field(description="the path of a directory, or :memory:")
    ] = "data/token_usage"
    """Where the ledger is kept; ":memory:" keeps it in this process, and only while it runs."""

    host: Annotated[values.Host, Field(description="a host name or an address")] = "localhost"
    """The address that metrics are served at."""

    port: Annotated[
        values.Whole, Field(ge=0, le=65535, description="a whole number from 0 to 65535")
    ] = 9464
    """The port that metrics are served at; 0 lets the system choose a free one."""

    serve: Annotated[values.Flag, Field(description=_FLAG)] = True
    """Whether this process serves metrics."""

    instrumentation: Annotated[
        Literal["auto", "traceloop", "official", "openinference", "wire", "none"],
        Field(description="one of auto, traceloop, official, openinference, wire, none"),
    ] = "auto"
    """What makes the spans; `auto` takes one that is active already, `none` switches on none; with
    `wire` there are none, and calls are only seen inside OpenAI's client."""

    capture: Annotated[values.Flag, Field(description=_FLAG)] = True
    """Whether usage is read inside OpenAI's client, too; never with `instrumentation` `none`."""

    stream_usage: Annotated[
        Literal["auto", "on", "off"], Field(description="one of auto, on, off")
    ] = "auto"
    """Whether servers are asked for the usage of streams whose caller did not ask: `auto` asks
    OpenAI and Azure, `on` all. The caller gets the same chunks."""

    max_label_sets: Annotated[values.Whole, Field(ge=1, description="a whole number from 1 up")] = (
        1000
    )
    """How many label sets are told apart; calls beyond them count under `other`."""

    histograms: Annotated[values.Flag, Field(description=_FLAG)] = True
    """Whether histograms are shown."""

    drain_interval: Annotated[
        values.Seconds, Field(ge=0.005, le=5, description="a number of seconds from 0.005 to 5")
    ] = 0.25
    """Seconds between two writes to the ledger: what a crash may lose."""

    auto_monitor: Annotated[values.Flag | None, Field(description=_FLAG)] = None
    """Whether budgets are watched in the background, and `opentelemetry-instrument` counts.

    None, no answer, watches where `instrument()` was called, and starts nothing by itself.
    """

    inbound_projects: Annotated[
        frozenset[values.Project],
        Field(
            description="project names, comma-separated or as a list, "
            f"each of 1 to {MAX_PROJECT_LENGTH} printable characters"
        ),
        BeforeValidator(values.names),
    ] = frozenset()
    """The projects that callers may name in baggage; other names are not believed."""

    provider_hosts: Annotated[
        dict[values.HostGlob, values.Provider], BeforeValidator(values.pairs)
    ] = Field(
        default_factory=dict,
        description="a mapping of host[:port] patterns to providers, "
        "such as gateway.corp=openai,127.0.0.1:*=openai",
    )
    """Which provider answers at a host: `host[:port]` glob to provider, in the order given."""

    daily_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Tokens a calendar day, of the whole ledger; None means no limit, here and below."""

    monthly_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Tokens a calendar month."""

    per_minute_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Tokens in the last 60 seconds."""

    requests_per_minute_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Requests in the last 60 seconds."""

    requests_per_day_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Requests a calendar day."""

    requests_per_month_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Requests a calendar month."""

    daily_cost_limit: Annotated[values.CostLimit, Field(description=_COST)] = None
    """US dollars a calendar day."""

    monthly_cost_limit: Annotated[values.CostLimit, Field(description=_COST)] = None
    """US dollars a calendar month."""

    projects: Annotated[
        values.Projects, Field(description="a mapping of projects to their limits")
    ] = Field(default_factory=dict)
    """Limits by project; within one, `models` has those by model glob. Files and arguments only."""

    models: Annotated[
        values.Models, Field(description="a mapping of model patterns to their limits")
    ] = Field(default_factory=dict)
    """Limits by model glob (`gpt-5*`), over all projects. Files and arguments only."""

    warning_threshold: Annotated[values.Share, Field(description=_SHARE)] = 0.8
    """The share of a limit from which on its status is WARNING; below `alert_threshold`."""

    alert_threshold: Annotated[values.Share, Field(description=_SHARE)] = 0.9
    """The share of a limit from which on its status is CRITICAL."""

    timezone: Annotated[values.TimeZone, Field(description=TIMEZONE)] = "UTC"
    """The IANA name of the zone whose midnights end days and months."""

    monitor_interval: Annotated[
        values.Seconds, Field(ge=1, le=86400, description="a number of seconds from 1 to 86400")
    ] = 300.0
    """Seconds between two looks at the budgets where no call comes."""

    auto_report: Annotated[values.Flag, Field(description=_FLAG)] = True
    """Whether usage is reported at each step of `report_threshold`."""

    report_threshold: Annotated[
        values.Share, Field(ge=0.01, description="a share from 0.01 to 1, such as 0.1")
    ] = 0.1
    """The share of a limit between two reports."""

    webhook_url: Annotated[
        values.WebhookUrls,
        Field(description=f"{values.WEBHOOK_URL}; several comma-separated or as a list"),
    ] = ()
    """Where alerts are sent to. The addresses are secrets: they are kept masked."""

    enable_file_logging: Annotated[values.Flag, Field(description=_FLAG)] = True
    """Whether alerts are written to `logs/alerts_YYYY-MM-DD.log` in the data directory."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(values.upper),
        Field(description="one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ] = "INFO"
    """The least severe level that the alert log has."""

    alerts_token: Annotated[values.Token, Field(description=values.TOKEN)] = None
    """The bearer token that /alerts asks for; None: see `read_alerts_token`."""

    alerts_token_file: Annotated[
        values.Directory | None, Field(description="the path of a file whose first line is a token")
    ] = None
    """The file that has that token instead, so that no variable need hold a secret."""

    retention_days: Annotated[
        values.Whole, Field(ge=1, le=36500, description="a whole number of days from 1 to 36500")
    ] = 90
    """Days that data files, alert logs and single records are kept; sums stay."""

    enable_compression: Annotated[values.Flag, Field(description=_FLAG)] = False
    """Whether data files and alert logs are compressed a week after their last day."""

    global_daily_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Tokens a calendar day, of all ledgers together that a TokenSyncService follows."""

    global_monthly_limit: Annotated[values.CountLimit, Field(description=_COUNT)] = None
    """Tokens a calendar month, of those."""

    global_data_dir: Annotated[
        values.Directory, Field(description="the path of a directory, or :memory:")
    ] = "data/global_token_usage"
    """Where the ledger is kept that has the sums of all those; a directory of its own."""

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        *,
        file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        **arguments: object,
    ) -> None:
        faults: list[str] = []
        given = gathered(type(self).model_fields, file, environ, arguments, faults)
        super().__init__()
        self._take(given, faults)

    @classmethod
    def load_from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Take the fields from a file alone, whatever the environment says.

        Raises ConfigError.
        """
        return cls(file=path, environ={})

    def update_from_env(self, environ: Mapping[str, str] | None = None) -> None:
        """Take each field whose variable is set; `environ` is as for the constructor.

        Raises ConfigError, which names every fault; then nothing has changed.
        """
        faults: list[str] = []
        self._take(of_environment(environ, faults), faults)

    def replaced(self, **arguments: object) -> Self:
        """The same configuration but for the fields given; None leaves one as it is.

        Raises ConfigError.
        """
        faults: list[str] = []
        given = of_arguments(type(self).model_fields, arguments, faults)
        other = self.model_copy(deep=True)
        other._take(given, faults)  # noqa: SLF001 - one of us
        return other

    def save_to_file(self, path: str | os.PathLike[str]) -> None:
        """Write what differs from the defaults, for `load_from_file`.

        The suffix (.json, .yaml, .yml) says how. Directories that are missing are made. The file
        is replaced at once or not at all; only its owner can read it, as it has secrets in clear.

        Raises ConfigError if it cannot be written.
        """
        defaults = type(self)(environ={})
        document = self.document(secrets=True)
        write_file(
            os.fspath(path),
            {
                name: document[name]
                for name in type(self).model_fields
                if getattr(self, name) != getattr(defaults, name)
            },
        )

    def document(self, *, secrets: bool) -> dict[str, object]:
        """Every field, as JSON and YAML have it; `secrets` are in clear, or else masked."""
        return {
            name: documents.plain(getattr(self, name), secrets=secrets)
            for name in type(self).model_fields
        }

    def origin(self, field: str) -> str:
        """Where the value of a field comes from.

        `default`, `TOKEN_DAILY_LIMIT`, `.env: TOKEN_DAILY_LIMIT`, `token-monitor.yaml:
        daily_limit`, `argument daily_limit` or `assignment to daily_limit`.
        """
        return self._origins.get(field, "default")

    def read_alerts_token(self) -> str | None:
        """The bearer token that /alerts asks for, in clear; None if none is set.

        The file is read at each call: a token may be changed while the process runs.

        Raises ConfigError if `alerts_token_file` has none.
        """
        if self.alerts_token_file is None:
            return None if self.alerts_token is None else self.alerts_token.get_secret_value()
        where = f"{self.origin('alerts_token_file')}: {shown(self.alerts_token_file)}"
        try:
            with Path(self.alerts_token_file).open(encoding="utf-8-sig") as lines:
                token = values.read_token(lines.readline())
        except OSError as error:
            raise ConfigError([f"{where} cannot be read: {error.strerror}"]) from None
        except ValueError:  # of bytes that are not UTF-8, too
            raise ConfigError([f"{where} has no token in its first line: {values.TOKEN}"]) from None
        return None if token is None else token.get_secret_value()

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        elif name not in type(self).model_fields:
            raise ConfigError([f"assignment to {unknown(name, type(self).model_fields)}"])
        else:
            self._take({name: Given(f"assignment to {name}", value)}, [])

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal, wherever they come from."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def _take(self, given: Mapping[str, Given], faults: list[str]) -> None:
        """Set the fields that are given, or none of them and raise ConfigError."""
        candidate = self.model_copy()
        wrong: set[str] = set()
        for field, (key, value) in given.items():
            try:
                self.__pydantic_validator__.validate_assignment(candidate, field, value)
            except ValidationError as error:
                wrong.add(field)
                faults += self._faults(field, key, value, error)
        origins = {**self._origins, **{field: key for field, (key, _) in given.items()}}
        faults += combination_faults(candidate.__dict__, origins, wrong)
        if faults:
            raise ConfigError(faults)
        self.__dict__.update(candidate.__dict__)
        self.__pydantic_fields_set__.update(given)
        self._origins = origins

    @classmethod
    def _faults(cls, field: str, key: str, value: object, error: ValidationError) -> list[str]:
        for part in error.errors():
            cause = part.get("ctx", {}).get("error")
            if isinstance(cause, PartsError):
                return [f"{key}{line}" for line in cause.lines]
        # A field has an error for each of its parts that is wrong: one line will do.
        said = "the value (a secret, not shown)" if field in _SECRETS else shown(value)
        return [f"{key}: {said} is not {cls.model_fields[field].description}"]


_SECRETS: Final = frozenset({"webhook_url", "alerts_token"})
