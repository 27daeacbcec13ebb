"""What is served over HTTP: the metrics, usage and status as JSON, and a page for people."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from prometheus_client.exposition import gzip_accepted
from starlette.responses import HTMLResponse, Response

from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.views.exposition import render
from otel_token_monitor.web.answers import NO_STORE, encodable, failure, json_answer
from otel_token_monitor.web.page.document import landing_page
from otel_token_monitor.web.webhook import answer_webhook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from otel_token_monitor.web.sources import Sources

    Endpoint = Callable[[Request], Response | Awaitable[Response]]

__all__ = ["ALERTS", "LANDING", "endpoints"]

LANDING: Final = "/"
ALERTS: Final = "/alerts"

# Level 9, gzip's default, takes several times as long as the rendering itself; 1 takes half of it.
_GZIP_LEVEL: Final = 1
_BOOLEANS: Final = {
    word: value
    for value, words in {True: "1 true yes on", False: "0 false no off"}.items()
    for word in words.split()
}
_PAGE_HEADERS: Final = {
    **NO_STORE,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _BadQueryError(Exception):
    """A query that means nothing; the message names what is wrong."""


def endpoints(sources: Sources) -> dict[str, Endpoint]:
    """What answers at which path; at `/alerts` to POST, elsewhere to GET and HEAD."""

    # Plain functions: Starlette runs them in its worker threads.
    def metrics(request: Request) -> Response:
        return _exposition(request, sources)

    def usage(request: Request) -> Response:
        return _answer(lambda: _usage(request, sources))

    def status(request: Request) -> Response:
        return _answer(lambda: _status(request, sources))

    def healthz(_request: Request) -> Response:
        return _health(sources)

    def landing(request: Request) -> Response:
        return _answer(lambda: _landing(request, sources))

    found: dict[str, Endpoint] = {
        "/metrics": metrics,
        "/token-usage": usage,
        "/token-status": status,
        "/healthz": healthz,
        LANDING: landing,
    }
    receive = sources.receive
    if receive is not None:

        async def alerts(request: Request) -> Response:
            return await answer_webhook(request, receive, sources.alerts_token)

        found[ALERTS] = alerts
    return found


def _answer(respond: Callable[[], Response]) -> Response:
    """The response, or the reason why there is none."""
    try:
        return respond()
    except _BadQueryError as error:
        return failure(400, str(error))
    except LedgerError as error:
        return failure(503, str(error))


def _exposition(request: Request, sources: Sources) -> Response:
    """The metrics in the format that the client prefers; `name[]` restricts them to some."""
    names = request.query_params.getlist("name[]")
    registry = sources.registry
    shown = registry.restricted_registry(names) if names else registry
    body, content_type = render(shown, request.headers.get("accept", ""))
    headers = {**NO_STORE, "Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if gzip_accepted(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


def _usage(request: Request, sources: Sources) -> Response:
    """Who spends how much, and every budget."""
    return json_answer(sources.report(_project(request), hours=False).document())


def _status(request: Request, sources: Sources) -> Response:
    """Every budget; 503 when one is CRITICAL, if the client is `strict`."""
    strict = _flag(request, "strict", default=False)
    report = sources.report(_project(request), hours=False)
    critical = report.status is BudgetStatus.CRITICAL
    return json_answer(report.status_document(), 503 if strict and critical else 200)


def _health(sources: Sources) -> Response:
    """Always 200: the process serves, and restarting it would not mend a ledger."""
    status = sources.status()
    ok = status.trouble is None
    return json_answer(
        {
            "status": "ok" if ok else "ledger trouble",
            "version": status.version,
            "ledger": {
                "location": encodable(status.ledger),
                "readable": ok,
                "error": None if status.trouble is None else encodable(status.trouble),
            },
        }
    )


def _landing(request: Request, sources: Sources) -> Response:
    """The page: also of a ledger that cannot be read, so that a person learns why."""
    refresh = _flag(request, "refresh", default=True)
    status = sources.status()
    troubles = [] if status.trouble is None else [status.trouble]
    try:
        report = sources.report(None, hours=True)
    except LedgerError as error:
        report = None
        troubles = list(dict.fromkeys([*troubles, str(error)]))
    page = landing_page(status, report, troubles, base=_base(request), refresh=refresh)
    return HTMLResponse(page, headers=_PAGE_HEADERS)


def _base(request: Request) -> str:
    """What stands before the page's links: they hold below any prefix, with a last slash or not."""
    path: str = request.scope["path"]
    return "" if path.endswith("/") else path.rpartition("/")[2] + "/"


def _project(request: Request) -> str | None:
    """The project that the client asks for; None: all."""
    asked = {
        name: value
        for name in ("project", "project_id")
        for value in request.query_params.getlist(name)
    }
    for name, value in asked.items():
        if not value:
            raise _BadQueryError(f"{name} is empty: name a project, or leave {name} out for all")
    if len(set(asked.values())) > 1:
        raise _BadQueryError("project and project_id name different projects: give one of them")
    return next(iter(asked.values()), None)


def _flag(request: Request, name: str, *, default: bool) -> bool:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        allowed = ", ".join(_BOOLEANS)
        message = f"{name}={text[:100]!r} is neither true nor false: give one of {allowed}"
        raise _BadQueryError(message) from None
