"""From ended spans to the ledger: one background thread a process, in batches.

Every drain interval it takes what is queued, reads it, matches what tells of the same call, prices
the records and commits them in one transaction. When the ledger cannot be written, it keeps what
it has, bounded, and tries again; the application never notices.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.errors import LedgerCorruptError, LedgerError
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.pricing import cost_nanousd
from otel_token_monitor.spans.calls import read_ended
from otel_token_monitor.spans.matching import Matcher
from otel_token_monitor.spans.processor import SpanQueue, TokenSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.dialects.providers import ProviderHosts
    from otel_token_monitor.ledger.database import Location
    from otel_token_monitor.spans.processor import EndedSpan
    from otel_token_monitor.spans.project import ProjectPolicy
    from otel_token_monitor.usage import UsageRecord

__all__ = ["Pipeline"]

_log = logging.getLogger("otel_token_monitor")

_QUEUE_CAPACITY: Final = 16_384
_BACKLOG_RECORDS: Final = 10_000
_BACKLOG_SUMS: Final = 4_096
_TICK_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 10.0
_FORK_SECONDS: Final = 0.1
_POLL_SECONDS: Final = 0.02


class Pipeline:
    """Carries ended spans to one ledger. `on_tick` is called about once a second."""

    def __init__(
        self,
        location: Location,
        policy: ProjectPolicy,
        *,
        hosts: ProviderHosts = (),
        max_label_sets: int = 1000,
        interval: float = 0.05,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._hosts = hosts
        self._max_label_sets = max_label_sets
        self._interval = interval
        self._on_tick = on_tick
        self.queue = SpanQueue(_QUEUE_CAPACITY, self._wake)
        self.processor = TokenSpanProcessor(self.queue, policy)
        self._closed = False
        self._begin(location)

    def _begin(self, location: Location) -> None:
        """All that a forked child begins anew."""
        self.location = location
        # Guards everything below: the thread, and whoever flushes, use it one at a time.
        self.lock = threading.Lock()
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._matcher = Matcher(self.processor.open_stamps)
        self._writer = LedgerWriter(location, max_label_sets=self._max_label_sets)
        self._pending = Batch()
        self._in_flight: Batch | None = None
        self._reported: dict[str, int] = {}
        self._trouble: LedgerError | None = None
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._ticked_at = 0.0
        self.last_write_ns: int | None = None

    # What others may ask.

    @property
    def trouble(self) -> LedgerError | None:
        """Why the ledger cannot be written now; None if it can."""
        return self._trouble

    @property
    def backlog(self) -> int:
        """How many records wait for the ledger."""
        in_flight = self._in_flight
        return len(self._pending.records) + (0 if in_flight is None else len(in_flight.records))

    def unwritten_health(self) -> dict[str, int]:
        """The health counts of this process that are not in the ledger yet."""
        with self.lock:
            self._count_health()
            counts = dict(self._pending.health)
            for name, number in ({} if self._in_flight is None else self._in_flight.health).items():
                counts[name] = counts.get(name, 0) + number
            return counts

    # What runs it.

    def start(self) -> None:
        """Start the thread."""
        self._wake()

    def drain(self, timeout: float = 1.0) -> bool:
        """Bring what has ended so far into the ledger; whether that was done within `timeout` s.

        Calls that wait for the spans around them go on waiting.
        """
        if not self.lock.acquire(timeout=timeout):
            return False
        try:
            self._take()
            return self._write()
        finally:
            self.lock.release()

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Return once all that ended before is in the ledger, or False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            if not self.lock.acquire(timeout=max(remaining, 0.0)):
                return False
            try:
                self._take(everything=True)
                if self._write():
                    return True
            finally:
                self.lock.release()
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def close(self, timeout: float = 5.0) -> bool:
        """Flush, and stop the thread. What ends afterwards is written at once, by its own thread."""
        flushed = self.force_flush(timeout)
        self._closed = True
        self._tokens.put(None)
        if self.lock.acquire(timeout=timeout):
            try:
                self._writer.close()
            finally:
                self.lock.release()
        return flushed

    # Forks.

    def before_fork(self) -> None:
        """Wait, briefly, until the thread is not in the midst of SQLite."""
        self._held_for_fork = self.lock.acquire(timeout=_FORK_SECONDS)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._held_for_fork:
            self.lock.release()

    def after_fork_in_child(self, location: Location) -> None:
        """Begin anew: what was queued or waiting is the parent's to write."""
        self._writer.abandon()
        self.queue.take()
        self.queue.idle = True
        self.queue.dropped = 0
        self.processor.reset_after_fork()
        self._begin(location)

    # The thread.

    def _wake(self) -> None:
        if self._closed:
            self._drain_here()
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="otel-token-monitor", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The interpreter is about to end, or the system's limit on threads is reached.
                self._drain_here()
                return
            self._thread = thread
        self._tokens.put(None)

    def _drain_here(self) -> None:
        """Write at once, in the caller's own thread: there is no other."""
        self.queue.idle = True
        self.drain(timeout=0)

    def _run(self) -> None:
        while not self._closed:
            try:
                self._round()
            except Exception:  # noqa: BLE001 - counting must not end for one fault of ours
                self.processor.hook_errors += 1
                _log.exception("otel_token_monitor: a round of the drain thread failed")
                time.sleep(_TICK_SECONDS)

    def _round(self) -> None:
        with self.lock:
            busy = self._take()
            self._write(patient=True)
            busy = busy or bool(self.queue) or self._matcher.holding or self._in_flight is not None
        now = time.monotonic()
        if now - self._ticked_at >= _TICK_SECONDS:
            self._ticked_at = now
            self._on_tick()
        if busy:
            time.sleep(self._interval)
            return
        self.queue.idle = True
        if self.queue:
            # A span came between the last look and the flag: nobody was woken for it.
            return
        try:
            self._tokens.get(timeout=_TICK_SECONDS)
        except Empty:
            return
        self.queue.idle = False
        time.sleep(self._interval)

    def _take(self, *, everything: bool = False) -> bool:
        """Read what is queued; whether there was anything."""
        ended = self.queue.take()
        now = time.monotonic()
        for item in ended:
            self._read(item, now)
        records = self._matcher.settle(now, everything=everything)
        self._pending.records += [self._priced(record) for record in records]
        self._count_health()
        return bool(ended or records)

    def _read(self, item: EndedSpan, now: float) -> None:
        try:
            call = read_ended(item, self._hosts, time.time_ns())
            if call is not None:
                self._matcher.add(call, now)
        except Exception:  # noqa: BLE001 - one span that cannot be read must not cost the others
            self.processor.hook_errors += 1
            _log.exception("otel_token_monitor: a span could not be read")
        finally:
            item[0].read = True

    def _priced(self, record: UsageRecord) -> UsageRecord:
        if record.cost_nanousd is not None or record.usage is None:
            return record
        return dataclasses.replace(record, cost_nanousd=cost_nanousd(record))

    def _count_health(self) -> None:
        """Add what the counters grew by since the last time."""
        for name, value in (
            ("dropped_spans", self.queue.dropped),
            ("duplicate_spans", self._matcher.duplicates),
            ("hook_errors", self.processor.hook_errors),
        ):
            grown = value - self._reported.get(name, 0)
            if grown > 0:
                self._pending.count(name, grown)
                self._reported[name] = value

    def _write(self, *, patient: bool = False) -> bool:
        """Commit what is pending; `patient` leaves a ledger in trouble alone for a while."""
        if patient and time.monotonic() < self._retry_at:
            self._bound_backlog()
            return False
        while self._in_flight is not None or self._pending:
            if self._in_flight is None:
                self._in_flight, self._pending = self._pending, Batch()
            try:
                self._writer.write(self._in_flight)
            except LedgerCorruptError as error:
                # The damaged file is out of the way now: the next attempt begins a new one.
                first = not isinstance(self._trouble, LedgerCorruptError)
                self._fail(error)
                if not first:
                    return False
            except LedgerError as error:
                self._fail(error)
                return False
            else:
                self._in_flight = None
                self._succeed()
        return True

    def _fail(self, error: LedgerError) -> None:
        """Note trouble with the ledger, and say it once."""
        if self._trouble is None or type(self._trouble) is not type(error):
            _log.error("%s. Counting goes on in memory until then.", error)
        self._trouble = error
        self._pending.count("ledger_errors")
        self._retry_at = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(self._retry_seconds * 2, _LAST_RETRY_SECONDS)
        self._bound_backlog()

    def _succeed(self) -> None:
        if self._trouble is not None:
            _log.warning("the ledger %s is written again", self.location)
        self._trouble = None
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.last_write_ns = time.time_ns()

    def _bound_backlog(self) -> None:
        given_up = self._pending.condense(keep=_BACKLOG_RECORDS, max_keys=_BACKLOG_SUMS)
        if given_up:
            self._pending.count("condensed_records", given_up)
