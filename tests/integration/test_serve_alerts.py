"""`otel-token-monitor serve` as the one that watches, and delivers what jobs left behind."""

from __future__ import annotations

import os
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import TokenUsage
from tests.integration.processes import samples
from tests.integration.receiving import eventually, ledger, receiver
from tests.integration.watching import LIMIT, free_port, job, serving
from tests.unit.ledger.books import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

CRITICAL = ("ledger/tokens/day", "critical", "firing")
PENDING = "otel_token_monitor_pending_deliveries"
ALERT = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-09-21T14:13:20Z"}


def count(data_dir: Path, tokens: int) -> None:
    """What an application that watches nothing leaves."""
    writer = LedgerWriter(Location.in_directory(data_dir), max_label_sets=10)
    writer.write(Batch([record(1, time_ns=time.time_ns(), usage=TokenUsage(input=tokens))]))
    writer.close()


def nothing_waits(data_dir: Path) -> bool:
    return ledger(data_dir, "SELECT count(*) FROM delivery") == [(0,)]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A data directory on which nobody may write."""
    count(tmp_path, LIMIT)
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_two_servers_deliver_a_jobs_alert_once(tmp_path: Path) -> None:
    with receiver() as hook:
        url = f"http://127.0.0.1:{hook.server_port}/hook"
        job(tmp_path, 1)
        with (
            serving(tmp_path, TOKEN_WEBHOOK_URL=url) as first,
            serving(tmp_path, TOKEN_WEBHOOK_URL=url) as second,
        ):
            eventually(lambda: len(ledger(tmp_path, "SELECT * FROM alert_target")) == 2)
            job(tmp_path, LIMIT)
            eventually(hook.alerts)
            assert first.stop() == second.stop() == ""
        assert nothing_waits(tmp_path)
        assert hook.alerts() == [CRITICAL]


def test_an_alert_from_before_its_time_is_delivered_once(tmp_path: Path) -> None:
    job(tmp_path, LIMIT)
    with receiver() as hook:
        for _ in range(2):
            url = f"http://127.0.0.1:{hook.server_port}/hook"
            with serving(tmp_path, TOKEN_WEBHOOK_URL=url) as server:
                eventually(hook.alerts)
                assert server.stop() == ""
        assert hook.alerts() == [CRITICAL]


def test_it_may_start_before_there_is_a_ledger(tmp_path: Path) -> None:
    directory = tmp_path / "later"
    with receiver() as hook:
        url = f"http://127.0.0.1:{hook.server_port}/hook"
        with serving(directory, TOKEN_WEBHOOK_URL=url) as server:
            assert list(tmp_path.iterdir()) == []
            job(directory, LIMIT)
            eventually(hook.alerts)
            assert server.stop().startswith("Not readable yet: there is no ledger at ")
        assert hook.alerts() == [CRITICAL]


def test_it_alerts_for_applications_that_watch_nothing(tmp_path: Path) -> None:
    count(tmp_path, LIMIT)
    with receiver() as hook:
        url = f"http://127.0.0.1:{hook.server_port}/hook"
        with serving(tmp_path, TOKEN_WEBHOOK_URL=url, TOKEN_DAILY_LIMIT=str(LIMIT)) as server:
            eventually(hook.alerts)
            assert f"CRITICAL ledger/tokens/day is CRITICAL, was NORMAL: {LIMIT:,} of" in (
                server.stop()
            )
        assert hook.alerts() == [CRITICAL]
    # It has no say in whose limits hold.
    assert ledger(tmp_path, "SELECT * FROM policy") == []


def test_a_webhook_that_is_dead_shows_in_the_metrics(tmp_path: Path) -> None:
    job(tmp_path, LIMIT)
    port = free_port()

    def pending() -> list[float]:
        return [
            one.value for one in samples(httpx.get(f"{address}/metrics", timeout=60).text, PENDING)
        ]

    with serving(tmp_path, TOKEN_WEBHOOK_URL=f"http://127.0.0.1:{port}/secret") as server:
        address = server.address
        eventually(lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE attempts > 0"))
        assert pending() == [1]
        with receiver(port) as hook:
            eventually(partial(nothing_waits, tmp_path))
            assert pending() == [0]
            assert hook.alerts() == [CRITICAL]
        assert server.stop().splitlines() == [
            (
                f"an alert cannot be delivered: the webhook at http://127.0.0.1:{port} cannot be "
                f"reached (ConnectionError). It is tried again later."
            ),
            f"the webhook at http://127.0.0.1:{port} takes alerts again",
        ]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_a_ledger_that_is_read_only_is_served_and_not_watched(read_only: Path) -> None:
    with serving(
        read_only, TOKEN_WEBHOOK_URL="http://127.0.0.1:9/", TOKEN_ALERTS_TOKEN="secret-token-16"
    ) as server:
        message = (
            f"the ledger {read_only / 'usage.db'} is read-only for this user: give write access "
            f"to the file and its directory"
        )
        answers = [
            httpx.post(
                f"{server.address}/alerts",
                headers={"Authorization": "Bearer secret-token-16"},
                json={"alerts": [ALERT]},
                timeout=60,
            )
            for _ in range(2)
        ]
        assert [(one.status_code, one.json()) for one in answers] == [(503, {"error": message})] * 2
        tokens = samples(
            httpx.get(f"{server.address}/metrics", timeout=60).text, "llm_tokens_total"
        )
        assert sum(sample.value for sample in tokens) == LIMIT
        assert server.stop() == (
            f"budgets are not watched here, and no alerts delivered: {message}\n"
        )


def test_it_does_not_watch_where_that_is_switched_off(tmp_path: Path) -> None:
    count(tmp_path, LIMIT)
    with serving(
        tmp_path, TOKEN_AUTO_MONITOR="false", TOKEN_ALERTS_TOKEN="secret-token-16"
    ) as server:
        assert httpx.post(f"{server.address}/alerts", json={}, timeout=60).status_code == 404
        assert server.stop() == ""
    assert ledger(tmp_path, "SELECT * FROM alert_target") == []
