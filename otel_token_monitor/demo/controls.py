"""What a request's headers ask the demo server for, but for the body's form."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar, cast

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from otel_token_monitor.demo.replies import Json, UsageMaker

__all__ = ["cut", "error", "paced", "usage_maker"]

T = TypeVar("T")

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


def usage_maker(control: str | None) -> UsageMaker:
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
    """Close the request's connection, and see it closed."""
    cast("asyncio.Transport", request.state.transport).close()
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def paced(request: Request, chunks: Iterator[T]) -> AsyncIterator[T]:
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
