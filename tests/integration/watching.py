"""Processes that count and watch their budgets, and those that only serve a ledger."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tests.integration.processes import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LIMIT", "Server", "Watcher", "free_port", "job", "serving"]

LIMIT = 100_000


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Watcher:
    """One process that counts and watches."""

    application = "watching"

    def __init__(self, data_dir: Path, port: int, **config: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.integration.applications.{self.application}"],
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
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


class Server:
    """One `otel-token-monitor serve`; `address` is where, such as http://127.0.0.1:1234."""

    def __init__(self, data_dir: Path, environ: dict[str, str], port: int) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "otel_token_monitor", "serve"),
                *("--data-dir", str(data_dir), "--host", "127.0.0.1", "--port", str(port)),
            ],
            env=environment(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        self.address = said.removeprefix("metrics: ").strip().removesuffix("/metrics")

    def stop(self) -> str:
        """End it as systemd does; what it said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return errors


def job(data_dir: Path, tokens: int, **config: Any) -> None:
    """A process that uses tokens, knows no webhook, and ends."""
    one = Watcher(data_dir, 0, webhook_url=None, **config)
    try:
        assert one.answer() == "ready"
        one.use(tokens)
        one.stop()
    finally:
        one.close()


@contextmanager
def serving(data_dir: Path, port: int = 0, **environ: str) -> Iterator[Server]:
    """A process that serves a ledger and says alerts only, until the end."""
    server = Server(data_dir, {"TOKEN_AUTO_REPORT": "false", **environ}, port)
    with server.process:
        try:
            yield server
        finally:
            server.process.kill()
