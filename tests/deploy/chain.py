"""The chain: applications that spend, Prometheus, Alertmanager, and a receiver, all of them real.

Laid out and started by the same code as `otel-token-monitor demo --stack`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import pytest

from otel_token_monitor.demo.stack.layout import Intervals, Target, lay_out
from otel_token_monitor.demo.stack.servers import (
    HOST,
    RunningServer,
    free_port,
    running_alertmanager,
    running_prometheus,
)
from tests.integration import receiving
from tests.integration.processes import ROOT, environment, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from otel_token_monitor.demo.stack.layout import Layout
    from tests.integration.receiving import Receiver

__all__ = [
    "BUDGET",
    "FAST",
    "LIMIT",
    "QUICK",
    "REAL_SERVERS",
    "Chain",
    "Spender",
    "came",
    "eventually",
    "standing",
]

LIMIT: Final = 100_000
BUDGET: Final = "ledger/tokens/day"
FAST: Final = Intervals(scrape=1, evaluation=1, group_interval=2)
"""Faster than bundled, but for the time that a group waits for others."""
QUICK: Final = Intervals(scrape=1, evaluation=1, group_wait=1, group_interval=2)

_INSTALLED: Final = all(map(shutil.which, ("prometheus", "prometheus-alertmanager")))

REAL_SERVERS: Final = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not _INSTALLED and os.environ.get("CI") != "true",
        reason="prometheus and prometheus-alertmanager are not installed",
    ),
    # They wait for one another, and for a machine that does much else.
    pytest.mark.timeout(240),
]
"""What such tests are marked with."""


class Spender:
    """A process that counts, watches its budgets and serves; within a `with`."""

    def __init__(self, data_dir: Path, **config: Any) -> None:
        self.data_dir = data_dir
        self.port: int = config.pop("port", None) or free_port()
        data_dir.mkdir(parents=True, exist_ok=True)
        self._log = data_dir.with_name(f"{data_dir.name}.log")
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.deploy.spending"],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._say(
            {
                "data_dir": str(data_dir),
                "host": HOST,
                "port": self.port,
                "daily_limit": LIMIT,
                "auto_report": False,
            }
            | config
        )

    @property
    def address(self) -> str:
        """Where it serves, as host:port."""
        return f"{HOST}:{self.port}"

    @property
    def said(self) -> list[str]:
        """The lines of its log, and of those of its ledger before it."""
        return self._log.read_text().splitlines()

    def use(self, tokens: int) -> int:
        """Make a call; when it was in the ledger (UTC ns)."""
        self._say(tokens)
        written = self._answer()
        assert isinstance(written, int)
        return written

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> None:
        """End it as a program ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def _say(self, what: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said
        return json.loads(line)

    def __enter__(self) -> Self:
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Chain:
    """Prometheus and Alertmanager with the bundled files; each can be ended and started again."""

    def __init__(
        self, layout: Layout, alertmanager_port: int, arguments: Sequence[str], undo: ExitStack
    ) -> None:
        self.layout = layout
        self._ports = free_port(), alertmanager_port
        self._arguments = arguments
        self._undo = undo
        self.prometheus: RunningServer
        self.alertmanager: RunningServer

    def start_prometheus(self) -> None:
        """Start it, with the database that it had, at the port that it had."""
        layout = self.layout
        self.prometheus = self._undo.enter_context(
            running_prometheus(
                layout.prometheus,
                layout.prometheus_storage,
                port=self._ports[0],
                arguments=self._arguments,
            )
        )

    def start_alertmanager(self) -> None:
        """Start it, with what it knew, at the port that it had."""
        layout = self.layout
        self.alertmanager = self._undo.enter_context(
            running_alertmanager(
                layout.alertmanager, layout.alertmanager_storage, port=self._ports[1]
            )
        )

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query."""
        answer = httpx.get(
            f"{self.prometheus.address}/api/v1/query", params={"query": expression}, timeout=60
        ).raise_for_status()
        return [
            ({name: value for name, value in one["metric"].items() if name != "__name__"}, number)
            for one in answer.json()["data"]["result"]
            for number in [float(one["value"][1])]
        ]

    def value(self, expression: str) -> float | None:
        """The only value of an instant query; None if there is none."""
        values = [value for _, value in self.query(expression)]
        assert len(values) <= 1, values
        return values[0] if values else None

    def firing(self) -> set[str]:
        """The severities of the budget's alerts that fire in Prometheus."""
        answer = httpx.get(
            f"{self.prometheus.address}/api/v1/alerts", timeout=60
        ).raise_for_status()
        return {
            alert["labels"]["severity"]
            for alert in answer.json()["data"]["alerts"]
            if (alert["labels"].get("budget"), alert["state"]) == (BUDGET, "firing")
        }

    def states(self) -> dict[str, str]:
        """How Alertmanager has each alert of the budget, by severity: active or suppressed."""
        answer = httpx.get(
            f"{self.alertmanager.address}/api/v2/alerts", timeout=60
        ).raise_for_status()
        return {
            alert["labels"]["severity"]: alert["status"]["state"]
            for alert in answer.json()
            if alert["labels"].get("budget") == BUDGET
        }

    def failed_deliveries(self) -> float:
        """How often Alertmanager has tried in vain to reach a webhook."""
        metrics = httpx.get(f"{self.alertmanager.address}/metrics", timeout=60).text
        failed = samples(metrics, "alertmanager_notification_requests_failed_total")
        return sum(one.value for one in failed if one.labels["integration"] == "webhook")

    def let_evaluate(self, times: int) -> None:
        """Wait until the rules about budgets were evaluated so often."""
        until = self._evaluations() + times
        eventually(lambda: self._evaluations() >= until)

    def _evaluations(self) -> float:
        """How often since Prometheus was started."""
        metrics = httpx.get(f"{self.prometheus.address}/metrics", timeout=60).text
        rounds = samples(metrics, "prometheus_rule_group_iterations_total")
        return sum(one.value for one in rounds if "llm-budgets" in one.labels["rule_group"])


def eventually(condition: Callable[[], object], seconds: float = 90) -> None:
    """Wait until something holds, for longer than any server should take."""
    receiving.eventually(condition, seconds)


@contextmanager
def standing(
    directory: Path,
    targets: Sequence[str | Target],
    *,
    receiver: str,
    intervals: Intervals = QUICK,
    change: Callable[[Layout], object] = lambda _: None,
    arguments: Sequence[str] = (),
) -> Iterator[Chain]:
    """The chain from these targets to a receiver.

    `change` may rewrite the files before; `arguments` are more of Prometheus's.
    """
    alertmanager = free_port()
    layout = lay_out(
        directory,
        targets=[one if isinstance(one, Target) else Target(address=one) for one in targets],
        alertmanager=f"{HOST}:{alertmanager}",
        receiver=receiver,
        intervals=intervals,
    )
    change(layout)
    with ExitStack() as undo:
        chain = Chain(layout, alertmanager, arguments, undo)
        chain.start_alertmanager()
        chain.start_prometheus()
        yield chain


def came(receiver: Receiver) -> list[tuple[str, str]]:
    """Severity and status of each alert of the budget that came, in order."""
    return [
        (severity, status) for budget, severity, status in receiver.alerts() if budget == BUDGET
    ]
