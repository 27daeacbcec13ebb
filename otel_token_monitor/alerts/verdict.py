"""Whether more may be spent: the answer for callers who want to stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.wording import amount
from otel_token_monitor.budgets.evaluation import worst
from otel_token_monitor.budgets.limits import BudgetStatus

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from otel_token_monitor.budgets.evaluation import Budget

__all__ = ["BudgetExceededError", "Verdict", "as_status"]


class BudgetExceededError(Exception):
    """A budget has reached the status that the caller does not want to go beyond.

    `budget` is the one that is furthest used up.
    """

    def __init__(self, budget: Budget, zone: ZoneInfo) -> None:
        limit = budget.limit
        resets = datetime.fromtimestamp(budget.reset_ns // 1_000_000_000, zone)
        super().__init__(
            f"budget {limit.budget} is {budget.status.name}: "
            f"{amount(limit.unit, budget.used)} of {amount(limit.unit, limit.amount)} used; "
            f"wait until it resets {resets:%Y-%m-%d %H:%M:%S %Z}, or raise the limit"
        )
        self.budget = budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How budgets stand. `status` is the worst of them; None if the ledger cannot be read now."""

    status: BudgetStatus | None
    budgets: tuple[Budget, ...] = ()

    @classmethod
    def of(cls, budgets: tuple[Budget, ...], project: str | None) -> Verdict:
        """On all budgets, or on those that calls of a project count under."""
        concerned = tuple(
            budget
            for budget in budgets
            if project is None or budget.limit.scope.project in {None, project}
        )
        return cls(status=worst(concerned), budgets=concerned)

    @property
    def ok(self) -> bool:
        """Whether no budget is known to be CRITICAL: what is not known stops nobody."""
        return self.status is not BudgetStatus.CRITICAL

    def reaches(self, status: BudgetStatus) -> Budget | None:
        """The budget that is furthest used up, if it has that status or a worse one."""
        reached = [budget for budget in self.budgets if budget.status >= status]
        return max(reached, key=lambda budget: (budget.status, budget.ratio), default=None)


def as_status(fail_on: str | BudgetStatus) -> BudgetStatus:
    """A status by its name, in any case.

    Raises ValueError, which names those that can be used.
    """
    if isinstance(fail_on, BudgetStatus):
        named = fail_on
    else:
        named = BudgetStatus.__members__.get(fail_on.upper(), BudgetStatus.NORMAL)
    if named is BudgetStatus.NORMAL:
        raise ValueError(f"fail_on: {fail_on!r} is neither 'warning' nor 'critical'")
    return named
