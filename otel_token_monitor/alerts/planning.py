"""From a reading of the budgets to what must change in the ledger and be notified; pure."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts import wording
from otel_token_monitor.alerts.documents import (
    SEVERITIES,
    AlertDocument,
    budget_labels,
    firing_alert,
    resolved_alert,
)
from otel_token_monitor.alerts.notices import Alert, Line, Notice
from otel_token_monitor.alerts.times import instant
from otel_token_monitor.alerts.transitions import Change, advance, reset_after_ns
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.ledger.alert_book import BudgetState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.alerts.readings import Reading
    from otel_token_monitor.budgets.evaluation import Budget

__all__ = ["Move", "next_look_ns", "own_key", "plan"]

_LEVELS: Final = {BudgetStatus.WARNING: logging.WARNING, BudgetStatus.CRITICAL: logging.CRITICAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A budget's state before and after (None: it has none), and what is notified of it.

    `own_keys` are what others' alerts about the same budget are recognised by.
    """

    budget: str
    before: BudgetState | None
    after: BudgetState | None
    notices: tuple[Notice, ...] = ()
    alerts: tuple[Alert, ...] = ()
    own_keys: tuple[str, ...] = ()


def plan(reading: Reading, report_step: float | None, url: str) -> list[Move]:
    """Every budget that is not as it was when it was last notified; `url` is the page of alerts."""
    moves = []
    for budget in reading.budgets:
        name = budget.limit.budget
        before = reading.states.get(name)
        blank = BudgetState(budget=name)
        step = advance(before or blank, budget, report_step)
        if step.state != (before or blank):
            draft = _Draft(reading, budget, step.state, url)
            for change in step.changes:
                draft.change(change)
            if step.report and not step.changes:  # what was just said need not be said twice
                draft.report()
            moves.append(draft.move(before))
    kept = {budget.limit.budget for budget in reading.budgets}
    moves += [
        _removed(reading, state) for name, state in reading.states.items() if name not in kept
    ]
    return moves


def next_look_ns(reading: Reading) -> int | None:
    """When to look again though no call comes (UTC); None: no budget asks for it."""
    looks = (
        reset_after_ns(
            reading.states.get(budget.limit.budget) or BudgetState(budget=budget.limit.budget),
            budget,
        )
        for budget in reading.budgets
    )
    return min((look for look in looks if look is not None), default=None)


def own_key(budget: str, severity: str, window_start_ns: int) -> str:
    """The key under which this ledger notes that it notifies a budget's severity in a window."""
    return f"own/{budget}/{severity}/{window_start_ns}"


@dataclass(slots=True)
class _Draft:
    """A move in the making, change by change."""

    reading: Reading
    budget: Budget
    state: BudgetState
    url: str
    notices: list[Notice] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    own_keys: list[str] = field(default_factory=list)
    firing: dict[str, AlertDocument] = field(init=False)

    def __post_init__(self) -> None:
        self.firing = json.loads(self.state.firing)

    def change(self, change: Change) -> None:
        """Have a transition notified."""
        documents = [*self._resolved(change), *self._fired(change)]
        was, now = change.old.name, change.new.name
        name = self.budget.limit.budget
        said = wording.description(self.budget, self.reading.policy.zone)
        text = f"{name} is {now}, was {was}: {said}"
        up = change.new > change.old
        event = "reset" if change.reset else "up" if up else "down"
        level = _LEVELS[change.new] if up else logging.INFO
        line = self._line(level, text, event=event, old_status=was, new_status=now)
        self.notices.append(Notice(alerts=tuple(documents), lines=(line,)))
        self.alerts.append(
            Alert(
                name=name,
                budget=self.budget,
                old_status=change.old,
                new_status=change.new,
                time_ns=self.reading.now_ns,
                reset=change.reset,
                text=text,
            )
        )

    def report(self) -> None:
        """Have it said how much is used: to the log only."""
        said = wording.description(self.budget, self.reading.policy.zone)
        status = self.budget.status.name
        line = self._line(
            logging.INFO,
            f"{self.budget.limit.budget}: {said}",
            event="report",
            old_status=status,
            new_status=status,
        )
        self.notices.append(Notice(lines=(line,)))

    def move(self, before: BudgetState | None) -> Move:
        """What it all comes to."""
        return Move(
            budget=self.budget.limit.budget,
            before=before,
            after=replace(self.state, firing=json.dumps(self.firing, sort_keys=True)),
            notices=tuple(self.notices),
            alerts=tuple(self.alerts),
            own_keys=tuple(self.own_keys),
        )

    def _resolved(self, change: Change) -> Iterator[AlertDocument]:
        """The ends of those that fire for a worse status than the new one."""
        said = wording.resolution(self.budget, self.reading.policy.zone, reset=change.reset)
        for severity in reversed(SEVERITIES[change.new :]):
            if severity in self.firing:
                yield resolved_alert(self.firing.pop(severity), said, self.reading.now_ns)

    def _fired(self, change: Change) -> Iterator[AlertDocument]:
        """The alert of the new status, unless it fires already."""
        if change.new is BudgetStatus.NORMAL:
            return
        severity = SEVERITIES[change.new - 1]
        if severity in self.firing:
            return
        limit = self.budget.limit
        labels = budget_labels(limit, self.reading.ledger_id, severity)
        said = wording.announcement(self.budget, severity, self.reading.policy.zone)
        alert = self.firing[severity] = firing_alert(labels, said, self.reading.now_ns, self.url)
        self.own_keys.append(own_key(limit.budget, severity, self.state.window_start_ns))
        yield alert

    def _line(self, level: int, text: str, **fields: Any) -> Line:
        budget, limit = self.budget, self.budget.limit
        return Line.at(
            self.reading.now_ns,
            self.reading.policy.zone,
            level,
            text,
            **{"event": fields["event"], "budget": limit.budget, **fields},
            unit=str(limit.unit),
            used=limit.unit.shown(budget.used),
            limit=limit.unit.shown(limit.amount),
            ratio=round(budget.ratio, 6),
            resets=instant(budget.reset_ns),
        )


def _removed(reading: Reading, state: BudgetState) -> Move:
    """A budget whose limit was taken away: what fires for it ends."""
    text = wording.removed(state.budget)
    old, now_ns = BudgetStatus(state.status), reading.now_ns
    ends = [resolved_alert(alert, text, now_ns) for alert in json.loads(state.firing).values()]
    if not ends:
        return Move(budget=state.budget, before=state, after=None)
    line = Line.at(
        now_ns,
        reading.policy.zone,
        logging.INFO,
        text,
        event="removed",
        budget=state.budget,
        old_status=old.name,
        new_status=BudgetStatus.NORMAL.name,
    )
    alert = Alert(
        name=state.budget,
        budget=None,
        old_status=old,
        new_status=BudgetStatus.NORMAL,
        time_ns=now_ns,
        text=text,
    )
    return Move(
        budget=state.budget,
        before=state,
        after=None,
        notices=(Notice(alerts=tuple(ends), lines=(line,)),),
        alerts=(alert,),
    )
