"""A server whose answers are made beforehand: it spends little, whoever measures its client."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import lru_cache
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.demo.replies import chat

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHUNKS", "TEXT_BYTES", "serving"]

CHUNKS: Final = "x-canned-chunks"
"""The header that says how many chunks a stream has."""
TEXT_BYTES: Final = "x-canned-text-bytes"
"""… and how many bytes of text are in each; 5 without it."""

_AT_ONCE: Final = 64


class _Handler(StreamRequestHandler):
    """Answers the requests of one connection, one after the other."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        while (head := self._head()) is not None:
            size = re.search(rb"(?im)^content-length: *(\d+)", head)
            body = self.rfile.read(int(size[1])) if size else b""
            request = json.loads(body)
            if request.get("stream"):
                asked = bool(request.get("stream_options"))
                texts = _number(head, CHUNKS, 100), _number(head, TEXT_BYTES, 5)
                self._stream(*texts, with_usage=asked)
            else:
                self.wfile.write(_whole())

    def _head(self) -> bytes | None:
        lines = []
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        return b"".join(lines) if lines else None

    def _stream(self, chunks: int, text_bytes: int, *, with_usage: bool) -> None:
        """Send each event as an HTTP chunk of its own, as OpenAI does."""
        event, last = _events(text_bytes, with_usage=with_usage)
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"x-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(chunks // _AT_ONCE):
            self.wfile.write(event * _AT_ONCE)
        self.wfile.write(event * (chunks % _AT_ONCE) + last + b"0\r\n\r\n")


def _number(head: bytes, name: str, default: int) -> int:
    found = re.search(rb"(?im)^" + name.encode() + rb": *(\d+)", head)
    return int(found[1]) if found else default


@lru_cache(maxsize=1)
def _body() -> dict[str, Any]:
    return chat(
        {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "What is a ledger?"}]},
        None,
        lambda computed: computed,
    )


@lru_cache(maxsize=1)
def _whole() -> bytes:
    body = json.dumps(_body()).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


@lru_cache(maxsize=16)
def _events(text_bytes: int, *, with_usage: bool) -> tuple[bytes, bytes]:
    """A chunk of a stream, and what ends it."""
    frame = {**_body(), "object": "chat.completion.chunk"}
    usage = frame.pop("usage")
    delta = {"index": 0, "delta": {"content": "x" * text_bytes}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    null = {"usage": None} if with_usage else {}
    last = [{**frame, "choices": [end], **null}]
    if with_usage:
        last.append({**frame, "choices": [], "usage": usage})
    return (
        _http_chunk(json.dumps({**frame, "choices": [delta], **null})),
        b"".join(_http_chunk(data) for data in (*map(json.dumps, last), "[DONE]")),
    )


def _http_chunk(data: str) -> bytes:
    event = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        server.stdin.close()
        server.wait(10)


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main() -> None:
    """Print the port, and serve until standard input ends."""
    from threading import Thread

    with _Server(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
