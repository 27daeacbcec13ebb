"""From ended spans to the ledger, and back: one background thread a process, in batches.

Every drain interval it takes what is queued, reads it, matches what tells of the same call, prices
the records and has the outbox commit them. The application never notices.

One lock guards all of it, SQLite and late imports included: a fork waits for that lock, so that the
child inherits neither an open connection nor a lock that nobody will release. It is held for a
thousand records at a time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from otel_token_monitor.drain_thread import TICK_SECONDS, YIELD_SECONDS, DrainThread, Found
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerBusyError, LedgerCorruptError, LedgerError
from otel_token_monitor.ledger.outbox import PORTION, Outbox
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import Chore, LedgerWriter
from otel_token_monitor.pricing import cost_nanousd, import_ahead
from otel_token_monitor.spans.calls import polled_record, read_ended
from otel_token_monitor.spans.fetched import Fetched
from otel_token_monitor.spans.matching import Matcher
from otel_token_monitor.spans.processor import SpanQueue, TokenSpanProcessor

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from otel_token_monitor.dialects.providers import ProviderHosts
    from otel_token_monitor.spans.processor import EndedSpan
    from otel_token_monitor.spans.project import ProjectPolicy
    from otel_token_monitor.usage import UsageRecord

    Ticker = Callable[[], None]

__all__ = ["Pipeline", "no_tick"]

T = TypeVar("T")

_log = logging.getLogger("otel_token_monitor")

_QUEUE_CAPACITY: Final = 16_384
# Usually a few milliseconds; a disk that hangs must not hang the fork.
_FORK_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.05
# What a call that ends after the end may take, at most, to be written.
_LATE_SECONDS: Final = 1.0


def no_tick() -> None:
    """Do nothing, once a second."""


class Pipeline:
    """Carries ended spans to one ledger. `on_tick` is called about once a second."""

    def __init__(  # noqa: PLR0913 - keyword-only settings
        self,
        location: Location,
        policy: ProjectPolicy,
        *,
        hosts: ProviderHosts = (),
        max_label_sets: int = 1000,
        interval: float = 0.25,
        on_tick: Ticker = no_tick,
    ) -> None:
        import_ahead()
        self._hosts = hosts
        self._max_label_sets = max_label_sets
        self._interval = interval
        self.on_tick = on_tick
        self.queue = SpanQueue(_QUEUE_CAPACITY, self._wake)
        self.processor = TokenSpanProcessor(self.queue, policy)
        self._complaints: set[str] = set()
        self._closed = False
        self._by_hand = False
        self._captured = False
        self._chore: Chore | None = None
        self._listeners: list[Callable[[], None]] = []
        self._begin(location)

    def _begin(self, location: Location) -> None:
        """All that a forked child begins anew."""
        self.location = location
        # Guards everything below: the thread, and whoever flushes or asks, use it one at a time.
        self.lock = threading.Lock()
        self._forking: int | None = None
        self._thread = DrainThread(self._round, self.queue, self._interval)
        self._matcher = Matcher(self.processor.open_stamps, by_hand=self._by_hand)
        self._matcher.captured = self._captured
        self._writer = LedgerWriter(location, max_label_sets=self._max_label_sets)
        self._writer.chore = self._chore
        self._reader = LedgerReader(location)
        self._outbox = Outbox(self._writer, self._lose, self.tell)
        # How many spans were taken from the queue so far.
        self._taken = 0
        self._reported: dict[str, int] = {}
        self._fetched = Fetched()
        self._later: deque[Callable[[], None]] = deque()
        self._ticked_at = 0.0

    def watch(self, policy: ProjectPolicy, hosts: ProviderHosts, on_tick: Ticker) -> None:
        """Read spans as these settings say: those of whoever began to watch spans last."""
        self.processor.policy = policy
        self.processor.active = True
        self._hosts = hosts
        self.on_tick = on_tick

    def expect_by_hand(self) -> None:
        """Have spans of calls wait a little, from now on, for whoever logs the same by hand."""
        self._by_hand = self._matcher.by_hand = True

    def expect_observations(self) -> None:
        """Believe, from now on, what is observed of fetched responses, and no span of one."""
        self._captured = self._matcher.captured = True

    def keep(self, chore: Chore) -> None:
        """Have the ledger's writer do this now and then, in place of what it did before."""
        self._chore = self._writer.chore = chore

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever calls were written, in the thread that did; it must not wait."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def later(self, action: Callable[[], None]) -> None:
        """Do this soon, once what is being written is in the ledger."""
        self._later.append(action)

    def _catch_up(self) -> None:
        while self._later:
            self._later.popleft()()

    def tell(self) -> None:
        """Call all listeners: budgets may read otherwise now."""
        for listener in tuple(self._listeners):
            listener()

    def log(self, record: UsageRecord) -> None:
        """Take in a call that was logged by hand. Never waits, and raises nothing."""
        self.processor.log(record, time.time_ns())

    # What others may ask.

    @property
    def trouble(self) -> LedgerError | None:
        """Why the ledger cannot be written now; None if it can."""
        return self._outbox.trouble

    @property
    def backlog(self) -> int:
        """How many calls wait for the ledger."""
        return self._outbox.calls

    @property
    def last_write_ns(self) -> int | None:
        """When this process last wrote to the ledger (UTC); None if it has not."""
        return self._outbox.last_write_ns

    def unwritten_health(self) -> dict[str, int]:
        """The health counts of this process that are not in the ledger yet."""
        with self._turn(1.0) as mine:
            if mine:
                self._count_health()
            return self._outbox.health

    def ask(self, question: Callable[[LedgerReader], T], timeout: float = 5.0) -> T:
        """Put a question to the ledger, once all is in it that has ended before.

        Raises LedgerError when it cannot be read.
        """
        self.drain()
        with self._turn(timeout) as mine:
            self._insist(timeout, mine=mine)
            try:
                return question(self._reader)
            except LedgerCorruptError as error:
                self._outbox.condemn(error, self._reader.identity)
                raise

    def change(self, action: Callable[[sqlite3.Connection], T], timeout: float = 5.0) -> T:
        """Change the ledger otherwise than by records: `action` runs in one write transaction.

        Raises LedgerError when it cannot be written.
        """
        with self._turn(timeout) as mine:
            self._insist(timeout, mine=mine)
            return self._outbox.run(action)

    def _insist(self, timeout: float, *, mine: bool) -> None:
        """Raise LedgerError if the ledger cannot be used, now or any more."""
        if self._outbox.barred is not None:
            raise self._outbox.barred
        if not mine:
            message = f"the ledger {self.location} has been busy for {timeout:g} s"
            raise LedgerBusyError(message)

    # What runs it.

    def start(self) -> None:
        """Start the thread."""
        self._wake()

    def drain(self, timeout: float = 1.0, *, everything: bool = False) -> bool:
        """Bring what has ended so far into the ledger; whether that was done within `timeout` s.

        Calls that wait for the spans around them go on waiting, unless it is to be everything.
        """
        deadline = time.monotonic() + timeout
        due: int | None = None
        goal: int | None = None
        while True:
            with self._turn(deadline - time.monotonic()) as mine:
                if not mine:
                    return False
                if due is None:
                    due = self._taken + len(self.queue)
                if goal is None:
                    # Not before all is read that belongs together.
                    self._take(everything=everything and due - self._taken <= PORTION)
                    if self._taken >= due:
                        # What comes later need not be waited for.
                        goal = self._outbox.accepted
                if not self._outbox.write():
                    return False
                self._catch_up()
                if goal is not None and self._outbox.has_written(goal):
                    return True
            time.sleep(YIELD_SECONDS)

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Return once all that ended before is in the ledger, or False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.drain(deadline - time.monotonic(), everything=True):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """Flush, and stop the thread. What ends afterwards is written at once, by its own thread.

        A ledger that has been in trouble is tried once more, not waited for.
        """
        if self._closed and not self.queue and not self._outbox:
            return True
        flushed = self.force_flush(timeout if self.trouble is None else 0.0)
        self._closed = True
        self._thread.end()
        if flushed:
            # What ended meanwhile, and woke nobody.
            self._drain_here()
        with self._turn(timeout) as mine:
            if mine:
                self._writer.close()
                self._reader.close()
        return flushed

    @contextmanager
    def _turn(self, timeout: float) -> Iterator[bool]:
        """Hold the lock; False if it could not be had within `timeout` seconds."""
        mine = self.lock.acquire(timeout=max(timeout, 0.0))
        try:
            yield mine
        finally:
            if mine:
                self.lock.release()

    # Forks.

    def before_fork(self) -> None:
        """Wait, briefly, until nobody is in the midst of SQLite, and close the file.

        An open connection must not be carried across a fork: the child's own connections would
        share its locks, which do not hold on that side
        (https://www.sqlite.org/howtocorrupt.html, section 2.6).
        """
        if self.lock.acquire(timeout=_FORK_SECONDS):
            self._forking = threading.get_ident()
            if self.location.path is not None:
                self._writer.close()
                self._reader.close()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._forking == threading.get_ident():
            self._forking = None
            self.lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: what was queued or waiting is the parent's to write."""
        quiet = self._forking == threading.get_ident()
        self._writer.abandon()
        self._reader.abandon()
        self.queue.take()
        self.queue.idle = True
        self.queue.dropped = 0
        self.processor.reset_after_fork()
        self.processor.hook_errors = 0
        in_memory = self.location.path is None
        self._begin(Location.in_memory() if in_memory else self.location)
        if not quiet and not in_memory:
            self._bar()

    def _bar(self) -> None:
        """SQLite was at work when this process was forked: it must not be used here any more."""
        message = (
            f"the ledger {self.location} cannot be used by process {os.getpid()}, which was forked "
            f"while its parent was waiting for the disk: fork before the first calls"
        )
        self._outbox.bar(LedgerError(message))
        _log.error("%s. Its calls are counted in memory only.", message)

    # The thread.

    def _wake(self) -> None:
        """Have the thread look at the queue. Called in the user's calls: never waits."""
        if self._closed or not self._thread.wake():
            self._drain_here()

    def _drain_here(self) -> None:
        """Write at once, in the caller's own thread: there is no other."""
        self.queue.idle = True
        if not self._closed:
            self.drain(timeout=0)
        elif self.trouble is None:
            self.force_flush(_LATE_SECONDS)
        else:
            self.drain(timeout=0, everything=True)

    def _round(self) -> Found:
        try:
            with self.lock:
                # Closed, maybe, while the thread waited for its turn: the ledger must stay closed.
                return Found.END if self._closed else self._look()
        except Exception:  # noqa: BLE001 - counting must not end for one fault of ours
            self._complain("a round of the drain thread failed")
            return Found.FAULT

    def _look(self) -> Found:
        """Take a portion of what has ended, write, and tick."""
        taken = self._take()
        written = self._outbox.write(patient=True)
        self._catch_up()
        more = bool(self.queue) or (written and bool(self._outbox))
        busy = taken or self._outbox or self._fetched or self._matcher.holding
        now = time.monotonic()
        if now - self._ticked_at >= TICK_SECONDS:
            self._ticked_at = now
            self.on_tick()
        if more and taken >= PORTION:
            return Found.MORE
        return Found.WORK if busy else Found.NOTHING

    def _take(self, *, everything: bool = False) -> int:
        """Read a portion of what is queued; how much that was."""
        ended = self.queue.take(PORTION)
        self._taken += len(ended)
        now = time.monotonic()
        for item in ended:
            self._read(item, now)
        records = self._matcher.settle(now, everything=everything, more=bool(self.queue))
        records += self._fetched.ripe(now, self._matcher.holds, everything=everything)
        self._outbox.accept([self._priced(record) for record in records])
        self._count_health()
        return len(ended)

    def _read(self, item: EndedSpan, now: float) -> None:
        try:
            call = read_ended(item, self._hosts, time.time_ns())
            if call is None:
                return
            if call.observed is not None and call.facts.fetched:
                self._fetched.add(polled_record(call), now)
            else:
                self._matcher.add(call, now)
        except Exception:  # noqa: BLE001 - one span that cannot be read must not cost the others
            self._complain("a span could not be read")
        finally:
            item[0].read = True

    def _priced(self, record: UsageRecord) -> UsageRecord:
        if record.cost_nanousd is not None or record.usage is None:
            return record
        try:
            return record._replace(cost_nanousd=cost_nanousd(record))
        except Exception:  # noqa: BLE001 - a price that cannot be had must not cost the call
            self._complain("a call could not be priced")
            return record

    def _lose(self) -> None:
        self._complain("a call was lost, for no ledger takes it")

    def _complain(self, what: str) -> None:
        """Count a fault of ours that is being handled, and log the first of its kind."""
        self.processor.hook_errors += 1
        if what not in self._complaints:
            self._complaints.add(what)
            _log.exception("otel_token_monitor: %s; only the first such fault is logged", what)

    def _count_health(self) -> None:
        """Add what the counters grew by since the last time."""
        for name, value in (
            ("dropped_spans", self.queue.dropped),
            ("duplicate_spans", self._matcher.duplicates),
            ("hook_errors", self.processor.hook_errors),
        ):
            grown = value - self._reported.get(name, 0)
            if grown > 0:
                self._outbox.count(name, grown)
                self._reported[name] = value
