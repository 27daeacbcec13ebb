"""Where alerts come to: a real HTTP server, the alert log, and the ledger that they wait in."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Receiver", "answering", "eventually", "has_status", "ledger", "logged", "receiver"]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(json.loads(body))
        self.server.answering.wait(50)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it; answers while `answering` is set."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.got: list[dict[str, Any]] = []
        self.answering = threading.Event()
        self.answering.set()

    def take(self, payload: dict[str, Any]) -> None:
        """Keep it."""
        self.got.append(payload)

    def handle_error(self, *_: Any) -> None:
        """A sender that was killed is no error."""

    def alerts(self) -> list[tuple[str, str, str]]:
        """Budget, severity and status of each alert that came."""
        return [
            (alert["labels"]["budget"], alert["labels"]["severity"], alert["status"])
            for payload in self.got
            for alert in payload["alerts"]
        ]


R = TypeVar("R", bound=Receiver)


def receiver(port: int = 0) -> AbstractContextManager[Receiver]:
    """A receiver that answers, until the end."""
    return answering(Receiver(port))


@contextmanager
def answering(server: R) -> Iterator[R]:
    """Have a receiver answer, until the end."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ledger(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / "usage.db", timeout=60)) as connection, connection:
        return connection.execute(statement).fetchall()


def has_status(directory: Path, status: int) -> bool:
    """Whether a budget was noticed to have a status."""
    return (status,) in ledger(directory, "SELECT status FROM budget_state")


def logged(directory: Path) -> list[tuple[str, str]]:
    """The transitions in the alert log."""
    files = sorted((directory / "logs").glob("alerts_*.log"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(line["budget"], line["new_status"]) for line in lines]
