"""Asking for the test alert, and seeing it at each stage of the chain."""

from __future__ import annotations

from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.fingerprints import notice_key
from otel_token_monitor.alerts.testing import ask_for_test_alert, is_test_alert_asked
from otel_token_monitor.deployment.doctor.expositions import samples_of
from otel_token_monitor.deployment.doctor.travel import STAGES
from otel_token_monitor.deployment.http_api import ApiError
from otel_token_monitor.ledger import alert_book

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi, KnownAlert
    from otel_token_monitor.deployment.doctor.travel import Stage
    from otel_token_monitor.deployment.http_api import HttpApi
    from otel_token_monitor.deployment.prometheus_api import PrometheusApi
    from otel_token_monitor.ledger.guest import LedgerGuest

__all__ = ["RULE", "NotNowError", "TrialAlert"]

RULE: Final = "LLMTestAlert"
"""The rule that fires it."""

_GAUGE: Final = "otel_token_monitor_test_alert"
_NANO: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _NANO
# Until Prometheus has seen that it is over, and Alertmanager has told of that: before, it takes
# another for the same one, and tells nobody.
_ENDING_NS: Final = 2 * _MINUTE_NS
_METRICS, _PROMETHEUS, _ALERTMANAGER, _RECEIVER = STAGES


class NotNowError(Exception):
    """No test alert can be asked for now; the message says why, and what to do."""


class TrialAlert:
    """The test alert of one ledger. `clock` gives UTC nanoseconds."""

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        *,
        ledger_id: str,
        guest: LedgerGuest,
        metrics: HttpApi,
        prometheus: PrometheusApi,
        alertmanager: AlertmanagerApi,
        clock: Callable[[], int],
    ) -> None:
        self._ledger_id = ledger_id
        self._guest = guest
        self._metrics = metrics
        self._prometheus = prometheus
        self._alertmanager = alertmanager
        self._clock = clock
        self._began_ns = clock()
        self._trouble: ApiError | None = None
        self._known: KnownAlert | None = None

    def ask(self) -> bool:
        """Ask for it; False if the last one is still on its way, which is then watched instead.

        Raises NotNowError if that has arrived, or is ending, and LedgerError if the ledger cannot
        be written.
        """
        now_ns = self._clock()
        if self._asked(now_ns):
            if self.seen_ns(_ALERTMANAGER) is not None and self.seen_ns(_RECEIVER) is not None:
                raise NotNowError(f"the last test alert has arrived: {self._try_again(now_ns)}")
            return False
        if self._asked(now_ns - _ENDING_NS):
            raise NotNowError(f"the last test alert is just ending: {self._try_again(now_ns)}")
        self._guest.change(lambda connection: ask_for_test_alert(connection, now_ns))
        return True

    def seen_ns(self, stage: Stage) -> int | None:
        """When it came to a stage, or now if only that is known; None: it has not yet."""
        look = {
            _METRICS.name: self._in_metrics,
            _PROMETHEUS.name: self._in_prometheus,
            _ALERTMANAGER.name: self._in_alertmanager,
            _RECEIVER.name: self._at_receiver,
        }[stage.name]
        try:
            seen_ns = look()
        except ApiError as error:
            self._trouble = error
            return None
        self._trouble = None
        return seen_ns

    def reason(self, stage: Stage) -> str:
        """Why it may not have come to a stage."""
        if self._trouble is not None:
            return str(self._trouble)
        return {
            _METRICS.name: self._why_not_in_metrics,
            _PROMETHEUS.name: self._why_not_in_prometheus,
            _ALERTMANAGER.name: self._why_not_in_alertmanager,
            _RECEIVER.name: self._why_not_at_receiver,
        }[stage.name]()

    @property
    def receivers(self) -> tuple[str, ...]:
        """To whom Alertmanager sends it; none before it is there."""
        return () if self._known is None else self._known.receivers

    def _asked(self, now_ns: int) -> bool:
        def question(connection: sqlite3.Connection) -> bool:
            return is_test_alert_asked(connection, now_ns)

        return self._guest.ask(lambda reader: reader.query(question))

    def _try_again(self, now_ns: int) -> str:
        minutes = next(
            number
            for number in count(1)
            if not self._asked(now_ns + number * _MINUTE_NS)
            and not self._asked(now_ns + number * _MINUTE_NS - _ENDING_NS)
        )
        unit = "minute" if minutes == 1 else "minutes"
        return f"ask for another in {minutes} {unit}, when all have been told that it is over"

    def _in_metrics(self) -> int | None:
        answer = self._metrics.answer("/metrics")
        shown = answer.status == HTTPStatus.OK and any(
            sample.value for sample in samples_of(answer.body, (_GAUGE,))
        )
        return self._clock() if shown else None

    def _in_prometheus(self) -> int | None:
        fired = any(
            alert.state == "firing" and self._is_it(alert.labels)
            for alert in self._prometheus.alerts()
        )
        return self._clock() if fired else None

    def _in_alertmanager(self) -> int | None:
        found = [alert for alert in self._alertmanager.alerts() if self._is_it(alert.labels)]
        self._known = max(found, key=lambda alert: alert.starts_ns, default=None)
        return None if self._known is None else self._clock()

    def _at_receiver(self) -> int | None:
        if self._known is None:
            return None
        key = notice_key(self._known.fingerprint, self._known.starts_ns, "firing")

        def question(connection: sqlite3.Connection) -> int | None:
            return alert_book.noted_ns(connection, key)

        return self._guest.ask(lambda reader: reader.query(question))

    def _is_it(self, labels: object) -> bool:
        return (
            isinstance(labels, dict)
            and labels.get("alertname") == RULE
            and labels.get("ledger") == self._ledger_id
        )

    def _why_not_in_metrics(self) -> str:
        return (
            f"{self._metrics.address}/metrics does not show it: restart what serves it, if that is "
            "of an older release or reads another ledger"
        )

    def _why_not_in_prometheus(self) -> str:
        try:
            scraped = self._prometheus.query(f"{_GAUGE} == 1")
        except ApiError as error:
            return str(error)
        if scraped:
            return (
                f"Prometheus has scraped it, but its rule {RULE} does not fire: see "
                f"`otel-token-monitor rules check --prometheus {self._prometheus.address}`"
            )
        return (
            "Prometheus has not scraped it: its scrape_interval is longer than that perhaps; try a "
            "longer --timeout"
        )

    def _why_not_in_alertmanager(self) -> str:
        return (
            f"Prometheus does not deliver to {self._alertmanager.address}: its log says why; see "
            "that alerting: alertmanagers names this one"
        )

    def _why_not_at_receiver(self) -> str:
        if self._known is None:
            return "Alertmanager has forgotten it"
        if self._known.suppressed:
            return (
                f"a silence or an inhibition holds it back: see {self._alertmanager.address}/"
                "#/silences"
            )
        names = ", ".join(self._known.receivers)
        return (
            f"Alertmanager has it for {names}, but no monitor of this ledger has noted it: its log "
            "says whether the webhook failed (a wrong token, another address); or group_wait is "
            "longer than that, or the end of the last test alert was not told of yet"
        )
