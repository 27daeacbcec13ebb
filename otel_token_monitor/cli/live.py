"""`top`: budgets and who spends, as it goes."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from otel_token_monitor.cli.endings import stopping
from otel_token_monitor.cli.keys import pressed_keys
from otel_token_monitor.cli.options import (
    config_file,
    data_dir,
    of_project,
    reading,
    refuse_unknown_project,
    report_of,
)
from otel_token_monitor.cli.output import show, terminal
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.views.terminal.status import live_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from otel_token_monitor.views.report import Report

__all__ = ["top"]

_KEY_SECONDS: Final = 0.1
_END_KEYS: Final = frozenset("qQ\x04")


@click.command()
@data_dir
@config_file
@of_project
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often it looks.",
)
@click.pass_obj
def top(
    clock: Callable[[], int],
    data_dir: str | None,
    config: str | None,
    project: str | None,
    interval: float,
) -> None:
    """Watch budgets and who spends, live.

    Ends on q or Ctrl-C. Where its output is no terminal, it shows all once.
    """
    with reading(config, data_dir) as (reader, settings):

        def ask() -> Report:
            return report_of(reader, settings, clock(), project=project)

        report = ask()
        refuse_unknown_project(reader, report)
        console = terminal()
        if sys.stdout.isatty() and not console.is_dumb_terminal:
            _watch(console, ask, report, interval)
        else:
            show(partial(live_view, report))


def _watch(console: Console, ask: Callable[[], Report], report: Report, interval: float) -> None:
    """Show report after report until the user has seen enough."""
    trouble: LedgerError | None = None
    with (
        stopping() as stop,
        pressed_keys() as pressed,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while not stop.is_set():
            live.update(_screen(console, report, trouble), refresh=True)
            due = time.monotonic() + interval
            size = console.size
            while time.monotonic() < due and console.size == size:
                if _END_KEYS.intersection(pressed()):
                    return
                if stop.wait(min(_KEY_SECONDS, interval)):
                    return
            try:
                report, trouble = ask(), None
            except LedgerError as error:
                trouble = error


def _screen(console: Console, report: Report, trouble: LedgerError | None) -> RenderableType:
    """The latest report; why it is not of now, if it is not."""
    if trouble is None:
        return live_view(report, console.width, console.height)
    said = Text(str(trouble), "red")
    lines = len(said.wrap(console, console.width))
    return Group(said, live_view(report, console.width, console.height - lines))
