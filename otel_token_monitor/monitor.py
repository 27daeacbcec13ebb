"""The composition root: what `instrument()` puts together, and takes apart again."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prometheus_client

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.filesystem import network_file_system
from otel_token_monitor.ledger.reader import Exposition, LedgerReader
from otel_token_monitor.pipeline import Pipeline
from otel_token_monitor.spans.instrumentations import SwitchedOn, switch_on
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.spans.providers import ProviderHooks
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.summary import today, tokens_by_project

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from otel_token_monitor.web.app import ServerStatus
    from otel_token_monitor.web.server import MetricsServer

__all__ = ["TokenMonitor", "instrument", "uninstrument"]

_log = logging.getLogger("otel_token_monitor")

_MEMORY = ":memory:"


class TokenMonitor:
    """Counts the calls of this process into a ledger, and shows the ledger.

    Made by `instrument()`. `registry` is the Prometheus registry that shows it.
    """

    def __init__(
        self,
        config: TokenMonitorConfig,
        *,
        registry: CollectorRegistry | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self.config = config
        self.registry = prometheus_client.REGISTRY if registry is None else registry
        self._tracer_provider = tracer_provider
        self._pipeline = Pipeline(
            _locate(config.data_dir),
            ProjectPolicy(config.project, frozenset(config.inbound_projects)),
            hosts=tuple(config.provider_hosts.items()),
            max_label_sets=config.max_label_sets,
            interval=config.drain_interval,
            on_tick=self._serve,
        )
        self._hooks = ProviderHooks(self._pipeline.processor)
        self._collector = TokenCollector(
            self._exposition, self._health, histograms=config.histograms
        )
        self._switched_on: SwitchedOn | None = None
        self._server: MetricsServer | None = None
        self._said_taken = False
        self._said_lost = False
        self._running = False
        self._known_to_multiprocessing = False

    def __repr__(self) -> str:
        return f"<TokenMonitor {self.config.project!r} {self._pipeline.location}>"

    @property
    def address(self) -> tuple[str, int] | None:
        """Where this process serves metrics; None while it does not (another worker may)."""
        return None if self._server is None else self._server.address

    @property
    def ledger_path(self) -> Path | None:
        """The ledger's file; None if it is kept in memory."""
        return self._pipeline.location.path

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Return once all calls that ended before are in the ledger.

        Returns False if the ledger could not be written within `timeout` seconds; nothing is
        lost then, it is written later.
        """
        return self._pipeline.force_flush(timeout)

    def start(self) -> None:
        """Begin to count.

        Raises InstrumentationError if the instrumentation cannot be had, ValueError if the registry
        has a metric of one of our names; then nothing has changed.
        """
        self.registry.register(self._collector)
        self._hooks.install(self._tracer_provider)
        try:
            self._switched_on = switch_on(self.config.instrumentation, self._tracer_provider)
        except BaseException:
            self._hooks.uninstall()
            self.registry.unregister(self._collector)
            raise
        self._running = True
        self._finish_with_multiprocessing()
        self._pipeline.start()

    def stop(self) -> None:
        """Count no more, write what was counted, give the port up."""
        if not self._running:
            return
        self._running = False
        if self._switched_on is not None:
            self._switched_on.off()
        self._pipeline.processor.active = False
        self._hooks.uninstall()
        self.registry.unregister(self._collector)
        with self._pipeline.lock:
            # No tick is starting it now, and none will.
            server, self._server = self._server, None
        if server is not None:
            server.stop()
        self._finish()

    def _finish(self) -> None:
        """Write what was counted; what still ends after this is written at once."""
        if not self._pipeline.close() and not self._said_lost:
            self._said_lost = True
            _log.error(
                "%d calls could not be written to the ledger %s before the process ended",
                self._pipeline.backlog,
                self._pipeline.location,
            )

    # What the views read.

    def _exposition(self) -> Exposition:
        """The ledger as of now, with all that has ended before."""
        return self._pipeline.ask(LedgerReader.exposition)

    def _health(self) -> HealthReading:
        pipeline = self._pipeline
        return HealthReading(
            counters=pipeline.unwritten_health(),
            queue_length=len(pipeline.queue),
            backlog_records=pipeline.backlog,
            open_spans=len(pipeline.processor.open_stamps()),
            last_write_ns=pipeline.last_write_ns,
        )

    def _status(self) -> ServerStatus:
        from otel_token_monitor.web.app import ServerStatus  # noqa: PLC0415 - see _serve

        return ServerStatus(
            version=version("otel-token-monitor"),
            ledger=str(self._pipeline.location),
            trouble=None if self._pipeline.trouble is None else str(self._pipeline.trouble),
        )

    def _tokens_today(self) -> dict[str, int] | None:
        try:
            return tokens_by_project(self._pipeline.ask(today))
        except LedgerError:
            return None

    # The server: on the drain thread's tick, so that `instrument()` waits for nothing and a port
    # that becomes free is taken over.

    def _serve(self) -> None:
        if not self.config.serve or not self._running or self.address is not None:
            return
        if self._server is None:
            # Imported here: it takes longer than all else, and not everyone serves.
            from otel_token_monitor.web.app import create_app  # noqa: PLC0415
            from otel_token_monitor.web.server import MetricsServer  # noqa: PLC0415

            self._server = MetricsServer(
                partial(
                    create_app,
                    self.registry,
                    status=self._status,
                    tokens_today=self._tokens_today,
                ),
                self.config.host,
                self.config.port,
            )
        try:
            self._server.try_start()
        except OSError as error:
            self._say_once(logging.ERROR, "metrics cannot be served: %s", error)
            return
        address = self._server.address
        if address is not None:
            _log.info("metrics: http://%s:%d/metrics", *address)
        else:
            self._say_once(
                logging.INFO,
                "port %s of %s is taken, by another worker perhaps: this process goes on counting "
                "and takes the port over when it becomes free",
                self.config.port,
                self.config.host,
            )

    def _say_once(self, level: int, message: str, *arguments: object) -> None:
        if not self._said_taken:
            self._said_taken = True
            _log.log(level, message, *arguments)

    # Forks.

    def before_fork(self) -> None:
        """Let nobody be in the midst of SQLite when the process forks."""
        self._pipeline.before_fork()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._pipeline.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Count anew: the parent keeps its port, its open calls and what it had queued."""
        self._pipeline.after_fork_in_child()
        self._collector.forget_after_fork()
        if self._server is not None:
            self._server.forget_after_fork()
        self._said_taken = False
        self._said_lost = False
        self._finish_with_multiprocessing()

    def _finish_with_multiprocessing(self) -> None:
        """See that a child of multiprocessing writes what it has counted: most skip `atexit`."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is None:
            return
        _add_finalizer(self)
        if not self._known_to_multiprocessing:
            # A child that begins forgets all finalizers, and then does what was registered here.
            self._known_to_multiprocessing = True
            util.register_after_fork(self, _add_finalizer)


def _add_finalizer(monitor: TokenMonitor) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, monitor._finish, exitpriority=0)  # noqa: SLF001 - of this module


def _locate(data_dir: str) -> Location:
    """Where the ledger is kept: in the directory, unless SQLite cannot work there."""
    if data_dir == _MEMORY:
        return Location.in_memory()
    kind = network_file_system(Path(data_dir))
    if kind is None:
        return Location.in_directory(Path(data_dir))
    _log.error(
        "%s is on a network file system (%s), on which SQLite's write-ahead log does not work: "
        "counting in memory, and the totals end with this process. Set TOKEN_MONITOR_DATA_DIR to a "
        "local directory.",
        Path(data_dir).absolute(),
        kind,
    )
    return Location.in_memory()


_current: TokenMonitor | None = None
_changing = threading.RLock()


def instrument(  # noqa: PLR0913 - keyword-only, as the environment has them
    *,
    project: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | TokenMonitorConfig | None = None,
    host: str | None = None,
    port: int | None = None,
    serve: bool | None = None,
    registry: CollectorRegistry | None = None,
    tracer_provider: TracerProvider | None = None,
    instrumentation: str | None = None,
) -> TokenMonitor:
    """Count every call to a model that this process makes from now on.

    Each argument may also come from an environment variable or a configuration file (`config`, a
    path or a TokenMonitorConfig); an argument goes first, then the environment, the file, the
    default. Called again it returns the same monitor and changes nothing.

    Raises ConfigError for what cannot be used, InstrumentationError if the instrumentation that
    was asked for is not installed. A ledger that cannot be opened raises nothing: it is logged,
    and counting goes on in memory.
    """
    global _current  # noqa: PLW0603 - one monitor a process is what this function is about
    with _changing:
        if _current is not None:
            _log.debug("instrument() was called again: %r goes on unchanged", _current)
            return _current
        arguments: dict[str, Any] = {
            "project": project,
            "data_dir": data_dir,
            "host": host,
            "port": port,
            "serve": serve,
            "instrumentation": instrumentation,
        }
        monitor = TokenMonitor(
            _effective(config, arguments), registry=registry, tracer_provider=tracer_provider
        )
        monitor.start()
        _current = monitor
        return monitor


def uninstrument() -> None:
    """Undo `instrument()`: write what was counted, and leave everything as it was found."""
    global _current
    with _changing:
        monitor, _current = _current, None
        if monitor is not None:
            monitor.stop()


def _effective(
    config: str | os.PathLike[str] | TokenMonitorConfig | None, arguments: dict[str, Any]
) -> TokenMonitorConfig:
    if not isinstance(config, TokenMonitorConfig):
        return TokenMonitorConfig(file=config, **arguments)
    given: dict[str, Any] = config.model_dump()
    given |= {name: value for name, value in arguments.items() if value is not None}
    return TokenMonitorConfig.load(environ={}, **given)


def _at_exit() -> None:
    if _current is not None:
        _current._finish()  # noqa: SLF001 - of this module


def _before_fork() -> None:
    if _current is not None:
        _current.before_fork()


def _after_fork_in_parent() -> None:
    if _current is not None:
        _current.after_fork_in_parent()


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread may have held it, and does not exist here
    _changing = threading.RLock()
    if _current is not None:
        _current.after_fork_in_child()


# Registered once, by name: they do nothing as long as there is no monitor.
atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
