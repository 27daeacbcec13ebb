"""An application in a process of its own, steered from a test."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.integration.processes import ROOT, environment, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["NOBODY", "Application", "eventually", "ledger_id", "owned_by", "recorded", "totals"]

NOBODY = 65534


class Application:
    """Runs a program of `applications` until it is stopped, killed, or the `with` block ends.

    `question` is what else the program is to know than the arguments of `instrument()`.
    """

    program: ClassVar = "steered"

    def __init__(
        self,
        data_dir: Path | str,
        *,
        uid: int | None = None,
        question: Mapping[str, object] | None = None,
        **arguments: Any,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", f"tests.integration.applications.{self.program}"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        settings = {"serve": False, **arguments, "data_dir": str(data_dir)}
        self._say({**(question or {}), "uid": uid, "arguments": settings})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.wait(60)

    @property
    def pid(self) -> int:
        return self._process.pid

    def calls(self, number: int) -> list[str]:
        """Make calls; what of SQLite or of files was done within them, by the thread that calls."""
        done: list[str] = self._ask("calls", number)
        return done

    def flush(self, timeout: float = 60.0) -> bool:
        return bool(self._ask("flush", timeout))

    def scrape(self) -> str:
        text: str = self._ask("scrape")
        return text

    def value(self, name: str) -> int | None:
        """The sum of a metric's samples; None if it has none."""
        found = samples(self.scrape(), name)
        return int(sum(sample.value for sample in found)) if found else None

    def trouble(self) -> str | None:
        trouble: str | None = self._ask("trouble")
        return trouble

    def log(self, level: str) -> list[str]:
        """What was logged at a level."""
        return [message for name, message in self._ask("log") if name == level]

    def fork(self, number: int) -> int:
        """Make calls in a forked child; its exit code."""
        code: int = self._ask("fork", number)
        return code

    def read(self, path: Path) -> int:
        """How many calls a ledger's counters have, as a reader sees it."""
        calls: int = self._ask("read", str(path))
        return calls

    def stop(self) -> int:
        """End as a program ends; the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(60)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)

    def _ask(self, command: str, *arguments: object) -> Any:
        self._say([command, *arguments])
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the application has died"
        return json.loads(answer)

    def _say(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


def recorded(path: Path) -> list[str]:
    """The ids of the calls that a ledger has single records of, in order of id."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT response_id FROM record ORDER BY response_id").fetchall()
    return [row[0] for row in rows]


def totals(path: Path) -> tuple[int, int, int]:
    """Calls by the counters, calls by the quarter-hours, and tokens by the counters."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counted = connection.execute(
            "SELECT total(requests_ok + requests_error), "
            "total(input + input_cached + input_cache_write + output + output_reasoning) "
            "FROM counter"
        ).fetchone()
        (periods,) = connection.execute(
            "SELECT total(requests_ok + requests_error) FROM period"
        ).fetchone()
    return int(counted[0]), int(periods), int(counted[1])


def ledger_id(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT value FROM ledger WHERE key = 'id'").fetchone()
    return str(found)


def eventually(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def owned_by(path: Path, uid: int) -> Path:
    """Give a file or a directory to a user."""
    os.chown(path, uid, uid)
    return path
