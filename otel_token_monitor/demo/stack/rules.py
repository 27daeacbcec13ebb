"""What fires in Prometheus, by its HTTP API."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Final

from otel_token_monitor.alerts.documents import ALERT_NAME
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.demo.stack.servers import HOST

__all__ = ["firing"]

_TIMEOUT: Final = 5.0
_STATUSES: Final = {"warning": BudgetStatus.WARNING, "critical": BudgetStatus.CRITICAL}


def firing(port: int, budget: str) -> list[BudgetStatus]:
    """For which statuses the alert of a budget fires; none while Prometheus does not answer."""
    connection = HTTPConnection(HOST, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/api/v1/alerts")
        document = json.loads(connection.getresponse().read())
        alerts = [one["labels"] for one in document["data"]["alerts"] if one["state"] == "firing"]
    except (HTTPException, OSError, ValueError, KeyError):
        return []
    finally:
        connection.close()
    return sorted(
        _STATUSES[labels["severity"]]
        for labels in alerts
        if (labels["alertname"], labels.get("budget")) == (ALERT_NAME, budget)
    )
