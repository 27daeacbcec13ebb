"""Passing on what others notified us: once, and never back to where it came from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.alert_log import LOG
from otel_token_monitor.alerts.documents import ALERT_NAME, SEVERITIES
from otel_token_monitor.alerts.notices import Line, Notice
from otel_token_monitor.alerts.planning import own_key
from otel_token_monitor.alerts.webhooks import origin_of
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window, span_of
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.errors import LedgerVersionError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.alerts.receiver import ReceivedAlert
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["Fate", "Forwarded", "forward"]

_LEVELS: Final = {"critical": logging.CRITICAL, "warning": logging.WARNING}
# How long after a budget per minute was notified here others may still notify it.
_LATE_NS: Final = 900 * 1_000_000_000


class Fate(StrEnum):
    """What became of an alert."""

    FORWARDED = "forwarded"
    KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """What became of each alert, and what is to be said of it on the console."""

    fates: tuple[Fate, ...]
    lines: tuple[Line, ...]


def forward(
    access: LedgerAccess,
    alerts: tuple[ReceivedAlert, ...],
    *,
    own: Policy,
    now_ns: int,
    external_url: str,
) -> Forwarded:
    """Have the alerts delivered that were not notified yet, by whomever.

    `own` is the policy where the ledger keeps none, `external_url` this process's address or ''.
    Raises LedgerError.
    """

    def question(reader: LedgerReader) -> tuple[str, Policy]:
        return reader.ledger_id(), Policy.held(reader.policy().document, own)

    ledger_id, policy = access.ask(question)
    passing = _Passing(ledger_id, _zone(policy), now_ns)

    def action(connection: sqlite3.Connection) -> Forwarded:
        fates = tuple(passing.fate(connection, alert) for alert in alerts)
        lines = tuple(map(passing.line, alerts, fates))
        new = [
            (alert, line)
            for alert, line, fate in zip(alerts, lines, fates, strict=True)
            if fate is Fate.FORWARDED
        ]
        if new:
            notice = Notice(
                alerts=tuple(alert.document for alert, _ in new),
                lines=tuple(line for _, line in new),
            )
            targets = _targets(connection, (alert for alert, _ in new), now_ns)
            alert_book.add_notification(
                connection, notice.document(external_url), notice.targets(targets, LOG), now_ns
            )
        return Forwarded(fates=fates, lines=lines)

    return access.change(action)


@dataclass(frozen=True, slots=True)
class _Passing:
    """One payload on its way."""

    ledger_id: str
    zone: ZoneInfo
    now_ns: int

    def fate(self, connection: sqlite3.Connection, alert: ReceivedAlert) -> Fate:
        """Whether an alert is new; from now on it is not."""
        if self._is_own(connection, alert):
            return Fate.KNOWN
        new = alert_book.note(connection, alert.key, self.now_ns)
        return Fate.FORWARDED if new else Fate.KNOWN

    def line(self, alert: ReceivedAlert, fate: Fate) -> Line:
        """What people are told."""
        labels, status = alert.labels, alert.document["status"]
        named = labels.get("severity", "") if alert.firing else ""
        level = _LEVELS.get(named.lower(), logging.INFO) if fate is Fate.FORWARDED else logging.INFO
        name = labels.get("alertname", "an alert")
        said = alert.document["annotations"].get("summary", "")
        known = ", notified before" if fate is Fate.KNOWN else ""
        return Line.at(
            self.now_ns,
            self.zone,
            level,
            _one_line(f"received: {name} is {status}{known}{said and f': {said}'}"),
            event="received",
            status=status,
            labels=dict(labels),
            starts=alert.document["startsAt"],
        )

    def _is_own(self, connection: sqlite3.Connection, alert: ReceivedAlert) -> bool:
        """Whether this ledger's own watch notified it in the same window."""
        labels = alert.labels
        budget, severity = labels.get("budget", ""), labels.get("severity", "").lower()
        window = labels.get("window") or budget.rpartition("/")[2]
        if labels.get("alertname") != ALERT_NAME or severity not in SEVERITIES:
            return False
        if _ledgers(alert) != {self.ledger_id} or window not in set(Window):
            return False
        start_ns = _start(Window(window), alert.starts_ns, self.zone)
        if start_ns is None:
            return False
        seen_ns = alert_book.noted_ns(connection, own_key(budget, severity, start_ns))
        if seen_ns is None:
            return False
        return window != Window.MINUTE or abs(alert.starts_ns - seen_ns) < _LATE_NS


def _ledgers(alert: ReceivedAlert) -> set[str]:
    """The ledgers that an alert is about: a label of one, or an annotation of our rules."""
    if (ledger := alert.labels.get("ledger")) is not None:
        return {ledger}
    return set(alert.document["annotations"].get("ledgers", "").split())


def _start(window: Window, time_ns: int, zone: ZoneInfo) -> int | None:
    """When the window of an instant began, as own keys have it; None beyond the calendar."""
    if window is Window.MINUTE:
        return 0
    try:
        return span_of(window, time_ns, zone).start_ns
    except (OverflowError, ValueError, OSError):
        return None


def _targets(
    connection: sqlite3.Connection, alerts: Iterable[ReceivedAlert], now_ns: int
) -> list[str]:
    """All targets but those at the address that the alerts came from."""
    senders = {origin_of(alert.external_url) for alert in alerts} - {""}
    known = alert_book.read_targets(connection, now_ns)
    return [target for target, origin in known.items() if origin not in senders]


def _zone(policy: Policy) -> ZoneInfo:
    """The policy's time zone, or UTC where this machine does not know it: alerts must get on."""
    try:
        return policy.zone
    except LedgerVersionError:
        return Policy().zone


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
