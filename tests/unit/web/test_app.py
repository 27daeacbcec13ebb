"""The application's answers, through Starlette's test client."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.testclient import TestClient

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.web.app import ServerStatus, create_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

FINE = ServerStatus(version="1.2.3", ledger="/data/usage.db")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
COST_LINE = (
    'llm_cost_usd_total{endpoint="responses",model="gpt-5",project="shop",provider="openai"} 0.25'
)


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """The metrics of a ledger with one call."""
    labels = Labels("shop", "openai", "gpt-5", "responses")
    call = UsageRecord(
        time_ns=time.time_ns(),
        nonce=1,
        labels=labels,
        source="test",
        usage=TokenUsage(1000),
        cost_nanousd=250_000_000,
    )
    writer = LedgerWriter(Location.in_memory(), max_label_sets=100)
    writer.write(Batch([call]))
    reader = LedgerReader(writer.location)
    made = CollectorRegistry()
    made.register(TokenCollector(reader.exposition, HealthReading))
    yield made
    reader.close()
    writer.close()


@pytest.fixture
def client(registry: CollectorRegistry) -> TestClient:
    return client_of(registry)


def client_of(
    registry: CollectorRegistry,
    status: ServerStatus = FINE,
    tokens_today: Mapping[str, int] | None = None,
) -> TestClient:
    app = create_app(registry, status=lambda: status, tokens_today=lambda: tokens_today)
    headers = {"accept-encoding": "identity"}
    return TestClient(app, headers=headers, follow_redirects=False)


def page(status: ServerStatus = FINE, tokens_today: Mapping[str, int] | None = None) -> str:
    return client_of(CollectorRegistry(), status, tokens_today).get("/").text


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_metrics_are_served_without_redirect(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, COST_LINE in response.text.splitlines()) == (200, True)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/healthz", "/"])
def test_head_is_answered(client: TestClient, path: str) -> None:
    assert client.head(path).status_code == 200


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
    assert samples == [COST_LINE, "otel_token_monitor_ledger_up 1.0"]


def test_metrics_cannot_be_posted_to(client: TestClient) -> None:
    assert client.post("/metrics").status_code == 405


@pytest.mark.parametrize("path", ["/nothing", "/metrics/x", "/healthz/", "/favicon.ico"])
def test_any_other_path_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_scrapes_run_in_worker_threads() -> None:
    seen: list[str] = []

    class Watcher:
        def collect(self) -> list[Metric]:
            seen.append(threading.current_thread().name)
            return []

    registry = CollectorRegistry()
    registry.register(Watcher())
    client_of(registry).get("/metrics")
    assert seen == ["AnyIO worker thread"]


def test_health_of_a_readable_ledger(client: TestClient) -> None:
    expected = {
        "status": "ok",
        "version": "1.2.3",
        "ledger": {"location": "/data/usage.db", "readable": True, "error": None},
    }
    assert client.get("/healthz").json() == expected


def test_health_tells_ledger_trouble() -> None:
    trouble = ServerStatus(version="1", ledger="/x", trouble="the disk is full")
    response = client_of(CollectorRegistry(), trouble).get("/healthz")
    expected = {
        "status": "ledger trouble",
        "version": "1",
        "ledger": {"location": "/x", "readable": False, "error": "the disk is full"},
    }
    assert response.json() == expected


def test_a_server_with_ledger_trouble_is_alive() -> None:
    trouble = ServerStatus(version="1", ledger="/x", trouble="the disk is full")
    assert client_of(CollectorRegistry(), trouble).get("/healthz").status_code == 200


def test_health_of_a_path_that_is_no_utf8() -> None:
    status = ServerStatus(version="1", ledger="/data/\udcff")
    ledger = client_of(CollectorRegistry(), status).get("/healthz").json()["ledger"]
    assert ledger["location"] == "/data/\\udcff"


def test_the_page_names_product_and_version() -> None:
    assert "<h1>OTel Token Monitor <small>1.2.3</small></h1>" in page()


@pytest.mark.parametrize("link", ["metrics", "healthz"])
def test_the_page_links_below_any_prefix(link: str) -> None:
    assert f'<a href="{link}">' in page()


def test_the_page_names_the_ledger() -> None:
    assert "<code>/data/usage.db</code>" in page()


def test_the_page_shows_trouble() -> None:
    status = ServerStatus(version="1", ledger="/x", trouble="no ledger at </p>")
    assert '<p class="bad">no ledger at &lt;/p&gt;</p>' in page(status)


def test_the_page_escapes_the_ledger() -> None:
    status = ServerStatus(version="1", ledger='/<script>"$version')
    assert "<code>/&lt;script&gt;&quot;$version</code>" in page(status)


def test_the_page_escapes_projects() -> None:
    assert "<td>&lt;img src=x&gt;</td>" in page(tokens_today={"<img src=x>": 1})


def test_the_page_shows_a_path_that_is_no_utf8() -> None:
    assert "<code>/\\udcff</code>" in page(ServerStatus(version="1", ledger="/\udcff"))


def test_the_page_shows_most_tokens_first() -> None:
    shown = page(tokens_today={"a": 5, "b": 1_234_567})
    rows = "<tr><td>b</td><td>1,234,567</td></tr>\n<tr><td>a</td><td>5</td></tr>\n"
    assert f"<tbody>\n{rows}</tbody>" in shown


def test_the_page_shows_the_sum() -> None:
    shown = page(tokens_today={"a": 5, "b": 1_234_567})
    assert "<tr><td>All</td><td>1,234,572</td></tr>" in shown


def test_a_day_without_calls() -> None:
    assert "<p>None yet.</p>" in page(tokens_today={})


def test_the_page_is_silent_on_tokens_it_does_not_know() -> None:
    assert "Tokens today" not in page()


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_an_error_while_collecting_is_not_hidden() -> None:
    class Broken:
        def collect(self) -> list[Metric]:
            raise ZeroDivisionError

    registry = CollectorRegistry()
    registry.register(Broken())
    with pytest.raises(ZeroDivisionError):
        client_of(registry).get("/metrics")


def test_metrics_of_any_registry_are_served() -> None:
    registry = CollectorRegistry()
    Counter("visits", "Visits.", registry=registry).inc()
    assert "visits_total 1.0" in client_of(registry).get("/metrics").text.splitlines()
