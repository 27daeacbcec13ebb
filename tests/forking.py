"""Forked children in tests: none outlives its test."""

from __future__ import annotations

import gc
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ends_well"]

_SECONDS = 60.0


def ends_well(child: Callable[[], bool]) -> bool:
    """Whether `child` is true in a forked child; one that hangs is killed."""
    # OpenTelemetry's SDK may hang in a child that inherits providers of earlier tests.
    gc.collect()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if child() else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False
