"""Writing batches to a ledger: one transaction a batch, every sum in it."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from otel_token_monitor.ledger import background
from otel_token_monitor.ledger.batch import LABEL_OVERFLOW, Batch, SumsByKey, summed
from otel_token_monitor.ledger.changes import note_changes
from otel_token_monitor.ledger.database import (
    Location,
    connect,
    keep_forever,
    set_aside,
    transaction,
)
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerRefusedError,
    explain,
)
from otel_token_monitor.ledger.label_sets import LabelSets
from otel_token_monitor.ledger.rollups import DAY_QUARTERS, HOUR_QUARTERS
from otel_token_monitor.ledger.upserts import upsert
from otel_token_monitor.usage import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    TOKEN_BOUNDS,
    PolledRecord,
    Sums,
    TokenUsage,
    Totals,
    UsageRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Chore", "LedgerWriter"]

T = TypeVar("T")

Chore = Callable[[sqlite3.Connection, int, bool], None]
"""What is done now and then: with the time (UTC ns), and whether the ledger was just opened."""

_CHORE_SECONDS: Final = 60
_WRITERS_KEPT_NS: Final = 7 * 86400 * 1_000_000_000


def _buckets(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(f"b{index}" for index in range(len(bounds) + 1))


_RECORD: Final = (
    "time_ns, nonce, label_set_id, source, status, input, input_cached, input_cache_write, "
    "output, output_reasoning, estimated, unmetered, response_model, response_id, duration_ns, "
    "first_token_ns, error_type, cost_nanousd, trace_id, span_id"
)
_MARKS: Final = f"({', '.join('?' * len(_RECORD.split(', ')))})"
# How many rows a statement inserts. Python gives up its global lock for each statement, and in an
# application whose threads compute gets it back only milliseconds later: row by row, a batch would
# take seconds, with the ledger locked for every other process.
_ROWS_AT_ONCE: Final = (256, 64, 16, 4, 1)
_INSERT_RECORDS: Final = {
    number: f"INSERT OR IGNORE INTO record ({_RECORD}) VALUES {', '.join([_MARKS] * number)}"  # noqa: S608
    for number in _ROWS_AT_ONCE
}
_ADD_PERIOD: Final = upsert("period", ("quarter", "label_set_id"), Totals._fields)
_ADD_HOUR: Final = upsert("hour", ("hour", "label_set_id"), Totals._fields)
_ADD_DAY: Final = upsert("day", ("day", "label_set_id"), Totals._fields)
_ADD_COUNTER: Final = upsert("counter", ("label_set_id",), Totals._fields)
_ADD_UNMETERED: Final = upsert("unmetered_counter", ("label_set_id", "reason"), ("requests",))
_ADD_MODALITY: Final = upsert(
    "modality_counter", ("label_set_id", "direction", "modality"), ("tokens",)
)
_ADD_DURATION: Final = upsert(
    "duration_histogram", ("label_set_id",), ("sum_ns", *_buckets(DURATION_BOUNDS))
)
_ADD_FIRST_TOKEN: Final = upsert(
    "first_token_histogram", ("label_set_id",), ("sum_ns", *_buckets(FIRST_TOKEN_BOUNDS))
)
_ADD_INPUT: Final = upsert("input_tokens_histogram", ("label_set_id",), _buckets(TOKEN_BOUNDS))
_ADD_OUTPUT: Final = upsert("output_tokens_histogram", ("label_set_id",), _buckets(TOKEN_BOUNDS))
_ADD_HEALTH: Final = upsert("health", ("name",), ("value",))

# What SQLite says of a value, not of the file; beside those, Python has its own.
_REFUSALS: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
# Where there is no disk, single records must not fill the memory: their sums stay. Those of the
# last minute are what its budgets are counted from.
_RECORDS_IN_MEMORY: Final = 10_000
_MINUTE_NS: Final = 60 * 1_000_000_000
_FORGET_RECORDS: Final = (
    "DELETE FROM record WHERE time_ns < "
    "min((SELECT time_ns FROM record ORDER BY time_ns DESC LIMIT 1 OFFSET ?), ?)"
)
_NO_USAGE: Final = (None,) * len(TokenUsage._fields)


class LedgerWriter:
    """Writes batches to one ledger, each exactly once.

    Not thread-safe: one thread at a time. `max_label_sets` caps the label sets with cumulative
    rows of their own; `clock` gives UTC nanoseconds since the epoch. Every method raises a
    LedgerError when the ledger cannot be written; the same batch is then given again until it is
    in, unless it was a LedgerRefusedError. `chore`, if set, is done within a transaction when the
    ledger is opened and then once a minute.
    """

    def __init__(
        self,
        location: Location,
        *,
        max_label_sets: int,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.location = location
        self._label_sets = LabelSets(max_label_sets, in_memory=location.path is None)
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._id = secrets.token_hex(8)
        self._batch = 0
        self._uncertain = False
        self.chore: Chore | None = None
        self._chore_ns: int | None = None

    def write(self, batch: Batch) -> int:
        """Commit a batch; returns how many of its records were in the ledger already."""
        connection = self._ready()
        now_ns = self._clock()
        try:
            with transaction(connection):
                if self._uncertain and self._last_batch(connection) > self._batch:
                    known = 0
                else:
                    known = self._apply(connection, batch, now_ns)
                    self._sign(connection, now_ns)
                chore_done = self._do_chore(connection, now_ns)
        except BaseException as error:
            # Label sets that were made within are gone again. An error (or Ctrl-C) in the middle
            # of a commit leaves open whether the batch is in.
            self._label_sets.forget()
            self._uncertain = True
            if isinstance(error, _REFUSALS):
                raise LedgerRefusedError(f"a call cannot be written: {error}") from error
            if isinstance(error, sqlite3.Error):
                self._give_up(error)
            raise
        self._uncertain = False
        self._batch += 1
        self._chore_ns = now_ns if chore_done else self._chore_ns
        return known

    def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Do what `action` does within one transaction, all of it or, when it raises, nothing."""
        connection = self._ready()
        try:
            with transaction(connection):
                return action(connection)
        except sqlite3.Error as error:
            self._give_up(error)

    def open(self) -> None:
        """Open the ledger, or create it, ahead of the first batch."""
        self._ready()
        now_ns = self._clock()
        if self._is_chore_due(now_ns) and self.run(lambda c: self._do_chore(c, now_ns)):
            self._chore_ns = now_ns

    def close(self) -> None:
        """Close the connection; the next batch opens another. A ledger in memory may be gone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """Give the connection up unclosed: in a forked child it is still the parent's."""
        keep_forever(self._connection)

    def condemn(self, error: LedgerCorruptError, seen: tuple[int, int] | None) -> None:
        """Set aside a file that was found damaged in reading; always raises, saying where it is."""
        self.close()
        self._set_aside(error, seen)

    def _ready(self) -> sqlite3.Connection:
        """The open connection; another one if the file was moved away or deleted meanwhile."""
        if self._connection is not None and self.location.identity() != self._identity:
            _complete(self._connection)
            self.close()
        if self._connection is None:
            self._label_sets.forget()
            self._chore_ns = None
            before = self.location.identity()
            try:
                self._connection = connect(self.location)
            except LedgerCorruptError as error:
                self._set_aside(error, before)
            self._identity = before or self.location.identity()
        return self._connection

    def _is_chore_due(self, now_ns: int) -> bool:
        done = self._chore_ns
        return done is None or not 0 <= now_ns - done < _CHORE_SECONDS * 1_000_000_000

    def _do_chore(self, connection: sqlite3.Connection, now_ns: int) -> bool:
        """Do what is due; whether it was."""
        if not self._is_chore_due(now_ns):
            return False
        late: SumsByKey = {}
        background.give_up(connection, now_ns, late)
        if late:
            self._add_sums(connection, late, now_ns // 1_000_000_000)
        if self.chore is not None:
            self.chore(connection, now_ns, self._chore_ns is None)
        return True

    def _give_up(self, error: sqlite3.Error) -> NoReturn:
        explained = explain(self.location, error)
        if self.location.path is not None and not isinstance(explained, LedgerBusyError):
            self.close()
        if isinstance(explained, LedgerCorruptError):
            self._set_aside(explained, self._identity)
        raise explained from error

    def _set_aside(self, error: LedgerError, seen: tuple[int, int] | None) -> NoReturn:
        """Move the damaged file away and say so; the next attempt starts a new ledger."""
        path = self.location.path
        if path is None:
            raise error
        try:
            target = set_aside(path, seen)
        except OSError as failure:
            raise explain(self.location, failure) from error
        where = f"it was set aside as {target}" if target else "another process has set it aside"
        message = f"{error}; {where}, and a new ledger begins: its counters start at 0"
        raise LedgerCorruptError(message) from error

    def _last_batch(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT batch FROM writer WHERE id = ?", (self._id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _sign(self, connection: sqlite3.Connection, now_ns: int) -> None:
        """Note, within the transaction, that this batch is in."""
        connection.execute(
            "INSERT OR REPLACE INTO writer (id, batch, time_ns) VALUES (?, ?, ?)",
            (self._id, self._batch + 1, now_ns),
        )
        if self._batch == 0:
            connection.execute("DELETE FROM writer WHERE time_ns < ?", (now_ns - _WRITERS_KEPT_NS,))

    def _apply(self, connection: sqlite3.Connection, batch: Batch, now_ns: int) -> int:
        """Everything that a batch adds; returns how many of its records were in already."""
        now = now_ns // 1_000_000_000
        polled = [record for record in batch.records if isinstance(record, PolledRecord)]
        calls = batch.records
        if polled:
            calls = [record for record in batch.records if not isinstance(record, PolledRecord)]
        records = self._insert_new(connection, calls, now)
        sums = summed(records)
        background.expect(connection, records)
        background.complete(connection, polled, sums)
        for key, condensed in batch.condensed.items():
            sums.setdefault(key, Sums()).merge(condensed)
        self._add_sums(connection, sums, now)
        connection.executemany(_ADD_HEALTH, batch.health.items())
        if self.location.path is None and records:
            connection.execute(_FORGET_RECORDS, (_RECORDS_IN_MEMORY, now_ns - _MINUTE_NS))
        return len(calls) - len(records)

    def _insert_new(
        self, connection: sqlite3.Connection, records: list[UsageRecord], now: int
    ) -> list[UsageRecord]:
        """Insert records; returns those that were not in the ledger yet."""
        rows = [self._row(connection, record, now) for record in records]
        connection.execute("SAVEPOINT records")
        if _insert(connection, rows) != len(rows):
            connection.execute("ROLLBACK TO records")
            records = [
                record
                for record, row in zip(records, rows, strict=True)
                if _insert(connection, [row])
            ]
        connection.execute("RELEASE records")
        return records

    def _row(
        self, connection: sqlite3.Connection, record: UsageRecord, now: int
    ) -> tuple[object, ...]:
        # The columns are in the order of the fields; of modalities only the sums are kept.
        return (
            *record[:2],
            self._label_sets.place(connection, record.labels, now).label_set_id,
            *record[3:5],
            *(_NO_USAGE if record.usage is None else record.usage),
            *record[6:-1],
        )

    def _add_sums(self, connection: sqlite3.Connection, sums: SumsByKey, now: int) -> None:
        periods: list[tuple[int, ...]] = []
        series: dict[int, Sums] = {}
        overflow = 0
        for (labels, quarter), added in sums.items():
            place = self._label_sets.place(connection, labels, now)
            periods.append((quarter, place.label_set_id, *added.totals))
            if place.overflows:
                overflow += added.totals.requests
            known = series.get(place.series_id)
            if known is None:
                series[place.series_id] = added
            else:
                known.merge(added)
        connection.executemany(_ADD_PERIOD, periods)
        for statement, quarters in ((_ADD_HOUR, HOUR_QUARTERS), (_ADD_DAY, DAY_QUARTERS)):
            connection.executemany(statement, [(row[0] // quarters, *row[1:]) for row in periods])
        note_changes(connection, sorted({quarter for _, quarter in sums}))
        if overflow:
            connection.execute(_ADD_HEALTH, (LABEL_OVERFLOW, overflow))
        _add_series(connection, series.items())


def _complete(connection: sqlite3.Connection) -> None:
    """Bring all that was committed into a file that is being moved: its log stays behind."""
    with suppress(sqlite3.Error):  # it may be damaged, and is not ours any more
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> int:
    """Insert rows of records; returns how many were not there yet."""
    inserted, done = 0, 0
    for number in _ROWS_AT_ONCE:
        while len(rows) - done >= number:
            values = list(chain.from_iterable(rows[done : done + number]))
            inserted += connection.execute(_INSERT_RECORDS[number], values).rowcount
            done += number
    return inserted


def _add_series(connection: sqlite3.Connection, series: Iterable[tuple[int, Sums]]) -> None:
    """Add to the cumulative rows; a histogram without a new observation is left alone."""
    for series_id, sums in series:
        connection.execute(_ADD_COUNTER, (series_id, *sums.totals))
        if sums.duration_count:
            connection.execute(_ADD_DURATION, (series_id, sums.duration_ns, *sums.duration))
        if sums.first_token_count:
            row = (series_id, sums.first_token_ns, *sums.first_token)
            connection.execute(_ADD_FIRST_TOKEN, row)
        if sums.metered_count:
            connection.execute(_ADD_INPUT, (series_id, *sums.input_tokens))
            connection.execute(_ADD_OUTPUT, (series_id, *sums.output_tokens))
        connection.executemany(
            _ADD_UNMETERED, [(series_id, *item) for item in sums.unmetered.items()]
        )
        if sums.modalities:
            rows = [(series_id, *key, count) for key, count in sums.modalities.items()]
            connection.executemany(_ADD_MODALITY, rows)
