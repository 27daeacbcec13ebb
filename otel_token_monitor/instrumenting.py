"""Switching the monitor of a process on and off, and the monitor that one gets without asking."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.monitor import TokenMonitor

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

__all__ = ["ModuleMonitor", "instrument", "uninstrument"]

_log = logging.getLogger("otel_token_monitor")

_current: TokenMonitor | None = None
# Where the application logs calls by hand, and has not called `instrument()`.
_standalone: TokenMonitor | None = None
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
            _effective(config, arguments),
            registry=registry,
            tracer_provider=tracer_provider,
            by_hand=_logs_by_hand,
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
    return config.replaced(**arguments)


class ModuleMonitor:
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


def expect_by_hand() -> None:
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


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread may have held it, and does not exist here
    _changing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
