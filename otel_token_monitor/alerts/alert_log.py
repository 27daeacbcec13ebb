"""The alert log: a file a day in the data directory, a JSON line for each alert and report."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts.channels import DeliveryError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOG", "AlertLog"]

LOG: Final = "log"
"""The alert log's name among the targets: that of all processes is one."""


class AlertLog:
    """Appends to `alerts_YYYY-MM-DD.log` in a directory, which is made, from a level up."""

    target = LOG
    origin = ""

    def __init__(self, directory: Path, level: int) -> None:
        self._directory = directory
        self._level = level

    def __repr__(self) -> str:
        return f"the alert log in {self._directory}"

    def prepare(self) -> None:
        """Nothing is slow here."""

    def send(self, notice: dict[str, Any], seconds: float) -> None:  # noqa: ARG002 - of Channel
        """Append the notice's lines, one write a file: lines of many processes never mix."""
        texts: dict[str, str] = {}
        for entry in notice["lines"]:
            if entry["level"] >= self._level:
                text = json.dumps(entry["line"], ensure_ascii=False)
                texts[entry["date"]] = f"{texts.get(entry['date'], '')}{text}\n"
        for date, text in texts.items():
            path = self._directory / f"alerts_{date}.log"
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                _append(path, text.encode(errors="replace"))
            except OSError as error:
                raise DeliveryError(f"{path} cannot be written: {error.strerror}") from error


def _append(path: Path, lines: bytes) -> None:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            # The disk was full, and took a part of a line only: begin a new one.
            lines = b"\n" + lines
        if os.write(file, lines) < len(lines):
            raise OSError(errno.ENOSPC, "the disk took only a part of it")
    finally:
        os.close(file)
