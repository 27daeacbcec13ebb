"""The whole chain, looked at link by link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_token_monitor.config import ConfigError
from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi
from otel_token_monitor.deployment.doctor.alerting import judge_alertmanager, webhook_of
from otel_token_monitor.deployment.doctor.findings import Diagnosis
from otel_token_monitor.deployment.doctor.ledger_sight import look_at_ledger
from otel_token_monitor.deployment.doctor.ledgers import (
    LedgerSeen,
    judge_application,
    judge_ledger,
)
from otel_token_monitor.deployment.doctor.metrics import judge_metrics
from otel_token_monitor.deployment.doctor.receiving import ReceiverSeen, judge_receiver
from otel_token_monitor.deployment.doctor.ruling import RulesSeen, judge_rules
from otel_token_monitor.deployment.doctor.scraping import Wanted, judge_prometheus
from otel_token_monitor.deployment.doctor.sight import (
    METRICS,
    look_at_alertmanager,
    look_at_metrics,
    look_at_prometheus,
    look_at_receiver,
    look_at_rules,
    metrics_api,
    notifications,
)
from otel_token_monitor.deployment.http_api import ApiError, UnknownHostError
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from otel_token_monitor.ledger.database import Location

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.deployment.doctor.alerting import AlertmanagerSeen
    from otel_token_monitor.deployment.doctor.metrics import MetricsSeen
    from otel_token_monitor.deployment.http_api import HttpApi
    from otel_token_monitor.deployment.routing import Webhook

__all__ = ["ALERTMANAGER", "PROMETHEUS", "Chain", "Examined", "Places"]

PROMETHEUS: Final = "http://localhost:9090"
ALERTMANAGER: Final = "http://localhost:9093"
_TIMEOUT: Final = 5.0
_IN_MEMORY: Final = ":memory:"
_ANY_HOST: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the links are.

    None: /metrics is where the configuration says, Alertmanager where Prometheus finds it.
    """

    metrics: str | None = None
    prometheus: str = PROMETHEUS
    alertmanager: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The diagnosis, and what was seen on the way that a test alert needs.

    `received_here`: what Alertmanager sends is noted in this ledger.
    """

    diagnosis: Diagnosis
    ledger: LedgerSeen
    metrics: MetricsSeen | None
    alertmanager: AlertmanagerApi
    received_here: bool


class Chain:
    """The servers of a chain; `clock` gives UTC nanoseconds. Raises ApiError for no address."""

    def __init__(
        self, settings: TokenMonitorConfig, places: Places, clock: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._places = places
        self._clock = clock
        address = places.metrics or _served_at(settings)
        self.metrics: HttpApi | None = None if address is None else metrics_api(address, _TIMEOUT)
        self.prometheus = PrometheusApi(places.prometheus, timeout=_TIMEOUT)
        self._alertmanager = AlertmanagerApi(places.alertmanager or ALERTMANAGER, timeout=_TIMEOUT)

    @property
    def location(self) -> Location | None:
        """The ledger's file; None if it is in an application's memory."""
        if self._settings.data_dir == _IN_MEMORY:
            return None
        return Location.in_directory(Path(self._settings.data_dir))

    def examine(self) -> Examined:
        """Look at every link."""
        now_ns = self._clock()
        ledger = self._ledger()
        metrics = None if self.metrics is None else look_at_metrics(self.metrics)
        ledger_id = ledger.ledger_id
        if ledger_id is None and metrics is not None and len(metrics.ledgers) == 1:
            (ledger_id,) = metrics.ledgers
        wanted = Wanted(
            ledger_id=ledger_id,
            metrics=None if metrics is None else metrics.address,
            per_minute=ledger.per_minute,
        )
        prometheus = look_at_prometheus(self.prometheus, self._clock)
        reached = prometheus.trouble is None
        rules = (
            look_at_rules(self.prometheus)
            if reached
            else RulesSeen(address=prometheus.address, reached=False)
        )
        asked, alertmanager = self._look_at_alertmanager(reached=reached)
        receiver = self._look_at_receiver(asked, alertmanager, wanted.metrics)
        data_dir = self._settings.data_dir
        links = (
            judge_application(ledger, now_ns),
            judge_ledger(ledger, now_ns),
            judge_metrics(metrics, ledger, data_dir, version("otel-token-monitor"), now_ns),
            judge_prometheus(prometheus, wanted),
            judge_rules(rules),
            judge_alertmanager(alertmanager),
            judge_receiver(receiver),
        )
        return Examined(
            diagnosis=Diagnosis(now_ns=now_ns, links=links),
            ledger=ledger,
            metrics=metrics,
            alertmanager=asked,
            received_here=receiver.needed and ledger_id in _ledgers_at(receiver.url, metrics),
        )

    def _ledger(self) -> LedgerSeen:
        location = self.location
        if location is None:
            return LedgerSeen(place=_IN_MEMORY, in_memory=True)
        return look_at_ledger(location, self._settings)

    def _look_at_alertmanager(self, *, reached: bool) -> tuple[AlertmanagerApi, AlertmanagerSeen]:
        """The one that was named, else the first that Prometheus notifies, if its host is known."""
        prometheus = self.prometheus if reached else None
        if prometheus is not None and self._places.alertmanager is None:
            try:
                for address in prometheus.alertmanagers()[:1]:
                    api = AlertmanagerApi(address, timeout=_TIMEOUT)
                    seen = look_at_alertmanager(api, prometheus)
                    if not isinstance(seen.trouble, UnknownHostError):
                        return api, seen
            except ApiError:
                pass  # which the next look says, too
        return self._alertmanager, look_at_alertmanager(self._alertmanager, prometheus)

    def _look_at_receiver(
        self, asked: AlertmanagerApi, alertmanager: AlertmanagerSeen, metrics: str | None
    ) -> ReceiverSeen:
        webhook = _webhook(alertmanager)
        token = _own_token(self._settings)
        at_home = None if self.metrics is None else f"{self.metrics.address}/alerts"
        url = at_home if webhook is None or webhook.url is None else webhook.url
        if url is None:
            return ReceiverSeen(url=None)
        seen = look_at_receiver(url, webhook, token, metrics, _TIMEOUT)
        if isinstance(seen.trouble, UnknownHostError) and at_home is not None:
            # A name that only containers know.
            seen = look_at_receiver(at_home, webhook, token, metrics, _TIMEOUT)
        if alertmanager.trouble is not None:
            # What it would send is not known, so the receiver had better be there.
            return replace(seen, needed=True, authorized=True)
        try:
            sent, failed = notifications(asked)
        except ApiError:
            return seen
        return replace(seen, sent=sent, failed=failed)


def _served_at(settings: TokenMonitorConfig) -> str | None:
    """Where the configuration has /metrics served; None if the port is any."""
    if not settings.port:
        return None
    host = "localhost" if settings.host in _ANY_HOST else settings.host
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _ledgers_at(receiver: str | None, metrics: MetricsSeen | None) -> frozenset[str]:
    """The ledgers that who receives alerts shows; `metrics` were looked at already."""
    if receiver is None:
        return frozenset()
    try:
        api = metrics_api(receiver.removesuffix("/alerts"), _TIMEOUT)
    except ApiError:
        return frozenset()
    if metrics is not None and metrics.address == api.address + METRICS:
        return metrics.ledgers
    return look_at_metrics(api).ledgers


def _own_token(settings: TokenMonitorConfig) -> str | None:
    try:
        return settings.read_alerts_token()
    except ConfigError:
        # The monitor's own may be another; what it answers tells.
        return None


def _webhook(alertmanager: AlertmanagerSeen) -> Webhook | None:
    try:
        return webhook_of(alertmanager.configuration) if alertmanager.configuration else None
    except ValueError:
        return None
