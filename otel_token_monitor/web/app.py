"""What is served over HTTP: the metrics, the server's own health, and a page for people."""

from __future__ import annotations

import gzip
from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from prometheus_client.exposition import gzip_accepted
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, Router

from otel_token_monitor.views.exposition import render
from otel_token_monitor.web.sources import ServerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.types import ASGIApp

__all__ = ["ServerStatus", "create_app"]

# Level 9, gzip's default, takes several times as long as the rendering itself; 1 takes half of it.
_GZIP_LEVEL: Final = 1


def create_app(
    registry: CollectorRegistry,
    *,
    status: Callable[[], ServerStatus],
    tokens_today: Callable[[], Mapping[str, int] | None] = lambda: None,
) -> ASGIApp:
    """The application: `/metrics`, `/healthz`, and a landing page at `/`.

    `tokens_today` gives today's tokens by project; None where they are not known. It, `status` and
    the registry's collectors are asked in worker threads, never on the event loop; several
    requests may ask at once.
    """

    # Plain functions: Starlette runs them in its worker threads.
    def metrics(request: Request) -> Response:
        return _exposition(registry, request)

    def healthz(_request: Request) -> Response:
        return _health(status())

    def landing(_request: Request) -> Response:
        page = _page(status(), tokens_today())
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    # A router is all that is needed. The Starlette class would bring redirects, and whoever
    # instruments that class for tracing would have a span for each scrape.
    return Router(
        [
            Route("/metrics", metrics),
            Route("/metrics/", metrics),
            Route("/healthz", healthz),
            Route("/", landing),
        ],
        redirect_slashes=False,
    )


def _exposition(registry: CollectorRegistry, request: Request) -> Response:
    """The metrics in the format that the client prefers; `name[]` restricts them to some."""
    names = request.query_params.getlist("name[]")
    shown = registry.restricted_registry(names) if names else registry
    body, content_type = render(shown, request.headers.get("accept", ""))
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if gzip_accepted(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


def _health(status: ServerStatus) -> Response:
    """Always 200: the process serves, and restarting it would not mend a ledger."""
    ok = status.trouble is None
    return JSONResponse(
        {
            "status": "ok" if ok else "ledger trouble",
            "version": status.version,
            "ledger": {
                "location": _encodable(status.ledger),
                "readable": ok,
                "error": None if status.trouble is None else _encodable(status.trouble),
            },
        },
        headers={"Cache-Control": "no-store"},
    )


def _encodable(text: str) -> str:
    """The text with escapes for what is not UTF-8: the name of a file may have any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _html(text: str) -> str:
    return escape(_encodable(text))


_PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OTel Token Monitor</title>
<style>
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0;
  --back: #fcfcfd; --link: #0b68cb; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #edeef0; --soft: #b0b4ba; --line: #363a3f; --back: #111113; --link: #70b8ff;
    --bad: #ff9592; }
}
body { margin: 3rem auto; max-width: 40rem; padding: 0 1.25rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; }
a { color: var(--link); }
code { overflow-wrap: anywhere; }
small, .soft { color: var(--soft); }
.bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem 0; text-align: left;
  overflow-wrap: anywhere; }
td + td, th + th { font-variant-numeric: tabular-nums; text-align: right; }
tfoot td { border-bottom: 0; font-weight: 600; }
</style>
</head>
<body>
<main>
<h1>OTel Token Monitor <small>$version</small></h1>
<p class="soft">Ledger: <code>$ledger</code></p>
$trouble<p><a href="metrics">Metrics</a> · <a href="healthz">Health</a></p>
$today</main>
</body>
</html>
""")


def _page(status: ServerStatus, tokens_today: Mapping[str, int] | None) -> str:
    """The landing page; everything that comes from outside is escaped."""
    trouble = status.trouble
    return _PAGE.substitute(
        version=_html(status.version),
        ledger=_html(status.ledger),
        trouble="" if trouble is None else f'<p class="bad">{_html(trouble)}</p>\n',
        today="" if tokens_today is None else _today(tokens_today),
    )


def _today(tokens: Mapping[str, int]) -> str:
    """Tokens by project, most first."""
    if not tokens:
        return "<h2>Tokens today</h2>\n<p>None yet.</p>\n"
    rows = "".join(
        f"<tr><td>{_html(project)}</td><td>{count:,}</td></tr>\n"
        for project, count in sorted(tokens.items(), key=lambda item: (-item[1], item[0]))
    )
    return (
        "<h2>Tokens today</h2>\n<table>\n"
        "<thead><tr><th>Project</th><th>Tokens</th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n"
        f"<tfoot><tr><td>All</td><td>{sum(tokens.values()):,}</td></tr></tfoot>\n"
        "</table>\n"
    )
