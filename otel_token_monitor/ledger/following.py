"""Following other ledgers: their sums, quarter-hour by quarter-hour, are kept here as theirs.

What one of them has for a quarter-hour takes the place of what it had when it was read before. So
it does no harm to read it twice, and a late call, or one that was taken back, is seen.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.ledger.label_sets import find_or_make
from otel_token_monitor.ledger.rollups import rewritten
from otel_token_monitor.ledger.upserts import upsert
from otel_token_monitor.usage import Labels, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

__all__ = [
    "DATA_FILES",
    "LEDGER",
    "Followed",
    "follow",
    "followed",
    "forsake",
    "origins",
    "sums_by_origin",
]

LEDGER: Final = "ledger"
"""The kind of an origin that is followed by its ledger."""
DATA_FILES: Final = "data_files"
"""The kind of an origin of which there are data files only."""

_COLUMNS: Final = ", ".join(Totals._fields)
_MARKS: Final = ", ".join("?" * len(Totals._fields))
_KEEP: Final = "INSERT OR REPLACE INTO origin (id, kind, cursor) VALUES (?, ?, ?)"
_HAD: Final = f"SELECT label_set_id, {_COLUMNS} FROM imported WHERE origin = ? AND quarter = ?"  # noqa: S608 - names of this module, here and below
_FORGET: Final = "DELETE FROM imported WHERE origin = ? AND quarter = ?"
_PUT: Final = (
    f"INSERT INTO imported (origin, quarter, label_set_id, calls, {_COLUMNS}) "  # noqa: S608
    f"VALUES (?, ?, ?, 0, {_MARKS})"
)
_ADD: Final = upsert("period", ("quarter", "label_set_id"), Totals._fields)
_SWEEP: Final = "DELETE FROM period WHERE quarter = ? AND requests_ok + requests_error = 0"
_BY_ORIGIN: Final = (
    f"SELECT origin, project, provider, model, endpoint, {', '.join(f'sum({n})' for n in Totals._fields)} "  # noqa: S608, E501
    "FROM imported i JOIN label_set s ON s.id = i.label_set_id "
    "WHERE origin IN (SELECT id FROM origin) AND quarter >= ? AND quarter < ? "
    "GROUP BY origin, label_set_id"
)


class Followed(NamedTuple):
    """How far another ledger was followed: up to the change of a number (`cursor`)."""

    kind: str
    cursor: int


def followed(connection: sqlite3.Connection) -> dict[str, Followed]:
    """Which ledgers are followed here, by their ids."""
    rows = connection.execute("SELECT id, kind, cursor FROM origin WHERE cursor IS NOT NULL")
    return {row[0]: Followed(*row[1:]) for row in rows}


def origins(connection: sqlite3.Connection) -> frozenset[str]:
    """The ids of all ledgers from which there are calls here, imported or followed."""
    return frozenset(row[0] for row in connection.execute("SELECT id FROM origin"))


def follow(
    connection: sqlite3.Connection,
    origin: str,
    place: Followed,
    sums: Mapping[int, Mapping[Labels, Totals]],
) -> bool:
    """Take over what a ledger has for quarter-hours; how far it was followed is kept with it.

    Runs in a write transaction of the caller's. Returns whether any sum changed.
    """
    changed = {
        quarter for quarter, now in sums.items() if _take_over(connection, origin, quarter, now)
    }
    connection.execute(_KEEP, (origin, *place))
    rewritten(connection, changed)
    return bool(changed)


def forsake(connection: sqlite3.Connection, origin: str) -> None:
    """Take back all that was taken over from a ledger; it is to be followed from its begin."""
    rows = connection.execute("SELECT DISTINCT quarter FROM imported WHERE origin = ?", (origin,))
    quarters = {row[0] for row in rows}
    for quarter in quarters:
        _take_over(connection, origin, quarter, {})
    connection.execute("DELETE FROM origin WHERE id = ?", (origin,))
    rewritten(connection, quarters)


def sums_by_origin(
    connection: sqlite3.Connection, start: int, end: int
) -> dict[str, dict[Labels, Totals]]:
    """What came from each other ledger in a span of quarter-hours, by labels."""
    found: dict[str, dict[Labels, Totals]] = defaultdict(dict)
    for origin, *row in connection.execute(_BY_ORIGIN, (start, end)):
        found[origin][Labels(*row[:4])] = Totals(*row[4:])
    return dict(found)


def _take_over(
    connection: sqlite3.Connection, origin: str, quarter: int, now: Mapping[Labels, Totals]
) -> bool:
    """Have one quarter-hour's sums take the place of those that it had; whether they differ."""
    had = {
        row[0]: Totals(*row[1:]) for row in connection.execute(_HAD, (origin, quarter)).fetchall()
    }
    have = {find_or_make(connection, labels)[0]: totals for labels, totals in now.items()}
    if had == have:
        return False
    connection.execute(_FORGET, (origin, quarter))
    connection.executemany(
        _PUT, [(origin, quarter, label_set_id, *totals) for label_set_id, totals in have.items()]
    )
    connection.executemany(
        _ADD, [(quarter, label_set_id, *grown) for label_set_id, grown in _growth(had, have)]
    )
    connection.execute(_SWEEP, (quarter,))
    return True


def _growth(
    had: Mapping[int, Totals], have: Mapping[int, Totals]
) -> Iterable[tuple[int, tuple[int, ...]]]:
    for label_set_id in had.keys() | have.keys():
        before, after = had.get(label_set_id, Totals()), have.get(label_set_id, Totals())
        yield label_set_id, tuple(map(int.__sub__, after, before))
