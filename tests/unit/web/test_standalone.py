"""`serve`: a ledger that others write."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.policies import declare_policy
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.web.standalone import StandaloneServer
from tests.unit.web.ledgers import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


TOKEN = "a-token-of-sixteen"


@contextmanager
def client_of(directory: Path, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a server for the ledger in a directory."""
    config = TokenMonitorConfig(environ={}, host="127.0.0.1", port=0, **settings)
    server = StandaloneServer(Location.in_directory(directory), config)
    assert server.try_start()
    assert server.address is not None
    host, port = server.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as client:
        yield client
    server.stop()


def fill(directory: Path, declared: Policy | None = None) -> None:
    """A ledger with one call of 1000 tokens, and the limits of the application that wrote it."""
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=10)
    writer.write(Batch([call()._replace(time_ns=time.time_ns())]))
    if declared is not None:
        row = declared.row()
        writer.run(lambda db: declare_policy(db, row, time.time_ns(), starting=True))
    writer.close()


def test_where_no_application_has_said_its_limits_our_own_hold(tmp_path: Path) -> None:
    fill(tmp_path)
    with client_of(tmp_path, daily_limit=2000) as client:
        assert client.get("/token-status").json()["daily"]["limit_usage_percent"] == 50.0


def test_the_limits_of_the_application_go_before_our_own(tmp_path: Path) -> None:
    fill(tmp_path, Policy.of(TokenMonitorConfig(environ={}, daily_limit=1000)))
    with client_of(tmp_path, daily_limit=2000) as client:
        assert client.get("/token-status?strict=1").status_code == 503


def test_a_ledger_that_is_missing_is_not_created_and_picked_up_later(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        missing = client.get("/token-usage")
        assert missing.status_code == 503
        assert f"there is no ledger at {tmp_path / 'usage.db'}" in missing.json()["error"]
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert list(tmp_path.iterdir()) == []
        fill(tmp_path)
        assert client.get("/token-usage?project=shop").json()["daily"]["total_tokens"] == 1000


def alert(client: httpx.Client) -> httpx.Response:
    """What `/alerts` answers to an alert."""
    fires = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-09-21T14:13:20Z"}
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    return client.post("/alerts", headers=bearer, json={"alerts": [fires]})


def test_alerts_that_others_send_are_passed_on_once(tmp_path: Path) -> None:
    fill(tmp_path)
    with client_of(tmp_path, alerts_token=TOKEN) as client:
        answers = [alert(client).json() for _ in range(2)]
    assert answers == [{"alerts": {"forwarded": 1}}, {"alerts": {"known": 1}}]


def test_alerts_are_sent_again_later_while_there_is_no_ledger(tmp_path: Path) -> None:
    with client_of(tmp_path, alerts_token=TOKEN) as client:
        answer = alert(client)
        assert (answer.status_code, list(tmp_path.iterdir())) == (503, [])
        assert answer.json()["error"].startswith("there is no ledger at ")


def test_alerts_are_not_taken_where_nothing_is_watched(tmp_path: Path) -> None:
    fill(tmp_path)
    with client_of(tmp_path, alerts_token=TOKEN, auto_monitor=False) as client:
        assert alert(client).status_code == 404


def test_its_budgets_are_watched(tmp_path: Path) -> None:
    fill(tmp_path)
    deadline = time.monotonic() + 60
    with client_of(tmp_path, daily_limit=1000, auto_report=False):
        while not list(tmp_path.glob("logs/*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    (path,) = (tmp_path / "logs").iterdir()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["new_status"] == "CRITICAL"
