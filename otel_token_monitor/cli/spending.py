"""`usage`: what was spent, between two days."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.cli.breakdowns import (
    between_days,
    by_things,
    of_model,
    since,
    until,
    zone_named,
)
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


@click.command()
@data_dir
@config_file
@by_things([by for by in By if by is not By.DIRECTORY], By.DAY)
@since
@until
@zone_named("where the limits' days do")
@of_project
@of_model
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
    first, last = between_days(options, today)
    return Question(
        by=options["by"],
        since=first,
        until=last,
        zone=zone,
        project=options["project"],
        model=options["model"],
    )
