"""What a ledger says at one moment: today, this month, the last minute, and every budget.

Everything that shows usage to people or programs (the summary, the command line, the web page)
shows one of these; the budgets' gauges come from the same evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.budgets.evaluation import Budget, evaluate, window_totals, worst
from otel_token_monitor.budgets.limits import BudgetStatus, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Span, Window, day_of, span_of
from otel_token_monitor.usage import QUARTER_NS, Labels, Totals
from otel_token_monitor.views.sums import grouped, summed, totals_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["SCHEMA_VERSION", "Report", "budget_document", "take_report"]

SCHEMA_VERSION: Final = 2
"""Of the documents here; it grows when a key is removed or means something else."""

_NAMES: Final = {Window.DAY: "daily", Window.MONTH: "monthly", Window.MINUTE: "per_minute"}
_NANO: Final = 1_000_000_000
_HOUR_QUARTERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Sums and budgets as of `now_ns` (UTC), of all projects or, with `project`, of one.

    `contested`: applications that write this ledger disagree about its limits. `hours` has today's
    hours, by their begin (UTC ns), if they were asked for; of all projects.
    """

    now_ns: int
    ledger_id: str
    policy: Policy
    contested: bool
    project: str | None
    spans: Mapping[Window, Span]
    totals: Mapping[Window, Mapping[Labels, Totals]]
    budgets: tuple[Budget, ...]
    hours: Mapping[int, Totals] = field(default_factory=dict)

    @property
    def status(self) -> BudgetStatus:
        """The worst status of the budgets."""
        return worst(self.budgets)

    @property
    def day(self) -> date:
        """Today, in the time zone of the policy."""
        return day_of(self.now_ns, self.policy.zone)

    def total(self, window: Window) -> Totals:
        """The sum of a window."""
        return summed(self.totals[window].values())

    def status_document(self) -> dict[str, Any]:
        """Totals and budgets, as JSON: `/token-status`, `status --json`."""
        daily = self._window_document(Window.DAY)
        return {
            "schema_version": SCHEMA_VERSION,
            "time": self._time(self.now_ns),
            "timezone": self.policy.timezone,
            "ledger": self.ledger_id,
            "project": self.project,
            "status": self.status.name,
            "daily_usage": daily["limit_usage_percent"],
            "daily": {"date": self.day.isoformat(), **daily},
            "monthly": {"month": f"{self.day:%Y-%m}", **self._window_document(Window.MONTH)},
            "per_minute": self._window_document(Window.MINUTE),
            "budgets": [budget_document(budget, self.policy.zone) for budget in self.budgets],
        }

    def document(self) -> dict[str, Any]:
        """As `status_document`, and who spends: the summary, `/token-usage`."""
        return {
            **self.status_document(),
            "projects": self._by(lambda labels: labels.project),
            "models": self._by(lambda labels: labels.model),
            "usage": [
                {**labels._asdict(), **totals_document(totals)}
                for labels, totals in sorted(self.totals[Window.DAY].items())
            ],
        }

    def _by(self, key: Callable[[Labels], str]) -> dict[str, dict[str, Any]]:
        """The sums of each window by project or model; those of this month are all there are."""
        sums = {window: grouped(self.totals[window], key) for window in _NAMES}
        return {
            name: {
                _NAMES[window]: totals_document(sums[window].get(name, Totals()))
                for window in _NAMES
            }
            for name in dict.fromkeys(name for window in _NAMES for name in sums[window])
        }

    def _window_document(self, window: Window) -> dict[str, Any]:
        """A window's sums, and the limit on its tokens (None if there is none)."""
        span = self.spans[window]
        budget = next(
            (
                budget
                for budget in self.budgets
                if (budget.limit.scope.project, budget.limit.scope.model) == (self.project, None)
                and (budget.limit.unit, budget.limit.window) == (Unit.TOKENS, window)
            ),
            None,
        )
        return {
            "start": self._time(span.start_ns),
            "end": self._time(span.end_ns),
            **totals_document(self.total(window)),
            "limit": None if budget is None else budget.limit.amount,
            "limit_usage_percent": None if budget is None else budget.ratio * 100,
        }

    def _time(self, time_ns: int) -> str:
        return _iso(time_ns, self.policy.zone)


def take_report(  # noqa: PLR0913 - keyword-only
    reader: LedgerReader,
    fallback: Policy,
    now_ns: int,
    *,
    project: str | None = None,
    pace: bool = True,
    hours: bool = False,
) -> Report:
    """Ask a ledger everything at one moment. Raises LedgerError.

    The ledger's own policy holds; `fallback` where no application has declared one. `pace` asks
    for projections, `hours` for today's hours.
    """
    with reader.moment():
        standing = reader.policy()
        policy = Policy.held(standing.document, fallback)
        spans = {window: span_of(window, now_ns, policy.zone) for window in Window}
        totals = {window: window_totals(reader, window, span) for window, span in spans.items()}
        used = {
            window: {labels: sums.used for labels, sums in found.items()}
            for window, found in totals.items()
        }
        budgets = evaluate(reader, policy, now_ns, used=used, pace=pace)
        by_hour = _hours(reader, spans[Window.DAY]) if hours else {}
        ledger_id = reader.ledger_id()
    if project is not None:
        budgets = tuple(b for b in budgets if b.limit.scope.project == project)
        totals = {
            window: {labels: sums for labels, sums in found.items() if labels.project == project}
            for window, found in totals.items()
        }
    return Report(
        now_ns=now_ns,
        ledger_id=ledger_id,
        policy=policy,
        contested=standing.contested,
        project=project,
        spans=spans,
        totals=totals,
        budgets=budgets,
        hours=by_hour,
    )


def budget_document(budget: Budget, zone: ZoneInfo) -> dict[str, Any]:
    """A budget as JSON: money in dollars, times in a time zone, None for what is not known."""
    limit, unit = budget.limit, budget.limit.unit
    runs_out = budget.runs_out_ns
    return {
        "budget": limit.budget,
        "scope": limit.scope.kind,
        "project": limit.scope.project,
        "model": limit.scope.model,
        "window": str(limit.window),
        "unit": str(unit),
        "status": budget.status.name,
        "used": unit.shown(budget.used),
        "limit": unit.shown(limit.amount),
        "remaining": unit.shown(budget.remaining),
        "ratio": budget.ratio,
        "estimated_share": budget.estimated_share,
        "projected": None if budget.projected is None else unit.shown(budget.projected),
        "runs_out": None if runs_out is None else _iso(runs_out, zone),
        "window_start": _iso(budget.span.start_ns, zone),
        "resets": _iso(budget.reset_ns, zone),
        "warning_threshold": limit.warning,
        "alert_threshold": limit.critical,
    }


def _hours(reader: LedgerReader, span: Span) -> dict[int, Totals]:
    """The hours of a day, one after the other, also those without a call."""
    start, end = span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS
    quarters = reader.totals_by_quarter(start, end)
    return {
        hour * QUARTER_NS: summed(
            quarters.get(quarter, Totals())
            for quarter in range(hour, min(hour + _HOUR_QUARTERS, end))
        )
        for hour in range(start, end, _HOUR_QUARTERS)
    }


def _iso(time_ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_ns // _NANO, zone).isoformat()
