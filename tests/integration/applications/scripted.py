"""A server on loopback that sends what a script says, byte for byte, and waits where it says so.

A request names its script in the header `x-script`; the server remembers what it was sent, and how
many connections it was asked for.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CLOSE", "PATIENCE", "Part", "Script", "Server", "chunked", "head", "sse", "whole"]

PATIENCE = 30
"""How long a script waits for what must come (seconds): a test that needs it has failed."""


class _Close(Enum):
    CLOSE = "close"


CLOSE = _Close.CLOSE
"""End the connection."""

Part = bytes | threading.Event | _Close
Script = Callable[[dict[str, Any]], Iterable[Part]]
"""What to send for a request with this body: bytes; an event is waited for."""


def head(status: int = 200, /, **headers: str | None) -> bytes:
    """The head of a response; `_` stands for `-` in names, None leaves a header out."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    given = {"content_type": "application/json", "x_request_id": "req_1", **headers}
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in given.items() if v is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def whole(body: bytes | object, status: int = 200, /, **headers: str | None) -> bytes:
    """A response with its length; what is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, **{"content_length": str(len(content))} | headers) + content


def chunked(content: bytes) -> bytes:
    """One chunk of a body in chunks; an empty one is its end."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def sse(*events: Part | object, **headers: str | None) -> list[Part]:
    """A stream of events, each a chunk; bytes, and what is waited for, as they are."""
    parts: list[Part] = [
        head(content_type="text/event-stream", transfer_encoding="chunked", **headers)
    ]
    for event in events:
        if isinstance(event, (threading.Event, _Close)):
            parts.append(event)
        elif isinstance(event, bytes):
            parts.append(chunked(event))
        else:
            parts.append(chunked(b"data: " + json.dumps(event).encode() + b"\n\n"))
    return [*parts, chunked(b"")]


class Server:
    """The server, in threads of its own, in a `with`."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self._scripts = scripts
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.connections = 0
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as received:
            while True:
                lines = []
                while (line := received.readline()) not in {b"\r\n", b""}:
                    lines.append(line.decode("latin-1").rstrip("\r\n"))
                if not lines:
                    return
                pairs = (line.partition(": ")[::2] for line in lines[1:])
                headers = {name.lower(): value for name, value in pairs}
                content = received.read(int(headers.get("content-length", 0)))
                name = headers.get("x-script", "")
                self.requests.append(name)
                if not self._play(connection, name, content):
                    return

    def _play(self, connection: socket.socket, name: str, content: bytes) -> bool:
        """Send what the script says; whether the connection goes on."""
        body = json.loads(content) if content[:1] == b"{" else {}
        self.bodies.append(body)
        for part in self._scripts[name](body):
            if part is CLOSE:
                return False
            if isinstance(part, threading.Event):
                assert part.wait(PATIENCE), f"nobody let {name} go on"
            else:
                assert isinstance(part, bytes)
                connection.sendall(part)
        return True
