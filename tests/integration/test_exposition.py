"""What is served is what Prometheus's own tools accept."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_text

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.scrape import take_scrape
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.server import MetricsServer
from otel_token_monitor.web.sources import ServerStatus, Sources
from tests.integration.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

METRICS_PAGE = ROOT / "docs" / "metrics.md"
PROMTOOL = shutil.which("promtool")


def records() -> list[UsageRecord]:
    """Calls that make every metric appear, with a label that must be escaped."""
    now = time.time_ns()
    labels = Labels('a "shop"\n', "openai", "gpt-5", "chat/completions")
    return [
        UsageRecord(
            time_ns=now,
            nonce=nonce,
            labels=labels,
            source="test",
            usage=TokenUsage(100, 20, 3, 50, 7),
            estimated=nonce == 1,
            unmetered="stream_left" if nonce == 1 else None,
            duration_ns=1_500_000_000,
            first_token_ns=300_000_000,
            modalities=(("input", "audio", 20),),
        )
        for nonce in range(2)
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the metrics of a ledger on disk are served."""
    location = Location.in_directory(tmp_path_factory.mktemp("data"))
    writer = LedgerWriter(location, max_label_sets=100)
    writer.write(Batch(records()))
    reader = LedgerReader(location)
    health = HealthReading(last_write_ns=time.time_ns())
    registry = CollectorRegistry()
    policy = Policy(
        limits=(
            Limit(Scope(), Unit.TOKENS, Window.DAY, 1000),
            Limit(Scope('a "shop"\n'), Unit.USD, Window.MONTH, 10**9),
            Limit(Scope(model="gpt-*"), Unit.REQUESTS, Window.MINUTE, 5),
        )
    )
    registry.register(
        TokenCollector(lambda: take_scrape(reader, policy, time.time_ns()), lambda: health)
    )
    status = ServerStatus(version="1", ledger=str(location))
    sources = Sources(
        registry=registry,
        status=lambda: status,
        report=lambda project, *, hours: take_report(
            reader, Policy(), time.time_ns(), project=project, hours=hours
        ),
    )
    server = MetricsServer(lambda: create_app(sources), "127.0.0.1", 0)
    server.try_start()
    assert server.address is not None
    yield f"http://127.0.0.1:{server.address[1]}/metrics"
    server.stop()
    reader.close()
    writer.close()


@pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("CI") != "true", reason="promtool is not installed"
)
def test_promtool_finds_nothing_to_complain_of(address: str) -> None:
    text = httpx.get(address, timeout=60).content
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_the_text_is_readable(address: str) -> None:
    families = {family.name for family in parse_text(httpx.get(address, timeout=60).text)}
    assert {"llm_tokens", "llm_request_tokens", "otel_token_monitor_ledger_up"} <= families


def test_what_is_served_is_what_is_documented(address: str) -> None:
    # In this format counters and build information have the suffixes that PromQL calls them by,
    # and the latter is a gauge.
    lines = httpx.get(address, timeout=60).text.splitlines()
    served = [tuple(line.split()[2:]) for line in lines if line.startswith("# TYPE ")]
    table = [row.split(" | ") for row in METRICS_PAGE.read_text().splitlines()]
    documented = [
        (row[0].strip("| `"), row[1].replace("info", "gauge"))
        for row in table
        if len(row) == 4 and "`" in row[0]
    ]
    assert sorted(served) == sorted(documented)


def test_openmetrics_is_readable(address: str) -> None:
    text = httpx.get(address, headers={"accept": "application/openmetrics-text"}, timeout=60).text
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    assert {"llm_tokens", "otel_token_monitor_build"} <= {family.name for family in families}
