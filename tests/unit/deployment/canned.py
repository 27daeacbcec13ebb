"""A server that answers what it is told to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Canned", "CannedServer", "canned", "html", "of_json", "plain"]

JSON: Final = "application/json"


class Canned(NamedTuple):
    """An answer; `location` is where it redirects to."""

    status: int
    content_type: str
    body: str
    location: str | None = None


def of_json(document: object, status: int = 200) -> Canned:
    return Canned(status, JSON, json.dumps(document))


def html(status: int = 200) -> Canned:
    return Canned(status, "text/html; charset=utf-8", "<html><title>Log in</title></html>")


def plain(body: str, status: int = 200) -> Canned:
    return Canned(status, "text/plain; charset=utf-8", body)


class _Handler(BaseHTTPRequestHandler):
    server: CannedServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append((parts.path, parse_qs(parts.query)))
        self.server.authorizations.append(self.headers.get("Authorization"))
        answer = self.server.answers.get(parts.path, plain("404 page not found", 404))
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if answer.location is not None:
            self.send_header("Location", answer.location)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class CannedServer(ThreadingHTTPServer):
    """Answers by path, 404 to all others; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answers: Mapping[str, Canned]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = dict(answers)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.authorizations: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def canned(answers: Mapping[str, Canned]) -> Iterator[CannedServer]:
    """A server with these answers, until the end."""
    server = CannedServer(answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
