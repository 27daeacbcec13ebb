"""Taking calls in that were counted elsewhere, or earlier: all of a file, or nothing.

Rows are put aside first, in temporary tables that nobody else sees and that no lock guards, until
the whole file is known to be sound. Then one transaction compares them with what is here and adds
what is new: to the records and the sums of windows, never to the cumulative rows, whose growth
Prometheus would take for calls of now.

A call is told by its time and nonce, so it is taken in once. Sums of calls without records have
nothing to be told by but the ledger that counted them: what came from it is noted in `imported`,
and sums that could repeat calls which are here already are refused.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.ledger import import_statements as sql
from otel_token_monitor.ledger.database import (
    ATTACHED,
    attach,
    open_private,
    transaction,
)
from otel_token_monitor.ledger.errors import (
    ImportRefusedError,
    LedgerBusyError,
    LedgerError,
    explain,
)
from otel_token_monitor.ledger.import_sums import drop_known_sums, instant_text
from otel_token_monitor.ledger.pruning import pruned_before_ns
from otel_token_monitor.ledger.rollups import rewritten
from otel_token_monitor.ledger.single_calls import SCAN_CACHE_KIB
from otel_token_monitor.usage import QUARTER_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from otel_token_monitor.ledger.database import Location

__all__ = ["ImportPlan", "ImportResult", "LedgerImport", "import_into"]

# Others write all the time: an import waits for its turn.
_BUSY_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What to do with what was put aside: `origin` is the id of the ledger that the file is of.

    `replace`, if not None, is a range (UTC nanoseconds, whole quarter-hours, the end not in it)
    whose calls are given up for those of the file.
    """

    origin: str
    replace: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """How many calls and sums of calls were new, and how many were here already.

    `replaced` is how many calls were given up for them.
    """

    calls: int = 0
    sums: int = 0
    known: int = 0
    replaced: int = 0


def import_into(location: Location, fill: Callable[[LedgerImport], ImportPlan]) -> ImportResult:
    """Take in what `fill` puts aside, in one transaction; a ledger is made if there is none.

    Raises ImportRefusedError if it does not fit what is here, LedgerError if the ledger cannot be
    written, and what `fill` raises; then the ledger is as it was.
    """
    with closing(open_private()) as connection:
        try:
            # Rows are written in order, and pages are not needed again: less is faster, too.
            connection.execute(f"PRAGMA temp.cache_size = -{SCAN_CACHE_KIB}")
            with _naming_a_full_disk(), transaction(connection, "DEFERRED"):
                staged = LedgerImport(connection)
                plan = fill(staged)
                staged.group()
            # Not before the file is known to be sound: where there is no ledger, none is made.
            _attach_patiently(connection, location)
            connection.execute(f"PRAGMA {ATTACHED}.cache_size = -{SCAN_CACHE_KIB}")
            with transaction(connection):
                return staged.apply(plan)
        except sqlite3.Error as error:
            raise explain(location, error) from error


def _attach_patiently(connection: sqlite3.Connection, location: Location) -> None:
    """Attach the ledger, however many others make it, or write to it, at the moment."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            attach(connection, location)
        except LedgerBusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


@contextmanager
def _naming_a_full_disk() -> Iterator[None]:
    """Say which one it is that is full while rows are put aside: as a rule not the ledger's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise LedgerError(
            f"SQLite's directory for temporary files is full ({error}): free some space there, or "
            f"name another one with SQLITE_TMPDIR"
        ) from error


