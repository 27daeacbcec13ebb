"""An OpenAI-compatible server on loopback, for the demo and for tests with the real client.

It serves ``POST chat/completions``, ``completions``, ``responses`` and ``embeddings`` and
``GET responses/{id}``, below ``/v1``, below any other prefix (``/api/v1``, ``/openai/v1``) and in
Azure's form ``/openai/deployments/{model}/...``. What it answers is in :mod:`.replies` and
:mod:`.responses`. Request headers steer single requests:

``x-demo-usage``
    a JSON object that replaces the usage, or ``none``: the body carries no usage
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
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from otel_token_monitor.demo import replies, responses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from starlette.requests import Request

    from otel_token_monitor.demo.replies import Json

REMEMBERED = 1000
"""How many created responses, and how many failure keys, a server remembers."""
START_TIMEOUT = 10.0

ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", None, "Not found."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error while processing your request."),
}
"""Status -> OpenAI's error type, code and message."""
RETRIED = (429, 500)
"""The statuses after which the client tries again."""


class _Endpoint(NamedTuple):
    """One kind of call: how to make its body and how to stream that."""

    make: Callable[[Json, str | None, replies.UsageMaker], Json]
    stream: Callable[[Json, Json], Iterator[str]] | None


ENDPOINTS = {
    "chat/completions": _Endpoint(replies.chat, replies.completion_stream),
    "completions": _Endpoint(replies.completion, replies.completion_stream),
    "embeddings": _Endpoint(replies.embeddings, None),
    "responses": _Endpoint(responses.response, responses.response_stream),
}
_PATH = re.compile(
    r"(?:^|/)(?:v1|openai(?:/deployments/(?P<model>[^/]+))?)/"
    r"(?P<kind>chat/completions|completions|embeddings|responses)(?:/(?P<id>[^/]+))?$"
)


class _Protocol(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol, which lets a request close its own connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Not by uvicorn's own setting: it would switch off the application's access log, too.
        self.access_log = False
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def error(status: int, message: str = "") -> JSONResponse:
    """An error as OpenAI sends it; those worth a retry ask for it at once.

    Raises ValueError for a status that it has no error for.
    """
    if status not in ERRORS:
        raise ValueError(f"x-demo-status must be one of {sorted(ERRORS)}")
    kind, code, default = ERRORS[status]
    body = {"message": message or default, "type": kind, "param": None, "code": code}
    headers = {"retry-after-ms": "1"} if status in RETRIED else {}
    return JSONResponse({"error": body}, status, headers)


def usage_maker(control: str | None) -> replies.UsageMaker:
    """What ``x-demo-usage`` asks for; raises ValueError if it is neither object nor ``none``."""
    if control is None:
        return lambda computed: computed
    if control == "none":
        return lambda _computed: None
    if not control.startswith("{"):
        raise ValueError("x-demo-usage must be a JSON object or none")
    usage: Json = json.loads(control)
    return lambda _computed: usage


async def cut(request: Request) -> None:
    """Close the request's connection, what was written so far sent, and see it closed."""
    cast("asyncio.Transport", request.state.transport).close()
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def paced(request: Request, chunks: Iterator[str]) -> AsyncIterator[str]:
    """The chunks, with the pauses and the cut that the request's headers ask for."""
    pause = float(request.headers.get("x-demo-chunk-delay", 0))
    limit = int(request.headers.get("x-demo-cut-after", -1))
    for number, chunk in enumerate(chunks):
        if number == limit:
            await cut(request)
            return
        if number:
            await asyncio.sleep(pause)
        yield chunk


class _App:
    """The requests' handler, with what it remembers between them."""

    def __init__(self) -> None:
        self.requests = 0
        self._responses: OrderedDict[str, Json] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()

    async def handle(self, request: Request) -> Response:
        """Answer any request: the path's kind of call, or the failure that its headers ask for."""
        found = _PATH.search(request.url.path)
        if found is None:
            return error(404)
        self.requests += 1
        try:
            await request.body()
            await asyncio.sleep(float(request.headers.get("x-demo-delay", 0)))
            return await self._failure(request) or await self._answer(request, found)
        except ClientDisconnect:
            return Response()
        except ValueError as exc:
            return error(400, str(exc))

    async def _failure(self, request: Request) -> Response | None:
        """The failure that the request's headers ask for, if they do."""
        if self._must_fail(request):
            return error(500)
        if "x-demo-status" in request.headers:
            return error(int(request.headers["x-demo-status"]))
        if request.headers.get("x-demo-cut-after") == "0":
            await cut(request)
            return Response()
        return None

    async def _answer(self, request: Request, found: re.Match[str]) -> Response:
        """What the path asks for: a response made before, or a new body of some kind."""
        if request.method == "GET":
            return self._retrieve(found["id"])
        return await self._create(request, found["kind"], found["model"])

    def _must_fail(self, request: Request) -> bool:
        """Whether the request is among the first with its key, which fail; counts it if so."""
        key = request.headers.get("x-demo-key", "")
        failed = self._failures.get(key, 0)
        if failed >= int(request.headers.get("x-demo-fail-times", 0)):
            return False
        self._remember(self._failures, key, failed + 1)
        return True

    def _retrieve(self, response_id: str | None) -> Response:
        body = self._responses.get(response_id or "")
        if body is None:
            return error(404, f"Response with id '{response_id}' not found.")
        return JSONResponse(body)

    async def _create(self, request: Request, kind: str, deployment: str | None) -> Response:
        """Make the body that was asked for and send it, whole or as a stream."""
        asked = await request.json()
        if not isinstance(asked, dict):
            return error(400, "the request's body must be a JSON object")
        asked.setdefault("model", deployment or "")
        endpoint = ENDPOINTS[kind]
        usage = usage_maker(request.headers.get("x-demo-usage"))
        body = endpoint.make(asked, request.headers.get("x-demo-id"), usage)
        if kind == "responses":
            self._remember(self._responses, body["id"], body)
        headers = {"x-request-id": replies.new_id("req_")}
        if asked.get("stream") and endpoint.stream:
            chunks = paced(request, endpoint.stream(asked, body))
            return StreamingResponse(chunks, headers=headers, media_type="text/event-stream")
        if kind == "responses" and asked.get("background"):
            body = responses.unfinished(body, "queued")
        return JSONResponse(body, headers=headers)

    @staticmethod
    def _remember(memory: OrderedDict[str, Any], key: str, value: object) -> None:
        """Store a value, forgetting the oldest beyond ``REMEMBERED``."""
        memory[key] = value
        while len(memory) > REMEMBERED:
            memory.popitem(last=False)


class DemoServer:
    """The server, in a daemon thread of its own, from ``start`` to ``stop`` or in a ``with``.

    Port 0 takes any free port. A stopped server may be started again; it then has forgotten
    everything but, if one was given, its port.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = host, port
        self._app = _App()
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
        return self._app.requests

    def start(self) -> Self:
        """Listen and return; raises OSError if the address is taken, RuntimeError if running."""
        if self._socket is not None:
            raise RuntimeError("the demo server is already running")
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._socket = socket.create_server(self._address, family=family)
        # Asyncio sets it only on sockets that name their protocol. Without, an answer takes 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._app = _App()
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
        route = Route("/{path:path}", self._app.handle, methods=["GET", "POST"])
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
