"""What is done for a ledger now and then: its data files, and what becomes too old.

One daemon thread a process, never in a call's way; it begins with the first calls.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import day_of, day_span
from otel_token_monitor.ledger.errors import LedgerError, LedgerVersionError
from otel_token_monitor.ledger.pruning import prune
from otel_token_monitor.snapshots.periods import first_kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.reader import LedgerReader
    from otel_token_monitor.snapshots.data_files import DataFiles

__all__ = ["Housekeeping", "HousekeepingSettings", "HousekeepingThread"]

_log = logging.getLogger("otel_token_monitor")

_THREAD_NAME: Final = "otel-token-monitor-files"
_STOP_SECONDS: Final = 1.0
# How long records are pruned for, at most: at each interval, and at the end of a process.
_PRUNING_SECONDS: Final = 30.0
_LAST_PRUNING_SECONDS: Final = 0.5
# How long a process that ends waits for another that writes files.
_LAST_PATIENCE_SECONDS: Final = 0.5
_STEP_RECORDS: Final = 1_000
# Between two steps, for those who wait for the ledger's lock: they look for it every few ms.
_STEP_PAUSE_SECONDS: Final = 0.01

_OLD_RECORD: Final = "SELECT EXISTS (SELECT 1 FROM record WHERE time_ns < ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HousekeepingSettings:
    """Where files are written, and what is too old.

    `policy` holds where the ledger keeps none; `interval` is in seconds.
    """

    directory: Path
    policy: Policy
    retention_days: int = 90
    compress: bool = False
    interval: float = 300.0

    @classmethod
    def of(
        cls, config: TokenMonitorConfig, ledger_path: Path, policy: Policy
    ) -> HousekeepingSettings:
        """What a configuration says, whose policy this is."""
        return cls(
            directory=ledger_path.parent,
            policy=policy,
            retention_days=config.retention_days,
            compress=config.enable_compression,
            interval=config.monitor_interval,
        )


class Housekeeping:
    """Writes the data files of one ledger, tidies old ones up, and prunes old records."""

    def __init__(self, access: LedgerAccess, settings: HousekeepingSettings) -> None:
        self._access = access
        self._settings = settings
        self._files: DataFiles | None = None
        self._complaints: set[tuple[object, ...]] = set()
        self._day_ends_ns: int | None = None

    def round(self, now_ns: int, is_over: Callable[[], bool], *, last: bool = False) -> bool:
        """Do all that is due; whether it could be done. It ends early where `is_over` says so.

        The `last` one prunes for a moment only, and waits for its turn: nobody may come after it.
        Raises nothing that may be expected to go wrong: a disk that is full, a ledger that is busy.
        """
        try:
            policy = self._access.ask(self._policy)
            zone = policy.zone
            fine = self._keep_files(now_ns, zone, is_over, last=last)
            oldest = first_kept(day_of(now_ns, zone), self._settings.retention_days)
            seconds = _LAST_PRUNING_SECONDS if last else _PRUNING_SECONDS
            pruned = self._prune(day_span(oldest, zone).start_ns, is_over, seconds)
        except LedgerVersionError as error:
            self._complain(error, "data files are not written: %s", error)
            return False
        except LedgerError as error:
            _log.debug("data files cannot be written now: %s", error)
            return False
        if fine:
            self._complaints.clear()
            self._day_ends_ns = day_span(day_of(now_ns, zone), zone).end_ns
        return fine and pruned

    def is_new_day(self, now_ns: int) -> bool:
        """Whether midnight has passed since the last round that went well."""
        return self._day_ends_ns is None or now_ns >= self._day_ends_ns

    def forget_after_fork(self) -> None:
        """In a forked child: whoever's turn it was, it is not its own."""
        if self._files is not None:
            self._files.turn.forget_after_fork()
            self._files = None

    def _policy(self, reader: LedgerReader) -> Policy:
        return Policy.held(reader.policy().document, self._settings.policy)

    def _keep_files(
        self, now_ns: int, zone: ZoneInfo, is_over: Callable[[], bool], *, last: bool
    ) -> bool:
        """Write what changed, and tidy up; False if the disk or another process is in the way."""
        # Imported here, in a thread of its own as a rule: it takes a while.
        from otel_token_monitor.snapshots.data_files import DataFiles  # noqa: PLC0415
        from otel_token_monitor.snapshots.retention import tidy  # noqa: PLC0415

        settings, days = self._settings, self._settings.retention_days
        if self._files is None:
            self._files = DataFiles(
                self._access, settings.directory, settings.policy, retention_days=days
            )
        try:
            patience = _LAST_PATIENCE_SECONDS if last else 0.0
            if self._files.write(now_ns, patience=patience, is_over=is_over) is None:
                return False
            with self._files.turn.taken() as mine:
                if mine and not is_over():
                    where, compress = settings.directory, settings.compress
                    tidy(where, now_ns, zone, retention_days=days, compress=compress)
        except OSError as error:
            name = error.filename or settings.directory
            message = "data files cannot be written: %s: %s; it is tried again"
            self._complain(error, message, name, error.strerror)
            return False
        return True

    def _prune(self, before_ns: int, is_over: Callable[[], bool], seconds: float) -> bool:
        """Give records up in small steps, with room for writers in between; whether all are gone.

        Where nothing is old the ledger is not locked.
        """
        if not self._access.ask(lambda reader: reader.query(partial(_has_older, before_ns))):
            return True
        deadline = time.monotonic() + seconds
        step = partial(prune, before_ns=before_ns, most=_STEP_RECORDS)
        while not is_over() and time.monotonic() < deadline:
            if self._access.change(step) < _STEP_RECORDS:
                return True
            time.sleep(_STEP_PAUSE_SECONDS)
        return False

    def _complain(self, error: Exception, message: str, *arguments: object) -> None:
        """Warn of the first fault of a kind, until a round goes well again."""
        kind = (type(error), getattr(error, "errno", None))
        if kind not in self._complaints:
            self._complaints.add(kind)
            _log.warning(message, *arguments)


