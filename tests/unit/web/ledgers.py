"""Ledgers and reports for the tests of the web application."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from otel_token_monitor.views.report import Report, take_report
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.sources import ServerStatus, Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_token_monitor.ledger.errors import LedgerError

NOW_NS = 1_746_257_400_000_000_000
"""Saturday, 3 May 2025, 07:30 UTC."""
HOUR_NS = 3_600_000_000_000
TOKEN = "secret"
FINE = ServerStatus(version="1.2.3", ledger="/data/usage.db")


def call(
    project: str = "shop",
    tokens: int | None = 1000,
    *,
    model: str = "gpt-5",
    cost: int | None = 250_000_000,
    ago_ns: int = 60_000_000_000,
    nonce: int = 1,
    **more: Any,
) -> UsageRecord:
    """A call that ended some time before NOW_NS, a minute ago."""
    return UsageRecord(
        time_ns=NOW_NS - ago_ns,
        nonce=nonce,
        labels=Labels(project, "openai", model, "responses"),
        source="test",
        usage=None if tokens is None else TokenUsage(tokens),
        cost_nanousd=cost,
        **more,
    )


def policy(**limits: Any) -> Policy:
    """The policy of a configuration with these settings."""
    return Policy.of(TokenMonitorConfig(environ={}, **limits))


@contextmanager
def reader_of(*calls: UsageRecord) -> Iterator[LedgerReader]:
    """A ledger in memory that has these calls, and was made an hour before NOW_NS."""
    writer = LedgerWriter(Location.in_memory(), max_label_sets=1000)
    numbered = [record._replace(nonce=nonce) for nonce, record in enumerate(calls)]
    writer.write(Batch(numbered, health={"seen": 1}))
    made = (str(NOW_NS - HOUR_NS),)
    writer.run(lambda db: db.execute("UPDATE ledger SET value = ? WHERE key = 'created_ns'", made))
    reader = LedgerReader(writer.location, clock=lambda: NOW_NS)
    yield reader
    reader.close()
    writer.close()


def report_of(
    *calls: UsageRecord, hours: bool = True, now_ns: int = NOW_NS, **limits: Any
) -> Report:
    """The report of such a ledger under these limits."""
    with reader_of(*calls) as reader:
        return take_report(reader, policy(**limits), now_ns, hours=hours)


def sources_of(
    reader: LedgerReader,
    *,
    status: ServerStatus = FINE,
    registry: CollectorRegistry | None = None,
    receive: Callable[[bytes], Mapping[str, int]] | None = None,
    token: str | None = TOKEN,
    **limits: Any,
) -> Sources:
    """What the application asks, of a reader's ledger as of NOW_NS."""

    def report(project: str | None, *, hours: bool) -> Report:
        return take_report(reader, policy(**limits), NOW_NS, project=project, hours=hours)

    return Sources(
        registry=registry or CollectorRegistry(),
        status=lambda: status,
        report=report,
        receive=receive,
        alerts_token=lambda: token,
    )


def broken_sources(error: LedgerError, status: ServerStatus = FINE) -> Sources:
    """What the application asks where no ledger can be read."""

    def report(project: str | None, *, hours: bool) -> Report:
        del project, hours
        raise error

    return Sources(registry=CollectorRegistry(), status=lambda: status, report=report)


def client_of(sources: Sources) -> TestClient:
    """A client that takes what it is given: no redirects, no compression."""
    headers = {"accept-encoding": "identity"}
    return TestClient(create_app(sources), headers=headers, follow_redirects=False)


def counts(body: bytes) -> dict[str, int]:
    """A receiver of JSON arrays."""
    return {"forwarded": len(json.loads(body))}
