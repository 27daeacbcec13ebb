"""A real Alertmanager that notifies `/alerts`: each of its alerts is passed on once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.processes import samples
from tests.integration.receiving import Receiver, answering, eventually, ledger, receiver
from tests.integration.watching import LIMIT, free_port, job, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.watching import Server

ALERTMANAGER = shutil.which("prometheus-alertmanager")
TOKEN = "a-token-of-sixteen"
CONFIGURATION = """
route:
  receiver: monitor
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1s
receivers:
  - name: monitor
    webhook_configs:
      - url: {address}/alerts
        send_resolved: true
        http_config:
          authorization:
            credentials_file: {token_file}
"""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        ALERTMANAGER is None and os.environ.get("CI") != "true",
        reason="prometheus-alertmanager is not installed",
    ),
]


@dataclass(frozen=True)
class Alertmanager:
    """One that runs; `address` is such as http://127.0.0.1:1234."""

    address: str
    process: subprocess.Popen[str]

    def post(self, *, ended: bool = False, **labels: str) -> None:
        """Give it an alert that fires since a minute, or one that has ended."""
        now = datetime.now(UTC)
        alert: dict[str, Any] = {
            "labels": labels,
            "annotations": {"summary": "Disk nearly full"},
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
        }
        if ended:
            alert["endsAt"] = now.isoformat()
        httpx.post(f"{self.address}/api/v2/alerts", json=[alert], timeout=60).raise_for_status()

    def count(self, name: str) -> float:
        """How many notifications to webhooks it has begun, or failed to send."""
        found = samples(
            httpx.get(f"{self.address}/metrics", timeout=60).text, f"alertmanager_{name}_total"
        )
        return sum(one.value for one in found if one.labels["integration"] == "webhook")

    def stop(self) -> str:
        """End it; what it logged."""
        self.process.terminate()
        _, log = self.process.communicate(timeout=60)
        return log


@contextmanager
def alertmanager(folder: Path, monitor: str, token: str = TOKEN) -> Iterator[Alertmanager]:
    """An Alertmanager that notifies the monitor at an address."""
    assert ALERTMANAGER is not None, "apt-get install prometheus-alertmanager"
    folder.mkdir()
    token_file = folder / "token"
    token_file.write_text(f"{token}\n")
    configuration = folder / "alertmanager.yml"
    configuration.write_text(CONFIGURATION.format(address=monitor, token_file=token_file))
    listens = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            ALERTMANAGER,
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={listens}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            one = Alertmanager(f"http://{listens}", process)
            eventually(lambda: is_ready(one.address))
            yield one
        finally:
            process.kill()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", timeout=60).is_success
    except httpx.TransportError:
        return False


@contextmanager
def monitor(data_dir: Path, hook: Receiver, port: int = 0) -> Iterator[Server]:
    """A process that takes alerts, and passes them on to a webhook."""
    with serving(
        data_dir,
        port,
        TOKEN_ALERTS_TOKEN=TOKEN,
        TOKEN_WEBHOOK_URL=f"http://127.0.0.1:{hook.server_port}/hook",
    ) as server:
        eventually(lambda: len(ledger(data_dir, "SELECT * FROM alert_target")) == 2)
        yield server


def came(hook: Receiver) -> list[tuple[str, str]]:
    """Name and status of each alert that came to the webhook."""
    return [
        (alert["labels"]["alertname"], alert["status"])
        for payload in hook.got
        for alert in payload["alerts"]
    ]


