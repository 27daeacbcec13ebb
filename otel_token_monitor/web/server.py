"""An HTTP server in a thread of its own, on a port that one process of many holds at a time."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

__all__ = ["MetricsServer"]

_THREAD_NAME: Final = "otel-token-monitor-web"
_BACKLOG: Final = 128
# Uvicorn's own grace for requests that are being answered, and what `stop` waits at most.
_GRACE_SECONDS: Final = 1
_STOP_SECONDS: Final = 2.0


class MetricsServer:
    """Serves an ASGI application on one address, if no other process does.

    Port 0 takes any free port. `app_factory` is called once the port is taken, in the thread of
    `try_start`. The server's thread is a daemon with an event loop of its own: it neither keeps
    the process alive nor touches the application's loop, signals or loggers.

    Not thread-safe: one thread at a time.
    """

    def __init__(self, app_factory: Callable[[], ASGIApp], host: str, port: int) -> None:
        self._app_factory = app_factory
        self._host = host
        self._port = port
        self._running: _Running | None = None
        self._inherited: list[_Running] = []

    @property
    def address(self) -> tuple[str, int] | None:
        """The numeric host and the real port; None while not serving."""
        return None if self._running is None else self._running.address

    def try_start(self) -> bool:
        """Take the port and serve; returns False if the port is taken.

        Does nothing when serving already. Raises OSError, which names the address, when it cannot
        be listened on for any other reason.
        """
        if self._running is not None:
            return True
        listener = _listen(self._host, self._port)
        if listener is None:
            return False
        try:
            self._running = _Running(self._app_factory(), listener)
        except BaseException:
            listener.close()
            raise
        return True

    def stop(self) -> None:
        """Give up the port, let running requests end, for 2 s at most; does nothing if stopped."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def forget_after_fork(self) -> None:
        """In a forked child: let go of the parent's port and connections, which stay the parent's.

        The server is then stopped, and may be started.
        """
        running, self._running = self._running, None
        if running is not None:
            running.release()
            # Collecting it could close numbers of files that are another's by then.
            self._inherited.append(running)


class _Running:
    """One run of a server: its socket, its thread."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        self._listener = listener
        _keep_quiet()
        self._server = uvicorn.Server(_config(app))
        self._thread = threading.Thread(target=self._serve, name=_THREAD_NAME, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        # A loop of the plain kind: the application's policy (uvloop, perhaps) is for its own loop.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._listener.close()

    def release(self) -> None:
        """Let go of what a fork has duplicated; the thread does not exist on this side.

        Had the child kept a connection, the client would not see when the parent closes it.
        """
        self._listener.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for connection in self._server.server_state.connections:
            number = connection.transport.get_extra_info("socket").fileno()
            if number >= 0:
                # The number stays in use, so that it is never mistaken for another file.
                os.dup2(nothing, number, inheritable=False)
        os.close(nothing)


class _Config(uvicorn.Config):
    """Uvicorn's configuration, without its changes to loggers that the whole process shares."""

    def configure_logging(self) -> None:
        """Do nothing: switching off the access log here would switch off the application's."""


class _Protocol(H11Protocol):
    """HTTP/1.1 without access log, whatever handlers the application's own has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


def _config(app: ASGIApp) -> uvicorn.Config:
    return _Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        workers=1,  # or WEB_CONCURRENCY, which is the application's, would be read
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _keep_quiet() -> None:
    """Keep uvicorn's chatter about this server out of the application's log; errors stay."""
    logging.getLogger("uvicorn.error").addFilter(_is_no_chatter)


def _is_no_chatter(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.threadName != _THREAD_NAME


def _listen(host: str, port: int) -> socket.socket | None:
    """A listening socket; None if the port is taken. Raises OSError that names the address."""
    try:
        family, address = _resolve(host, port)
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _explained(host, port, error) from error
    try:
        # After a restart the port is free at once. Not SO_REUSEPORT, with which a second process
        # would listen beside the first and get every other scrape.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two processes may both have bound; only one of them can listen.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise _explained(host, port, error) from error
    return listener


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The address to listen on; of several, such as localhost's, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, address


def _explained(host: str, port: int, error: OSError | UnicodeError) -> OSError:
    message = (
        f"cannot serve metrics on {host}:{port} ({error}): set a host and port of this machine"
    )
    number = error.errno if isinstance(error, OSError) else None
    if number is None or isinstance(error, socket.gaierror):
        return OSError(message)
    return OSError(number, message)
