"""Prometheus and Alertmanager as processes of this one's own, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "HOST",
    "MissingServerError",
    "RunningServer",
    "ServerEndedError",
    "StartError",
    "check_installed",
    "free_port",
    "is_free",
    "running_alertmanager",
    "running_prometheus",
]

HOST: Final = "127.0.0.1"
"""Where they listen, and nowhere else."""
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0
_LOG_LINES: Final = 10

# Debian's name, and that of the project's own archives.
_PROMETHEUS: Final = ("prometheus",)
_ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")
_PACKAGES: Final = {_PROMETHEUS: "prometheus", _ALERTMANAGER: "prometheus-alertmanager"}


class MissingServerError(Exception):
    """A server is not installed."""


class StartError(Exception):
    """A server did not become ready; the message has the end of its log."""


class ServerEndedError(Exception):
    """A server has ended by itself; the message has the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that answers at `port` of 127.0.0.1, and the file that it logs to."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        """Such as http://127.0.0.1:9090."""
        return f"http://{HOST}:{self.port}"

    @property
    def name(self) -> str:
        """The name of its program."""
        return Path(str(self.process.args[0])).name  # type: ignore[index]

    @property
    def said(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def check(self) -> None:
        """Raise ServerEndedError if it does not run any more."""
        code = self.process.poll()
        if code is not None:
            message = f"{self.name} has ended with exit code {code}; it said:\n{self.said}"
            raise ServerEndedError(message)

    def stop(self) -> None:
        """End it, as its service manager would: with force, if it takes too long."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)


@contextmanager
def running_prometheus(
    configuration: Path, storage: Path, *, port: int = 0, arguments: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """A Prometheus that is ready, with more arguments if given; port 0 is any that is free.

    `storage` is where its database is, or will be; the log is beside it. Raises
    MissingServerError and StartError.
    """
    with _running(
        [
            _program(_PROMETHEUS),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={storage}",
            *arguments,
        ],
        storage,
        port,
    ) as server:
        yield server


@contextmanager
def running_alertmanager(
    configuration: Path, storage: Path, *, port: int = 0, arguments: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """An Alertmanager that is ready; see `running_prometheus`."""
    with _running(
        [
            _program(_ALERTMANAGER),
            f"--config.file={configuration}",
            f"--storage.path={storage}",
            "--cluster.listen-address=",
            *arguments,
        ],
        storage,
        port,
    ) as server:
        yield server


def check_installed() -> None:
    """Raise MissingServerError unless both can be started."""
    for names in _PACKAGES:
        _program(names)


def is_free(port: int) -> bool:
    """Whether one can listen on a port of loopback."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server((HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str], storage: Path, port: int) -> Iterator[RunningServer]:
    port = port or free_port()
    log = storage.with_name(f"{storage.name}.log")
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - a program that the user has installed
            [*command, f"--web.listen-address={HOST}:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C is for us: we end it after what uses it.
            start_new_session=True,
        )
    server = RunningServer(process=process, port=port, log=log)
    try:
        _await_ready(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _program(names: tuple[str, ...]) -> str:
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise MissingServerError(f"{names[0]} is not installed: apt-get install {_PACKAGES[names]}")


def _await_ready(server: RunningServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(server.port):
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"{server.name} did not become ready; it said:\n{server.said}")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200  # noqa: PLR2004 - "OK"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
