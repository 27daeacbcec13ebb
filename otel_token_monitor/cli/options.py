"""Options that several commands have, and the ledger that they lead to."""

from __future__ import annotations

from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.views.report import take_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from otel_token_monitor.views.report import Report

__all__ = [
    "as_json",
    "config_file",
    "data_dir",
    "location",
    "of_project",
    "reading",
    "refuse_unknown_project",
    "report_of",
    "zone_of",
]

# A quarter-hour after all others.
_EVER: Final = 2**40


data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    help="The application's data directory. [default: TOKEN_MONITOR_DATA_DIR, else what the "
    "configuration says, else data/token_usage]",
)
config_file = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A configuration file, YAML or JSON. [default: TOKEN_MONITOR_CONFIG]",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON document instead of a table."
)
of_project = click.option("--project", metavar="NAME", help="Only this project.")


def location(settings: TokenMonitorConfig) -> Location:
    """The ledger's file. Raises ClickException if there is none that another process could read."""
    if settings.data_dir == ":memory:":
        message = (
            "a ledger in memory (:memory:) can be read by its application only, at its /metrics: "
            "name a data directory with --data-dir or TOKEN_MONITOR_DATA_DIR"
        )
        raise click.ClickException(message)
    return Location.in_directory(Path(settings.data_dir))


@contextmanager
def reading(
    config: str | None, data_dir: str | None
) -> Iterator[tuple[LedgerReader, TokenMonitorConfig]]:
    """A reader of the ledger that options and configuration name, and that configuration."""
    settings = TokenMonitorConfig(file=config, data_dir=data_dir)
    reader = LedgerReader(location(settings))
    try:
        yield reader, settings
    finally:
        reader.close()


def report_of(
    reader: LedgerReader, settings: TokenMonitorConfig, now_ns: int, **asked: Any
) -> Report:
    """What the ledger says now. Raises LedgerError."""
    return take_report(reader, Policy.of(settings), now_ns, **asked)


def zone_of(reader: LedgerReader, settings: TokenMonitorConfig) -> ZoneInfo:
    """The time zone in which the days of the limits end. Raises LedgerError."""
    return Policy.held(reader.policy().document, Policy.of(settings)).zone


def refuse_unknown_project(reader: LedgerReader, report: Report) -> None:
    """Raise ClickException if the project has neither a limit nor, ever, a call: a slip perhaps."""
    if report.project is None or report.budgets:
        return
    limited = {limit.scope.project for limit in report.policy.limits} - {None}
    known = limited | {labels.project for labels in reader.totals(0, _EVER)}
    if report.project in known:
        return
    close = get_close_matches(report.project, [name for name in known if name is not None])
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    message = f"project {report.project!r} has no limit and no call in this ledger{meant}"
    raise click.ClickException(message)
