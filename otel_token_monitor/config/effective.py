"""The file `config.json` beside a ledger: what holds there, for people to see."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from otel_token_monitor.config.faults import ConfigError
from otel_token_monitor.config.files import read_file, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.config.model import TokenMonitorConfig

__all__ = ["FILE_NAME", "leave_effective"]

FILE_NAME: Final = "config.json"

_log = logging.getLogger("otel_token_monitor")

# Tells our file from one that a user keeps there and that has secrets: that one is never replaced.
_MARK: Final = "about"
_ABOUT: Final = (
    "The configuration that holds for this ledger, without secrets. "
    "Written by otel_token_monitor when it starts, never read by it."
)


def leave_effective(config: TokenMonitorConfig, directory: Path) -> None:
    """Write what a configuration says, without secrets; a file of the user's stays as it is.

    Raises nothing: what cannot be written is logged.
    """
    path = directory / FILE_NAME
    document = {_MARK: _ABOUT, **config.document(secrets=False)}
    try:
        if path.exists():
            found = read_file(str(path), FILE_NAME)
            if found == document:
                return
            if found.get(_MARK) != _ABOUT:
                _log.info("%s is not ours, and stays as it is", path)
                return
        write_file(str(path), document, mode=0o644)  # as the ledger: it has no secrets
    except ConfigError as error:
        _log.warning("what holds for the ledger could not be written beside it: %s", error)
