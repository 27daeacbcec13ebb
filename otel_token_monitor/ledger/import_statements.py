"""What an import says to SQLite: its temporary tables, and how they are compared and added."""

# ruff: noqa: S608 - all names are of this package

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.upserts import adding
from otel_token_monitor.ledger.window_sums import TOTALS_OF_RECORD
from otel_token_monitor.usage import QUARTER_NS, Labels, TokenUsage, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "file"
"""The kind of an origin whose calls came in files."""

RECORD: Final = (
    "source, status, input, input_cached, input_cache_write, output, output_reasoning, estimated, "
    "unmetered, response_model, response_id, duration_ns, first_token_ns, error_type, "
    "cost_nanousd, trace_id, span_id"
)
COLUMNS_OF_CALL: Final = ("time_ns", "nonce", "place", *RECORD.split(", "), "line")
FIELDS: Final = tuple(RECORD.split(", "))
LABELS: Final = ", ".join(Labels._fields)
TOTALS: Final = ", ".join(Totals._fields)

TABLES: Final = ("staged_labels", "staged_call", "staged_sum", "staged_period")
STAGES: Final = (
    # `place` stands for the labels until these have an id in the ledger.
    f"CREATE TEMP TABLE staged_labels (place INTEGER PRIMARY KEY, {LABELS}, label_set_id)",
    f"CREATE TEMP TABLE staged_call ({', '.join(COLUMNS_OF_CALL)})",
    f"CREATE TEMP TABLE staged_sum (quarter, origin, place, {TOTALS}, line)",
    f"CREATE TEMP TABLE staged_period (quarter, place, calls, {TOTALS})",
)
STAGE_SUM: Final = f"INSERT INTO staged_sum VALUES ({', '.join('?' * (len(Totals._fields) + 4))})"

ADD_LABELS: Final = (
    "INSERT OR IGNORE INTO label_set (project, provider, model, endpoint) "
    "SELECT project, provider, model, endpoint FROM staged_labels ORDER BY place"
)
FIND_LABELS: Final = (
    "UPDATE staged_labels SET label_set_id = (SELECT id FROM label_set s "
    "WHERE s.project = staged_labels.project AND s.provider = staged_labels.provider "
    "AND s.model = staged_labels.model AND s.endpoint = staged_labels.endpoint)"
)
OVERLAP: Final = (
    "SELECT EXISTS (SELECT 1 FROM record WHERE time_ns >= (SELECT min(time_ns) FROM staged_call) "
    "AND time_ns <= (SELECT max(time_ns) FROM staged_call))"
)
CONFLICT: Final = (
    "SELECT c.line FROM staged_call c JOIN staged_labels l USING (place) "
    "JOIN record r ON r.time_ns = c.time_ns AND r.nonce = c.nonce "
    f"WHERE (r.label_set_id, {', '.join(f'r.{name}' for name in FIELDS)}) "
    f"IS NOT (l.label_set_id, {', '.join(f'c.{name}' for name in FIELDS)}) LIMIT 1"
)
KNOWN: Final = (
    "SELECT count(*) FROM staged_call c JOIN record r "
    "ON r.time_ns = c.time_ns AND r.nonce = c.nonce"
)
DROPPED_AT_ONCE: Final = 50_000
"""Rows: SQLite keeps in memory which ones it is about to delete."""
DROP_KNOWN: Final = (
    "DELETE FROM staged_call WHERE rowid > ? AND rowid <= ? AND EXISTS (SELECT 1 FROM record r "
    "WHERE r.time_ns = staged_call.time_ns AND r.nonce = staged_call.nonce)"
)
TWICE: Final = (
    "SELECT max(line) FROM staged_call GROUP BY time_ns, nonce HAVING count(*) > 1 LIMIT 1"
)
HAS_ESTIMATES: Final = "SELECT EXISTS (SELECT 1 FROM staged_call WHERE estimated)"


def _group(sums: Mapping[str, str]) -> str:
    # By place, not by label set: joined here, each call would be looked up.
    return (
        f"INSERT INTO staged_period SELECT time_ns / {QUARTER_NS}, place, count(*), "
        + ", ".join(f"coalesce(sum({sums[name]}), 0)" for name in Totals._fields)
        + " FROM staged_call GROUP BY 1, 2"
    )


