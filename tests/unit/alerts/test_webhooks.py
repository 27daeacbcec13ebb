"""Webhooks over HTTP, on a real server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from otel_token_monitor.alerts.channels import DeliveryError
from otel_token_monitor.alerts.documents import firing_alert, payload, resolved_alert
from otel_token_monitor.alerts.slack import message
from otel_token_monitor.alerts.webhooks import Webhook, origin_of
from tests.unit.ledger.books import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = {"alertname": "LLMBudgetUsed", "severity": "critical", "budget": "ledger/tokens/day"}
ALERT = firing_alert(LABELS, {"summary": "Nearly gone", "description": "92 %"}, NOW, "")
NOTICE = {"webhook": payload([ALERT], ""), "lines": []}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Server(HTTPServer):
    """Answers with `status`, and keeps what it got."""

    status = 200
    got: list[tuple[str, str | None, Any]]

    def url(self) -> SecretStr:
        return SecretStr(f"http://127.0.0.1:{self.server_port}/secret")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), _Handler)
    made.got = []
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_webhook_gets_the_document(server: Server) -> None:
    Webhook(server.url()).send(NOTICE, 10)
    assert server.got == [("/secret", "application/json", NOTICE["webhook"])]


def test_a_report_is_not_sent(server: Server) -> None:
    Webhook(server.url()).send({"webhook": None, "lines": []}, 10)
    assert server.got == []


@pytest.mark.parametrize(
    ("status", "refused", "hint"),
    [
        (307, False, "; redirects are not followed: configure the address that it leads to"),
        (400, True, ""),
        (404, False, ""),
        (429, False, ""),
        (503, False, ""),
    ],
)
def test_another_answer_than_success_is_an_error(
    server: Server, status: int, refused: bool, hint: str
) -> None:
    server.status = status
    with pytest.raises(DeliveryError) as failed:
        Webhook(server.url()).send(NOTICE, 10)
    where = f"the webhook at http://127.0.0.1:{server.server_port}"
    assert str(failed.value) == f"{where} answered {status}{hint}"
    assert failed.value.refused is refused
    assert [path for path, _, _ in server.got] == ["/secret"]


def test_a_server_that_is_down_is_an_error_without_the_address(server: Server) -> None:
    port = server.server_port
    webhook = Webhook(SecretStr(f"http://user:password@127.0.0.1:{port}/secret"))
    server.server_close()
    with pytest.raises(DeliveryError) as failed:
        webhook.send(NOTICE, 10)
    expected = f"the webhook at http://127.0.0.1:{port} cannot be reached (ConnectionError)"
    assert str(failed.value) == expected
    assert "secret" not in repr(webhook)


def test_the_ledger_knows_an_address_by_its_hash() -> None:
    webhook = Webhook(SecretStr("https://hooks.slack.com/services/T0/B0/secret"))
    assert (webhook.target, webhook.origin) == (
        "webhook:fdf3d4704d89",
        "https://hooks.slack.com:443",
    )


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com/a?b", "https://example.com:443"),
        ("http://example.com:8080", "http://example.com:8080"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("alertmanager:9093", ""),
        ("http://[::1", ""),
        ("http://a:b", ""),
        ("", ""),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_slack_gets_a_coloured_message() -> None:
    ended = resolved_alert(ALERT, "0 %", NOW)
    assert message(payload([ended, ALERT], "")) == {
        "text": "[RESOLVED] Nearly gone; [CRITICAL] Nearly gone",
        "mrkdwn": False,
        "attachments": [
            {
                "color": "#2eb67d",
                "title": "[RESOLVED] Nearly gone",
                "text": "0 %",
                "fallback": "[RESOLVED] Nearly gone: 0 %",
                "mrkdwn_in": [],
            },
            {
                "color": "#d00000",
                "title": "[CRITICAL] Nearly gone",
                "text": "92 %",
                "fallback": "[CRITICAL] Nearly gone: 92 %",
                "mrkdwn_in": [],
            },
        ],
    }


def test_names_are_no_markup_for_slack() -> None:
    alert = firing_alert({"alertname": "<!channel> & <a>"}, {}, NOW, "http://127.0.0.1/")
    sent = message(payload([alert], ""))
    assert sent["text"] == "[FIRING] &lt;!channel&gt; &amp; &lt;a&gt;"
    assert sent["attachments"][0]["text"] == "alertname=&lt;!channel&gt; &amp; &lt;a&gt;"
    assert sent["attachments"][0]["title_link"] == "http://127.0.0.1/"
