"""`usage`: what was spent, between two days."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.cli.dates import day_option, zone_option
from otel_token_monitor.cli.options import (
    as_json,
    config_file,
    data_dir,
    of_project,
    reading,
    zone_of,
)
from otel_token_monitor.cli.output import show, show_json
from otel_token_monitor.views.breakdown import By, Question, TooFineError, take_breakdown
from otel_token_monitor.views.terminal.breakdown import breakdown_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from zoneinfo import ZoneInfo

__all__ = ["usage"]

_BY: Final = [str(by) for by in By]


def _by_option(context: click.Context, option: click.Parameter, value: str) -> tuple[By, ...]:
    """What sums are told apart by, each once, in the order given."""
    choice = click.Choice(_BY, case_sensitive=False)
    names = [choice.convert(name.strip(), option, context) for name in value.split(",")]
    return tuple(By(name) for name in dict.fromkeys(names))


@click.command()
@data_dir
@config_file
@click.option(
    "--by",
    callback=_by_option,
    default="day",
    metavar="THINGS",
    show_default=True,
    help=f"What to tell apart, comma-separated: any of {', '.join(_BY)}.",
)
@click.option(
    "--since",
    callback=day_option,
    metavar="DAY",
    help="The first day: 2026-11-01, today, yesterday, or 7d for the last seven days. "
    "[default: the first of the month of --until]",
)
@click.option("--until", callback=day_option, metavar="DAY", help="The last day. [default: today]")
@click.option(
    "--timezone",
    callback=zone_option,
    metavar="ZONE",
    help="Where days begin and end, such as Asia/Seoul. [default: where the limits' days do]",
)
@of_project
@click.option("--model", metavar="GLOB", help="Only these models, such as 'gpt-5*'.")
@as_json
@click.pass_obj
def usage(clock: Callable[[], int], /, **options: Any) -> None:
    """Show what was spent, by day or by whatever else.

    Both --since and --until are part of it. Without them it is the current month.

    \b
    otel-token-monitor usage --since 7d
    otel-token-monitor usage --by project,model --since 2026-11-01 --until 2026-11-15
    otel-token-monitor usage --by month,project --since 2026-01-01 --json

    Exits 0, or 3 if there is no ledger or it cannot be read.
    """  # noqa: D301 - the backspace keeps click from joining the lines
    with reading(options["config"], options["data_dir"]) as (reader, settings):
        zone = options["timezone"] or zone_of(reader, settings)
        question = _question(options, zone, day_of(clock(), zone))
        try:
            breakdown = take_breakdown(reader, question)
        except TooFineError as error:
            raise click.ClickException(str(error)) from error
    if options["as_json"]:
        show_json(breakdown.document())
    else:
        show(partial(breakdown_view, breakdown))


def _question(options: dict[str, Any], zone: ZoneInfo, today: date) -> Question:
    """What is asked for. Raises ClickException if the first day is after the last."""
    until: date = today if options["until"] is None else options["until"](today)
    since: date = until.replace(day=1) if options["since"] is None else options["since"](today)
    if since > until:
        message = f"--since {since} is after --until {until}: exchange them"
        raise click.UsageError(message)
    return Question(
        by=options["by"],
        since=since,
        until=until,
        zone=zone,
        project=options["project"],
        model=options["model"],
    )
