"""What a Prometheus knows, and what is said when somebody else answers, or nobody."""

from __future__ import annotations

from typing import Any

import pytest

from otel_token_monitor.deployment.http_api import (
    WrongAnswerError,
)
from otel_token_monitor.deployment.prometheus_api import (
    FiringAlert,
    LoadedRule,
    PrometheusApi,
    Sample,
    Target,
)
from tests.unit.deployment.canned import Canned, canned, html, of_json, plain

QUERY = "/api/v1/query"
SECOND = 1_000_000_000


def data(document: object) -> Canned:
    return of_json({"status": "success", "data": document})


def one_sample(value: str) -> Canned:
    sample = {"metric": {"__name__": "up", "job": "shop"}, "value": [1795491795.5, value]}
    return data({"resultType": "vector", "result": [sample]})


def message_of(answers: dict[str, Canned]) -> str:
    """What is said of a server with these answers; its address is A."""
    with canned(answers) as server:
        with pytest.raises(WrongAnswerError) as raised:
            PrometheusApi(server.address).query("up")
        return str(raised.value).replace(server.address, "A")


def test_samples_have_labels_a_value_and_the_time_of_that_server() -> None:
    with canned({QUERY: one_sample("3.5")}) as server:
        assert PrometheusApi(server.address).query("up{}") == (
            Sample(labels={"__name__": "up", "job": "shop"}, value=3.5, time=1795491795.5),
        )
        assert server.asked == [(QUERY, {"query": ["up{}"]})]


def test_a_scalar_is_one_sample_without_labels() -> None:
    scalar = data({"resultType": "scalar", "result": [7, "+Inf"]})
    with canned({QUERY: scalar}) as server:
        assert PrometheusApi(server.address).query("time()") == (
            Sample(labels={}, value=float("inf"), time=7.0),
        )


def test_samples_that_are_histograms_are_left_out() -> None:
    histogram = {"metric": {}, "histogram": [7, {"count": "1"}]}
    with canned({QUERY: data({"resultType": "vector", "result": [histogram]})}) as server:
        assert PrometheusApi(server.address).query("x") == ()


def test_rules_come_with_what_they_are_and_how_they_do() -> None:
    alert: dict[str, Any] = {
        "type": "alerting",
        "name": "Down",
        "query": "up == 0",
        "duration": 300,
        "keepFiringFor": 60,
        "labels": {"severity": "info"},
        "annotations": {"summary": "Down."},
        "state": "firing",
        "health": "err",
        "lastError": "too many",
    }
    record = {"type": "recording", "name": "a:b", "query": "sum(x)", "health": "unknown"}
    groups = [{"name": "g", "file": "/etc/g.yml", "rules": [alert, record]}]
    with canned({"/api/v1/rules": data({"groups": groups})}) as server:
        assert PrometheusApi(server.address).rules() == (
            LoadedRule(
                group="g",
                file="/etc/g.yml",
                kind="alerting",
                name="Down",
                expression="up == 0",
                labels={"severity": "info"},
                annotations={"summary": "Down."},
                hold=300,
                keep_firing=60,
                state="firing",
                health="err",
                last_error="too many",
            ),
            LoadedRule(
                group="g",
                file="/etc/g.yml",
                kind="recording",
                name="a:b",
                expression="sum(x)",
                labels={},
                annotations={},
                hold=0,
                keep_firing=0,
                state="",
                health="unknown",
                last_error="",
            ),
        )


