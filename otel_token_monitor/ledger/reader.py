"""Reading a ledger: what the views ask."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from otel_token_monitor.ledger.changes import Changes, changes_after
from otel_token_monitor.ledger.database import (
    Location,
    keep_forever,
    may_write,
    open_for_reading,
    transaction,
)
from otel_token_monitor.ledger.errors import explain
from otel_token_monitor.ledger.label_sets import IDLE_SECONDS
from otel_token_monitor.ledger.policies import PolicyStanding, read_policy
from otel_token_monitor.ledger.pruning import pruned_before_ns
from otel_token_monitor.ledger.single_calls import (
    SumRow,
    calls_between,
    sums_of_quarters,
    sums_without_calls,
)
from otel_token_monitor.ledger.window_sums import (
    totals_between,
    totals_of_records,
    used_between,
    used_of_records,
)
from otel_token_monitor.usage import QUARTER_SECONDS, Labels, Sums, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from otel_token_monitor.usage import Used

__all__ = ["Brief", "Exposition", "LedgerReader"]

T = TypeVar("T")

_NANO: Final = 1_000_000_000
_LABELS: Final = "s.project, s.provider, s.model, s.endpoint"
_TOTALS: Final = ", ".join(f"c.{name}" for name in Totals._fields)
_SUMS: Final = ", ".join(f"sum({name})" for name in Totals._fields)
# Each end is looked up by itself: asked for both at once, SQLite reads the whole table.
_EXTENT: Final = "SELECT (SELECT min(quarter) FROM period), (SELECT max(quarter) FROM period)"
# One statement: to compile three takes longer than to run them.
_BRIEF: Final = (
    "SELECT l.value, (SELECT p.document FROM ledger k JOIN policy p ON p.digest = k.value "
    "WHERE k.key = 'policy'), EXISTS (SELECT 1 FROM origin) FROM ledger l WHERE l.key = 'id'"
)
_ORIGINS: Final = (
    "SELECT id FROM origin o WHERE EXISTS "
    "(SELECT 1 FROM imported WHERE origin = o.id AND quarter >= ? AND quarter < ?)"
)


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one scrape shows, as of one moment: cumulative sums per label set, health counts."""

    ledger_id: str
    series: dict[Labels, Sums]
    health: dict[str, int]


class Brief(NamedTuple):
    """A ledger's id, its policy (None if it keeps none), whether calls of others may be here."""

    ledger_id: str
    policy_document: str | None
    has_origins: bool


