"""Why a test alert may not come further."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi
from otel_token_monitor.deployment.doctor.sight import metrics_api
from otel_token_monitor.deployment.doctor.travel import STAGES
from otel_token_monitor.deployment.doctor.trial import TrialAlert
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from tests.unit.deployment.canned import canned, of_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.deployment.canned import Canned

METRICS, PROMETHEUS, ALERTMANAGER, RECEIVER = STAGES
LABELS = {"alertname": "LLMTestAlert", "ledger": "1f2e"}


@contextmanager
def trial(directory: Path, answers: dict[str, Canned]) -> Iterator[tuple[TrialAlert, str]]:
    """A test alert where all servers are one, and its address."""
    guest = LedgerGuest(Location.in_directory(directory))
    with canned(answers) as server:
        alert = TrialAlert(
            ledger_id="1f2e",
            guest=guest,
            metrics=metrics_api(server.address, 5),
            prometheus=PrometheusApi(server.address),
            alertmanager=AlertmanagerApi(server.address),
            clock=lambda: 7,
        )
        yield alert, server.address


def known(state: str, **labels: str) -> Canned:
    alert = {
        "labels": LABELS | labels,
        "fingerprint": "f",
        "startsAt": "2026-11-24T03:43:15Z",
        "receivers": [{"name": "monitor"}],
        "status": {"state": state},
    }
    return of_json([alert])


def test_prometheus_has_not_scraped_it(tmp_path: Path) -> None:
    nothing = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with trial(tmp_path, {"/api/v1/query": of_json(nothing)}) as (alert, _):
        assert alert.reason(PROMETHEUS) == (
            "Prometheus has not scraped it: its scrape_interval is longer than that perhaps; try a "
            "longer --timeout"
        )


def test_prometheus_cannot_be_asked(tmp_path: Path) -> None:
    with trial(tmp_path, {}) as (alert, address):
        wanted = f"{address} is not Prometheus (it answers 404: 404 page not found): "
        assert alert.reason(PROMETHEUS).startswith(wanted)


def test_a_silence_holds_it_back(tmp_path: Path) -> None:
    with trial(tmp_path, {"/api/v2/alerts": known("suppressed")}) as (alert, address):
        assert alert.seen_ns(ALERTMANAGER) == 7
        assert alert.receivers == ("monitor",)
        assert alert.reason(RECEIVER) == (
            f"a silence or an inhibition holds it back: see {address}/#/silences"
        )


def test_that_of_another_ledger_is_another(tmp_path: Path) -> None:
    with trial(tmp_path, {"/api/v2/alerts": known("active", ledger="aaaa")}) as (alert, _):
        assert alert.seen_ns(ALERTMANAGER) is None
        assert alert.seen_ns(RECEIVER) is None
        assert alert.receivers == ()
        assert alert.reason(RECEIVER) == "Alertmanager has forgotten it"


def test_metrics_that_are_gone_show_nothing(tmp_path: Path) -> None:
    with trial(tmp_path, {}) as (alert, address):
        assert alert.seen_ns(METRICS) is None
        assert alert.reason(METRICS).startswith(f"{address}/metrics does not show it: ")
