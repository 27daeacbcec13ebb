"""What the demo shows: a screen that changes in place, or lines where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.usage import Totals
from otel_token_monitor.views import metrics
from otel_token_monitor.views.sums import grouped
from otel_token_monitor.views.terminal.bars import STYLES
from otel_token_monitor.views.terminal.budgets import budget_table, scope_text
from otel_token_monitor.views.terminal.sums import SumsRow, SumsTable
from otel_token_monitor.views.terminal.texts import (
    amount_text,
    cost_text,
    count_text,
    percent_text,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.demo.reading import Reading
    from otel_token_monitor.views.report import Report

__all__ = [
    "INTRODUCTION",
    "PATHS",
    "Address",
    "Lines",
    "LiveScreen",
    "Moment",
    "News",
    "Screen",
    "live_view",
    "overview",
]

INTRODUCTION: Final = "Three projects spend tokens at a server of the demo's own. Ctrl-C ends."
"""The first line."""

PATHS: Final = ("/", "/token-status", "/metrics")
"""The pages to open: for people, for programs, for Prometheus."""

_LINE_SECONDS: Final = 2.0
# So many alerts fit 24 lines; with more lines, so many more.
_ALERTS: Final = 3
_HEIGHT: Final = 24
_MOST_ALERTS: Final = 8
# From this height on, each project's models have a place below it.
_TALL: Final = 38


class News(NamedTuple):
    """An alert, and the seconds from the start until it came."""

    seconds: float
    alert: Alert


class Moment(NamedTuple):
    """What is to be shown: all that was counted in the seconds since the start, and the budgets."""

    seconds: float
    reading: Reading
    report: Report
    news: Sequence[News] = ()


class Address(NamedTuple):
    """Where the monitor serves."""

    host: str
    port: int

    def url(self, path: str = "/") -> str:
        """The address of a page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{path}"


class Screen(Protocol):
    """Where the demo shows itself."""

    def show(self, moment: Moment) -> None:
        """Show the latest, soon."""

    def end(self, moment: Moment) -> None:
        """Show the result, for good."""

    def close(self) -> None:
        """Give the terminal back."""


class LiveScreen:
    """All of the terminal until it ends; then it is as it was, with the result below."""

    def __init__(self, console: Console, address: Address) -> None:
        self._console = console
        self._address = address
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._live.start()

    def show(self, moment: Moment) -> None:
        """Draw it anew."""
        width, height = self._console.size
        view = live_view(moment, self._address, width=width, height=height)
        self._live.update(view, refresh=True)

    def end(self, moment: Moment) -> None:
        """Leave the result in the terminal."""
        self._live.stop()
        self._console.print(overview(moment, width=self._console.width))

    def close(self) -> None:
        """Give it back; does nothing after `end`."""
        self._live.stop()


class Lines:
    """A line every two seconds and for each alert, and the result: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0.0
        self._told = 0

    def show(self, moment: Moment) -> None:
        """Print the news, and a line, if it is time for one."""
        for item in moment.news[self._told :]:
            self._console.print(_alert_line(item), soft_wrap=True)
        self._told = len(moment.news)
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
        """Print the result."""
        self._console.print()
        self._console.print(overview(moment, width=self._console.width))

    def close(self) -> None:
        """Nothing is to be given back."""


def live_view(moment: Moment, address: Address, *, width: int, height: int) -> RenderableType:
    """What fits a terminal of `width` and `height`: at least 24 lines."""
    rows = _ALERTS + min(max(height - _HEIGHT, 0), _MOST_ALERTS - _ALERTS)
    return Group(
        _line(INTRODUCTION, "dim"),
        _addresses(address),
        Text(""),
        budget_table(moment.report.budgets, width),
        Text(""),
        *_alerts(moment.news, rows, fill=True),
        Text(""),
        _sums(moment.reading, width, models=height >= _TALL),
        Text(""),
        _health(moment),
    )


def overview(moment: Moment, *, width: int) -> RenderableType:
    """The result: budgets, the last alerts, sums."""
    alerts = [*_alerts(moment.news, _ALERTS), Text("")] if moment.news else []
    return Group(
        budget_table(moment.report.budgets, width),
        Text(""),
        *alerts,
        _sums(moment.reading, width, models=False),
    )


def _addresses(address: Address) -> Text:
    """The three pages, in a line; each can be clicked where the terminal knows links."""
    page, status, prometheus = PATHS
    text = _line("Open ")
    text.append(address.url(page), _link(address, page))
    text.append(" (a page), ")
    text.append(status, _link(address, status))
    text.append(" (JSON), ")
    return text.append(prometheus, _link(address, prometheus))


def _link(address: Address, path: str) -> str:
    return f"cyan link {address.url(path)}"


def _alerts(news: Sequence[News], rows: int, *, fill: bool = False) -> Iterator[Text]:
    """The last alerts, a line each; with `fill` always as many lines."""
    shown = news[-rows:]
    yield from map(_alert_line, shown)
    if fill:
        for row in range(len(shown), rows):
            yield (
                Text("No alert yet: the first comes when checkout has used 75 %.", "dim")
                if (row == 0)
                else Text("")
            )


def _alert_line(item: News) -> Text:
    """An alert in a line: `0:14  WARNING   checkout: 163k of 200k tokens/day (81%), was NORMAL`."""
    alert, budget = item.alert, item.alert.budget
    text = _line(f"{_clock(item.seconds)}  ", "bold")
    text.append(f"{alert.new_status.name:8}  ", STYLES[alert.new_status])
    if budget is None:
        return text.append(printable(alert.text))
    limit = budget.limit
    used, amount = amount_text(budget.used, limit.unit), amount_text(limit.amount, limit.unit)
    noun = "" if limit.unit is Unit.USD else f" {limit.unit}"
    share = percent_text(budget.used, limit.amount)
    text.append(f"{scope_text(limit.scope)}: {used} of {amount}{noun}/{limit.window} ({share})")
    return text.append(f", was {alert.old_status.name}", "dim")


def _sums(reading: Reading, width: int, *, models: bool) -> RenderableType:
    """A row for each project and, with `models`, for each of its models."""
    rows = []
    by_project = grouped(reading.by_labels, lambda labels: labels.project)
    by_model = grouped(reading.by_labels, lambda labels: (labels.project, labels.model))
    for project in sorted(by_project):
        rows.append(SumsRow((printable(project),), by_project[project], heads=models))
        rows += [
            SumsRow((f"  {printable(model)}",), totals)
            for (owner, model), totals in by_model.items()
            if models and owner == project
        ]
    if not rows:
        rows = [SumsRow(("no calls yet",), Totals())]
    return SumsTable(("PROJECT",), rows, reading.total, width).table()


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


def _line(text: str, style: str = "") -> Text:
    """A text that stays in one line."""
    return Text.assemble((text, style), no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
