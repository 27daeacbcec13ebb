"""One ledger over HTTP, from a process that counts nothing itself."""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.report import Report, take_report
from otel_token_monitor.views.scrape import Scrape, take_scrape
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.server import MetricsServer
from otel_token_monitor.web.sources import ServerStatus, Sources
from otel_token_monitor.web.watching import GuestWatch

if TYPE_CHECKING:
    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.database import Location

__all__ = ["StandaloneServer"]


class StandaloneServer:
    """Serves the ledger at `location`, whoever writes it, where `config` says.

    A ledger that is missing is picked up when it appears; it is never created. Its budgets are
    watched, and alerts delivered that other processes left there, unless `auto_monitor` is False.
    """

    def __init__(self, location: Location, config: TokenMonitorConfig) -> None:
        self._location = location
        self._guest = LedgerGuest(location)
        self._watch: GuestWatch | None = None
        if config.auto_monitor is not False:
            self._watch = GuestWatch(self._guest, config, self._url)
        registry = CollectorRegistry()
        registry.register(TokenCollector(self._scrape, HealthReading, histograms=config.histograms))
        # Where no application has said its limits, those of this process hold.
        self._fallback = Policy.of(config)
        sources = Sources(
            registry=registry,
            status=self.status,
            report=self.report,
            receive=None if self._watch is None else self._watch.receive,
            alerts_token=config.read_alerts_token,
        )
        self._server = MetricsServer(partial(create_app, sources), config.host, config.port)

    @property
    def address(self) -> tuple[str, int] | None:
        """The numeric host and the real port; None while not serving."""
        return self._server.address

    def try_start(self) -> bool:
        """Take the port, serve and watch; returns False if the port is taken.

        Raises OSError, which names the address, when it cannot be listened on.
        """
        if not self._server.try_start():
            return False
        if self._watch is not None:
            self._watch.start()
        return True

    def stop(self) -> None:
        """Give up the port, deliver for at most two seconds what is due, let go of the ledger."""
        self._server.stop()
        if self._watch is not None:
            self._watch.stop()
        self._guest.close()

    def status(self) -> ServerStatus:
        """What `/healthz` tells: above all whether the ledger can be read now."""
        return ServerStatus(
            version=version("otel-token-monitor"),
            ledger=str(self._location),
            trouble=self._trouble(),
        )

    def report(self, project: str | None = None, *, hours: bool = False) -> Report:
        """What the ledger says now, of all projects or of one. Raises LedgerError."""
        return self._guest.ask(
            lambda reader: take_report(
                reader, self._fallback, time.time_ns(), project=project, hours=hours
            )
        )

    def _trouble(self) -> str | None:
        try:
            self._guest.ask(lambda reader: reader.totals(0, 0))
        except LedgerError as error:
            return str(error)
        return None

    def _scrape(self) -> Scrape:
        return self._guest.ask(lambda reader: take_scrape(reader, self._fallback, time.time_ns()))

    def _url(self) -> str:
        if self.address is None:
            return ""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
