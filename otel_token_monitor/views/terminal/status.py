"""A report as people read it: the worst status, every budget, and who spends today."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.views.terminal.bars import STYLES
from otel_token_monitor.views.terminal.budgets import budget_table, scope_text, urgent_first
from otel_token_monitor.views.terminal.day import day_table
from otel_token_monitor.views.terminal.texts import count_text, percent_text, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from otel_token_monitor.views.report import Report

__all__ = ["day_text", "headline", "live_view", "no_limit_text", "status_view"]

_CONTESTED: Final = (
    "Running applications disagree about the limits of this ledger: those of the one that "
    "started last hold."
)
_MINUTE_SECONDS: Final = 60
# Of the live view: all lines but the rows of both tables.
_LIVE_FIXED: Final = 13
_LIVE_LEAST_ROWS: Final = 2


def status_view(report: Report, width: int) -> RenderableType:
    """All of it, at most `width` wide."""
    parts: list[RenderableType] = [headline(report), Text("")]
    if report.budgets:
        parts.append(budget_table(report.budgets, width))
        parts += [Text(note) for note in _budget_notes(report)]
    else:
        parts.append(Text(no_limit_text(report.project)))
    parts += [Text(""), day_table(report.totals[Window.DAY], day_text(report), width)]
    return Group(*parts)


def live_view(report: Report, width: int, height: int | None = None) -> RenderableType:
    """The same, and the pace of the last minute; of its rows those that fit a height."""
    minute = report.total(Window.MINUTE)
    line = headline(report, seconds=True)
    line.append(f"  {minute.total_tokens / _MINUTE_SECONDS:,.1f} tokens/s")
    line.append(f"  {count_text(minute.requests, 'request')}/min")
    today = report.totals[Window.DAY]
    budget_rows, day_rows = _rows(report, height)
    parts: list[RenderableType] = [line, Text("")]
    if report.budgets:
        parts.append(budget_table(report.budgets, width, rows=budget_rows))
    else:
        parts.append(Text(no_limit_text(report.project)))
    if budget_rows is not None and (hidden := len(report.budgets) - budget_rows) > 0:
        parts.append(Text(f"and {count_text(hidden, 'budget')} more", "dim"))
    parts += [Text(""), day_table(today, day_text(report), width, rows=day_rows)]
    if height is not None:
        parts += [Text(""), Text("q ends", "dim")]
    return Group(*parts)


def _rows(report: Report, height: int | None) -> tuple[int | None, int | None]:
    """How many rows of both tables fit a height: budgets get half of it, or what today leaves."""
    if height is None:
        return None, None
    today = report.totals[Window.DAY]
    wanted = len({(labels.project, labels.model) for labels in today})
    wanted += len({labels.project for labels in today})
    room = max(height - _LIVE_FIXED, 2 * _LIVE_LEAST_ROWS)
    budgets = min(len(report.budgets), max(room - wanted, room // 2))
    return budgets, room - budgets


def headline(report: Report, *, seconds: bool = False) -> Text:
    """The worst status, the time and its zone: `CRITICAL  2026-11-24 16:48 Asia/Seoul`."""
    now = datetime.fromtimestamp(report.now_ns // 1_000_000_000, report.policy.zone)
    time = f"{now:%Y-%m-%d %H:%M:%S}" if seconds else f"{now:%Y-%m-%d %H:%M}"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(report.status.name, STYLES[report.status])
    text.append(f"  {time} {report.policy.timezone}")
    if report.project is not None:
        text.append(f"  project {printable(report.project)}")
    return text


def day_text(report: Report) -> str:
    """Today, and where: `2026-11-24 Asia/Seoul`."""
    return f"{report.day} {report.policy.timezone}"


def no_limit_text(project: str | None) -> str:
    """That there is no limit, and how to set one."""
    if project is not None:
        return (
            f"Project {printable(project)} has no limit: set one in the configuration file, "
            f"under projects."
        )
    return "No limit is set: set TOKEN_DAILY_LIMIT, or run `otel-token-monitor config init`."


def _budget_notes(report: Report) -> list[str]:
    """What one should know of the budgets beside their figures."""
    estimated = [
        f"{scope_text(budget.limit.scope)} per {budget.limit.window} "
        f"{percent_text(budget.estimated, budget.used)}"
        for budget in urgent_first(report.budgets)
        if budget.estimated
    ]
    lines = [f"Estimated among USED: {', '.join(estimated)}."] if estimated else []
    lines += [_CONTESTED] if report.contested else []
    return ["", *lines] if lines else []