def _has_older(before_ns: int, connection: sqlite3.Connection) -> bool:
    (found,) = connection.execute(_OLD_RECORD, (before_ns,)).fetchone()
    return bool(found)


class _Run:
    """One life of the thread."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.stop_at: float | None = None
        """When it must have ended (time.monotonic); None: it goes on."""
        self.thread: threading.Thread | None = None

    def is_asked_to_end(self) -> bool:
        return self.stop_at is not None


class HousekeepingThread:
    """Keeps house every `settings.interval` seconds if calls were written, or a day has passed.

    The thread begins with the first calls that this process writes (`on_written`) once it was
    started.
    """

    def __init__(
        self,
        access: LedgerAccess,
        settings: HousekeepingSettings,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._housekeeping = Housekeeping(access, settings)
        self._interval = settings.interval
        self._clock = clock
        self._running = False
        self._faulty = False
        self._begin()

    def _begin(self) -> None:
        """All that a forked child begins anew."""
        self._changing = threading.Lock()
        self._run: _Run | None = None
        self._written = False

    @property
    def running(self) -> bool:
        """Whether it keeps house, now or from the first calls on."""
        return self._running

    def start(self) -> None:
        """Keep house from the next calls on; nothing if it does already."""
        self._running = True

    def stop(self, timeout: float = _STOP_SECONDS) -> bool:
        """Keep house once more if calls were written since, and end; whether it did in time."""
        self._running = False
        with self._changing:
            run, self._run = self._run, None
        deadline = time.monotonic() + timeout
        if run is None or run.thread is None:
            self._end(deadline)
            return True
        run.stop_at = deadline
        run.wake.set()
        run.thread.join(timeout + _LAST_PRUNING_SECONDS)
        return not run.thread.is_alive()

    def on_written(self) -> None:
        """Calls were written to the ledger. Never waits for more than a thread to begin."""
        if self._running:
            self._written = True
            if self._run is None:
                self._see_to_a_thread()

    def forget_after_fork(self) -> None:
        """In a forked child: the thread is the parent's; another begins with the first calls."""
        self._housekeeping.forget_after_fork()
        self._begin()

    def _see_to_a_thread(self) -> None:
        with self._changing:
            if self._run is not None or not self._running:
                return
            run = _Run()
            run.thread = threading.Thread(
                target=self._keep_house, args=(run,), name=_THREAD_NAME, daemon=True
            )
            try:
                run.thread.start()
            except RuntimeError:
                # The interpreter is about to end: `stop` does what is to be done.
                return
            self._run = run

    # The thread.

    def _keep_house(self, run: _Run) -> None:
        while True:
            run.wake.wait(self._interval)
            if run.stop_at is not None:
                break
            if self._written or self._housekeeping.is_new_day(self._clock()):
                self._round(run.is_asked_to_end)
        self._end(run.stop_at)

    def _end(self, deadline: float) -> None:
        if self._written:
            self._round(lambda: time.monotonic() >= deadline, last=True)

    def _round(self, is_over: Callable[[], bool], *, last: bool = False) -> None:
        self._written = False
        try:
            fine = self._housekeeping.round(self._clock(), is_over, last=last)
        except Exception:  # noqa: BLE001 - housekeeping must not end for one fault of ours
            fine = False
            if not self._faulty:
                _log.exception("otel_token_monitor: data files could not be written")
            self._faulty = True
        if not fine or is_over():
            self._written = True
