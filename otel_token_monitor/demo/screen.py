"""What the demo shows: a table that changes in place, or lines where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.demo.traffic import PROJECTS
from otel_token_monitor.usage import Totals
from otel_token_monitor.views import metrics
from otel_token_monitor.views.sums import grouped
from otel_token_monitor.views.terminal.texts import cost_text, count_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from otel_token_monitor.demo.reading import Reading

__all__ = ["Lines", "LiveTable", "Moment", "Screen", "overview"]

_NUMBER_WIDTH: Final = 12
# With fewer columns, the models have no place beside the projects.
_WIDE: Final = 118
_LINE_SECONDS: Final = 2.0


class Moment(NamedTuple):
    """What is to be shown: the seconds since the start, and all that was counted since."""

    seconds: float
    reading: Reading


class Screen(Protocol):
    """Where the demo shows itself."""

    def show(self, moment: Moment) -> None:
        """Show the latest, soon."""

    def end(self, moment: Moment) -> None:
        """Show the result, for good."""

    def close(self) -> None:
        """Give the terminal back."""


class LiveTable:
    """A table in the terminal, which changes in place until it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._live.start()

    def show(self, moment: Moment) -> None:
        """Draw it anew."""
        self._live.update(overview(moment, self._console.width), refresh=True)

    def end(self, moment: Moment) -> None:
        """Draw it for the last time, and leave it there."""
        self.show(moment)
        self._live.stop()

    def close(self) -> None:
        """Give it back; does nothing after `end`."""
        self._live.stop()


class Lines:
    """A line every two seconds, and the table at the end: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0.0

    def show(self, moment: Moment) -> None:
        """Print a line, if it is time for one."""
        if moment.seconds - self._shown < _LINE_SECONDS:
            return
        self._shown = moment.seconds
        total = moment.reading.total
        parts = (
            count_text(total.requests, "request"),
            count_text(total.total_tokens, "token"),
            count_text(total.requests_error, "error"),
            f"{total.unmetered:,} unmetered",
            cost_text(total),
        )
        self._console.print(f"{_clock(moment.seconds)}  {', '.join(parts)}")

    def end(self, moment: Moment) -> None:
        """Print the table."""
        self._console.print(overview(moment, self._console.width))

    def close(self) -> None:
        """Nothing is to be given back."""


def overview(moment: Moment, width: int) -> RenderableType:
    """The tables and the line of health; `width` is the terminal's."""
    reading = moment.reading
    tables: RenderableType = _projects(reading)
    if width >= _WIDE:
        grid = Table.grid(padding=(0, 5, 0, 0))
        grid.add_row(tables, _models(reading))
        tables = grid
    return Group("", tables, "", _health(moment))


class _Line(NamedTuple):
    """A line of the table: its name, its text for each column, its style, a rule below it."""

    name: str
    text: Callable[[Totals], str]
    style: str = ""
    ends: bool = False


_LINES: Final = (
    _Line("input", lambda totals: f"{totals.input + totals.input_cache_write:,}"),
    _Line("cached input", lambda totals: f"{totals.input_cached:,}"),
    _Line("output", lambda totals: f"{totals.output:,}"),
    _Line("reasoning", lambda totals: f"{totals.output_reasoning:,}", ends=True),
    _Line("tokens", lambda totals: f"{totals.total_tokens:,}", "bold", ends=True),
    _Line("requests", lambda totals: f"{totals.requests:,}"),
    _Line("errors", lambda totals: f"{totals.requests_error:,}", "red"),
    _Line("unmetered", lambda totals: f"{totals.unmetered:,}", "magenta", ends=True),
    _Line("cost", cost_text, "bold"),
)


def _table(*columns: Column) -> Table:
    return Table(
        *columns,
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="",
        border_style="dim",
    )


def _number(header: str) -> Column:
    return Column(Text(header, "bold"), justify="right", no_wrap=True, min_width=_NUMBER_WIDTH)


def _projects(reading: Reading) -> Table:
    """A column a project: the parts add up to the tokens."""
    by_project = grouped(reading.by_labels, lambda labels: labels.project)
    columns = [*(by_project.get(name, Totals()) for name in PROJECTS), reading.total]
    table = _table(
        Column(Text("PROJECT", "dim"), min_width=_NUMBER_WIDTH), *map(_number, (*PROJECTS, "total"))
    )
    for line in _LINES:
        cells = [Text(line.text(totals)) for totals in columns]
        for cell in cells:
            cell.stylize("dim" if cell.plain == "0" else line.style)
        table.add_row(Text(line.name), *cells, end_section=line.ends)
    return table


def _models(reading: Reading) -> Table:
    """A line a model."""
    table = _table(
        Column(Text("MODEL", "dim"), no_wrap=True),
        Column(Text("REQUESTS", "dim"), justify="right"),
        Column(Text("COST", "dim"), justify="right"),
    )
    for model, totals in grouped(reading.by_labels, lambda labels: labels.model).items():
        table.add_row(Text(printable(model)), f"{totals.requests:,}", cost_text(totals))
    return table


def _health(moment: Moment) -> Text:
    """How the monitor itself is doing."""
    health = moment.reading.health
    up = health.get(metrics.LEDGER_UP.name) == 1
    faults = ("dropped_spans", "hook_errors", "ledger_errors")
    counts = [int(health.get(metrics.HEALTH_COUNTERS[name].name, 0)) for name in faults]
    age = max(time.time() - health.get(metrics.LAST_WRITE.name, time.time()), 0.0)
    return Text.assemble(
        (f"{_clock(moment.seconds)}  ", "bold"),
        ("ledger ok", "green") if up else ("ledger not readable", "red"),
        (f"  written {age:.1f} s ago", "dim"),
        (f"  queue {int(health.get(metrics.QUEUE_LENGTH.name, 0))}", "dim"),
        (f"  dropped {counts[0]}", "red" if counts[0] else "dim"),
        (f"  own errors {sum(counts[1:])}", "red" if sum(counts[1:]) else "dim"),
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
