"""Bars: how much of a limit is used, to an eighth of a letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from otel_token_monitor.budgets.limits import BudgetStatus

if TYPE_CHECKING:
    from otel_token_monitor.budgets.evaluation import Budget

__all__ = ["STYLES", "bar"]

STYLES: Final = {
    BudgetStatus.NORMAL: "green",
    BudgetStatus.WARNING: "yellow",
    BudgetStatus.CRITICAL: "bold red",
}
"""The colour of each status; the word always stands beside it."""

_FULL: Final = "█"
_PARTS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_EMPTY: Final = "░"
_EIGHTHS: Final = len(_PARTS)


def bar(budget: Budget, width: int) -> Text:
    """The bar of a budget in its status's colour; full only if the limit is reached."""
    eighths = min(budget.used * width * _EIGHTHS // budget.limit.amount, width * _EIGHTHS)
    if budget.used:
        eighths = max(eighths, 1)
    filled = _FULL * (eighths // _EIGHTHS) + _PARTS[eighths % _EIGHTHS]
    return Text.assemble(
        (filled, STYLES[budget.status].removeprefix("bold ")),
        (_EMPTY * (width - len(filled)), "dim"),
    )
