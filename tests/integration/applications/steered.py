"""An application that does what its standard input says: a JSON line each, answered by another."""

from __future__ import annotations

import codecs
import json
import logging
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

import otel_token_monitor
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.pricing import cost_nanousd
from tests.loads import call, records, tracer


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


def _touched(function: Any) -> str:
    """What a function of C does with SQLite or with files, by its name; "" if it does neither."""
    owner = getattr(function, "__self__", None)
    of = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__module__
    does = of in {"sqlite3", "_sqlite3"} or (of, function.__name__) in _FILES
    return f"{of}.{function.__name__}" if does else ""


_FILES = {
    *(("io", "open"), ("_io", "open"), ("posix", "open"), ("posix", "stat")),
    *(("posix", "mkdir"), ("posix", "fsync"), ("time", "sleep")),
}


class _Application:
    """What can be asked for; each method is a command."""

    def __init__(self, log: _Log, arguments: dict[str, Any]) -> None:
        self._log = log
        self._registry = CollectorRegistry()
        self._monitor = otel_token_monitor.instrument(
            registry=self._registry, instrumentation="none", **arguments
        )
        self._tracer = tracer()
        self._number = 0
        self._readers: dict[str, LedgerReader] = {}

    def calls(self, number: int) -> list[str]:
        """Make calls; what of SQLite or of files was done within them, by the thread that calls."""
        done: set[str] = set()

        def see(_frame: FrameType, event: str, function: Any) -> None:
            if event == "c_call" and (touched := _touched(function)):
                done.add(touched)

        for _ in range(number):
            self._number += 1
            sys.setprofile(see)
            try:
                call(self._tracer, f"{os.getpid()}-{self._number}")
            finally:
                sys.setprofile(None)
            if self._number % 500 == 0:
                time.sleep(0.05)  # the queue is bounded
        return sorted(done)

    def flush(self, timeout: float) -> bool:
        return self._monitor.force_flush(timeout)

    def scrape(self) -> str:
        return generate_latest(self._registry).decode()

    def trouble(self) -> str | None:
        trouble = self._monitor._pipeline.trouble
        return None if trouble is None else str(trouble)

    def log(self) -> list[tuple[str, str]]:
        return self._log.lines

    def read(self, path: str) -> int:
        if path not in self._readers:
            self._readers[path] = LedgerReader(Location.in_directory(Path(path)))
        series = self._readers[path].exposition().series
        return sum(sums.totals.requests for sums in series.values())

    def fork(self, number: int) -> int:
        """Make calls in a forked child; its exit code."""
        child = os.fork()
        if child == 0:
            self.calls(number)
            os._exit(0 if self._monitor.force_flush(60) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    question = json.loads(sys.stdin.readline())
    if question["uid"] is not None:
        # Another user may have no access to where Python's own modules are.
        for name in ("instrumenting", "snapshots.data_files", "snapshots.retention"):
            import_module(f"otel_token_monitor.{name}")
        cost_nanousd(records(1)[0])
        codecs.lookup("utf-8-sig")
        os.setgroups([])
        os.setgid(question["uid"])
        os.setuid(question["uid"])
    log = _Log()
    logger = logging.getLogger("otel_token_monitor")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    application = _Application(log, question["arguments"])
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer = getattr(application, command)(*arguments)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
