"""Alerts and notifications as documents, shaped like Alertmanager's webhook version 4; pure.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts.fingerprints import fingerprint
from otel_token_monitor.alerts.times import UNENDED, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_token_monitor.budgets.limits import Limit

__all__ = [
    "ALERT_NAME",
    "CRITICAL",
    "RESOLVED",
    "SEVERITIES",
    "WARNING",
    "AlertDocument",
    "budget_labels",
    "firing_alert",
    "payload",
    "resolved_alert",
]

AlertDocument = dict[str, Any]
"""One alert: status, labels, annotations, startsAt, endsAt, generatorURL, fingerprint."""

ALERT_NAME: Final = "LLMBudgetUsed"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
SEVERITIES: Final = (WARNING, CRITICAL)
"""The severity of each status but NORMAL, in their order."""
RESOLVED: Final = "resolved"

_RECEIVER: Final = "otel_token_monitor"
_GROUP: Final = ("alertname", "ledger", "budget")


def budget_labels(limit: Limit, ledger_id: str, severity: str) -> dict[str, str]:
    """What the alert of a budget is known by; labels that say nothing are left out."""
    labels = {
        "alertname": ALERT_NAME,
        "severity": severity,
        "budget": limit.budget,
        "ledger": ledger_id,
        "scope": limit.scope.kind,
        "project": limit.scope.project or "",
        "model": limit.scope.model or "",
        "window": str(limit.window),
        "unit": str(limit.unit),
    }
    return {name: value for name, value in labels.items() if value}


def firing_alert(
    labels: Mapping[str, str], annotations: Mapping[str, str], starts_ns: int, url: str
) -> AlertDocument:
    """An alert that begins; `url` is the page that shows what it is about, or empty."""
    return {
        "status": "firing",
        "labels": dict(labels),
        "annotations": dict(annotations),
        "startsAt": instant(starts_ns),
        "endsAt": UNENDED,
        "generatorURL": url,
        "fingerprint": fingerprint(labels),
    }


def resolved_alert(alert: AlertDocument, description: str, ends_ns: int) -> AlertDocument:
    """The end of an alert that fired."""
    annotations = {**alert["annotations"], "description": description}
    return {
        **alert,
        "status": RESOLVED,
        "annotations": annotations,
        "endsAt": instant(ends_ns),
    }


def payload(alerts: Sequence[AlertDocument], external_url: str) -> dict[str, Any]:
    """The document that a webhook gets; it fires as long as one of its alerts does."""
    common = _common(alert["labels"] for alert in alerts)
    group = {name: common[name] for name in _GROUP if name in common}
    shown = ", ".join(f'{name}="{_escaped(value)}"' for name, value in group.items())
    fires = any(alert["status"] != RESOLVED for alert in alerts)
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{shown}}}",
        "truncatedAlerts": 0,
        "status": "firing" if fires else RESOLVED,
        "receiver": _RECEIVER,
        "groupLabels": group,
        "commonLabels": common,
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": external_url,
        "alerts": list(alerts),
    }


def _common(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What all of them have."""
    first, *others = mappings
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
