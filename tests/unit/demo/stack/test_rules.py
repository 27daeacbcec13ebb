"""What Prometheus says that fires."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.demo.stack.rules import firing
from otel_token_monitor.demo.stack.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = "ledger/tokens/day"


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """A server that answers every request with a body; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def alert(state: str = "firing", **labels: str) -> dict[str, Any]:
    named = {"alertname": "LLMBudgetUsed", "budget": BUDGET, "severity": "warning"}
    return {"state": state, "labels": named | labels}


def test_it_is_the_budgets_alerts_that_fire() -> None:
    alerts = [
        alert(severity="critical"),
        alert(),
        alert(budget="model:gpt-5*/tokens/day"),
        alert(alertname="LLMBudgetRunningOut"),
        {"state": "firing", "labels": {"alertname": "LLMUsageAbsent"}},
    ]
    with answering(json.dumps({"data": {"alerts": alerts}}).encode()) as port:
        assert firing(port, BUDGET) == [BudgetStatus.WARNING, BudgetStatus.CRITICAL]


def test_what_is_pending_does_not_fire() -> None:
    with answering(json.dumps({"data": {"alerts": [alert("pending")]}}).encode()) as port:
        assert firing(port, BUDGET) == []


@pytest.mark.parametrize("body", [b"not ready", b"{}"])
def test_another_answer_says_nothing(body: bytes) -> None:
    with answering(body) as port:
        assert firing(port, BUDGET) == []


def test_no_answer_says_nothing() -> None:
    assert firing(free_port(), BUDGET) == []
