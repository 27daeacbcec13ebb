"""`/alerts`: Alertmanager's webhook, taken to the notifications."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from otel_token_monitor.alerts.receiver import MalformedPayloadError
from otel_token_monitor.config import ConfigError
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.web.answers import failure, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["MAX_BODY_BYTES", "answer_webhook"]

MAX_BODY_BYTES: Final = 1 << 20

_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_NOT_CONFIGURED: Final = (
    "no token is configured for /alerts: set TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE, and "
    "have the sender give it as `Authorization: Bearer TOKEN`"
)
_NOT_AUTHORIZED: Final = (
    "send the token of TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE as `Authorization: Bearer "
    "TOKEN`"
)


class _TooLargeError(Exception):
    """The body is larger than any webhook has cause to be."""


async def answer_webhook(
    request: Request,
    receive: Callable[[bytes], Mapping[str, int]],
    alerts_token: Callable[[], str | None],
) -> Response:
    """200 with counts; a 4xx says what is wrong, 503 that the sender shall try again."""
    refused = await run_in_threadpool(_refusal, request, alerts_token)
    if refused is not None:
        return refused
    try:
        body = await _body(request)
    except _TooLargeError:
        return failure(413, f"the body has more than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        return failure(400, "the connection was closed before the body was complete")
    try:
        counts = await run_in_threadpool(receive, body)
    except MalformedPayloadError as error:
        return failure(400, str(error))
    except LedgerError as error:
        return failure(503, str(error))
    return json_answer({"alerts": dict(counts)})


def _refusal(request: Request, alerts_token: Callable[[], str | None]) -> Response | None:
    """Why this sender's body is not read; None if it has the token."""
    try:
        token = alerts_token()
    except ConfigError as error:
        return failure(503, str(error))
    if token is None:
        return failure(403, _NOT_CONFIGURED)
    given = _BEARER.fullmatch(request.headers.get("authorization", ""))
    # As long for a wrong token as for the right one, whatever they have in common.
    if given is None or not hmac.compare_digest(given[1].encode(), token.encode()):
        return failure(401, _NOT_AUTHORIZED, {"WWW-Authenticate": 'Bearer realm="alerts"'})
    return None


async def _body(request: Request) -> bytes:
    """The body, of which no more is read than may be."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise _TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _TooLargeError
    return bytes(body)
