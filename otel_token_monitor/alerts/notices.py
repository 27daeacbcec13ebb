"""What is said of a transition or a report: to webhooks, to the log, to the application."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_token_monitor.alerts.documents import RESOLVED, payload
from otel_token_monitor.alerts.fingerprints import notice_key
from otel_token_monitor.alerts.times import instant, nanoseconds
from otel_token_monitor.budgets.windows import day_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.documents import AlertDocument
    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import BudgetStatus

__all__ = ["Alert", "Line", "Notice", "key_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A budget went from one status to another: what callbacks of `on_alert` are given.

    `reset`: because its window began anew. `budget` is how it reads now (None: its limit was
    removed), `time_ns` when that was (UTC), `text` says it in words.
    """

    name: str
    budget: Budget | None
    old_status: BudgetStatus
    new_status: BudgetStatus
    time_ns: int
    reset: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line for people, on the console and in the alert log: `fields` beside its text.

    `date` is that of the alert log (ISO, in the time zone of the policy).
    """

    time: str
    date: str
    level: int
    text: str
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, now_ns: int, zone: ZoneInfo, level: int, text: str, **fields: Any) -> Line:
        """A line of this moment."""
        date = day_of(now_ns, zone).isoformat()
        return cls(time=instant(now_ns), date=date, level=level, text=text, fields=fields)

    def document(self) -> dict[str, Any]:
        """The line as the alert log has it."""
        level = logging.getLevelName(self.level)
        return {"time": self.time, "level": level, **self.fields, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is delivered at once: alerts to webhooks (none: it is for the log only), and lines."""

    alerts: tuple[AlertDocument, ...] = ()
    lines: tuple[Line, ...] = ()

    def document(self, external_url: str) -> str:
        """The notice as the ledger keeps it until it is delivered."""
        return json.dumps(
            {
                "webhook": payload(self.alerts, external_url) if self.alerts else None,
                "lines": [
                    {"date": line.date, "level": line.level, "line": line.document()}
                    for line in self.lines
                ],
            }
        )

    def targets(self, known: Sequence[str], log: str) -> list[str]:
        """Who of the known targets gets it."""
        return [target for target in known if self.alerts or target == log]


def key_of(alert: AlertDocument) -> str:
    """The key under which an alert, or its end, is known."""
    status = RESOLVED if alert["status"] == RESOLVED else "firing"
    return notice_key(alert["fingerprint"], nanoseconds(alert["startsAt"]), status)