class LedgerReader:
    """Answers questions about one ledger, and never creates or changes it.

    Not thread-safe: one thread at a time. `clock` gives UTC nanoseconds since the epoch. Every
    method raises a LedgerError when the ledger is missing or cannot be read.
    """

    def __init__(self, location: Location, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.location = location
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        # The connection while a transaction of ours is open on it.
        self._within: sqlite3.Connection | None = None
        self.identity: tuple[int, int] | None = None
        """Device and inode of the file that was read last; None before, and in memory."""

    def exposition(self) -> Exposition:
        """The cumulative sums of every label set that counted within the last 30 days."""
        with self._reading() as connection:
            since = self._clock() // _NANO - IDLE_SECONDS
            return Exposition(
                self.ledger_id(),
                _series(connection, since),
                dict(connection.execute("SELECT name, value FROM health").fetchall()),
            )

    def totals(self, start_quarter: int, end_quarter: int) -> dict[Labels, Totals]:
        """What the calls from one UTC quarter-hour up to, not including, another add up to."""
        with self._reading() as connection:
            return totals_between(connection, start_quarter, end_quarter)

    def used(self, start_quarter: int, end_quarter: int) -> dict[Labels, Used]:
        """The same, as budgets count it: cheaper."""
        with self._reading() as connection:
            return used_between(connection, start_quarter, end_quarter)

    def totals_by_quarter(self, start_quarter: int, end_quarter: int) -> dict[int, Totals]:
        """What all calls add up to in each UTC quarter-hour that has any, in order of time."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT quarter, {_SUMS} FROM period "  # noqa: S608 - names of this package
                "WHERE quarter >= ? AND quarter < ? GROUP BY quarter ORDER BY quarter",
                (start_quarter, end_quarter),
            ).fetchall()
        return {row[0]: Totals(*row[1:]) for row in rows}

    def totals_of_records(self, start_ns: int, end_ns: int) -> dict[Labels, Totals]:
        """What the calls between two instants add up to, by their single records."""
        with self._reading() as connection:
            return totals_of_records(connection, start_ns, end_ns)

    def used_of_records(self, start_ns: int, end_ns: int) -> dict[Labels, Used]:
        """The same, as budgets count it: cheaper."""
        with self._reading() as connection:
            return used_of_records(connection, start_ns, end_ns)

    def calls(self, start_ns: int, end_ns: int) -> Iterator[tuple[Any, ...]]:
        """The single calls that ended between two instants: see `calls_between`."""
        with self._reading() as connection:
            yield from calls_between(connection, start_ns, end_ns)

    def sums_without_calls(self, start_quarter: int, end_quarter: int) -> Iterator[SumRow]:
        """The sums of calls that have no record here (any more): see the function of that name."""
        with self._reading() as connection:
            own_id = self.ledger_id()
            yield from sums_without_calls(connection, own_id, start_quarter, end_quarter)

    def sums_of_quarters(self, quarters: tuple[int, ...]) -> Mapping[int, Mapping[Labels, Totals]]:
        """What the calls of each of these quarter-hours add up to, by labels."""
        with self._reading() as connection:
            return sums_of_quarters(connection, quarters)

    def changes(self, after: int, most: int = -1) -> Changes:
        """Which quarter-hours changed after the change of a number; at most so many, unless -1."""
        with self._reading() as connection:
            return changes_after(connection, after, most)

    def extent(self) -> tuple[int, int] | None:
        """The first and the last quarter-hour that have calls; None if there are none."""
        with self._reading() as connection:
            first, last = connection.execute(_EXTENT).fetchone()
        return None if first is None else (first, last)

    def pruned_before_ns(self) -> int:
        """Records of calls that ended before this (UTC) may be gone; 0: none are."""
        with self._reading() as connection:
            return pruned_before_ns(connection)

    def policy(self) -> PolicyStanding:
        """Whose limits hold here."""
        with self._reading() as connection:
            return read_policy(connection, self._clock())

    def began_ns(self) -> int:
        """When the ledger was made, or its first calls ended if that was before (UTC)."""
        with self._reading() as connection:
            (first,) = connection.execute("SELECT min(quarter) FROM period").fetchone()
            made_ns = int(self._fact("created_ns"))
        quarter_ns = QUARTER_SECONDS * _NANO
        return (
            made_ns if first in {None, made_ns // quarter_ns} else min(made_ns, first * quarter_ns)
        )

    def ledger_id(self) -> str:
        """The ledger's random id."""
        return self._fact("id")

    def brief(self) -> Brief:
        """Who it is, in one question: for those who ask many ledgers."""
        with self._reading() as connection:
            ledger_id, policy, has_origins = connection.execute(_BRIEF).fetchone()
        return Brief(ledger_id, policy, bool(has_origins))

    def origins(self, start_quarter: int, end_quarter: int) -> frozenset[str]:
        """The ids of other ledgers from which there are calls of these quarter-hours here."""
        with self._reading() as connection:
            rows = connection.execute(_ORIGINS, (start_quarter, end_quarter)).fetchall()
        return frozenset(origin for (origin,) in rows)

    def query(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What a function that only reads finds, within a transaction."""
        with self._reading() as connection:
            return question(connection)

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Within it, all that is read is of one moment."""
        with self._reading():
            yield

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """Give the connection up unclosed: in a forked child it is still the parent's."""
        keep_forever(self._connection)

    def _fact(self, key: str) -> str:
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM ledger WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction, so that all that is read within is of one moment."""
        if self._within is not None:
            yield self._within
            return
        connection = self._ready()
        try:
            with transaction(connection, "DEFERRED"):
                self._within = connection
                yield connection
        except sqlite3.Error as error:
            self.close()
            raise explain(self.location, error) from error
        finally:
            self._within = None
            if self.location.path is not None and not may_write(self.location.path):
                self.close()

    def _ready(self) -> sqlite3.Connection:
        """The open connection; another one if the file was moved away or deleted meanwhile."""
        if self._connection is not None and self.location.identity() != self.identity:
            self.close()
        if self._connection is None:
            self.identity = self.location.identity()
            self._connection = open_for_reading(self.location)
        return self._connection


def _series(connection: sqlite3.Connection, since: int) -> dict[Labels, Sums]:
    rows = connection.execute(
        f"SELECT c.label_set_id, {_LABELS}, {_TOTALS} FROM counter c "  # noqa: S608
        "JOIN label_set s ON s.id = c.label_set_id WHERE s.last_counted >= ? "
        "ORDER BY s.project, s.provider, s.model, s.endpoint",
        (since,),
    ).fetchall()
    sums = {row[0]: Sums(totals=Totals(*row[5:])) for row in rows}
    for label_set_id, reason, requests in _rows(connection, "unmetered_counter", sums):
        sums[label_set_id].unmetered[reason] = requests
    for label_set_id, direction, modality, tokens in _rows(connection, "modality_counter", sums):
        sums[label_set_id].modalities[direction, modality] = tokens
    for label_set_id, sum_ns, *buckets in _rows(connection, "duration_histogram", sums):
        sums[label_set_id].duration, sums[label_set_id].duration_ns = buckets, sum_ns
    for label_set_id, sum_ns, *buckets in _rows(connection, "first_token_histogram", sums):
        sums[label_set_id].first_token, sums[label_set_id].first_token_ns = buckets, sum_ns
    for label_set_id, *buckets in _rows(connection, "input_tokens_histogram", sums):
        sums[label_set_id].input_tokens = buckets
    for label_set_id, *buckets in _rows(connection, "output_tokens_histogram", sums):
        sums[label_set_id].output_tokens = buckets
    return {Labels(*row[1:5]): sums[row[0]] for row in rows}


def _rows(
    connection: sqlite3.Connection, table: str, wanted: Container[int]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a table of cumulative rows whose label set is wanted."""
    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names are literals here
        if row[0] in wanted:
            yield row
