"""Alertmanager: whether alerts reach it, and where it takes those of budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    of_error,
    warning,
)
from otel_token_monitor.deployment.doctor.places import host_and_port, same_place
from otel_token_monitor.deployment.routing import destinations, fits, webhooks
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.deployment.alertmanager_api import Silence
    from otel_token_monitor.deployment.http_api import ApiError
    from otel_token_monitor.deployment.routing import Destination, Webhook

__all__ = ["AlertmanagerSeen", "judge_alertmanager", "webhook_of"]

BUDGET_ALERT: Final = "LLMBudgetUsed"
_SEVERITIES: Final = ("warning", "critical")
_KNOWN: Final = frozenset({"alertname", "severity"})
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSeen:
    """What was seen of the Alertmanager at `address`, or why nothing was.

    `notified` are the addresses that Prometheus notifies, None if that is not known. `failed` is
    how many of its notifications failed or were dropped: within 15 minutes if `lately`, else since
    Prometheus started.
    """

    address: str
    trouble: ApiError | None = None
    notified: tuple[str, ...] | None = None
    failed: int = 0
    lately: bool = False
    configuration: str = ""
    silences: tuple[Silence, ...] = ()


def judge_alertmanager(seen: AlertmanagerSeen) -> Link:
    """Whether alerts of budgets come to it, and get on."""
    return Link(name="Alertmanager", findings=tuple(_alertmanager(seen)))


def webhook_of(configuration: str) -> Webhook | None:
    """The webhook by which an alert of a budget may come to a monitor; None if there is none.

    One whose address is shown goes before one whose address is hidden. Raises ValueError.
    """
    names = {one.receiver for one in _destinations(configuration)}
    found = [
        hook for hook in webhooks(configuration) if hook.receiver in names and hook.may_be_ours
    ]
    return min(found, key=lambda hook: hook.url is None, default=None)


def _alertmanager(seen: AlertmanagerSeen) -> Iterator[Finding]:
    yield from _notified(seen)
    if seen.trouble is not None:
        yield of_error(seen.trouble)
        return
    try:
        routed, hook = _destinations(seen.configuration), webhook_of(seen.configuration)
    except ValueError as error:
        yield warning(f"{seen.address}: {error}.", "Upgrade otel-token-monitor.")
        return
    names = ", ".join(dict.fromkeys(one.receiver for one in routed))
    yield fine(f"{seen.address} sends budget alerts to {names}.")
    if hook is None:
        yield warning(
            f"None of these leads to /alerts of a monitor: {names}.",
            "That is fine if people see those alerts there. Else add a receiver as in the bundled "
            "alertmanager.yml (otel-token-monitor rules export DIR).",
        )
    if not all(one.groups_by("severity") for one in routed):
        yield warning(
            "Alerts are not grouped by severity: a CRITICAL waits for the group of its WARNING.",
            "Add severity to group_by in alertmanager.yml.",
        )
    for silence in filter(_may_hide, seen.silences):
        ends = datetime.fromtimestamp(silence.ends_ns // _NANO, UTC)
        yield warning(
            f"A silence of {silence.created_by or 'somebody'} hides alerts of budgets until "
            f"{ends:%Y-%m-%d %H:%M} UTC.",
            f"See {seen.address}/#/silences.",
        )


def _notified(seen: AlertmanagerSeen) -> Iterator[Finding]:
    """Whether Prometheus sends its alerts there."""
    if seen.notified is None:
        return
    if not seen.notified:
        yield broken(
            "Prometheus notifies no Alertmanager.",
            f"Add `- targets: [{host_and_port(seen.address)}]` to targets/alertmanagers.yml beside "
            "its prometheus.yml (alerting: alertmanagers).",
        )
    elif not any(same_place(one, seen.address) for one in seen.notified):
        others = ", ".join(map(host_and_port, seen.notified))
        yield warning(
            f"Prometheus notifies {others}, not {host_and_port(seen.address)}.",
            "If that is not the same one, name the other with --alertmanager, or change "
            "targets/alertmanagers.yml beside prometheus.yml.",
        )
    if seen.failed:
        since = "within 15 minutes" if seen.lately else "since Prometheus started"
        yield warning(
            f"{count_text(seen.failed, 'notification')} of Prometheus failed {since}.",
            "Its log says why; --test-alert tells whether they come now.",
        )


def _destinations(configuration: str) -> tuple[Destination, ...]:
    return tuple(
        one
        for severity in _SEVERITIES
        for one in destinations(configuration, {"alertname": BUDGET_ALERT, "severity": severity})
    )


def _may_hide(silence: Silence) -> bool:
    """Whether a silence fits alerts of budgets, as far as the labels are known that all have."""
    known = [matcher for matcher in silence.matchers if matcher.name in _KNOWN]
    return any(
        fits({"alertname": BUDGET_ALERT, "severity": severity}, known) for severity in _SEVERITIES
    ) and bool(known)
