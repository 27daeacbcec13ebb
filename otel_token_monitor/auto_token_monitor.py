"""Budgets that are watched in the background, and a verdict for who wants to stop spending."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from otel_token_monitor.alerts.verdict import BudgetExceededError, Verdict, as_status
from otel_token_monitor.budgets.evaluation import Budget, evaluate
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.housekeeping import HousekeepingSettings, HousekeepingThread
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.monitor import TokenMonitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.alerts.watch import BudgetWatch
    from otel_token_monitor.budgets.limits import BudgetStatus
    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["AutoTokenMonitor"]

C = TypeVar("C", bound="Callable[[Alert], object]")

_FRESH_SECONDS: Final = 1.0
_FLUSH_SECONDS: Final = 2.0


class AutoTokenMonitor:
    """Watches the budgets of a monitor's ledger, and keeps house there.

    It alerts when the status of a budget changes. Every `monitor_interval` seconds it writes the
    data files beside the ledger, and removes what is older than `retention_days`.

    Without a `token_monitor` one is made of `config`, without a `config` the monitor's own is
    used. Alerts go to the console (logger `otel_token_monitor.alerts`), to the alert log and to
    webhooks, once per transition however many processes watch the ledger.
    """

    def __init__(
        self,
        token_monitor: TokenMonitor | None = None,
        config: TokenMonitorConfig | None = None,
    ) -> None:
        self.token_monitor = TokenMonitor(config) if token_monitor is None else token_monitor
        self.config = self.token_monitor.config if config is None else config
        self._access = self.token_monitor.ledger
        self._policy = self.token_monitor.policy if config is None else Policy.of(config)
        self._callbacks: list[Callable[[Alert], object]] = []
        self._watching = False
        self._watch: BudgetWatch | None = None
        path = self.token_monitor.ledger_path
        self._housekeeping = (
            None
            if path is None
            else HousekeepingThread(
                self._access, HousekeepingSettings.of(self.config, path, self._policy)
            )
        )
        self._beginning = threading.Lock()
        self._known_to_multiprocessing = False
        self._checking = threading.Lock()
        self._checked: tuple[float, Policy, tuple[Budget, ...]] | None = None
        _monitors.add(self)

    def __repr__(self) -> str:
        state = "watching" if self.running else "not watching"
        return f"<AutoTokenMonitor {state} {self.token_monitor!r}>"

    @property
    def running(self) -> bool:
        """Whether budgets are watched."""
        return self._watching

    def start_monitoring(self) -> None:
        """Begin to watch; nothing if it does already."""
        self._watching = True
        if self._housekeeping is not None:
            self._housekeeping.start()
        self.token_monitor.declare_limits()
        self.token_monitor.receiver = self.receive
        self._access.listen(self._on_written)
        if self.token_monitor.limits_declared:
            self._begin_if_needed()
        elif not self.token_monitor.running:
            self._begun().start()
        self._finish_with_multiprocessing()

    def stop_monitoring(self) -> None:
        """Watch no more; nothing if it does not.

        Calls that were written since the last look are looked at once more, and alerts are
        delivered for at most two seconds; what is left is delivered by whoever watches next. Then
        data files are brought up to date, for about a second.
        """
        self._watching = False
        self.token_monitor.receiver = None
        if self._watch is not None:
            self._watch.stop()
        if self._housekeeping is not None:
            self._housekeeping.stop()
        self._access.forget(self._on_written)

    def finish(self) -> None:
        """As `stop_monitoring`, once all calls are written that have ended: the process ends."""
        if self.running:
            self.token_monitor.force_flush(_FLUSH_SECONDS)
            self.stop_monitoring()

    def on_alert(self, callback: C) -> C:
        """Call `callback(alert)` for each transition that this process notifies; returns it.

        It is called in the thread that watches. What it raises is logged.
        """
        self._callbacks.append(callback)
        if self._watch is not None:
            self._watch.on_alert(callback)
        return callback

    def check(
        self, project_id: str | None = None, *, fail_on: str | BudgetStatus | None = None
    ) -> Verdict:
        """How the budgets stand: all, or those that calls of a project count under.

        They are read at most once a second, so it may be asked before every call. With `fail_on`
        (`"warning"`, `"critical"` or a BudgetStatus) it raises BudgetExceededError once one of
        them has reached that. A ledger that cannot be read fails nobody: the status is None then.

        Raises ValueError for another `fail_on`.
        """
        threshold = None if fail_on is None else as_status(fail_on)
        try:
            policy, budgets = self._budgets()
        except LedgerError:
            return Verdict(status=None)
        verdict = Verdict.of(budgets, project_id)
        reached = None if threshold is None else verdict.reaches(threshold)
        if reached is not None:
            raise BudgetExceededError(reached, policy.zone)
        return verdict

    def receive(self, body: bytes) -> Mapping[str, int]:
        """Pass on what Alertmanager's webhook sends; how many alerts were `forwarded` or `known`.

        Raises MalformedPayloadError for another body, LedgerError if the alerts cannot be kept.
        """
        watch = self._begun()
        if self.running and not watch.running:
            watch.start()
        return Counter(map(str, watch.receive(body)))

    def forget_after_fork(self) -> None:
        """In a forked child: it watches from its first calls on."""
        self._checking = threading.Lock()
        self._checked = None
        self._beginning = threading.Lock()
        if self._watch is not None:
            self._watch.forget_after_fork()
        if self._housekeeping is not None:
            self._housekeeping.forget_after_fork()
        if self.running:
            self._finish_with_multiprocessing()

    def _finish_with_multiprocessing(self) -> None:
        """See that a child of multiprocessing looks once more: most skip `atexit`."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and not self._known_to_multiprocessing:
            self._known_to_multiprocessing = True
            _add_finalizer(self)
            # A child that begins forgets all finalizers, and then does what was registered here.
            util.register_after_fork(self, _add_finalizer)

    def _url(self) -> str:
        address = self.token_monitor.address
        if address is None:
            return ""
        host, port = address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _on_written(self) -> None:
        """Calls were written, or other limits hold: on the thread that did it, once it is done."""
        watch = self._begin_if_needed()
        if watch is not None:
            watch.on_written()
        if self._housekeeping is not None:
            self._housekeeping.on_written()

    def _begin_if_needed(self) -> BudgetWatch | None:
        """The watch, which begins once there are limits to watch or webhooks to deliver to.

        Without either the application pays for no thread, no look, and no import.
        """
        if self._watch is None and not (self.token_monitor.has_limits or self.config.webhook_url):
            return None
        watch = self._begun()
        if not watch.running:
            watch.start()
        return watch

    def _begun(self) -> BudgetWatch:
        with self._beginning:
            if self._watch is None:
                # Imported here, on the pipeline's own thread as a rule: it takes a while.
                from otel_token_monitor.alerts.settings import WatchSettings  # noqa: PLC0415
                from otel_token_monitor.alerts.watch import BudgetWatch  # noqa: PLC0415

                settings = WatchSettings.of(
                    self.config, self.token_monitor.ledger_path, self._policy
                )
                watch = BudgetWatch(self._access, settings, url=self._url)
                for callback in self._callbacks:
                    watch.on_alert(callback)
                self._watch = watch
        return self._watch

    def _budgets(self) -> tuple[Policy, tuple[Budget, ...]]:
        """The budgets as they were at most a second ago."""
        with self._checking:
            checked = self._checked
            if checked is None or time.monotonic() - checked[0] >= _FRESH_SECONDS:
                policy, budgets = self._access.ask(self._read)
                checked = self._checked = (time.monotonic(), policy, budgets)
        return checked[1], checked[2]

    def _read(self, reader: LedgerReader) -> tuple[Policy, tuple[Budget, ...]]:
        with reader.moment():
            policy = Policy.held(reader.policy().document, self._policy)
            return policy, evaluate(reader, policy, time.time_ns())


_monitors: WeakSet[AutoTokenMonitor] = WeakSet()


def _add_finalizer(_monitor: AutoTokenMonitor) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    # Before the pipeline's own, which closes the ledger.
    util.Finalize(None, _finish, exitpriority=10)


def _finish() -> None:
    for monitor in list(_monitors):
        monitor.finish()


def _after_fork_in_child() -> None:
    for monitor in list(_monitors):
        monitor.forget_after_fork()


# Both after those of the pipelines were registered: at exit this comes before, in a child after.
atexit.register(_finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
