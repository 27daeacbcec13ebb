"""The one background thread of a process: it takes what has ended to the ledger, round by round."""

from __future__ import annotations

import _thread
import threading
import time
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.spans.processor import SpanQueue

__all__ = ["TICK_SECONDS", "YIELD_SECONDS", "DrainThread", "Found"]

TICK_SECONDS: Final = 1.0
"""How often there is a round where nothing ends."""
YIELD_SECONDS: Final = 0.0005
"""Longer than a waiting thread takes to wake: a lock is not handed over in turn."""

_NAME: Final = "otel-token-monitor"
_QUIET_SECONDS: Final = 5.0


class Found(Enum):
    """How a round went."""

    MORE = auto()
    """There is more than a round takes."""
    WORK = auto()
    """Something ended, or waits."""
    NOTHING = auto()
    FAULT = auto()
    END = auto()
    """There are to be no more rounds."""


class DrainThread:
    """Has `make_round` run again and again, once it was woken: each `interval` (seconds) at most.

    While nothing is found for some seconds it sleeps until it is woken, as an idle `queue` does.
    `make_round` must not raise.
    """

    def __init__(self, make_round: Callable[[], Found], queue: SpanQueue, interval: float) -> None:
        self._make_round = make_round
        self._queue = queue
        self._interval = interval
        # Held once the thread is there.
        self.started = threading.Lock()
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._busy_at = 0.0

    def wake(self) -> bool:
        """Have it look at the queue, and never wait; False if no thread can be had any more."""
        if self.started.acquire(blocking=False):
            try:
                # Not a threading.Thread, whose start waits for the thread and takes locks that
                # this thread may hold: a span may end within the garbage collector.
                _thread.start_new_thread(self._run, ())
            except RuntimeError:
                # The interpreter is about to end, or the system's limit on threads is reached.
                self.started.release()
                return False
        self._tokens.put(None)
        return True

    def end(self) -> None:
        """Have it notice soon that there are to be no more rounds."""
        self._tokens.put(None)

    def _run(self) -> None:
        threading.current_thread().name = _NAME
        while (found := self._make_round()) is not Found.END:
            self._pause(found)

    def _pause(self, found: Found) -> None:
        now = time.monotonic()
        if found is Found.MORE:
            time.sleep(YIELD_SECONDS)
            return
        if found is Found.FAULT:
            time.sleep(TICK_SECONDS)
            return
        if found is Found.WORK:
            self._busy_at = now
        if now - self._busy_at < _QUIET_SECONDS:
            # Waking a thread costs a call more than all else here: so calls find it awake.
            time.sleep(self._interval)
            return
        self._queue.idle = True
        if self._queue:
            # A span came between the last look and the flag: nobody was woken for it.
            return
        try:
            self._tokens.get(timeout=TICK_SECONDS)
        except Empty:
            return
        time.sleep(self._interval)
