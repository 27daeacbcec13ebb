"""Where the links of a chain are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi
from otel_token_monitor.deployment.doctor.examination import Chain, Places
from otel_token_monitor.deployment.doctor.sight import look_at_alertmanager, look_at_receiver
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from otel_token_monitor.deployment.routing import Webhook
from tests.unit.cli.invoking import NOW
from tests.unit.deployment.canned import canned, of_json, plain
from tests.unit.deployment.doctor.findings import said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.deployment.canned import Canned, CannedServer

HERE = "http://localhost:1"
ROUTE = """
route: {receiver: a, group_by: [severity]}
receivers: [{name: a, webhook_configs: [{url: "%s"}]}]
"""


def data(document: object) -> Canned:
    return of_json({"status": "success", "data": document})


def chain(tmp_path: Path, places: Places, **settings: Any) -> Chain:
    config = TokenMonitorConfig(environ={}, data_dir=tmp_path, **settings)
    return Chain(config, places, lambda: NOW)


def link_of(found: Chain, name: str) -> str:
    """What is said of a link."""
    (link,) = [link for link in found.examine().diagnosis.links if link.name == name]
    return said(link)


def test_metrics_are_where_the_configuration_has_them_served(tmp_path: Path) -> None:
    for host, address in (
        ("localhost", "http://localhost:4321"),
        ("0.0.0.0", "http://localhost:4321"),  # noqa: S104 - nobody listens
        ("::1", "http://[::1]:4321"),
    ):
        found = chain(tmp_path, Places(), host=host, port=4321)
        assert found.metrics is not None
        assert found.metrics.address == address
    assert chain(tmp_path, Places(), port=0).metrics is None


def test_where_the_port_is_any_neither_metrics_nor_receiver_are_looked_at(tmp_path: Path) -> None:
    found = chain(tmp_path, Places(prometheus=HERE, alertmanager=HERE), port=0)
    assert link_of(found, "/metrics").startswith("skipped: ")
    assert link_of(found, "receiver").startswith("skipped: ")


def alertmanager(webhook: str) -> dict[str, Canned]:
    return {
        "/api/v2/status": of_json({"config": {"original": ROUTE % webhook}}),
        "/api/v2/silences": of_json([]),
    }


def receiver_of(tmp_path: Path, monitor: CannedServer, answers: dict[str, Canned]) -> str:
    """What is said of the receiver where Alertmanager answers so."""
    with canned(answers) as manager:
        places = Places(metrics=monitor.address, prometheus=HERE, alertmanager=manager.address)
        return link_of(chain(tmp_path, places), "receiver")


def test_a_webhook_whose_address_is_hidden_or_known_to_containers_only_may_be_ours(
    tmp_path: Path,
) -> None:
    with canned({"/alerts": of_json({"error": "no token"}, 403)}) as monitor:
        wanted = f"broken: {monitor.address}/alerts takes no alerts: no token is set there."
        for url in ("<secret>", "http://monitor.invalid:9464/alerts"):
            said_of_it = receiver_of(tmp_path, monitor, alertmanager(url))
            assert said_of_it.startswith(wanted)


def test_what_alertmanager_has_failed_to_send_is_told(tmp_path: Path) -> None:
    counted = (
        'alertmanager_notifications_total{integration="webhook"} 7\n'
        'alertmanager_notifications_total{integration="slack"} 9\n'
        'alertmanager_notifications_failed_total{integration="webhook",reason="other"} 1\n'
        'alertmanager_notifications_failed_total{integration="webhook",reason="clientError"} 2\n'
    )
    with canned({"/alerts": of_json({}, 403)}) as monitor:
        answers = alertmanager(f"{monitor.address}/alerts") | {"/metrics": plain(counted)}
        said_of_it = receiver_of(tmp_path, monitor, answers)
    assert "\nwarning: 3 of 7 webhook notifications of Alertmanager failed since it" in said_of_it


def test_a_receiver_that_nobody_sends_to_is_not_looked_for(tmp_path: Path) -> None:
    with canned({}) as monitor:
        said_of_it = receiver_of(tmp_path, monitor, alertmanager("http://elsewhere/hook"))
        assert said_of_it == f"skipped: Alertmanager sends nothing to {monitor.address}/alerts."


def test_where_alertmanager_cannot_be_asked_the_receiver_had_better_be_there(
    tmp_path: Path,
) -> None:
    with canned({"/alerts": of_json({}, 401)}) as monitor:
        assert receiver_of(tmp_path, monitor, {}) == (
            f"ok: {monitor.address}/alerts asks for a token, which cannot be compared from here."
        )


def test_a_token_that_cannot_be_read_here_is_left_out(tmp_path: Path) -> None:
    with canned({"/alerts": of_json({}, 401)}) as monitor:
        places = Places(metrics=monitor.address, prometheus=HERE, alertmanager=HERE)
        found = chain(tmp_path, places, alerts_token_file=str(tmp_path / "none"))
        assert link_of(found, "receiver").startswith("ok: ")
        assert monitor.authorizations == [None, None]
        hook = Webhook(
            receiver="a", url=None, authorized=True, credentials_file=str(tmp_path / "none")
        )
        seen = look_at_receiver(f"{monitor.address}/alerts", hook, None, None, 5)
        assert (seen.bare, seen.ours, seen.theirs) == (401, None, None)


def test_an_error_that_a_receiver_does_not_explain() -> None:
    with canned({"/alerts": plain("down", 503)}) as monitor:
        seen = look_at_receiver(f"{monitor.address}/alerts", None, None, None, 5)
        assert seen.said == "it does not say why"


def test_failed_notifications_are_those_of_late_where_prometheus_scrapes_itself() -> None:
    of_late = data({"resultType": "vector", "result": [{"metric": {}, "value": [0, "1.9"]}]})
    none = data({"resultType": "vector", "result": []})
    since = plain(
        'prometheus_notifications_errors_total{alertmanager="a"} 4\n'
        "prometheus_notifications_dropped_total 1\n"
    )
    for query, failed, lately in ((of_late, 2, True), (none, 5, False)):
        active = [{"url": "http://a:9093/api/v2/alerts"}]
        answers = {
            "/api/v1/query": query,
            "/api/v1/alertmanagers": data({"activeAlertmanagers": active}),
            "/metrics": since,
        }
        with canned(answers) as server, canned(alertmanager("http://a/alerts")) as manager:
            seen = look_at_alertmanager(
                AlertmanagerApi(manager.address), PrometheusApi(server.address)
            )
        assert (seen.failed, seen.lately) == (failed, lately)
        assert (seen.trouble, seen.notified) == (None, ("http://a:9093",))
