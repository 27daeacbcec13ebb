"""The application's answers, through Starlette's test client."""

from __future__ import annotations

import gzip
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter

from otel_token_monitor.ledger.errors import LedgerError, LedgerVersionError
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.scrape import Scrape
from otel_token_monitor.web.sources import ServerStatus
from tests.unit.web.ledgers import (
    broken_sources,
    call,
    client_of,
    reader_of,
    report_of,
    sources_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric
    from starlette.testclient import TestClient

    from otel_token_monitor.views.report import Report

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
COST_LINE = (
    'llm_cost_usd_total{endpoint="responses",model="gpt-5",project="shop",provider="openai"} 0.25'
)
PATHS = ["/metrics", "/token-usage", "/token-status", "/healthz"]
BROKEN = broken_sources(LedgerError("the disk is full: free some space"))


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client of a ledger with one call of 1000 tokens, and metrics of it."""
    registry = CollectorRegistry()
    with reader_of(call(), call("search", 500)) as reader:
        registry.register(TokenCollector(lambda: Scrape(reader.exposition()), HealthReading))
        yield client_of(sources_of(reader, registry=registry, daily_limit=2000))


@pytest.mark.parametrize("path", [*PATHS, *(f"{path}/" for path in PATHS), "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_path_answers_without_redirect(client: TestClient, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 200


@pytest.mark.parametrize("path", [*PATHS, "/"])
def test_no_answer_may_be_stored(client: TestClient, path: str) -> None:
    assert client.get(path).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*PATHS, "/"])
def test_nothing_else_can_be_posted_to(client: TestClient, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/nothing", "/metrics/x", "/favicon.ico", "/alerts"])
def test_any_other_path_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_metrics_are_served(client: TestClient) -> None:
    assert COST_LINE in client.get("/metrics").text.splitlines()


def test_prometheus_text_is_the_default(client: TestClient) -> None:
    content_type = client.get("/metrics").headers["content-type"]
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_openmetrics_is_served_to_who_asks(client: TestClient) -> None:
    response = client.get("/metrics", headers={"accept": OPENMETRICS})
    assert response.headers["content-type"].startswith(OPENMETRICS)


def test_openmetrics_text_ends_in_eof(client: TestClient) -> None:
    assert client.get("/metrics", headers={"accept": OPENMETRICS}).text.endswith("# EOF\n")


def test_a_version_that_is_no_number_gets_the_default(client: TestClient) -> None:
    response = client.get("/metrics", headers={"accept": "text/plain; version=latest"})
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_caches_are_told_what_the_answer_depends_on(client: TestClient) -> None:
    assert client.get("/metrics").headers["vary"] == "Accept, Accept-Encoding"


def test_gzip_is_served_to_who_asks(client: TestClient) -> None:
    plain = client.get("/metrics").content
    with client.stream("GET", "/metrics", headers={"accept-encoding": "gzip"}) as response:
        assert gzip.decompress(b"".join(response.iter_raw())) == plain


def test_gzip_is_named(client: TestClient) -> None:
    response = client.get("/metrics", headers={"accept-encoding": "deflate, gzip;q=0.5"})
    assert response.headers["content-encoding"] == "gzip"


def test_names_restrict_the_metrics(client: TestClient) -> None:
    query = {"name[]": ["llm_cost_usd_total", "otel_token_monitor_ledger_up"]}
    lines = client.get("/metrics", params=query).text.splitlines()
    samples = sorted(line for line in lines if not line.startswith("#"))
    assert samples == [
        COST_LINE.replace("shop", "search"),
        COST_LINE,
        "otel_token_monitor_ledger_up 1.0",
    ]


def test_metrics_of_any_registry_are_served() -> None:
    registry = CollectorRegistry()
    Counter("visits", "Visits.", registry=registry).inc()
    with reader_of() as reader:
        text = client_of(sources_of(reader, registry=registry)).get("/metrics").text
    assert "visits_total 1.0" in text.splitlines()


def test_scrapes_run_in_worker_threads() -> None:
    seen: list[str] = []

    class Watcher:
        def collect(self) -> list[Metric]:
            seen.append(threading.current_thread().name)
            return []

    registry = CollectorRegistry()
    registry.register(Watcher())
    with reader_of() as reader:
        client_of(sources_of(reader, registry=registry)).get("/metrics")
    assert seen == ["AnyIO worker thread"]


def test_an_error_while_collecting_is_not_hidden() -> None:
    class Broken:
        def collect(self) -> list[Metric]:
            raise ZeroDivisionError

    registry = CollectorRegistry()
    registry.register(Broken())
    with reader_of() as reader, pytest.raises(ZeroDivisionError):
        client_of(sources_of(reader, registry=registry)).get("/metrics")


def test_health_of_a_readable_ledger(client: TestClient) -> None:
    expected = {
        "status": "ok",
        "version": "1.2.3",
        "ledger": {"location": "/data/usage.db", "readable": True, "error": None},
    }
    assert client.get("/healthz").json() == expected


def test_a_server_with_ledger_trouble_is_alive_and_says_so() -> None:
    status = ServerStatus(version="1", ledger="/x", trouble="the disk is full")
    response = client_of(broken_sources(LedgerError("x"), status)).get("/healthz")
    expected = {
        "status": "ledger trouble",
        "version": "1",
        "ledger": {"location": "/x", "readable": False, "error": "the disk is full"},
    }
    assert (response.status_code, response.json()) == (200, expected)


def test_health_of_a_path_that_is_no_utf8() -> None:
    status = ServerStatus(version="1", ledger="/data/\udcff")
    health = client_of(broken_sources(LedgerError("x"), status)).get("/healthz").json()
    assert health["ledger"]["location"] == "/data/\\udcff"


def test_usage_is_the_document_of_the_report(client: TestClient) -> None:
    expected = report_of(call(), call("search", 500), hours=False, daily_limit=2000).document()
    found = client.get("/token-usage").json()
    assert (found | {"ledger": ""}) == (expected | {"ledger": ""})


def test_status_is_the_status_document_of_the_report(client: TestClient) -> None:
    report = report_of(call(), call("search", 500), hours=False, daily_limit=2000)
    found = client.get("/token-status").json()
    assert (found | {"ledger": ""}) == (report.status_document() | {"ledger": ""})


@pytest.mark.parametrize("name", ["project", "project_id"])
@pytest.mark.parametrize("path", ["/token-usage", "/token-status"])
def test_one_project_can_be_asked_for(client: TestClient, path: str, name: str) -> None:
    found = client.get(path, params={name: "search"}).json()
    assert (found["project"], found["daily"]["total_tokens"]) == ("search", 500)


def test_a_project_nobody_knows_has_used_nothing(client: TestClient) -> None:
    assert client.get("/token-usage?project=x").json()["daily"]["total_tokens"] == 0


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("project=", "project is empty: name a project, or leave project out for all"),
        (
            "project=a&project_id=b",
            "project and project_id name different projects: give one of them",
        ),
        ("project_id=", "project_id is empty: name a project, or leave project_id out for all"),
    ],
)
def test_a_project_that_is_none_is_refused(client: TestClient, query: str, reason: str) -> None:
    response = client.get(f"/token-usage?{query}")
    assert (response.status_code, response.json()) == (400, {"error": reason})


@pytest.mark.parametrize(
    ("tokens", "query", "code"),
    [
        (900, "", 200),
        (900, "?strict=0", 200),
        (900, "?strict=No", 200),
        (900, "?strict=1", 503),
        (900, "?strict=TRUE", 503),
        (899, "?strict=1", 200),
        (0, "?strict=1", 200),
    ],
)
def test_strict_answers_503_when_critical(tokens: int, query: str, code: int) -> None:
    with reader_of(call("shop", tokens)) as reader:
        response = client_of(sources_of(reader, daily_limit=1000)).get(f"/token-status{query}")
    status = "CRITICAL" if tokens == 900 else "WARNING" if tokens else "NORMAL"
    assert (response.status_code, response.json()["status"]) == (code, status)


@pytest.mark.parametrize("value", ["", "2", "maybe"])
def test_a_strict_that_is_no_boolean_is_refused(client: TestClient, value: str) -> None:
    response = client.get("/token-status", params={"strict": value})
    reason = (
        f"strict={value!r} is neither true nor false: "
        f"give one of 1, true, yes, on, 0, false, no, off"
    )
    assert (response.status_code, response.json()) == (400, {"error": reason})


@pytest.mark.parametrize("path", ["/token-usage", "/token-status", "/token-status?strict=1"])
def test_a_ledger_that_cannot_be_read_is_503(path: str) -> None:
    response = client_of(BROKEN).get(path)
    expected = (503, {"error": "the disk is full: free some space"})
    assert (response.status_code, response.json()) == expected


def test_ledger_trouble_of_a_path_that_is_no_utf8() -> None:
    response = client_of(broken_sources(LedgerError("no \udcff"))).get("/token-usage")
    assert response.json() == {"error": "no \\udcff"}


def test_the_page_of_a_ledger_that_cannot_be_read_is_a_page() -> None:
    response = client_of(BROKEN).get("/")
    assert response.status_code == 200
    assert "the disk is full: free some space" in response.text


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_is_html(client: TestClient) -> None:
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("query", "reloads"), [("", True), ("?refresh=off", False)])
def test_the_page_loads_anew_unless_told_not_to(
    client: TestClient, query: str, *, reloads: bool
) -> None:
    meta = '<meta http-equiv="refresh" content="30">'
    assert (meta in client.get(f"/{query}").text) is reloads


def test_a_refresh_that_is_no_boolean_is_refused(client: TestClient) -> None:
    assert client.get("/?refresh=often").status_code == 400


def test_a_time_zone_that_this_machine_does_not_know_is_503() -> None:
    def report(project: str | None, *, hours: bool) -> Report:
        del project, hours
        raise LedgerVersionError("this machine does not know the time zone")

    sources = replace(BROKEN, report=report)
    response = client_of(sources).get("/token-status")
    assert response.status_code == 503
    assert "this machine does not know the time zone" in response.json()["error"]
    assert "this machine does not know the time zone" in client_of(sources).get("/").text
