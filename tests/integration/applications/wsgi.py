"""A WSGI application for gunicorn: each request makes calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import otel_token_monitor
from tests.loads import call, tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

otel_token_monitor.instrument(instrumentation="none")
_tracer = tracer()


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Make as many calls as asked for; answer with the process's id."""
    asked = parse_qs(environ["QUERY_STRING"])
    for _ in range(int(asked.get("calls", ["0"])[0])):
        call(_tracer)
    start: Callable[..., object] = start_response
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
