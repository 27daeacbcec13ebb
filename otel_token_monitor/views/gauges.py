"""The budgets' gauges: how a ledger's limits and their use look to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.views import metrics
from otel_token_monitor.views.exposition import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import Limit
    from otel_token_monitor.views.metrics import MetricSpec

__all__ = ["asked_alert_family", "budget_families", "contested_family", "pending_family"]

_NANO: Final = 1_000_000_000


def budget_families(ledger_id: str, budgets: Sequence[Budget]) -> Iterator[Family]:
    """The gauges of every budget; nothing at all where no limit is set."""
    if not budgets:
        return
    labels = [_labels(ledger_id, budget.limit) for budget in budgets]
    columns: dict[MetricSpec, Sequence[float | None]] = {
        metrics.BUDGET_LIMIT: [_amount(b.limit, b.limit.amount) for b in budgets],
        metrics.BUDGET_USED: [_amount(b.limit, b.used) for b in budgets],
        metrics.BUDGET_PROJECTED: [
            None if b.projected is None else _amount(b.limit, b.projected) for b in budgets
        ],
        metrics.BUDGET_RESET: [b.reset_ns / _NANO for b in budgets],
        metrics.BUDGET_WINDOW_START: [b.span.start_ns / _NANO for b in budgets],
        metrics.BUDGET_STATUS: [int(b.status) for b in budgets],
    }
    for spec, values in columns.items():
        pairs = zip(labels, values, strict=True)
        yield Family(spec, [(of, (value,)) for of, value in pairs if value is not None])
    yield Family(
        metrics.BUDGET_THRESHOLD,
        [
            ((ledger_id, budget.limit.budget, severity), (share,))
            for budget in budgets
            for severity, share in (
                ("warning", budget.limit.warning),
                ("critical", budget.limit.critical),
            )
        ],
    )


def contested_family(*, contested: bool) -> Family:
    """Whether the applications that write the ledger disagree about its limits."""
    return Family(metrics.LIMITS_CONTESTED, [((), (int(contested),))])


def pending_family(deliveries: int) -> Family:
    """How many deliveries of alerts wait."""
    return Family(metrics.PENDING_DELIVERIES, [((), (deliveries,))])


def asked_alert_family(*, asked: bool) -> Family:
    """Whether a test alert was asked for."""
    return Family(metrics.TEST_ALERT, [((), (int(asked),))])


def _labels(ledger_id: str, limit: Limit) -> tuple[str, ...]:
    scope = limit.scope
    return (
        ledger_id,
        limit.budget,
        scope.kind,
        scope.project or "",
        scope.model or "",
        str(limit.window),
        str(limit.unit),
    )


def _amount(limit: Limit, amount: int) -> float:
    """An amount in the unit that its series is labelled with."""
    return limit.unit.shown(amount)
