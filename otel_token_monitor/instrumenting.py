"""Switching the monitor of a process on and off, and the monitor that one gets without asking."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.monitor import TokenMonitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from otel_token_monitor.alerts.notices import Alert

    token_monitor: TokenMonitor
    """The monitor of `instrument()`, else one that is made from the environment when it is used."""

__all__ = ["auto_monitor", "instrument", "token_monitor", "uninstrument"]

C = TypeVar("C", bound="Callable[[Alert], object]")

_log = logging.getLogger("otel_token_monitor")

_current: TokenMonitor | None = None
_current_watch: AutoTokenMonitor | None = None
# Where the application logs calls by hand, and has not called `instrument()`.
_standalone: TokenMonitor | None = None
_standalone_watch: AutoTokenMonitor | None = None
# Whom `auto_monitor` calls back, whichever monitor it stands for.
_callbacks: list[Callable[[Alert], object]] = []
_logs_by_hand = False
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
    default. Budgets are watched, unless the configuration's `auto_monitor` is False. Called again
    it returns the same monitor and changes nothing.

    Raises ConfigError for what cannot be used, InstrumentationError if the instrumentation that
    was asked for is not installed. A ledger that cannot be opened raises nothing: it is logged,
    and counting goes on in memory.
    """
    global _current, _current_watch, _standalone_watch  # noqa: PLW0603 - one monitor a process
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
            _effective(config, arguments),
            registry=registry,
            tracer_provider=tracer_provider,
            by_hand=_logs_by_hand,
        )
        monitor.start()
        _current = monitor
        if _standalone_watch is not None:
            _standalone_watch.stop_monitoring()
            _standalone_watch = None
        _current_watch = _called_back(AutoTokenMonitor(monitor))
        if monitor.config.auto_monitor is not False:
            _current_watch.start_monitoring()
        return monitor


def uninstrument() -> None:
    """Undo `instrument()`: write what was counted, and leave everything as it was found."""
    global _current, _current_watch
    with _changing:
        monitor, _current = _current, None
        watch, _current_watch = _current_watch, None
        if watch is not None:
            watch.finish()
        if monitor is not None:
            monitor.stop()


def _effective(
    config: str | os.PathLike[str] | TokenMonitorConfig | None, arguments: dict[str, Any]
) -> TokenMonitorConfig:
    if not isinstance(config, TokenMonitorConfig):
        return TokenMonitorConfig(file=config, **arguments)
    return config.replaced(**arguments)


class _ModuleMonitor:
    """Stands for the monitor of this process: `instrument()`'s, else one that is made when needed.

    That one is configured as `instrument()` would be without arguments, and watches nothing: it
    counts what is logged by hand. All attributes are the monitor's own.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(_monitor(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_monitor(), name, value)

    def __repr__(self) -> str:
        return f"<token_monitor: {_current or _standalone or 'not used yet'}>"

    @property  # type: ignore[misc]
    def __class__(self) -> type[TokenMonitor]:  # type: ignore[override]
        """What it stands for."""
        return TokenMonitor


class _ModuleAutoMonitor:
    """Stands for the AutoTokenMonitor of this process: that of `token_monitor`'s monitor.

    All attributes are its own. Callbacks stay, whatever it stands for later.
    """

    def on_alert(self, callback: C) -> C:
        """Call `callback(alert)` for each transition that this process notifies; returns it."""
        with _changing:
            _callbacks.append(callback)
            for watch in (_current_watch, _standalone_watch):
                if watch is not None:
                    watch.on_alert(callback)
        return callback

    def __getattr__(self, name: str) -> Any:
        return getattr(_watch(), name)

    def __repr__(self) -> str:
        return f"<auto_monitor: {_current_watch or _standalone_watch or 'not used yet'!r}>"

    @property  # type: ignore[misc]
    def __class__(self) -> type[AutoTokenMonitor]:  # type: ignore[override]
        """What it stands for."""
        return AutoTokenMonitor


auto_monitor: Final = cast("AutoTokenMonitor", _ModuleAutoMonitor())
"""The watch over the budgets of `token_monitor`."""
_module_monitor: Final = cast("TokenMonitor", _ModuleMonitor())


def __getattr__(name: str) -> TokenMonitor:
    """Give `token_monitor`: whoever asks for it will log calls by hand."""
    if name == "token_monitor":
        _expect_by_hand()
        return _module_monitor
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def _expect_by_hand() -> None:
    """Have spans of calls wait a little, from now on, for whoever logs the same by hand."""
    global _logs_by_hand  # noqa: PLW0603 - it is the process that does so
    _logs_by_hand = True
    current = _current
    if current is not None:
        current.expect_by_hand()


def _monitor() -> TokenMonitor:
    global _standalone  # noqa: PLW0603 - as for instrument()
    with _changing:
        if _current is not None:
            return _current
        if _standalone is None:
            _standalone = TokenMonitor()
        return _standalone


def _watch() -> AutoTokenMonitor:
    global _standalone_watch  # noqa: PLW0603 - as for instrument()
    with _changing:
        if _current_watch is not None:
            return _current_watch
        if _standalone_watch is None:
            _standalone_watch = _called_back(AutoTokenMonitor(_monitor()))
        return _standalone_watch


def _called_back(watch: AutoTokenMonitor) -> AutoTokenMonitor:
    for callback in _callbacks:
        watch.on_alert(callback)
    return watch


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread may have held it, and does not exist here
    _changing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
