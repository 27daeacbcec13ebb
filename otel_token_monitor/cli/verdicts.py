"""`status` and `check`: how much of each budget is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import click

from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.cli.options import (
    as_json,
    config_file,
    data_dir,
    of_project,
    reading,
    refuse_unknown_project,
    report_of,
)
from otel_token_monitor.cli.output import say, show, show_json
from otel_token_monitor.views.terminal.budgets import budget_line, urgent_first
from otel_token_monitor.views.terminal.status import no_limit_text, status_view
from otel_token_monitor.views.terminal.texts import count_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.views.report import Report

__all__ = ["check", "status"]

_FAILS_ON: Final = {"warning": BudgetStatus.WARNING, "critical": BudgetStatus.CRITICAL}


@click.command()
@data_dir
@config_file
@of_project
@as_json
@click.pass_obj
def status(
    clock: Callable[[], int],
    data_dir: str | None,
    config: str | None,
    project: str | None,
    *,
    as_json: bool,
) -> None:
    """Show every budget, and what was spent today.

    The most urgent budget comes first. PROJ. is what will be used at the reset, and RUNS OUT when
    the limit will be reached, if it goes on as in the last hour (for a month: the last day). Days
    end in the time zone of the limits.

    TOKENS is INPUT plus OUTPUT. CACHED is a part of INPUT, REASONING a part of OUTPUT. Columns that
    the terminal has no room for are left out; --json has everything.

    Exits 0, whatever the status is, or 3 if there is no ledger or it cannot be read.
    """
    with reading(config, data_dir) as (reader, settings):
        report = report_of(reader, settings, clock(), project=project)
        refuse_unknown_project(reader, report)
    if as_json:
        show_json(report.status_document())
    else:
        show(partial(status_view, report))


@click.command()
@data_dir
@config_file
@of_project
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAILS_ON)),
    default="warning",
    show_default=True,
    help="The mildest status that is a failure.",
)
@as_json
@click.pass_context
def check(  # noqa: PLR0913 - an argument for each option
    context: click.Context,
    data_dir: str | None,
    config: str | None,
    project: str | None,
    fail_on: str,
    *,
    as_json: bool,
) -> None:
    """Tell by the exit code how budgets stand.

    For scripts and cron jobs that would rather stop than overspend. Prints a line for each budget
    that is not NORMAL.

    Exits 0 if every budget is NORMAL, 1 if the worst is WARNING, 2 if it is CRITICAL, 3 if that
    cannot be known. With --fail-on critical, WARNING exits 0.
    """
    with reading(config, data_dir) as (reader, settings):
        report = report_of(reader, settings, context.obj(), project=project)
        refuse_unknown_project(reader, report)
    if as_json:
        show_json(report.status_document())
    else:
        say("\n".join(_lines(report)))
    context.exit(report.status if report.status >= _FAILS_ON[fail_on] else 0)


def _lines(report: Report) -> list[str]:
    budgets = urgent_first(report.budgets)
    if not budgets:
        return [no_limit_text(report.project)]
    troubled = [budget_line(budget) for budget in budgets if budget.status]
    if troubled:
        return troubled
    most = max(budgets, key=lambda budget: budget.ratio)
    used = percent_text(most.used, most.limit.amount)
    return [f"NORMAL    {count_text(len(budgets), 'budget')}, {used} used at most"]