GROUP: Final = _group(TOTALS_OF_RECORD)
GROUP_EXACT: Final = _group(
    TOTALS_OF_RECORD
    | {part: part for part in TokenUsage._fields}
    | dict.fromkeys(("estimated_input", "estimated_output"), "0")
)
"""The same, where no usage is estimated: in half the time."""
ADD_RECORDS: Final = (
    f"INSERT INTO record (time_ns, nonce, label_set_id, {RECORD}) "
    f"SELECT time_ns, nonce, label_set_id, {RECORD} "
    "FROM staged_call JOIN staged_labels USING (place)"
)
_ADDING: Final = adding(("quarter", "label_set_id"), Totals._fields)
ADD_PERIOD: Final = (
    f"INSERT INTO period (quarter, label_set_id, {TOTALS}) "
    f"SELECT quarter, label_set_id, {TOTALS} FROM staged_period JOIN staged_labels USING (place) "
    f"WHERE true {_ADDING}"
)
NOTE_CALLS: Final = (
    f"INSERT INTO imported (origin, quarter, label_set_id, calls, {TOTALS}) "
    f"SELECT ?, quarter, label_set_id, calls, {', '.join('0' * len(Totals._fields))} "
    "FROM staged_period JOIN staged_labels USING (place) WHERE true "
    "ON CONFLICT (origin, quarter, label_set_id) DO UPDATE SET calls = calls + excluded.calls"
)
HAS_SUMS: Final = (
    "SELECT EXISTS (SELECT 1 FROM imported WHERE origin = ? AND requests_ok + requests_error > 0)"
)
MAYBE_WITHIN: Final = (
    "SELECT c.line FROM staged_call c JOIN staged_labels l USING (place) "
    f"JOIN imported i ON i.origin = ? AND i.quarter = c.time_ns / {QUARTER_NS} "
    "AND i.label_set_id = l.label_set_id WHERE i.requests_ok + i.requests_error > 0 LIMIT 1"
)

# Of sums; `?` is this ledger's own id. Those of its own have no rows in `imported`.
_SUM_COLUMNS: Final = ", ".join(f"t.{name}" for name in Totals._fields)
SUM_TWICE: Final = (
    "SELECT max(line) FROM staged_sum GROUP BY quarter, origin, place HAVING count(*) > 1 LIMIT 1"
)
SUM_CONFLICT: Final = (
    "SELECT t.line, t.quarter, t.origin FROM staged_sum t JOIN staged_labels l USING (place) "
    "JOIN imported i ON i.origin = t.origin AND i.quarter = t.quarter "
    f"AND i.label_set_id = l.label_set_id WHERE t.origin <> ? AND ({_SUM_COLUMNS}) "
    f"IS NOT ({', '.join(f'i.{name}' for name in Totals._fields)}) LIMIT 1"
)
DROP_KNOWN_SUMS: Final = (
    "DELETE FROM staged_sum WHERE origin <> ? AND rowid > ? AND rowid <= ? AND EXISTS ("
    "SELECT 1 FROM staged_labels l JOIN imported i ON i.label_set_id = l.label_set_id "
    "WHERE l.place = staged_sum.place AND i.origin = staged_sum.origin "
    "AND i.quarter = staged_sum.quarter)"
)
OWN_SUMS: Final = (
    f"SELECT t.rowid, t.quarter, l.label_set_id, t.line, {_SUM_COLUMNS} "
    "FROM staged_sum t JOIN staged_labels l USING (place) WHERE t.origin = ? ORDER BY t.quarter"
)
DROP_SUM: Final = "DELETE FROM staged_sum WHERE rowid = ?"
ORIGINS_OF_SUMS: Final = "SELECT DISTINCT origin FROM staged_sum WHERE origin <> ?"
ADD_SUMS: Final = (
    f"INSERT INTO period (quarter, label_set_id, {TOTALS}) "
    f"SELECT quarter, label_set_id, {TOTALS} FROM staged_sum JOIN staged_labels USING (place) "
    f"WHERE true {_ADDING}"
)
NOTE_SUMS: Final = (
    f"INSERT INTO imported (origin, quarter, label_set_id, calls, {TOTALS}) "
    f"SELECT origin, quarter, label_set_id, 0, {TOTALS} "
    "FROM staged_sum JOIN staged_labels USING (place) WHERE origin <> ? "
    + adding(("origin", "quarter", "label_set_id"), Totals._fields)
)
TOUCHED: Final = "SELECT quarter FROM staged_period UNION SELECT quarter FROM staged_sum"

ADD_ORIGIN: Final = f"INSERT OR IGNORE INTO origin (id, kind) VALUES (?, '{FILE}')"
ORIGIN_KIND: Final = "SELECT kind FROM origin WHERE id = ?"
FIRST_CALL: Final = "SELECT line FROM staged_call WHERE time_ns < ? ORDER BY time_ns LIMIT 1"
FIRST_SUM: Final = "SELECT line FROM staged_sum WHERE quarter < ? ORDER BY quarter LIMIT 1"
COUNTED: Final = (
    "SELECT quarter, sum(requests_ok + requests_error) FROM period "
    "WHERE quarter >= ? AND quarter < ? GROUP BY quarter"
)
_GIVE_UP_IMPORTED: Final = (
    "DELETE FROM imported WHERE origin IN (SELECT id FROM origin) AND quarter >= ? AND quarter < ?"
)
# With the unit (ns) in which each table counts time.
GIVE_UP: Final = (
    ("DELETE FROM record WHERE time_ns >= ? AND time_ns < ?", 1),
    ("DELETE FROM period WHERE quarter >= ? AND quarter < ?", QUARTER_NS),
    (_GIVE_UP_IMPORTED, QUARTER_NS),
)
