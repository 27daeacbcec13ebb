"""How far an alert has come, from a budget that is used to the receiver; pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.alerts.documents import ALERT_NAME
from otel_token_monitor.budgets.limits import BudgetStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_token_monitor.alerts.receiver import ReceivedAlert

__all__ = ["Course", "Event", "Link", "Other", "Step", "arrivals", "clock"]

_SEVERITIES: Final = {"warning": BudgetStatus.WARNING, "critical": BudgetStatus.CRITICAL}


class Link(IntEnum):
    """What an alert passes, in this order."""

    APPLICATION = 0
    PROMETHEUS = 1
    RECEIVER = 2


class Step(NamedTuple):
    """An alert of the budget has come to a link, some seconds (time.monotonic) after an instant."""

    seconds: float
    status: BudgetStatus
    link: Link


class Other(NamedTuple):
    """Something else came to the receiver."""

    seconds: float
    text: str


Event = Step | Other

_SAYS: Final = {
    Link.APPLICATION: "{share:.0%} of the budget is used",
    Link.PROMETHEUS: "fires in Prometheus, {later:.0f} s later",
    Link.RECEIVER: "arrived at /alerts, {later:.0f} s after {share:.0%}",
}
_LACKS: Final = {
    Link.APPLICATION: "the budget has not reached {share:.0%}",
    Link.PROMETHEUS: "the budget has reached {share:.0%}, but nothing fires in Prometheus",
    Link.RECEIVER: "it fires in Prometheus, but Alertmanager has not delivered it to /alerts",
}


class Course:
    """What has happened by now; `shares` of the limit are those at which the statuses begin."""

    def __init__(self, shares: dict[BudgetStatus, float]) -> None:
        self._shares = shares
        self._seconds: dict[tuple[BudgetStatus, Link], float] = {}

    def note(self, step: Step) -> str | None:
        """What there is to say of a step; None if it is known."""
        key = step.status, step.link
        if key in self._seconds:
            return None
        self._seconds[key] = step.seconds
        began = self._seconds.get((step.status, Link.APPLICATION), step.seconds)
        return _SAYS[step.link].format(
            share=self._shares[step.status], later=max(step.seconds - began, 0.0)
        )

    def has_arrived(self, status: BudgetStatus) -> bool:
        """Whether the alert of a status has come to the receiver."""
        return (status, Link.RECEIVER) in self._seconds

    def lack(self, status: BudgetStatus) -> str | None:
        """Where the alert of a status has stopped; None if it has arrived."""
        if self.has_arrived(status):
            return None
        link = next(link for link in Link if (status, link) not in self._seconds)
        return _LACKS[link].format(share=self._shares[status])


def arrivals(alerts: Iterable[ReceivedAlert], budget: str, seconds: float) -> list[Event]:
    """What alerts that came to the receiver are, after so many seconds."""
    events: list[Event] = []
    for alert in alerts:
        labels = alert.labels
        name, severity = labels.get("alertname", ""), labels.get("severity", "")
        is_step = (name, labels.get("budget"), alert.firing) == (ALERT_NAME, budget, True)
        if is_step and severity in _SEVERITIES:
            events.append(Step(seconds, _SEVERITIES[severity], Link.RECEIVER))
            continue
        state = "firing" if alert.firing else "resolved"
        about = ", ".join(filter(None, (severity, labels.get("budget"))))
        events.append(Other(seconds, f"{name} is {state}{about and f' ({about})'}"))
    return events


def clock(seconds: float) -> str:
    """Minutes and seconds, such as 1:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
