"""Alerts of real processes on one ledger, delivered to a real HTTP server."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.processes import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

LIMIT = 100_000


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
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

    def handle_error(self, *_: Any) -> None:
        """A sender that was killed is no error."""

    def alerts(self) -> list[tuple[str, str, str]]:
        """Budget, severity and status of each alert that came."""
        return [
            (alert["labels"]["budget"], alert["labels"]["severity"], alert["status"])
            for payload in self.got
            for alert in payload["alerts"]
        ]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    server = Receiver(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Watcher:
    """One process that counts and watches."""

    def __init__(self, data_dir: Path, port: int, **config: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.applications.watching"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        settings = {
            "data_dir": str(data_dir),
            "daily_limit": LIMIT,
            "webhook_url": f"http://127.0.0.1:{port}/hook",
            "log_level": "WARNING",
            "auto_report": False,
        }
        self.say(settings | config)

    def say(self, what: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the application has died"
        return json.loads(line)

    def use(self, tokens: int) -> None:
        self.say(tokens)
        assert self.answer() is True

    def stop(self) -> None:
        """End as a program ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Callable[..., Watcher]]:
    """Starts processes on one ledger, and waits until they watch; ends them in the end."""
    made: list[Watcher] = []

    def make(port: int, *, ready: bool = True, **config: Any) -> Watcher:
        made.append(Watcher(tmp_path, port, **config))
        if ready:
            assert made[-1].answer() == "ready"
        return made[-1]

    yield make
    for one in made:
        one.close()


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ledger(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / "usage.db", timeout=5)) as connection, connection:
        return connection.execute(statement).fetchall()


def has_status(directory: Path, status: int) -> bool:
    """Whether a budget was noticed to have a status."""
    return (status,) in ledger(directory, "SELECT status FROM budget_state")


def logged(directory: Path) -> list[tuple[str, str]]:
    """The transitions in the alert log."""
    files = sorted((directory / "logs").glob("alerts_*.log"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(line["budget"], line["new_status"]) for line in lines]


def test_eight_processes_that_cross_at_once_alert_once(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        limits = {"requests_per_day_limit": 20, "monthly_limit": 2 * LIMIT}
        crowd = [watcher(server.server_port, ready=False, **limits) for _ in range(8)]
        for one in crowd:
            assert one.answer() == "ready"
        # 84 %, then 92 % of the day; 8, then 16 requests of 20.
        for tokens, status in ((10_500, 1), (1_000, 2)):
            for one in crowd:
                one.say(tokens)
            for one in crowd:
                assert one.answer() is True
            eventually(partial(has_status, tmp_path, status))
        for one in crowd:
            one.stop()
        assert sorted(server.alerts()) == [
            ("ledger/requests/day", "warning", "firing"),
            ("ledger/tokens/day", "critical", "firing"),
            ("ledger/tokens/day", "warning", "firing"),
        ]
        assert sorted(logged(tmp_path)) == [
            ("ledger/requests/day", "WARNING"),
            ("ledger/tokens/day", "CRITICAL"),
            ("ledger/tokens/day", "WARNING"),
        ]


def test_a_server_that_was_down_gets_the_alert_once(
    watcher: Callable[..., Watcher], tmp_path: Path, free_port: int
) -> None:
    crowd = [watcher(free_port) for _ in range(3)]
    crowd[0].use(LIMIT)
    eventually(lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE attempts > 0"))
    with receiver(free_port) as server:
        eventually(server.alerts)
        eventually(lambda: ledger(tmp_path, "SELECT count(*) FROM delivery") == [(0,)])
        for one in crowd:
            one.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
    assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]


def test_an_alert_outlives_its_process(
    watcher: Callable[..., Watcher], tmp_path: Path, free_port: int
) -> None:
    first = watcher(free_port)
    first.use(LIMIT)
    eventually(lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE attempts > 0"))
    first.kill()
    with receiver(free_port) as server:
        second = watcher(free_port)
        eventually(server.alerts)
        second.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]


def test_a_process_killed_in_the_midst_of_a_delivery_costs_a_second_one(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        server.answering.clear()
        first = watcher(server.server_port)
        first.use(LIMIT)
        eventually(server.alerts)
        first.kill()
        server.answering.set()
        # A minute later:
        ledger(tmp_path, "UPDATE delivery SET leased_ns = 1 WHERE leased_ns > 0")
        second = watcher(server.server_port)
        eventually(lambda: ledger(tmp_path, "SELECT count(*) FROM delivery") == [(0,)])
        second.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")] * 2


def test_a_short_job_delivers_before_it_ends(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        job = watcher(server.server_port)
        job.use(LIMIT)
        job.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
    assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]


def test_a_process_that_knows_the_address_delivers_for_one_that_does_not(
    watcher: Callable[..., Watcher],
) -> None:
    with receiver() as server:
        watcher(server.server_port)
        job = watcher(server.server_port, webhook_url=None)
        job.use(LIMIT)
        job.stop()
        eventually(server.alerts)
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
