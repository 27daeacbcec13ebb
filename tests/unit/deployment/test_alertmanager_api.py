"""What an Alertmanager knows."""

from __future__ import annotations

import pytest

from otel_token_monitor.deployment.alertmanager_api import (
    AlertmanagerApi,
    KnownAlert,
    Matcher,
    Silence,
)
from otel_token_monitor.deployment.http_api import WrongAnswerError
from tests.unit.deployment.canned import Canned, canned, html, of_json, plain

SECOND = 1_000_000_000
STATUS = "/api/v2/status"
CONFIGURED = {STATUS: of_json({"config": {"original": "route: {}\n"}})}


def test_its_configuration_is_the_text_that_it_goes_by() -> None:
    with canned(CONFIGURED) as server:
        assert AlertmanagerApi(server.address).configuration() == "route: {}\n"


def test_it_is_ready_when_it_tells_its_configuration() -> None:
    with canned(CONFIGURED) as server:
        AlertmanagerApi(server.address).ready()
        assert [path for path, _ in server.asked] == ["/-/ready", STATUS]


def test_one_that_starts_is_not_ready() -> None:
    with canned({"/-/ready": plain("not yet", 503)}) as server:
        with pytest.raises(WrongAnswerError) as raised:
            AlertmanagerApi(server.address).ready()
        assert str(raised.value) == (
            f"{server.address} answers 503 (not yet): it is starting, stopping or overloaded: try "
            "again, and see Alertmanager's log"
        )


@pytest.mark.parametrize(("state", "suppressed"), [("suppressed", True), ("active", False)])
def test_alerts_are_known_by_fingerprint_and_start(state: str, *, suppressed: bool) -> None:
    alert = {
        "labels": {"alertname": "Down"},
        "fingerprint": "6b55232fe01e8901",
        "startsAt": "1970-01-01T00:00:01.250Z",
        "receivers": [{"name": "monitor"}, {"name": "slack"}],
        "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
    }
    with canned({"/api/v2/alerts": of_json([alert])}) as server:
        assert AlertmanagerApi(server.address).alerts() == (
            KnownAlert(
                labels={"alertname": "Down"},
                fingerprint="6b55232fe01e8901",
                starts_ns=SECOND * 5 // 4,
                receivers=("monitor", "slack"),
                suppressed=suppressed,
            ),
        )


def test_silences_are_those_that_are_active() -> None:
    matcher = {"name": "alertname", "value": "LLM.*", "isRegex": True}
    silence = {
        "matchers": [matcher],
        "endsAt": "1970-01-01T00:01:00Z",
        "createdBy": "me",
    }
    silences = [silence | {"status": {"state": state}} for state in ("expired", "active")]
    with canned({"/api/v2/silences": of_json(silences)}) as server:
        assert AlertmanagerApi(server.address).silences() == (
            Silence(
                matchers=(Matcher(name="alertname", value="LLM.*", is_regex=True),),
                ends_ns=60 * SECOND,
                created_by="me",
            ),
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (html(), "a page of HTML"),
        (plain("404 page not found", 404), "404: 404 page not found"),
        (of_json({"status": "success"}), "other JSON"),
    ],
)
def test_another_server_is_told_from_alertmanager(answer: Canned, kind: str) -> None:
    with canned({STATUS: answer}) as server:
        with pytest.raises(WrongAnswerError) as raised:
            AlertmanagerApi(server.address).configuration()
        assert str(raised.value) == (
            f"{server.address} is not Alertmanager (it answers {kind}): give its address with "
            "--alertmanager, with the path if it has one"
        )


def test_its_own_metrics_may_be_elsewhere() -> None:
    with canned({"/metrics": plain("up 1\n")}) as server:
        assert AlertmanagerApi(server.address).metrics() == "up 1\n"
    with canned({}) as server:
        assert AlertmanagerApi(server.address).metrics() is None
