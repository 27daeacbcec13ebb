"""Sums of calls without records, in an import: which of them are here already.

They have nothing to be told by but the ledger that counted them, their quarter-hour and labels.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from otel_token_monitor.ledger import import_statements as sql
from otel_token_monitor.ledger.errors import ImportRefusedError
from otel_token_monitor.ledger.single_calls import own_sums_without_calls
from otel_token_monitor.usage import QUARTER_NS, Totals

if TYPE_CHECKING:
    import sqlite3

__all__ = ["drop_known_sums", "instant_text"]


def drop_known_sums(connection: sqlite3.Connection, own_id: str) -> None:
    """Leave only sums that are not here.

    Raises ImportRefusedError for one that is in the file twice, or that may repeat calls which are
    here: imported one by one, or as another sum.
    """
    twice = connection.execute(sql.SUM_TWICE).fetchone()
    if twice is not None:
        raise ImportRefusedError("the file has this sum twice: correct it", twice[0])
    conflict = connection.execute(sql.SUM_CONFLICT, (own_id,)).fetchone()
    if conflict is not None:
        raise _may_repeat(*conflict)
    (last,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM staged_sum").fetchone()
    for first in range(0, last, sql.DROPPED_AT_ONCE):
        bounds = (first, first + sql.DROPPED_AT_ONCE)
        connection.execute(sql.DROP_KNOWN_SUMS, (own_id, *bounds))
    _drop_known_own(connection, own_id)


def _drop_known_own(connection: sqlite3.Connection, own_id: str) -> None:
    """The same for sums of this very ledger, which come back to it."""
    here: dict[tuple[int, int], Totals] = {}
    looked_at: int | None = None
    # They are sorted first: rows may be deleted meanwhile.
    for rowid, quarter, label_set_id, line, *fields in connection.execute(sql.OWN_SUMS, (own_id,)):
        if quarter != looked_at:
            here, looked_at = own_sums_without_calls(connection, quarter, quarter + 1), quarter
        known = here.get((quarter, label_set_id))
        if known is None:
            continue
        if known != Totals(*fields):
            raise _may_repeat(line, quarter, own_id)
        connection.execute(sql.DROP_SUM, (rowid,))


def _may_repeat(line: int, quarter: int, origin: str) -> ImportRefusedError:
    return ImportRefusedError(
        f"this sum of {instant_text(quarter * QUARTER_NS)} cannot be told from calls of ledger "
        f"{origin} that are here already: replace what is here (merge=False, --replace)",
        line,
    )


def instant_text(time_ns: int) -> str:
    """An instant to the second, for messages."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
