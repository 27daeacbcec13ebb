"""One ledger over HTTP, from a process that counts nothing itself."""

from __future__ import annotations

import threading
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.reader import Exposition, LedgerReader
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.summary import today, tokens_by_project
from otel_token_monitor.web.app import ServerStatus, create_app
from otel_token_monitor.web.server import MetricsServer

if TYPE_CHECKING:
    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.database import Location

__all__ = ["StandaloneServer"]


class StandaloneServer:
    """Serves the ledger at `location`, whoever writes it, where `config` says.

    A ledger that is missing is picked up when it appears; it is never created.
    """

    def __init__(self, location: Location, config: TokenMonitorConfig) -> None:
        self._location = location
        self._reader = LedgerReader(location)
        # Requests are answered in several threads, and a reader serves one at a time.
        self._reading = threading.Lock()
        registry = CollectorRegistry()
        registry.register(
            TokenCollector(self._exposition, HealthReading, histograms=config.histograms)
        )
        self._server = MetricsServer(
            partial(create_app, registry, status=self.status, tokens_today=self._tokens_today),
            config.host,
            config.port,
        )

    @property
    def address(self) -> tuple[str, int] | None:
        """The numeric host and the real port; None while not serving."""
        return self._server.address

    def try_start(self) -> bool:
        """Take the port and serve; returns False if the port is taken.

        Raises OSError, which names the address, when it cannot be listened on.
        """
        return self._server.try_start()

    def stop(self) -> None:
        """Give up the port."""
        self._server.stop()
        with self._reading:
            self._reader.close()

    def status(self) -> ServerStatus:
        """What `/healthz` tells: above all whether the ledger can be read now."""
        return ServerStatus(
            version=version("otel-token-monitor"),
            ledger=str(self._location),
            trouble=self._trouble(),
        )

    def _trouble(self) -> str | None:
        try:
            with self._reading:
                self._reader.totals(0, 0)
        except LedgerError as error:
            return str(error)
        return None

    def _exposition(self) -> Exposition:
        with self._reading:
            return self._reader.exposition()

    def _tokens_today(self) -> dict[str, int] | None:
        try:
            with self._reading:
                return tokens_by_project(today(self._reader))
        except LedgerError:
            return None