class LedgerImport:
    """Rows put aside on an open connection until `apply`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._places: dict[tuple[str, ...], int] = {}
        self._grouped = False
        self.drop()
        for statement in sql.STAGES:
            connection.execute(statement)

    def drop(self) -> None:
        """Forget what was put aside, on a connection that goes on being used."""
        for name in sql.TABLES:
            self._connection.execute(f"DROP TABLE IF EXISTS temp.{name}")

    def place(self, labels: tuple[str, str, str, str]) -> int:
        """What stands for project, provider, model and endpoint in the rows."""
        place = self._places.get(labels)
        if place is None:
            place = self._places[labels] = len(self._places)
            self._connection.execute(
                "INSERT INTO staged_labels VALUES (?, ?, ?, ?, ?, NULL)", (place, *labels)
            )
        return place

    def add_calls(self, columns: Sequence[Sequence[Any]]) -> None:
        """Put calls aside: the values of many for each of `COLUMNS_OF_CALL`."""
        # Python looks for an adapter for each None that it hands to SQLite.
        given = tuple(values.count(None) < len(values) for values in columns)
        rows = zip(*compress(columns, given), strict=True)
        self._connection.executemany(_staging(given), rows)

    def add_sums(self, rows: Iterable[Sequence[Any]]) -> None:
        """Put sums of calls without records aside: (quarter, origin, place, *Totals, line)."""
        self._connection.executemany(sql.STAGE_SUM, rows)

    def group(self) -> None:
        """Add the calls up: what can be done before anybody has to wait."""
        (estimates,) = self._connection.execute(sql.HAS_ESTIMATES).fetchone()
        self._connection.execute("DELETE FROM staged_period")
        self._connection.execute(sql.GROUP if estimates else sql.GROUP_EXACT)
        self._grouped = True

    def apply(self, plan: ImportPlan) -> ImportResult:
        """Take in what was put aside, within a write transaction that the caller commits.

        Raises ImportRefusedError; the caller rolls back.
        """
        self._refuse_pruned(plan)
        replaced, touched = self._give_up(plan)
        for statement in (sql.ADD_LABELS, sql.FIND_LABELS):
            self._connection.execute(statement)
        staged = self._count("staged_call") + self._count("staged_sum")
        self._drop_known()
        own_id = self._own_id()
        drop_known_sums(self._connection, own_id)
        if not self._grouped:
            self.group()
        if plan.origin != own_id:
            self._note_calls(plan.origin)
        for (origin,) in self._connection.execute(sql.ORIGINS_OF_SUMS, (own_id,)).fetchall():
            self._note_origin(origin)
        self._connection.execute(sql.NOTE_SUMS, (own_id,))
        calls = self._add_records()
        for statement in (sql.ADD_PERIOD, sql.ADD_SUMS):
            self._connection.execute(statement)
        touched.update(row[0] for row in self._connection.execute(sql.TOUCHED))
        rewritten(self._connection, touched)
        sums = self._count("staged_sum")
        known = staged - calls - sums
        return ImportResult(calls=calls, sums=sums, known=known, replaced=replaced)

    def _refuse_pruned(self, plan: ImportPlan) -> None:
        """Refuse calls of a time of which single calls are not known any more."""
        before_ns = pruned_before_ns(self._connection)
        if not before_ns:
            return
        first_whole_quarter = -(-before_ns // QUARTER_NS)
        lines = [
            row[0]
            for statement, bound in (
                (sql.FIRST_CALL, before_ns),
                (sql.FIRST_SUM, first_whole_quarter),
            )
            for row in self._connection.execute(statement, (bound,))
        ]
        if lines or (plan.replace is not None and plan.replace[0] < before_ns):
            raise ImportRefusedError(
                f"the single calls before {instant_text(before_ns)} were pruned from this ledger, "
                f"so it cannot tell whether it has counted these: export from that time on",
                lines[0] if lines else None,
            )

    def _give_up(self, plan: ImportPlan) -> tuple[int, set[int]]:
        """Delete what is to be replaced; how many calls that were, and of which quarter-hours."""
        if plan.replace is None:
            return 0, set()
        start, end = (time_ns // QUARTER_NS for time_ns in plan.replace)
        rows = self._connection.execute(sql.COUNTED, (start, end)).fetchall()
        for statement, unit in sql.GIVE_UP:
            bounds = (start * QUARTER_NS // unit, end * QUARTER_NS // unit)
            self._connection.execute(statement, bounds)
        return sum(requests for _, requests in rows), {quarter for quarter, _ in rows}

    def _drop_known(self) -> None:
        """Leave only calls that are not here; refuse those that are here, and are other calls."""
        (overlap,) = self._connection.execute(sql.OVERLAP).fetchone()
        if not overlap:
            return
        (known,) = self._connection.execute(sql.KNOWN).fetchone()
        if not known:
            return
        conflict = self._connection.execute(sql.CONFLICT).fetchone()
        if conflict is not None:
            raise ImportRefusedError(
                "this ledger has another call with the same time and id: correct the file, or "
                "replace what is here (merge=False, --replace)",
                conflict[0],
            )
        self._refuse_twice()
        staged = self._count("staged_call")
        if known == staged:
            self._connection.execute("DELETE FROM staged_call")
        else:
            for first in range(0, staged, sql.DROPPED_AT_ONCE):
                self._connection.execute(sql.DROP_KNOWN, (first, first + sql.DROPPED_AT_ONCE))
        self._grouped = False

    def _note_calls(self, origin: str) -> None:
        """Note where the new calls come from, by quarter-hour and labels."""
        self._note_origin(origin)
        (has_sums,) = self._connection.execute(sql.HAS_SUMS, (origin,)).fetchone()
        within = None
        if has_sums:
            within = self._connection.execute(sql.MAYBE_WITHIN, (origin,)).fetchone()
        if within is not None:
            raise ImportRefusedError(
                f"this call may be among those of ledger {origin} that are here as a sum: replace "
                f"what is here (merge=False, --replace)",
                within[0],
            )
        self._connection.execute(sql.NOTE_CALLS, (origin,))

    def _note_origin(self, origin: str) -> None:
        self._connection.execute(sql.ADD_ORIGIN, (origin,))
        (kind,) = self._connection.execute(sql.ORIGIN_KIND, (origin,)).fetchone()
        if kind != sql.FILE:
            raise ImportRefusedError(
                f"this ledger follows ledger {origin}, whose calls are here already", None
            )

    def _add_records(self) -> int:
        try:
            return self._connection.execute(sql.ADD_RECORDS).rowcount
        except sqlite3.IntegrityError:
            self._refuse_twice()
            raise

    def _refuse_twice(self) -> None:
        twice = self._connection.execute(sql.TWICE).fetchone()
        if twice is not None:
            raise ImportRefusedError(
                "the file has a call with this time and id already: correct it", twice[0]
            )

    def _own_id(self) -> str:
        row = self._connection.execute("SELECT value FROM ledger WHERE key = 'id'").fetchone()
        return str(row[0])

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of this module


@cache
def _staging(given: tuple[bool, ...]) -> str:
    """The statement that puts calls aside of which only some columns are given."""
    marks = ", ".join("?" if is_given else "NULL" for is_given in given)
    return f"INSERT INTO staged_call VALUES ({marks})"  # noqa: S608 - marks only
