"""The options of commands that tell sums apart: by what, of which days, of which calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from otel_token_monitor.cli.dates import day_option, zone_option
from otel_token_monitor.views.breakdown import By

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

__all__ = ["between_days", "by_things", "of_model", "since", "until", "zone_named"]

since = click.option(
    "--since",
    callback=day_option,
    metavar="DAY",
    help="The first day: 2026-11-01, today, yesterday, or 7d for the last seven days. "
    "[default: the first of the month of --until]",
)
until = click.option(
    "--until", callback=day_option, metavar="DAY", help="The last day. [default: today]"
)
of_model = click.option("--model", metavar="GLOB", help="Only these models, such as 'gpt-5*'.")


def by_things(things: Iterable[By], default: By) -> Callable[[Any], Any]:
    """The option that says what sums are told apart by: each once, in the order given."""
    known = [str(by) for by in things]

    def chosen(context: click.Context, option: click.Parameter, value: str) -> tuple[By, ...]:
        choice = click.Choice(known, case_sensitive=False)
        names = [choice.convert(name.strip(), option, context) for name in value.split(",")]
        return tuple(By(name) for name in dict.fromkeys(names))

    return click.option(
        "--by",
        callback=chosen,
        default=str(default),
        metavar="THINGS",
        show_default=True,
        help=f"What to tell apart, comma-separated: any of {', '.join(known)}.",
    )


def zone_named(default: str) -> Callable[[Any], Any]:
    """The option that names a time zone; `default` says whose it is otherwise."""
    return click.option(
        "--timezone",
        callback=zone_option,
        metavar="ZONE",
        help=f"Where days begin and end, such as Asia/Seoul. [default: {default}]",
    )


def between_days(options: dict[str, Any], today: date) -> tuple[date, date]:
    """The first and the last day. Raises UsageError if the first is after the last."""
    last: date = today if options["until"] is None else options["until"](today)
    first: date = last.replace(day=1) if options["since"] is None else options["since"](today)
    if first > last:
        message = f"--since {first} is after --until {last}: exchange them"
        raise click.UsageError(message)
    return first, last
