"""What alerts and reports say in words; pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.usage import NANODOLLARS

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import Limit

__all__ = ["amount", "announcement", "description", "percent", "removed", "resolution"]

_PERIODS: Final = {Window.MINUTE: "in the last minute", Window.DAY: "today"}
_NANO: Final = 1_000_000_000


def announcement(budget: Budget, severity: str, zone: ZoneInfo) -> dict[str, str]:
    """The annotations of an alert that begins; the summary has no figures, so it stays as it is."""
    return {
        "summary": f"LLM budget {budget.limit.budget} has reached its {severity} threshold",
        "description": description(budget, zone),
    }


def description(budget: Budget, zone: ZoneInfo) -> str:
    """How much is used, where that leads, and when the budget resets."""
    limit = budget.limit
    period = _PERIODS.get(limit.window, "this month")
    where = " in all ledgers together" if limit.scope.over_ledgers else ""
    used, whole = amount(limit.unit, budget.used), amount(limit.unit, limit.amount)
    share = percent(budget.used, limit.amount)
    parts = [f"{used} of {whole} {_noun(limit)}used {period}{where} ({share})"]
    if budget.estimated:
        parts.append(f"{percent(budget.estimated, budget.used)} of that is estimated")
    if budget.projected is not None and budget.remaining:
        at_reset = amount(limit.unit, budget.projected)
        parts.append(f"at the pace of late, {at_reset} by reset")
        if budget.runs_out_ns is not None:
            parts.append(f"it runs out {_moment(budget.runs_out_ns, zone)}")
    if limit.window is not Window.MINUTE:
        parts.append(f"resets {_moment(budget.reset_ns, zone)}")
    return "; ".join(parts)


def resolution(budget: Budget, zone: ZoneInfo, *, reset: bool) -> str:
    """Why an alert of a budget has ended."""
    why = "A new window has begun" if reset else "Below the threshold again"
    return f"{why}: {description(budget, zone)}"


def removed(name: str) -> str:
    """What is said of a budget that is no more."""
    return f"The limit of {name} was removed"


def percent(part: int, whole: int) -> str:
    """A share in percent, cut to a decimal: what shows as 80.0 % is 80 % at least."""
    tenths = part * 1000 // whole
    return f"{tenths // 10:,}.{tenths % 10} %"


def amount(unit: Unit, number: int) -> str:
    """An amount of a unit, money in dollars and cents, or finer where it is little."""
    if unit is not Unit.USD:
        return f"{number:,}"
    dollars = number / NANODOLLARS
    return f"${dollars:,.2f}" if number % (NANODOLLARS // 100) == 0 else f"${dollars:,.4f}"


def _noun(limit: Limit) -> str:
    return "" if limit.unit is Unit.USD else f"{limit.unit} "


def _moment(time_ns: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(time_ns // _NANO, zone):%Y-%m-%d %H:%M %Z}"
