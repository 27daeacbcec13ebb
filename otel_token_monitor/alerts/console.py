"""The console: what is notified goes to the application's logging, or else to standard error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_token_monitor.alerts.notices import Line

__all__ = ["LOGGER", "Console"]

LOGGER: Final = "otel_token_monitor.alerts"
"""The logger that alerts and reports go to: of the alerts' own level, resolved ones at INFO."""

_log = logging.getLogger(LOGGER)
_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


class _Fallback(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error where nobody has configured logging."""


class Console:
    """Speaks from a level up."""

    def __init__(self, level: int) -> None:
        self._level = level

    def say(self, lines: Iterable[Line]) -> None:
        """Log lines, each at its level."""
        for line in lines:
            if line.level >= self._level:
                _see_to_a_handler(self._level)
                _log.log(line.level, "%s", line.text)


def _see_to_a_handler(level: int) -> None:
    """Have a handler of ours as long as there is no other."""
    ours = [handler for handler in _log.handlers if isinstance(handler, _Fallback)]
    others = any(not isinstance(handler, _Fallback) for handler in _handlers())
    if others and ours:
        for handler in ours:
            _log.removeHandler(handler)
        _log.setLevel(logging.NOTSET)
    elif not others and not ours:
        handler = _Fallback()
        handler.setFormatter(logging.Formatter(_FORMAT))
        _log.addHandler(handler)
        _log.setLevel(level)


def _handlers() -> Iterator[logging.Handler]:
    """Those that a record of ours would reach."""
    logger: logging.Logger | None = _log
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None
