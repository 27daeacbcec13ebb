"""What changed in a ledger, for those who follow it: data files, and other ledgers.

Each quarter-hour whose sums change gets the next number; whoever has seen all up to a number asks
for what came after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["Changes", "changes_after", "note_changes"]

_NOTE: Final = (
    "INSERT OR REPLACE INTO changed (quarter, number) "
    "VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM changed))"
)


class Changes(NamedTuple):
    """Quarter-hours whose sums changed, in order of time; `number` is the newest of these changes.

    Of nothing that changed, it is that of the newest change at all; 0 if there never was one.
    """

    number: int
    quarters: tuple[int, ...]


def note_changes(connection: sqlite3.Connection, quarters: Iterable[int]) -> None:
    """Note that the sums of these quarter-hours change in this transaction."""
    connection.executemany(_NOTE, [(quarter,) for quarter in quarters])


def changes_after(connection: sqlite3.Connection, number: int, most: int = -1) -> Changes:
    """The changes after a number, the oldest `most` of them; all, if that is negative."""
    rows = connection.execute(
        "SELECT number, quarter FROM changed WHERE number > ? ORDER BY number LIMIT ?",
        (number, most),
    ).fetchall()
    if rows:
        return Changes(rows[-1][0], tuple(sorted(quarter for _, quarter in rows)))
    (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM changed").fetchone()
    return Changes(newest, ())
