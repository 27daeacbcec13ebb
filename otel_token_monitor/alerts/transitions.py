"""What is to be notified when a budget reads so now, and was so when last notified; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.budgets.windows import Window

if TYPE_CHECKING:
    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.ledger.alert_book import BudgetState

__all__ = ["HOLD_NS", "Change", "Step", "advance", "reset_after_ns", "window_start"]

HOLD_NS: Final = 300 * 1_000_000_000
"""A budget per minute goes down only after five minutes below: it would flap otherwise."""

_MILLION: Final = 1_000_000
# Clocks of processes on one ledger differ by no more; what is further off was no process's clock.
_SKEW_NS: Final = 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A transition of one budget. `reset`: it went to NORMAL because its window began anew."""

    old: BudgetStatus
    new: BudgetStatus
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The state of a budget from now on, and what is to be said of how it came there.

    `report`: another step of the limit is used up.
    """

    state: BudgetState
    changes: tuple[Change, ...] = ()
    report: bool = False


def advance(state: BudgetState, budget: Budget, report_step: float | None = None) -> Step:
    """Where a budget goes from its last state.

    `report_step` is the share of the limit between two reports; None: there are none.
    """
    start = window_start(budget)
    if budget.now_ns < state.window_start_ns < budget.now_ns + _SKEW_NS:
        # Another process, whose clock is ahead, is in the next window already.
        return Step(state=state)
    changes: list[Change] = []
    if state.window_start_ns != start:
        old = BudgetStatus(state.status)
        if old is not BudgetStatus.NORMAL:
            changes.append(Change(old=old, new=BudgetStatus.NORMAL, reset=True))
        elif not state.reported_ppm and budget.status is BudgetStatus.NORMAL:
            start = state.window_start_ns  # nothing was notified: nothing need be noted
        state = replace(state, status=0, window_start_ns=start, lower_since_ns=None, reported_ppm=0)
    state, change = _moved(state, budget)
    if change is not None:
        changes.append(change)
    reported = _reported_ppm(budget, report_step)
    report = reported > state.reported_ppm
    if report:
        state = replace(state, window_start_ns=window_start(budget), reported_ppm=reported)
    return Step(state=state, changes=tuple(changes), report=report)


def window_start(budget: Budget) -> int:
    """What tells a budget's windows apart: when they began (UTC ns); always 0 for minutes."""
    return 0 if budget.limit.window is Window.MINUTE else budget.span.start_ns


def reset_after_ns(state: BudgetState, budget: Budget) -> int | None:
    """When a budget should be looked at again though no call comes; None: it need not."""
    if budget.limit.window is not Window.MINUTE:
        return budget.reset_ns if state.status or state.reported_ppm or budget.used else None
    if not state.status:
        return None
    if state.lower_since_ns is None:
        return budget.reset_ns
    return state.lower_since_ns + HOLD_NS


def _moved(state: BudgetState, budget: Budget) -> tuple[BudgetState, Change | None]:
    """The status within one window."""
    old, new = BudgetStatus(state.status), budget.status
    if new < old and budget.limit.window is Window.MINUTE:
        since = budget.now_ns if state.lower_since_ns is None else state.lower_since_ns
        if budget.now_ns - since < HOLD_NS:
            return replace(state, lower_since_ns=since), None
    state = replace(state, lower_since_ns=None)
    if new == old:
        return state, None
    return replace(state, status=int(new)), Change(old=old, new=new)


def _reported_ppm(budget: Budget, report_step: float | None) -> int:
    """The last whole step of the limit that is used, in millionths of the limit; it ends there."""
    if report_step is None or budget.limit.window is Window.MINUTE:
        return 0
    step = Fraction(str(report_step))
    used = min(Fraction(budget.used, budget.limit.amount), Fraction(1))
    return int(used // step * step * _MILLION)
