"""What waits for the ledger: written in portions, kept and tried again while it cannot be."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, TypeVar

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerRefusedError,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from otel_token_monitor.ledger.writer import LedgerWriter
    from otel_token_monitor.usage import UsageRecord

__all__ = ["PORTION", "Outbox"]

T = TypeVar("T")

_log = logging.getLogger("otel_token_monitor")

PORTION: Final = 1_000
"""How many records are written at once: what others, and forks, wait for at most."""

_RECORDS: Final = 10_000
_SUMS: Final = 4_096
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 10.0
# Locked for so long, a ledger is in trouble.
_LOCKED_SECONDS: Final = 5.0


class Outbox:
    """Records and health counts on their way to one ledger.

    While it cannot be written they are kept: the newest records, and beyond them sums, so that
    totals survive. `lost` is called when a record was given up that no ledger takes, `written`
    after each batch that was committed. Not thread-safe: one thread at a time.
    """

    def __init__(
        self, writer: LedgerWriter, lost: Callable[[], None], written: Callable[[], None]
    ) -> None:
        self._writer = writer
        self._lost = lost
        self._written = written
        self._pending = Batch()
        self._in_flight: Batch | None = None
        self._barred: LedgerError | None = None
        self._locked_since: float | None = None
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        # So far: how many records came in, and how many of those do not wait any more.
        self.accepted = 0
        self._gone = 0
        self.trouble: LedgerError | None = None
        self.last_write_ns: int | None = None

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return self._in_flight is not None or bool(self._pending)

    @property
    def calls(self) -> int:
        """How many calls wait."""
        in_flight = self._in_flight
        return self._pending.calls + (0 if in_flight is None else in_flight.calls)

    @property
    def health(self) -> dict[str, int]:
        """The health counts that wait."""
        counts = dict(self._pending.health)
        in_flight = self._in_flight
        for name, number in ({} if in_flight is None else in_flight.health).items():
            counts[name] = counts.get(name, 0) + number
        return counts

    def accept(self, records: Iterable[UsageRecord]) -> None:
        """Take records in."""
        before = len(self._pending.records)
        self._pending.records += records
        self.accepted += len(self._pending.records) - before

    def count(self, name: str, number: int = 1) -> None:
        """Take in that an event of the monitor's own health happened."""
        self._pending.count(name, number)

    def has_written(self, accepted: int) -> bool:
        """Whether so many records, the first that were accepted, are in the ledger."""
        in_flight = self._in_flight
        return (
            self._gone >= accepted
            and not self._pending.condensed
            and (in_flight is None or not in_flight.condensed)
        )

    def write(self, *, patient: bool = False) -> bool:
        """Commit a portion of what waits, or open the ledger; False if it cannot be done.

        `patient` leaves a ledger in trouble alone for a while.
        """
        if self._barred is not None or (patient and time.monotonic() < self._retry_at):
            self._bound()
            return False
        if self._in_flight is None and self._pending:
            self._in_flight = self._pending.take(PORTION)
        try:
            if self._in_flight is None:
                self._writer.open()
            else:
                self._writer.write(self._in_flight)
                self._gone += len(self._in_flight.records)
                self.last_write_ns = time.time_ns()
        except LedgerBusyError as error:
            return self._is_locked(error)
        except LedgerRefusedError:
            self._narrow_down()
        except LedgerError as error:
            self._fail(error)
            return False
        else:
            batch, self._in_flight = self._in_flight, None
            self._succeed()
            if batch is not None:
                self._written()
        return True

    def bar(self, error: LedgerError) -> None:
        """Write nothing any more: the ledger must not be touched by this process."""
        self._barred = self.trouble = error

    @property
    def barred(self) -> LedgerError | None:
        """Why nothing is written any more; None if it is."""
        return self._barred

    def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Change the ledger otherwise than by calls. Raises LedgerError.

        Where it is found damaged, and set aside, that is said as if calls had found it.
        """
        try:
            return self._writer.run(action)
        except LedgerCorruptError as error:
            self._fail(error)
            raise

    def condemn(self, error: LedgerCorruptError, identity: tuple[int, int] | None) -> None:
        """Set a ledger aside that was found damaged in reading; `identity` is its file's."""
        try:
            self._writer.condemn(error, identity)
        except LedgerError as explained:
            self._fail(explained)

    def _is_locked(self, error: LedgerBusyError) -> bool:
        """Note that another process holds the ledger: trouble only if it lasts."""
        now = time.monotonic()
        if self._locked_since is None:
            self._locked_since = now
        if now - self._locked_since >= _LOCKED_SECONDS:
            self._fail(error)
        self._bound()
        return False

    def _narrow_down(self) -> None:
        """Find the call that no ledger takes, and give it up: it must not hold up the others."""
        refused, self._in_flight = self._in_flight, None
        if refused is None:
            return
        if len(refused) > 1:
            self._in_flight = refused.take(len(refused) // 2)
            self._pending.put_back(refused)
            return
        self._gone += len(refused.records)
        self._lost()

    def _fail(self, error: LedgerError) -> None:
        """Note trouble with the ledger, and say it once."""
        if type(self.trouble) is not type(error):
            _log.error("%s. Counting goes on in memory until then.", error)
        self.trouble = error
        self._pending.count("ledger_errors")
        now = time.monotonic()
        if isinstance(error, LedgerCorruptError):
            # The damaged file is out of the way now: the next attempt begins a new one.
            self._retry_at = now
        elif now >= self._retry_at:
            # Who asks in between, a scrape say, does not put it off.
            self._retry_at = now + self._retry_seconds
            self._retry_seconds = min(self._retry_seconds * 2, _LAST_RETRY_SECONDS)
        self._bound()

    def _succeed(self) -> None:
        if self.trouble is not None:
            _log.warning("the ledger %s is written again", self._writer.location)
        self.trouble = None
        self._locked_since = None
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def _bound(self) -> None:
        """Keep what waits within bounds."""
        given_up = self._pending.condense(keep=_RECORDS, max_keys=_SUMS)
        if given_up:
            self._gone += given_up
            self._pending.count("condensed_records", given_up)