def said(errors: str) -> list[str]:
    """What the monitor said of alerts that it received."""
    return re.findall(r" ([A-Z]+ received: .*)$", errors, re.MULTILINE)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A ledger whose day is used up to 1 %."""
    path = tmp_path / "ledger"
    job(path, LIMIT // 100)
    return path


def test_an_alert_is_passed_on_once_and_its_end_too(data_dir: Path, tmp_path: Path) -> None:
    with (
        receiver() as hook,
        monitor(data_dir, hook) as server,
        alertmanager(tmp_path / "am", server.address) as sender,
    ):
        sender.post(alertname="DiskFull", severity="critical")
        # The first, two repeats, and one that it has begun.
        eventually(lambda: sender.count("notifications") >= 4)
        eventually(hook.got.__len__)
        sender.post(ended=True, alertname="DiskFull", severity="critical")
        eventually(lambda: len(hook.got) >= 2)
        assert sender.count("notifications_failed") == 0
        sender.stop()
        first, *repeats, last = said(server.stop())
        assert came(hook) == [("DiskFull", "firing"), ("DiskFull", "resolved")]
    assert first == "CRITICAL received: DiskFull is firing: Disk nearly full"
    assert len(repeats) >= 2
    assert set(repeats) == {"INFO received: DiskFull is firing, notified before: Disk nearly full"}
    assert last == "INFO received: DiskFull is resolved: Disk nearly full"
    (fired,), (ended,) = (payload["alerts"] for payload in hook.got)
    assert fired["annotations"] == {"summary": "Disk nearly full"}
    assert (fired["fingerprint"], fired["startsAt"]) == (ended["fingerprint"], ended["startsAt"])


def test_an_alert_that_this_ledger_has_notified_itself_is_only_logged(
    data_dir: Path, tmp_path: Path
) -> None:
    with (
        receiver() as hook,
        monitor(data_dir, hook) as server,
        alertmanager(tmp_path / "am", server.address) as sender,
    ):
        job(data_dir, LIMIT)
        eventually(hook.got.__len__)
        (((alert,),),) = ([payload["alerts"]] for payload in hook.got)
        of_rule = {name: alert["labels"][name] for name in ("budget", "ledger", "severity")}
        sender.post(alertname="LLMBudgetUsed", **of_rule)
        # The first, and one that it has begun.
        eventually(lambda: sender.count("notifications") >= 2)
        sender.stop()
        assert set(said(server.stop())) == {
            "INFO received: LLMBudgetUsed is firing, notified before: Disk nearly full"
        }
        assert came(hook) == [("LLMBudgetUsed", "firing")]


def test_a_wrong_token_is_refused(data_dir: Path, tmp_path: Path) -> None:
    with (
        receiver() as hook,
        monitor(data_dir, hook) as server,
        alertmanager(tmp_path / "am", server.address, "another-token-of-16") as sender,
    ):
        sender.post(alertname="DiskFull")
        eventually(lambda: sender.count("notifications_failed") >= 1)
        assert "unexpected status code 401" in sender.stop()
        assert said(server.stop()) == []
        assert hook.got == []


class Mirror(Receiver):
    """Posts what comes back to the monitor that it came from."""

    def __init__(self, port: int) -> None:
        super().__init__(0)
        self.sends_to = f"http://127.0.0.1:{port}/alerts"
        self.answers: list[Any] = []

    def take(self, payload: dict[str, Any]) -> None:
        """Keep it and send it back."""
        super().take(payload)
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        self.answers.append(
            httpx.post(self.sends_to, headers=bearer, json=payload, timeout=60).json()
        )


def test_a_loop_ends_after_one_round(data_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    with (
        answering(Mirror(port)) as hook,
        monitor(data_dir, hook, port) as server,
        alertmanager(tmp_path / "am", server.address) as sender,
    ):
        sender.post(alertname="DiskFull")
        eventually(hook.got.__len__)
        job(data_dir, LIMIT)
        eventually(lambda: len(hook.answers) >= 2)
        sender.stop()
        server.stop()
        assert came(hook) == [("DiskFull", "firing"), ("LLMBudgetUsed", "firing")]
        assert hook.answers == [{"alerts": {"known": 1}}] * 2
    assert ledger(data_dir, "SELECT count(*) FROM delivery") == [(0,)]
