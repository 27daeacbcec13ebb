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
    "MissingServerError",
    "RunningServer",
    "StartError",
    "free_port",
    "running_alertmanager",
    "running_prometheus",
]

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0
_LOG_LETTERS: Final = 2000

# Debian's name, and that of the project's own archives.
_PROMETHEUS: Final = ("prometheus",)
_ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")


class MissingServerError(Exception):
    """A server is not installed."""


class StartError(Exception):
    """A server did not become ready; the message has the end of its log."""


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

    def stop(self) -> None:
        """End it, as its service manager would."""
        self.process.terminate()
        self.process.wait(_STOP_SECONDS)

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
            _program(_PROMETHEUS, "prometheus"),
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
            _program(_ALERTMANAGER, "prometheus-alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={storage}",
            "--cluster.listen-address=",
            *arguments,
        ],
        storage,
        port,
    ) as server:
        yield server


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


def _program(names: Sequence[str], package: str) -> str:
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise MissingServerError(f"{names[0]} is not installed: apt-get install {package}")


def _await_ready(server: RunningServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(server.port):
        if server.process.poll() is not None or time.monotonic() > deadline:
            said = server.log.read_text(errors="replace")[-_LOG_LETTERS:]
            name = Path(str(server.process.args[0])).name  # type: ignore[index]
            raise StartError(f"{name} did not become ready; it said:\n{said}")
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
