"""What a target has missed: alerts that began when no process was known to deliver there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.alert_log import LOG
from otel_token_monitor.alerts.notices import Notice
from otel_token_monitor.alerts.times import nanoseconds
from otel_token_monitor.ledger import alert_book

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["catch_up"]


def catch_up(
    connection: sqlite3.Connection, targets: Iterable[str], now_ns: int, external_url: str
) -> None:
    """Have new webhooks told what still fires, within a transaction, before they are registered.

    A cron job may cross a threshold and end before any process that knows the address has run. So
    with a webhook that was not known for so long that alerts were no longer for it.
    """
    since = alert_book.unaddressed_since(connection, (one for one in targets if one != LOG))
    missing = {target: start_ns for target, start_ns in since.items() if start_ns < now_ns}
    if not missing:
        return
    for state in alert_book.read_states(connection).values():
        for alert in json.loads(state.firing).values():
            missed = [
                target
                for target, start_ns in missing.items()
                if nanoseconds(alert["startsAt"]) > start_ns
            ]
            document = Notice(alerts=(alert,)).document(external_url)
            alert_book.add_notification(connection, document, missed, now_ns)
