"""Sums per hour and day, made anew from those per quarter-hour where these were rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.changes import note_changes
from otel_token_monitor.usage import Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

__all__ = ["DAY_QUARTERS", "HOUR_QUARTERS", "rewritten"]

HOUR_QUARTERS: Final = 4
"""The quarter-hours of an hour."""
DAY_QUARTERS: Final = 96
"""The quarter-hours of a UTC day."""

_COLUMNS: Final = ", ".join(Totals._fields)
_SUMS: Final = ", ".join(f"sum({name})" for name in Totals._fields)


def _rebuild(table: str, quarters: int) -> tuple[str, str]:
    """Statements that take a UTC day's rows from a table, and put them in again."""
    return (
        f"DELETE FROM {table} WHERE {table} >= ? / {quarters} AND {table} < ? / {quarters}",  # noqa: S608 - names of this module
        (
            f"INSERT INTO {table} ({table}, label_set_id, {_COLUMNS}) "  # noqa: S608 - as above
            f"SELECT quarter / {quarters}, label_set_id, {_SUMS} FROM period "
            f"WHERE quarter >= ? AND quarter < ? GROUP BY quarter / {quarters}, label_set_id"
        ),
    )


_REBUILDS: Final = (*_rebuild("hour", HOUR_QUARTERS), *_rebuild("day", DAY_QUARTERS))


def rewritten(connection: sqlite3.Connection, quarters: Collection[int]) -> None:
    """Have all else follow from the sums of these quarter-hours, which were rewritten."""
    for day in sorted({quarter // DAY_QUARTERS for quarter in quarters}):
        span = (day * DAY_QUARTERS, (day + 1) * DAY_QUARTERS)
        for statement in _REBUILDS:
            connection.execute(statement, span)
    note_changes(connection, sorted(quarters))
