"""Under gunicorn: many workers, one ledger, one port that any of them may serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.processes import ROOT, environment, samples
from tests.integration.steering import eventually, totals
from tests.loads import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

WORKERS = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Gunicorn:
    """A master with workers; `metrics` is the port that the monitor serves."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.port, self.metrics = free_port(), free_port()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--log-level", "warning"),
                *("--bind", f"127.0.0.1:{self.port}", "--workers", str(WORKERS), *options),
                *("--graceful-timeout", "3", "tests.integration.applications.wsgi:application"),
            ],
            cwd=ROOT,
            env=environment(
                {
                    "TOKEN_MONITOR_DATA_DIR": str(data_dir),
                    "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
                    "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics),
                }
            ),
            stderr=subprocess.PIPE,
            text=True,
        )

    def request(self, calls: int) -> int:
        """Have one of the workers make calls; its process id."""
        url = f"http://127.0.0.1:{self.port}/?calls={calls}"
        return int(httpx.get(url, timeout=60, headers={"Connection": "close"}).text)

    def is_up(self) -> bool:
        with suppress(httpx.TransportError):
            return self.request(0) > 0
        return False

    def scrape(self) -> str | None:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.metrics}/metrics", timeout=60).text
        return None

    def requests(self) -> int | None:
        """How many calls `/metrics` has; None if nobody serves it."""
        text = self.scrape()
        if text is None:
            return None
        return int(sum(sample.value for sample in samples(text, "llm_requests_total")))

    def holder(self) -> int:
        """Which process serves `/metrics`."""
        with socket.create_connection(("127.0.0.1", self.metrics)):
            pass
        for pid in self.pids():
            if f"{self.metrics:04X} 00000000:0000 0A" in tcp_of(pid):
                return pid
        raise AssertionError("nobody serves")

    def pids(self) -> list[int]:
        master = self.process.pid
        text = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(master)], capture_output=True, text=True, check=False
        ).stdout
        return [master, *map(int, text.split())]


def tcp_of(pid: int) -> str:
    """The listening sockets that a process has open, as /proc/net/tcp has them."""
    inodes = set()
    with suppress(FileNotFoundError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                target = str(entry.readlink())
                inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:  # noqa: PTH123 - of the kernel
        return "".join(line for line in table if line.split()[9] in inodes)


@contextmanager
def gunicorn(data_dir: Path, *options: str) -> Iterator[Gunicorn]:
    server = Gunicorn(data_dir, *options)
    try:
        eventually(server.is_up)
        yield server
    finally:
        pids = server.pids()
        server.process.terminate()
        try:
            server.process.wait(60)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        server.process.communicate()


@pytest.mark.parametrize("worker", [(), ("--threads", "4")], ids=["sync", "gthread"])
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["plain", "preload"])
def test_each_call_is_counted_whoever_serves(
    tmp_path: Path, worker: tuple[str, ...], preload: tuple[str, ...]
) -> None:
    with gunicorn(tmp_path, *worker, *preload) as server:
        seen: set[int] = set()
        made = 0
        while made < 300 or len(seen) < 2:
            seen.add(server.request(5))
            made += 5
        eventually(lambda: server.requests() == made)

        # The worker that serves, or any other, is killed: another takes the port.
        victim = server.holder() if not preload else next(iter(seen))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: server.is_up() and server.requests() == made)
        for _ in range(20):
            server.request(5)
        eventually(lambda: server.requests() == made + 100)

        server.process.terminate()
        assert server.process.wait(60) == 0
    made += 100
    assert totals(tmp_path / "usage.db") == (made, made, made * TOKENS)


def test_the_master_dies(tmp_path: Path) -> None:
    # With --preload it is the master that serves /metrics; its workers end themselves.
    with gunicorn(tmp_path, "--preload", "--timeout", "4") as server:
        for _ in range(30):
            server.request(5)
        eventually(lambda: server.requests() == 150)  # what is shown is written
        workers = server.pids()[1:]
        server.process.kill()
        server.process.wait(60)
        eventually(lambda: not any(map(alive, workers)))
    assert totals(tmp_path / "usage.db") == (150, 150, 150 * TOKENS)


def test_workers_that_are_replaced_all_the_time(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--preload", "--max-requests", "5") as server:
        served = 0
        for _ in range(60):
            with suppress(httpx.TransportError):
                server.request(3)
                served += 3
        eventually(lambda: server.requests() == served)
        server.process.terminate()
        assert server.process.wait(60) == 0
    assert totals(tmp_path / "usage.db") == (served, served, served * TOKENS)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
