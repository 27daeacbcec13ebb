"""A test alert that somebody asks for: a note in the ledger, which `/metrics` then shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger import alert_book

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SHOWN_SECONDS", "ask_for_test_alert", "is_test_alert_asked"]

SHOWN_SECONDS: Final = 300
"""For so long after it was asked for the test alert is shown to Prometheus."""

_KEY: Final = "test-alert"


def ask_for_test_alert(connection: sqlite3.Connection, now_ns: int) -> None:
    """Have the test alert shown from now on (UTC), within a transaction of the caller."""
    alert_book.note(connection, _KEY, now_ns)


def is_test_alert_asked(connection: sqlite3.Connection, now_ns: int) -> bool:
    """Whether somebody has asked for it within the last five minutes."""
    asked_ns = alert_book.noted_ns(connection, _KEY)
    return asked_ns is not None and 0 <= now_ns - asked_ns < SHOWN_SECONDS * 1_000_000_000
