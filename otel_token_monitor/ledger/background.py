"""Calls whose usage comes later, to whoever fetches their response.

Such a call is a request at once. The first that fetches its usage, in whichever process, completes
its record, as does the first that learns that there is none; nobody within a day, and it stays
without. A batch, which may itself take a day, is given three. All count when the call was recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.usage import BATCHES, QUARTER_NS, Labels, Sums, TokenUsage, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from otel_token_monitor.ledger.batch import SumsByKey
    from otel_token_monitor.usage import UsageRecord

__all__ = ["NEVER_POLLED", "complete", "expect", "give_up"]

NEVER_POLLED: Final = "never_polled"
"""Why a call has no usage: nobody asked for its response once it was done."""

_NO_USAGE: Final = "no_usage"
_DAY_NS: Final = 86400 * 1_000_000_000
_BATCHES_DAYS: Final = 3
_EXPECT: Final = (
    "INSERT OR IGNORE INTO background (response_id, time_ns, nonce, label_set_id) "
    "SELECT response_id, time_ns, nonce, label_set_id FROM record WHERE time_ns = ? AND nonce = ?"
)
_RETURNING: Final = (
    "RETURNING time_ns, nonce, (SELECT project FROM label_set l WHERE l.id = label_set_id), "
    "(SELECT provider FROM label_set l WHERE l.id = label_set_id), "
    "(SELECT model FROM label_set l WHERE l.id = label_set_id), "
    "(SELECT endpoint FROM label_set l WHERE l.id = label_set_id)"
)
_COMPLETE: Final = f"DELETE FROM background WHERE response_id = ? {_RETURNING}"  # noqa: S608 - a literal
_GIVE_UP: Final = (
    "DELETE FROM background WHERE time_ns < ? AND (time_ns < ? OR label_set_id NOT IN "  # noqa: S608 - a literal
    f"(SELECT id FROM label_set WHERE endpoint = ?)) {_RETURNING}"
)
_TOLD: Final = ", ".join(f"{part} = ?" for part in TokenUsage._fields)
_SET_USAGE: Final = (
    f"UPDATE record SET {_TOLD}, cost_nanousd = ?, response_model = ? "  # noqa: S608 - names of fields
    "WHERE time_ns = ? AND nonce = ?"
)
_SET_REASON: Final = "UPDATE record SET unmetered = ? WHERE time_ns = ? AND nonce = ?"


def expect(connection: sqlite3.Connection, records: Iterable[UsageRecord]) -> None:
    """Remember those of the records, which are in the ledger, whose usage is to come."""
    connection.executemany(_EXPECT, [record[:2] for record in records if record.pending])


def complete(
    connection: sqlite3.Connection, polled: Iterable[UsageRecord], sums: SumsByKey
) -> None:
    """Complete the records of calls that were waited for, and add their usage to the sums."""
    for told in polled:
        waiting = connection.execute(_COMPLETE, (told.response_id,)).fetchall()
        for time_ns, nonce, *labels in waiting:
            place = time_ns, nonce
            usage = told.usage
            if usage is None:
                reason = told.unmetered or _NO_USAGE
                _add_reason(connection, reason, place, Labels(*labels), sums)
                continue
            connection.execute(_SET_USAGE, (*usage, told.cost_nanousd, told.response_model, *place))
            added = Sums.of([told._replace(duration_ns=None, first_token_ns=None)])
            added.totals = added.totals._replace(requests_ok=0)
            _add(sums, Labels(*labels), time_ns, added)


def give_up(connection: sqlite3.Connection, now_ns: int, sums: SumsByKey) -> None:
    """Note, of calls that nobody asked for within a day, that their usage stays unknown."""
    limits = now_ns - _DAY_NS, now_ns - _BATCHES_DAYS * _DAY_NS
    for time_ns, nonce, *labels in connection.execute(_GIVE_UP, (*limits, BATCHES)).fetchall():
        _add_reason(connection, NEVER_POLLED, (time_ns, nonce), Labels(*labels), sums)


def _add_reason(
    connection: sqlite3.Connection,
    reason: str,
    place: tuple[int, int],
    labels: Labels,
    sums: SumsByKey,
) -> None:
    """Note why a call has no usage."""
    connection.execute(_SET_REASON, (reason, *place))
    added = Sums(totals=Totals(unmetered=1), unmetered={reason: 1})
    _add(sums, labels, place[0], added)


def _add(sums: SumsByKey, labels: Labels, time_ns: int, added: Sums) -> None:
    sums.setdefault((labels, time_ns // QUARTER_NS), Sums()).merge(added)
