"""One ledger over HTTP, from a process that counts nothing itself."""

from __future__ import annotations

import threading
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.report import Report, take_report
from otel_token_monitor.views.scrape import Scrape, take_scrape
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.server import MetricsServer
from otel_token_monitor.web.sources import ServerStatus, Sources

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
        registry.register(TokenCollector(self._scrape, HealthReading, histograms=config.histograms))
        # Where no application has said its limits, those of this process hold.
        self._fallback = Policy.of(config)
        sources = Sources(
            registry=registry,
            status=self.status,
            report=self.report,
            alerts_token=config.read_alerts_token,
        )
        self._server = MetricsServer(partial(create_app, sources), config.host, config.port)

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

    def report(self, project: str | None = None, *, hours: bool = False) -> Report:
        """What the ledger says now, of all projects or of one. Raises LedgerError."""
        with self._reading:
            return take_report(
                self._reader, self._fallback, time.time_ns(), project=project, hours=hours
            )

    def _trouble(self) -> str | None:
        try:
            with self._reading:
                self._reader.totals(0, 0)
        except LedgerError as error:
            return str(error)
        return None

    def _scrape(self) -> Scrape:
        with self._reading:
            return take_scrape(self._reader, self._fallback, time.time_ns())
