"""Single calls as they leave the ledger, row by row, and the sums of those that are gone.

A call that has no record any more (pruned), or never had one here (given up while the ledger could
not be written, or imported as a part of a sum), is in the sums alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.ledger.rollups import DAY_QUARTERS
from otel_token_monitor.ledger.window_sums import TOTALS_OF_RECORD
from otel_token_monitor.usage import QUARTER_NS, QUARTER_SECONDS, Labels, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

__all__ = ["SumRow", "calls_between", "sums_of_quarters", "sums_without_calls"]

SCAN_CACHE_KIB: Final = 256
"""What SQLite may keep in memory while rows are read or written one after the other."""


SumsByPlace = dict[tuple[int, int], Totals]
"""Sums by UTC quarter-hour and label set."""

SumRow = tuple[Any, ...]
"""When a quarter-hour began, the ledger that counted it, four labels, the fields of Totals."""

# Texts are made by SQLite: that takes half the time that Python would. The x keeps a spreadsheet
# from taking digits for a number, and losing some.
_CALLS: Final = """
SELECT strftime('%Y-%m-%dT%H:%M:%S', r.time_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', r.time_ns % 1000000000),
       printf('x%016x', r.nonce),
       s.project, s.provider, s.model, s.endpoint, r.source, r.status,
       r.input, r.input_cached, r.input_cache_write, r.output, r.output_reasoning,
       nullif(r.estimated, 0), r.unmetered, r.response_model, r.response_id, r.duration_ns,
       r.first_token_ns, r.error_type, r.cost_nanousd, r.trace_id, r.span_id
FROM record r CROSS JOIN label_set s ON s.id = r.label_set_id
WHERE r.time_ns >= ? AND r.time_ns < ? ORDER BY r.time_ns, r.nonce
"""

_COLUMNS: Final = ", ".join(Totals._fields)
_SUMS: Final = ", ".join(f"sum({name})" for name in Totals._fields)
_SUMS_OF_RECORDS: Final = ", ".join(
    f"coalesce(sum({value}), 0)" for value in (TOTALS_OF_RECORD[name] for name in Totals._fields)
)
_REQUESTS: Final = "coalesce(sum(requests_ok + requests_error), 0)"
_OF_ORIGINS: Final = "origin IN (SELECT id FROM origin) AND quarter >= ? AND quarter < ?"

_COUNTED: Final = f"SELECT {_REQUESTS} FROM period WHERE quarter >= ? AND quarter < ?"  # noqa: S608 - names of this module, here and below
_FOREIGN: Final = f"SELECT {_REQUESTS} FROM imported WHERE {_OF_ORIGINS}"  # noqa: S608
_RECORDED: Final = "SELECT count(*) FROM record WHERE time_ns >= ? AND time_ns < ?"

_ALL_SUMS: Final = (
    f"SELECT quarter, label_set_id, {_COLUMNS} FROM period WHERE quarter >= ? AND quarter < ?"  # noqa: S608
)
_FOREIGN_SUMS: Final = (
    f"SELECT quarter, label_set_id, {_SUMS} FROM imported WHERE {_OF_ORIGINS} GROUP BY 1, 2"  # noqa: S608
)
_RECORDED_SUMS: Final = (
    f"SELECT time_ns / {QUARTER_NS}, label_set_id, {_SUMS_OF_RECORDS} FROM record "  # noqa: S608
    "WHERE time_ns >= ? AND time_ns < ? GROUP BY 1, 2"
)
_IMPORTED: Final = (
    f"SELECT quarter, label_set_id, origin, {_COLUMNS} FROM imported "  # noqa: S608
    f"WHERE {_OF_ORIGINS} AND requests_ok + requests_error > 0"
)


def calls_between(
    connection: sqlite3.Connection, start_ns: int, end_ns: int
) -> Iterator[tuple[Any, ...]]:
    """The calls that ended between two instants, in order of time (then of their nonces).

    The columns: time (UTC text with nanoseconds), id (`x` and 16 hexadecimal digits), project,
    provider, model, endpoint, source, status, the five parts of the usage (None: unknown), 1 if it
    is estimated (else None), unmetered, response model, response id, duration and time to the first
    token (ns), error type, cost (nano-dollars), trace id, span id.
    """
    connection.execute(f"PRAGMA cache_size = -{SCAN_CACHE_KIB}")
    return connection.execute(_CALLS, (start_ns, end_ns))


def sums_without_calls(
    connection: sqlite3.Connection, own_id: str, start: int, end: int
) -> Iterator[SumRow]:
    """The sums, by quarter-hour and labels, of the calls of which there is no record here.

    Beside the ledger's own (`own_id`) those that came from others, each under its own id.
    """
    labels: dict[int, Labels] = {}
    day = start
    while day < end:
        # A UTC day at a time: what is in memory at once has an end.
        following = min((day // DAY_QUARTERS + 1) * DAY_QUARTERS, end)
        rows = _rows_of(connection, own_id, day, following)
        if rows and not labels:
            labels = _labels(connection)
        for quarter, label_set_id, origin, totals in rows:
            yield (_text(quarter), origin, *labels[label_set_id], *totals)
        day = following


def own_sums_without_calls(connection: sqlite3.Connection, start: int, end: int) -> SumsByPlace:
    """What is in the sums, has no record here, and did not come from another ledger."""
    counted, foreign, recorded = (
        connection.execute(statement, _bounds(statement, start, end)).fetchone()[0]
        for statement in (_COUNTED, _FOREIGN, _RECORDED)
    )
    if counted == foreign + recorded:
        return {}
    left = _sums(connection, _ALL_SUMS, start, end)
    for statement in (_FOREIGN_SUMS, _RECORDED_SUMS):
        for place, totals in _sums(connection, statement, start, end).items():
            left[place] = Totals(*map(int.__sub__, left.get(place, Totals()), totals))
    return {place: totals for place, totals in left.items() if totals.requests > 0}


def sums_of_quarters(
    connection: sqlite3.Connection, quarters: tuple[int, ...]
) -> Mapping[int, Mapping[Labels, Totals]]:
    """What the calls of each of these quarter-hours add up to, by labels."""
    found: dict[int, dict[Labels, Totals]] = {quarter: {} for quarter in quarters}
    if quarters:
        labels = _labels(connection)
        for quarter in quarters:
            for _, label_set_id, *sums in connection.execute(_ALL_SUMS, (quarter, quarter + 1)):
                found[quarter][labels[label_set_id]] = Totals(*sums)
    return found


def _rows_of(
    connection: sqlite3.Connection, own_id: str, start: int, end: int
) -> list[tuple[int, int, str, Totals]]:
    rows = [
        (quarter, label_set_id, own_id, totals)
        for (quarter, label_set_id), totals in own_sums_without_calls(
            connection, start, end
        ).items()
    ]
    rows += [
        (quarter, label_set_id, origin, Totals(*sums))
        for quarter, label_set_id, origin, *sums in connection.execute(_IMPORTED, (start, end))
    ]
    return sorted(rows)


def _sums(connection: sqlite3.Connection, statement: str, start: int, end: int) -> SumsByPlace:
    rows = connection.execute(statement, _bounds(statement, start, end))
    return {(quarter, label_set_id): Totals(*sums) for quarter, label_set_id, *sums in rows}


def _bounds(statement: str, start: int, end: int) -> tuple[int, int]:
    if "FROM record" in statement:
        return start * QUARTER_NS, end * QUARTER_NS
    return start, end


def _labels(connection: sqlite3.Connection) -> dict[int, Labels]:
    rows = connection.execute("SELECT id, project, provider, model, endpoint FROM label_set")
    return {row[0]: Labels(*row[1:]) for row in rows}


def _text(quarter: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(quarter * QUARTER_SECONDS))