@pytest.mark.parametrize(
    ("scraped", "nanoseconds"),
    [("0001-01-01T00:00:00Z", None), ("1970-01-01T01:00:00.25+01:00", SECOND // 4)],
)
def test_a_target_has_its_last_scrape_if_there_was_one(
    scraped: str, nanoseconds: int | None
) -> None:
    target = {
        "labels": {"job": "j"},
        "scrapeUrl": "http://x:1/metrics",
        "health": "up",
        "lastError": "",
        "lastScrape": scraped,
        "scrapeInterval": "1m30s",
    }
    with canned({"/api/v1/targets": data({"activeTargets": [target]})}) as server:
        assert PrometheusApi(server.address).targets() == (
            Target(
                labels={"job": "j"},
                url="http://x:1/metrics",
                health="up",
                last_error="",
                last_scrape_ns=nanoseconds,
                interval=90.0,
            ),
        )
        assert server.asked == [("/api/v1/targets", {"state": ["active"]})]


def test_alertmanagers_are_known_by_their_addresses() -> None:
    active = [{"url": "http://a:9093/api/v2/alerts"}, {"url": "http://b/path/api/v1/alerts"}]
    answer = data({"activeAlertmanagers": active, "droppedAlertmanagers": []})
    with canned({"/api/v1/alertmanagers": answer}) as server:
        assert PrometheusApi(server.address).alertmanagers() == ("http://a:9093", "http://b/path")


def test_alerts_are_pending_or_firing() -> None:
    alert = {
        "labels": {"alertname": "Down"},
        "annotations": {},
        "state": "pending",
        "activeAt": "1970-01-01T00:00:02Z",
        "value": "1e+00",
    }
    with canned({"/api/v1/alerts": data({"alerts": [alert]})}) as server:
        assert PrometheusApi(server.address).alerts() == (
            FiringAlert(
                labels={"alertname": "Down"},
                annotations={},
                state="pending",
                active_ns=2 * SECOND,
            ),
        )


def test_an_expression_is_formatted_where_there_is_such_a_service() -> None:
    with canned({"/api/v1/format_query": data("sum (x)")}) as server:
        assert PrometheusApi(server.address).format_query("sum(x)") == "sum (x)"
    with canned({}) as server:
        assert PrometheusApi(server.address).format_query("sum(x)") is None


@pytest.mark.parametrize(("info", "failed"), [({"reloadConfigSuccess": False}, True), ({}, False)])
def test_a_configuration_that_cannot_be_loaded_is_seen(info: object, *, failed: bool) -> None:
    with canned({"/api/v1/status/runtimeinfo": data(info)}) as server:
        assert PrometheusApi(server.address).reload_failed() is failed


@pytest.mark.parametrize(
    ("info", "nanoseconds"),
    [({"lastConfigTime": "1970-01-01T00:00:03Z"}, 3 * SECOND), ({}, None)],
)
def test_when_its_configuration_was_loaded(info: object, nanoseconds: int | None) -> None:
    with canned({"/api/v1/status/runtimeinfo": data(info)}) as server:
        assert PrometheusApi(server.address).loaded_ns() == nanoseconds


def test_its_own_metrics_may_be_elsewhere() -> None:
    with canned({"/metrics": plain("up 1\n")}) as server:
        assert PrometheusApi(server.address).metrics() == "up 1\n"
    with canned({}) as server:
        assert PrometheusApi(server.address).metrics() is None


def test_it_may_have_a_path_and_a_password() -> None:
    with canned({f"/prometheus{QUERY}": one_sample("1")}) as server:
        address = f"http://me:secret@127.0.0.1:{server.server_port}/prometheus/"
        api = PrometheusApi(address)
        assert [sample.value for sample in api.query("up")] == [1.0]
        assert server.authorizations == ["Basic bWU6c2VjcmV0"]
        assert api.address == f"{server.address}/prometheus"


def test_an_address_without_a_scheme_is_of_http() -> None:
    assert PrometheusApi("localhost:9090").address == "http://localhost:9090"


def test_it_is_ready_when_it_answers_queries_whatever_else_it_has() -> None:
    with canned({QUERY: one_sample("1")}) as server:
        PrometheusApi(server.address).ready()
        assert [path for path, _ in server.asked] == ["/-/ready", QUERY]


def test_one_that_starts_is_not_ready() -> None:
    with canned({"/-/ready": plain("Service Unavailable", 503)}) as server:
        with pytest.raises(WrongAnswerError) as raised:
            PrometheusApi(server.address).ready()
        assert str(raised.value) == (
            f"{server.address} answers 503 (Service Unavailable): it is starting, stopping or "
            "overloaded: try again, and see Prometheus's log"
        )


def test_a_query_that_it_refuses_is_explained_in_its_words() -> None:
    refused = of_json({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400)
    assert message_of({QUERY: refused}) == "A answers 400 (parse error): see the log of Prometheus"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (html(), "a page of HTML"),
        (html(404), "404"),
        (plain("404 page not found", 404), "404: 404 page not found"),
        (plain("hello"), "text/plain"),
        (of_json(["hello"]), "other JSON"),
        (of_json({"status": "ok"}), "other JSON"),
        (data({"result": 3}), "other JSON"),
        (Canned(200, "application/json", "{"), "other JSON"),
        (Canned(200, "", ""), "no type of content"),
    ],
)
def test_another_server_is_told_from_prometheus(answer: Canned, kind: str) -> None:
    assert message_of({QUERY: answer}) == (
        f"A is not Prometheus (it answers {kind}): give its address with --prometheus, with the "
        "path if it has one"
    )
