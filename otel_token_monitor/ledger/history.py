"""Sums per quarter-hour in the order in which series are told: one label set after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.usage import Labels, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["History", "Place", "history_of"]

_TOTALS: Final = ", ".join(Totals._fields)
# The table of sums is in order of time: it is brought into another order once, on disk if need be.
_MAKE: Final = (
    "DROP TABLE IF EXISTS temp.history",
    (
        f"CREATE TEMP TABLE history (label_set_id INTEGER, quarter INTEGER, {_TOTALS}, "
        "PRIMARY KEY (label_set_id, quarter)) WITHOUT ROWID"
    ),
)
_FILL: Final = (
    f"INSERT INTO temp.history SELECT label_set_id, quarter, {_TOTALS} FROM period "  # noqa: S608 - names of this module, here and below
    "WHERE quarter >= ? AND quarter < ? ORDER BY label_set_id, quarter"
)
_PLACES: Final = (
    "SELECT s.project, s.provider, s.model, s.endpoint, h.* FROM (SELECT label_set_id, "  # noqa: S608
    f"{', '.join(f'sum({name})' for name in Totals._fields)} FROM temp.history "
    "GROUP BY label_set_id) h JOIN label_set s ON s.id = h.label_set_id "
    "ORDER BY s.project, s.provider, s.model, s.endpoint"
)
_QUARTERS: Final = {
    name: f"SELECT quarter, {name} FROM temp.history WHERE label_set_id = ? ORDER BY quarter"  # noqa: S608
    for name in Totals._fields
}


@dataclass(frozen=True, slots=True)
class Place:
    """A label set that has calls, and what all of them add up to."""

    label_set_id: int
    labels: Labels
    totals: Totals


class History:
    """Sums of some quarter-hours; usable while the transaction is open in which it was made."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def places(self) -> list[Place]:
        """The label sets that have calls, in order."""
        rows = self._connection.execute(_PLACES)
        return [Place(row[4], Labels(*row[:4]), Totals(*row[5:])) for row in rows]

    def quarters(self, place: Place, field: str) -> Iterator[tuple[int, int]]:
        """The quarter-hours in which a label set has calls, and a field of their Totals."""
        return self._connection.execute(_QUARTERS[field], (place.label_set_id,))


def history_of(connection: sqlite3.Connection, start: int, end: int) -> History:
    """What the calls from one UTC quarter-hour up to, not including, another add up to.

    Makes a temporary table, which nobody else sees.
    """
    for statement in _MAKE:
        connection.execute(statement)
    connection.execute(_FILL, (start, end))
    return History(connection)
