"""Serving metrics from within the application, by whichever worker gets the port."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from otel_token_monitor.web.server import MetricsServer

__all__ = ["Serving"]

_log = logging.getLogger("otel_token_monitor")


class Serving:
    """A server, once its port can be had.

    `attempt` is called on the drain thread's tick: so `instrument()` waits for nothing, and a port
    that becomes free is taken over. `make_app` is called for the first attempt.
    """

    def __init__(self, make_app: Callable[[], ASGIApp], host: str, port: int) -> None:
        self._make_app = make_app
        self._host = host
        self._port = port
        self._server: MetricsServer | None = None
        self._said_taken = False

    @property
    def address(self) -> tuple[str, int] | None:
        """Where this process serves; None while it does not."""
        return None if self._server is None else self._server.address

    def attempt(self) -> None:
        """Begin to serve, if that can be done now."""
        if self.address is not None:
            return
        if self._server is None:
            # Imported here: it takes longer than all else, and not everyone serves.
            from otel_token_monitor.web.server import MetricsServer  # noqa: PLC0415

            self._server = MetricsServer(self._make_app, self._host, self._port)
        try:
            self._server.try_start()
        except OSError as error:
            self._say_once(logging.ERROR, "metrics cannot be served: %s", error)
            return
        address = self._server.address
        if address is not None:
            _log.info("metrics: http://%s:%d/metrics", *address)
        else:
            self._say_once(
                logging.INFO,
                "port %s of %s is taken, by another worker perhaps: this process goes on counting "
                "and takes the port over when it becomes free",
                self._port,
                self._host,
            )

    def detach(self) -> MetricsServer | None:
        """Give the server up: no attempt may be under way. Whoever called stops it."""
        server, self._server = self._server, None
        return server

    def forget_after_fork(self) -> None:
        """The parent keeps its port."""
        if self._server is not None:
            self._server.forget_after_fork()
        self._said_taken = False

    def _say_once(self, level: int, message: str, *arguments: object) -> None:
        if not self._said_taken:
            self._said_taken = True
            _log.log(level, message, *arguments)
