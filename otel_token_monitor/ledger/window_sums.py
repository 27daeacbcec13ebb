"""Adding up what a window of time holds, by labels: from rows per quarter-hour, hour and UTC day.

Windows may be long (a month, a year) and lie anywhere, whatever the time zone. So whole UTC days
are taken, and at both ends hours and quarter-hours are added to them or taken away: few rows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_token_monitor.ledger.rollups import DAY_QUARTERS, HOUR_QUARTERS
from otel_token_monitor.usage import Labels, TokenUsage, Totals, Used

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "TOTALS_OF_RECORD",
    "totals_between",
    "totals_of_records",
    "used_between",
    "used_of_records",
]

_LABELS: Final = "s.project, s.provider, s.model, s.endpoint"
_TOKENS: Final = " + ".join(TokenUsage._fields)
_ESTIMATED: Final = "estimated_input + estimated_output"

# The columns that are added up, by their names in a sum: of a row of sums, and of a record.
_TOTALS: Final = {name: name for name in Totals._fields}
_USED: Final = {
    "tokens": f"{_TOKENS} + {_ESTIMATED}",
    "estimated_tokens": _ESTIMATED,
    "requests": "requests_ok + requests_error",
    "cost_nanousd": "cost_nanousd",
}
TOTALS_OF_RECORD: Final = {
    **{part: f"iif(estimated, 0, {part})" for part in TokenUsage._fields},
    "estimated_input": "iif(estimated, input + input_cached + input_cache_write, 0)",
    "estimated_output": "iif(estimated, output + output_reasoning, 0)",
    "requests_ok": "status = 'ok'",
    "requests_error": "status <> 'ok'",
    "unmetered": "unmetered IS NOT NULL",
    "cost_nanousd": "cost_nanousd",
    "unpriced": "input IS NOT NULL AND cost_nanousd IS NULL",
}
"""What each sum adds up of a record, in SQL."""

_USED_OF_RECORD: Final = {
    "tokens": _TOKENS,
    "estimated_tokens": f"iif(estimated, {_TOKENS}, 0)",
    "requests": "1",
    "cost_nanousd": "cost_nanousd",
}


class _Range(NamedTuple):
    """Rows of a table whose key is in a range; they are added, or taken away."""

    table: str
    sign: str
    start: int
    end: int


_KEYS: Final = {"day": "day", "hour": "hour", "period": "quarter"}


# Not one statement for all: SQLite takes longer to compile the parts that are not needed than to
# read the others, and who asks many ledgers once pays for that with each.
@lru_cache(maxsize=64)
def _between(what: str, parts: tuple[tuple[str, str], ...]) -> str:
    """The statement that adds up the ranges of such parts: (table, sign)."""
    columns, requests = _SUMMED[what]
    rows = " UNION ALL ".join(
        f"SELECT label_set_id, {', '.join(f'{sign}({value}) AS {n}' for n, value in columns)} "  # noqa: S608 - names of this package
        f"FROM {table} WHERE {_KEYS[table]} >= ? AND {_KEYS[table]} < ?"
        for table, sign in parts
    )
    sums = ", ".join(f"sum({name}) AS {name}_sum" for name, _ in columns)
    return _labelled(
        [name for name, _ in columns],
        # A label set of which nothing is left has no calls in between.
        f"SELECT label_set_id, {sums} FROM ({rows}) "  # noqa: S608 - as above
        f"GROUP BY label_set_id HAVING sum({requests}) > 0",
    )


def _of_records(columns: Mapping[str, str]) -> str:
    sums = ", ".join(f"coalesce(sum({value}), 0) AS {name}_sum" for name, value in columns.items())
    return _labelled(
        columns,
        f"SELECT label_set_id, {sums} FROM record WHERE time_ns >= ? AND time_ns < ? "  # noqa: S608
        "GROUP BY label_set_id",
    )


def _labelled(columns: Iterable[str], sums: str) -> str:
    # Joined to the sums, not to what is summed: those rows are sorted, and should be small.
    names = ", ".join(f"c.{name}_sum" for name in columns)
    return f"SELECT {_LABELS}, {names} FROM label_set s JOIN ({sums}) c ON c.label_set_id = s.id"  # noqa: S608


_SUMMED: Final = {
    "totals": (tuple(_TOTALS.items()), "requests_ok + requests_error"),
    "used": (tuple(_USED.items()), "requests"),
}
_TOTALS_OF_RECORDS: Final = _of_records(TOTALS_OF_RECORD)
_USED_OF_RECORDS: Final = _of_records(_USED_OF_RECORD)


def totals_between(connection: sqlite3.Connection, start: int, end: int) -> dict[Labels, Totals]:
    """What the calls from one UTC quarter-hour up to, not including, another add up to."""
    rows = _rows_between(connection, "totals", start, end)
    return {Labels(*row[:4]): Totals(*row[4:]) for row in rows}


def used_between(connection: sqlite3.Connection, start: int, end: int) -> dict[Labels, Used]:
    """The same, as budgets count it."""
    return _used(_rows_between(connection, "used", start, end))


def _rows_between(
    connection: sqlite3.Connection, what: str, start: int, end: int
) -> Iterable[tuple[Any, ...]]:
    ranges = [one for one in _ranges(start, end) if one.start < one.end]
    if not ranges:
        return ()
    statement = _between(what, tuple((one.table, one.sign) for one in ranges))
    return connection.execute(statement, [edge for one in ranges for edge in one[2:]])


def totals_of_records(
    connection: sqlite3.Connection, start_ns: int, end_ns: int
) -> dict[Labels, Totals]:
    """What the calls between two instants add up to, by their single records."""
    rows = connection.execute(_TOTALS_OF_RECORDS, (start_ns, end_ns))
    return {Labels(*row[:4]): Totals(*row[4:]) for row in rows}


def used_of_records(
    connection: sqlite3.Connection, start_ns: int, end_ns: int
) -> dict[Labels, Used]:
    """The same, as budgets count it."""
    return _used(connection.execute(_USED_OF_RECORDS, (start_ns, end_ns)))


def _used(rows: Iterable[tuple[Any, ...]]) -> dict[Labels, Used]:
    return {Labels(*row[:4]): Used(*row[4:]) for row in rows}


def _ranges(start: int, end: int) -> Iterator[_Range]:
    """The ranges that make up a span of quarters; one that ends early is empty.

    The days are those between the midnights (UTC) that are nearest to both ends, the hours lead
    from there to the nearest full hours, the quarters to the ends: few rows, wherever they lie.
    """
    first, last = (_nearest(quarter, HOUR_QUARTERS) for quarter in (start, end))
    midnights = (first, first)
    if end - start > DAY_QUARTERS // 2:
        days = _nearest(start, DAY_QUARTERS), _nearest(end, DAY_QUARTERS)
        yield _Range("day", "", *days)
        hours = DAY_QUARTERS // HOUR_QUARTERS
        midnights = (days[0] * hours, days[1] * hours)
    yield from _difference("hour", midnights[0], first, midnights[1], last)
    yield from _difference("period", first * HOUR_QUARTERS, start, last * HOUR_QUARTERS, end)


def _nearest(quarter: int, size: int) -> int:
    return (quarter + size // 2) // size


def _difference(table: str, before: int, start: int, after: int, end: int) -> Iterator[_Range]:
    """What is to be added and taken away at the end, and at the start, of a span."""
    yield _Range(table, "", after, end)
    yield _Range(table, "-", end, after)
    yield _Range(table, "", start, before)
    yield _Range(table, "-", before, start)
