"""Bringing the usage of many projects together, every few minutes."""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakSet

from otel_token_monitor.global_token_monitor import GlobalTokenMonitor
from otel_token_monitor.syncing.projects import ProjectSync, projects_of
from otel_token_monitor.syncing.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from otel_token_monitor.config import TokenMonitorConfig

__all__ = ["ProjectSync", "TokenSyncService"]

_log = logging.getLogger("otel_token_monitor")

_THREAD_NAME: Final = "otel-token-monitor-sync"
_STOP_SECONDS: Final = 2.0


def _never() -> bool:
    return False


class TokenSyncService:
    """Follows the ledgers of projects into the global one, so that their sums stand together.

    `projects_config` maps the projects' names to their data directories, each of which has a
    ledger, or only the data files of one. Calls of the project `default`, which nobody named,
    count under the name given here. Every `sync_interval` seconds what has changed is read: each
    call counts once, however often that is, and whoever else does the same.

    `global_monitor` watches the `global_…` limits meanwhile: True makes a GlobalTokenMonitor of
    `config` (None: the environment's) and has it watch while this runs, False watches nothing, and
    one that is given is left to whoever made it. Making the service opens nothing.

    Raises TypeError or ValueError for arguments that cannot be used, ConfigError for what the
    environment says.
    """

    def __init__(
        self,
        projects_config: Mapping[str, str | os.PathLike[str]],
        sync_interval: float = 300,
        global_monitor: bool | GlobalTokenMonitor = True,  # noqa: FBT001, FBT002 - as users know it
        *,
        config: TokenMonitorConfig | None = None,
    ) -> None:
        self.sync_interval = _seconds(sync_interval)
        self.global_monitor = _monitor(global_monitor, config)
        """Shows what was brought together."""
        self._watches = global_monitor is True
        monitor = self.global_monitor.token_monitor
        self._projects = projects_of(projects_config, self.global_monitor.config.global_data_dir)
        self._rounds = Rounds(monitor.ledger, self._projects, monitor.policy.zone)
        self._said: set[str] = set()
        self._begin()
        _services.add(self)

    def _begin(self) -> None:
        """All that a forked child begins anew."""
        self._turn = threading.Lock()
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = False

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        names = ", ".join(project.name for project in self._projects)
        return f"<TokenSyncService {state} {names}>"

    def __enter__(self) -> Self:
        """Start."""
        self.start_sync()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop_sync()

    @property
    def running(self) -> bool:
        """Whether it synchronises in the background."""
        return self._thread is not None

    def start_sync(self) -> None:
        """Begin to synchronise in the background, at once; nothing if it does already."""
        with self._changing:
            if self._thread is not None:
                return
            if self._watches:
                self.global_monitor.start_monitoring()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name=_THREAD_NAME, daemon=True
            )
            self._thread.start()

    def stop_sync(self) -> None:
        """Synchronise no more, within about two seconds; nothing if it does not.

        A round that is under way ends early: the next one goes on from there.
        """
        with self._changing:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._stop.set()
            if thread is not threading.current_thread():
                thread.join(_STOP_SECONDS)
            if self._watches:
                self.global_monitor.stop_monitoring()

    def sync(self) -> tuple[ProjectSync, ...]:
        """Synchronise now: what became of each project, in the order in which they were given.

        What cannot be read is told of there, and logged once; the others go on.
        """
        return self._sync(_never)

    def forget_after_fork(self) -> None:
        """In a forked child: it is the parent that synchronises."""
        self._begin()
        self._rounds.forget_after_fork()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._sync(stop.is_set)
            except Exception:  # noqa: BLE001 - synchronising must not end for one fault of ours
                if not self._complained:
                    self._complained = True
                    _log.exception("otel_token_monitor: a round of synchronisation failed")
            stop.wait(self.sync_interval)

    def _sync(self, is_over: Callable[[], bool]) -> tuple[ProjectSync, ...]:
        with self._turn:
            done = self._rounds.round(is_over)
            self._say(done)
        if any(one.quarters for one in done):
            self.global_monitor.token_monitor.ledger.tell()
        return done

    def _say(self, done: Iterable[ProjectSync]) -> None:
        """Log each problem once, until it is gone."""
        problems = dict.fromkeys(one.problem for one in done if one.problem is not None)
        for problem in problems:
            if problem not in self._said:
                _log.warning("%s", problem)
        self._said = set(problems)


def _seconds(interval: object) -> float:
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        message = f"sync_interval must be a number of seconds, such as 300, not {interval!r}"
        raise TypeError(message)
    if not (0 < interval <= threading.TIMEOUT_MAX and math.isfinite(interval)):
        message = f"sync_interval must be more than 0 seconds, not {interval!r}: 300 is usual"
        raise ValueError(message)
    return interval


def _monitor(given: Any, config: TokenMonitorConfig | None) -> GlobalTokenMonitor:
    if isinstance(given, bool):
        return GlobalTokenMonitor(config)
    if not isinstance(given, GlobalTokenMonitor):
        message = f"global_monitor must be True, False or a GlobalTokenMonitor, not {given!r}"
        raise TypeError(message)
    if config is not None:
        message = "config cannot be given beside a global_monitor: that one has its own"
        raise TypeError(message)
    return given


_services: WeakSet[TokenSyncService] = WeakSet()


def _stop_all() -> None:
    for service in list(_services):
        service.stop_sync()


def _after_fork_in_child() -> None:
    for service in list(_services):
        service.forget_after_fork()


# After those of the pipelines and the watches were registered: at exit this comes before them.
atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
