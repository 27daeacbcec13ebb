"""`report`: what was spent, over many data directories."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from otel_token_monitor.aggregation.aggregator import TokenUsageAggregator
from otel_token_monitor.aggregation.directories import Directory, directories_of, named
from otel_token_monitor.cli.breakdowns import (
    between_days,
    by_things,
    of_model,
    since,
    until,
    zone_named,
)
from otel_token_monitor.cli.options import as_json, of_project
from otel_token_monitor.cli.output import show, show_json
from otel_token_monitor.views.breakdown import By, TooFineError
from otel_token_monitor.views.terminal.breakdown import breakdown_view
from otel_token_monitor.views.terminal.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["report"]


def _directories(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[Directory, ...]:
    """The callback of an option that takes directories: DIR or NAME=DIR."""
    try:
        return directories_of(map(_directory, values))
    except (TypeError, ValueError) as error:
        raise click.BadParameter(str(error)) from None


def _directory(value: str) -> Directory | str:
    """NAME=DIR only if there is nothing of that name: paths may have such a sign, too."""
    name, sign, path = value.partition("=")
    if not sign or Path(value).exists():
        return value
    return named(name, path)


@click.command()
@click.option(
    "--dir",
    "dirs",
    callback=_directories,
    metavar="[NAME=]DIR",
    multiple=True,
    required=True,
    help="An application's data directory; once for each. Under NAME counts what it spent on no "
    "project.",
)
@by_things(By, By.PROJECT)
@since
@until
@zone_named("each directory's own")
@of_project
@of_model
@as_json
@click.pass_obj
def report(clock: Callable[[], int], /, **options: Any) -> None:
    """Show what many applications spent together.

    Each directory holds a ledger, or only the data files of one: a copy for archives, or from
    another machine. A ledger counts once, however often it is named. Both --since and --until are
    part of it. Without them it is the current month.

    \b
    otel-token-monitor report --dir shop/data --dir search/data
    otel-token-monitor report --dir eu=/mnt/eu --dir us=/mnt/us --by directory,model --since 7d
    otel-token-monitor report --dir shop/data --dir search/data --by month,project --json

    Notes on stderr tell what is not counted. Exits 0, or 3 if no directory can be read.
    """  # noqa: D301 - the backspace keeps click from joining the lines
    zone = options["timezone"]
    aggregator = TokenUsageAggregator(
        options["dirs"], timezone=None if zone is None else zone.key, clock=clock
    )
    try:
        aggregate = aggregator.aggregate(
            partial(between_days, options),
            by=options["by"],
            project=options["project"],
            model=options["model"],
        )
    except TooFineError as error:
        raise click.ClickException(str(error)) from error
    if options["as_json"]:
        show_json(aggregate.document())
    else:
        show(partial(breakdown_view, aggregate.breakdown))
    for problem in aggregate.problems:
        click.echo(f"Note: {printable(problem)}", err=True)
