"""An OpenAI-compatible server on loopback, for the demo and for tests with the real client.

It serves, below ``/v1``, below any other prefix (``/api/v1``, ``/openai/v1``) and in Azure's form
``/openai/deployments/{model}/...``:

- ``POST chat/completions``, ``completions``, ``embeddings``, ``responses``, ``moderations``,
  ``images/generations``, ``images/edits``, ``audio/transcriptions``, ``audio/translations``,
  ``audio/speech``; with ``stream`` where OpenAI has it
- ``GET responses/{id}`` (also with ``stream=true``, from ``starting_after`` on) and
  ``POST responses/{id}/cancel``; ``GET chat/completions`` and ``chat/completions/{id}`` of those
  made with ``store``
- ``POST batches``, ``GET batches`` and ``batches/{id}``

What it answers is in :mod:`.replies`, :mod:`.responses`, :mod:`.media` and :mod:`.batches`. A
batch, or a response made with ``background``, is queued, and completed when it is asked for.
Request headers steer single requests:

``x-demo-usage``
    a JSON object that replaces the usage, or ``none``: the body carries no usage
``x-demo-usage-each``
    1: each chunk of a chat or text completion carries the usage so far, as
    ``stream_options.continuous_usage_stats`` asks for
``x-demo-status``
    400, 401, 429 or 500: answer with this error, in OpenAI's form
``x-demo-fail-times`` with ``x-demo-key``
    the first so many requests with that key fail with 500
``x-demo-delay``, ``x-demo-chunk-delay``
    seconds before the answer, and between the chunks of a stream
``x-demo-cut-after``
    close the connection after so many chunks of a stream; 0 closes it before the headers
``x-demo-id``
    the response id
``x-demo-polls``
    how often a background response or a batch is still in progress when it is asked for: 0
``x-demo-body``
    what is odd about the body, or about the last event of a stream; some of, with commas:
    ``array`` (JSON's, around it), ``deflate``, ``gzip``, ``huge`` (20 MB before the usage),
    ``latin1`` (a string that is not UTF-8), ``malformed`` (half of it is missing), ``nan`` (NaN
    before the usage), ``no-content-type``
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from otel_token_monitor.demo.answering import Answering

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

__all__ = ["DemoServer"]

START_TIMEOUT = 30.0


class _Protocol(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol, which lets a request close its own connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Not by uvicorn's own setting: it would switch off the application's access log, too.
        self.access_log = False
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class DemoServer:
    """The server, in a daemon thread of its own, from ``start`` to ``stop`` or in a ``with``.

    Port 0 takes any free port. A stopped server may be started again; it then has forgotten
    everything but, if one was given, its port.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = host, port
        self._answering = Answering()
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The ``base_url`` for a client; raises RuntimeError unless the server is running."""
        if self._socket is None:
            raise RuntimeError("the demo server is not running")
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    @property
    def requests(self) -> int:
        """How many requests to an endpoint arrived since the start, retries and errors too."""
        return self._answering.requests

    def start(self) -> Self:
        """Listen and return; raises OSError if the address is taken, RuntimeError if running."""
        if self._socket is not None:
            raise RuntimeError("the demo server is already running")
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._socket = socket.create_server(self._address, family=family)
        # Asyncio sets it only on sockets that name their protocol. Without, an answer takes 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answering = Answering()
        self._server = uvicorn.Server(self._config())
        run = self._server.run
        self._thread = threading.Thread(
            target=run, args=([self._socket],), name="demo-server", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the demo server did not start")
            time.sleep(0.002)
        return self

    def _config(self) -> uvicorn.Config:
        route = Route("/{path:path}", self._answering.handle, methods=["GET", "POST"])
        return uvicorn.Config(
            Starlette(routes=[route]),
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )

    def stop(self) -> None:
        """End the server and close its connections; does nothing if it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_TIMEOUT)
        if self._socket is not None:
            self._socket.close()
        self._socket = self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
