"""Watching budgets in the background: one daemon thread a process, never in a call's way."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.console import Console
from otel_token_monitor.alerts.deliveries import Courier
from otel_token_monitor.alerts.forwarding import Fate, forward
from otel_token_monitor.alerts.receiver import parse
from otel_token_monitor.alerts.rounds import Rounds
from otel_token_monitor.ledger.errors import LedgerError, LedgerVersionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.alerts.settings import WatchSettings

__all__ = ["BudgetWatch"]

_log = logging.getLogger("otel_token_monitor")

_THREAD_NAME: Final = "otel-token-monitor-alerts"
# Between two looks there is at least this, and nine times what the last one took of a core.
_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 10.0
_IDLE_SHARE: Final = 9
_RETRY_SECONDS: Final = 5.0
_DELIVERY_SECONDS: Final = 5.0
# The clock may be set, and the machine may sleep: see what time it is that often.
_WAIT_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 2.0


def _no_url() -> str:
    return ""


class _Run:
    """One life of the thread."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.stop_at: float | None = None
        """When it must have ended (time.monotonic); None: it goes on."""
        self.thread: threading.Thread | None = None


class BudgetWatch:
    """Watches the budgets of one ledger, and delivers what is to be delivered there.

    It looks every `settings.interval` seconds, when a window begins anew, and at once after this
    process has written calls (`on_written`), though not more than about once a second. `url`
    gives the address that this process serves at, or ''.
    """

    def __init__(
        self,
        access: LedgerAccess,
        settings: WatchSettings,
        *,
        clock: Callable[[], int] = time.time_ns,
        url: Callable[[], str] = _no_url,
    ) -> None:
        self._access = access
        self._settings = settings
        self._clock = clock
        self._url = url
        self._console = Console(settings.level)
        self._callbacks: list[Callable[[Alert], object]] = []
        self._rounds = Rounds(access, settings, self._callbacks, clock=clock, url=url)
        self._courier = Courier(access, settings.channels, clock, url)
        self._complaints: set[type[BaseException]] = set()
        self._watching = False
        self._begin()

    def _begin(self) -> None:
        """All that a forked child begins anew."""
        self._changing = threading.Lock()
        self._run: _Run | None = None
        self._written = False
        self._posted = False
        self._not_before = 0.0

    @property
    def running(self) -> bool:
        """Whether budgets are watched."""
        return self._watching

    def on_alert(self, callback: Callable[[Alert], object]) -> None:
        """Call back for each transition that this process notifies, in the watch's own thread."""
        self._callbacks.append(callback)

    def start(self) -> None:
        """Begin to watch; nothing if it does already."""
        self._watching = True
        self._see_to_a_thread()

    def stop(self, timeout: float = _STOP_SECONDS) -> bool:
        """Look once more if calls were written since, deliver for at most `timeout` seconds, end.

        What is not delivered by then stays in the ledger. Returns whether it ended in time.
        """
        self._watching = False
        with self._changing:
            run, self._run = self._run, None
        if run is None or run.thread is None:
            return True
        run.stop_at = time.monotonic() + timeout
        run.wake.set()
        if run.thread is threading.current_thread():
            return True
        # A little longer than the deliveries: the last look comes before them.
        run.thread.join(timeout + _PAUSE_SECONDS)
        return not run.thread.is_alive()

    def on_written(self) -> None:
        """Calls were written to the ledger: look soon. Never waits."""
        self._poke(written=True)

    def receive(self, body: bytes) -> tuple[Fate, ...]:
        """Have what others notified delivered, whether or not budgets are watched here.

        What became of each alert. Raises MalformedPayloadError for a body that is no webhook's,
        LedgerError if the alerts cannot be kept.
        """
        forwarded = forward(
            self._access,
            parse(body),
            own=self._settings.policy,
            now_ns=self._clock(),
            external_url=self._url(),
        )
        self._console.say(forwarded.lines)
        self._poke(written=False)
        return forwarded.fates

    def forget_after_fork(self) -> None:
        """In a forked child: the thread is the parent's; another begins with the first calls."""
        self._begin()

    def _poke(self, *, written: bool) -> None:
        if not self._watching:
            return
        if written:
            self._written = True
        else:
            self._posted = True
        run = self._run
        if run is None:
            self._see_to_a_thread()
        else:
            run.wake.set()

    def _see_to_a_thread(self) -> None:
        with self._changing:
            if self._run is not None or not self._watching:
                return
            run = _Run()
            run.thread = threading.Thread(
                target=self._watch, args=(run,), name=_THREAD_NAME, daemon=True
            )
            try:
                run.thread.start()
            except RuntimeError:
                # The interpreter is about to end: what is due stays in the ledger.
                return
            self._run = run

    # The thread.

    def _watch(self, run: _Run) -> None:
        look_at = deliver_at = time.monotonic()
        reset_ns: int | None = None
        while run.stop_at is None:
            now = time.monotonic()
            if self._written or (reset_ns is not None and self._clock() >= reset_ns):
                look_at = min(look_at, now)
            look_at = max(look_at, self._not_before)
            if now >= look_at:
                reset_ns, look_at = self._look()
                deliver_at = now
            if now >= deliver_at or self._posted:
                deliver_at = self._deliver(run)
            run.wake.wait(self._wait_seconds(min(look_at, deliver_at), reset_ns))
            run.wake.clear()
        self._end(run.stop_at)

    def _wait_seconds(self, until: float, reset_ns: int | None) -> float:
        now = time.monotonic()
        if self._written:
            until = min(until, self._not_before)
        if reset_ns is not None:
            reset_at = now + (reset_ns - self._clock()) / 1e9
            until = min(until, max(reset_at, self._not_before))
        return min(max(until - now, 0.0), _WAIT_SECONDS)

    def _look(self) -> tuple[int | None, float]:
        """Look at the budgets; when to look again, by the clock (UTC ns) and at the latest."""
        started = time.thread_time()
        self._written = False
        reset_ns, seconds, pause = None, _RETRY_SECONDS, _PAUSE_SECONDS
        try:
            self._courier.register()
            reset_ns = self._rounds.look()
            seconds = self._settings.interval
        except LedgerVersionError as error:
            if self._is_first(error):
                _log.warning("budgets are not watched: %s", error)
        except LedgerError as error:
            self._written, pause = True, _RETRY_SECONDS
            _log.debug("budgets cannot be read now: %s", error)
        except Exception as error:  # noqa: BLE001 - watching must not end for one fault of ours
            self._complain(error, "a look at the budgets failed")
        ended = time.monotonic()
        took = time.thread_time() - started
        self._not_before = ended + max(pause, min(_IDLE_SHARE * took, _LONGEST_PAUSE_SECONDS))
        return reset_ns, ended + seconds

    def _deliver(self, run: _Run | None, deadline: float | None = None) -> float:
        """Deliver what is due; when to see again whether anything is."""
        self._posted = False
        try:
            while self._courier.deliver(deadline) and (run is None or run.stop_at is None):
                if run is not None and self._written and time.monotonic() >= self._not_before:
                    return time.monotonic()
        except LedgerError as error:
            _log.debug("alerts cannot be delivered now: %s", error)
        except Exception as error:  # noqa: BLE001 - as in _look
            self._complain(error, "the delivery of alerts failed")
        return time.monotonic() + _DELIVERY_SECONDS

    def _end(self, deadline: float) -> None:
        if self._written:
            self._look()
        self._deliver(None, deadline)

    def _is_first(self, error: BaseException) -> bool:
        """Whether nothing of its kind has happened before."""
        first = type(error) not in self._complaints
        self._complaints.add(type(error))
        return first

    def _complain(self, error: BaseException, message: str, *arguments: object) -> None:
        """Log the first fault of a kind."""
        if self._is_first(error):
            _log.error(f"otel_token_monitor: {message}", *arguments, exc_info=error)
