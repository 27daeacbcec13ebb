"""Giving single records up once they are old: sums and counters stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["prune", "pruned_before_ns"]

_KEY: Final = "pruned_before_ns"
_PRUNE: Final = (
    "DELETE FROM record WHERE (time_ns, nonce) IN "
    "(SELECT time_ns, nonce FROM record WHERE time_ns < ? ORDER BY time_ns, nonce LIMIT ?)"
)


def prune(connection: sqlite3.Connection, before_ns: int, most: int) -> int:
    """Delete the oldest records of calls that ended before `before_ns`, at most so many.

    Returns how many there were: fewer than `most`, and it is done. Whoever asks later for single
    calls of that time hears that they are gone (`pruned_before_ns`).
    """
    deleted = connection.execute(_PRUNE, (before_ns, most)).rowcount
    if deleted and before_ns > pruned_before_ns(connection):
        connection.execute(
            "INSERT OR REPLACE INTO ledger (key, value) VALUES (?, ?)", (_KEY, str(before_ns))
        )
    return deleted


def pruned_before_ns(connection: sqlite3.Connection) -> int:
    """Records of calls that ended before this (UTC) may be gone; 0: none are."""
    row = connection.execute("SELECT value FROM ledger WHERE key = ?", (_KEY,)).fetchone()
    return 0 if row is None else int(row[0])
