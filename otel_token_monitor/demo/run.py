"""The demo: a server, an application that is counted, a screen, and the check at the end."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import openai

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.demo.application import Application, Received, send
from otel_token_monitor.demo.reading import Reading, ScrapeError, scrape
from otel_token_monitor.demo.screen import Lines, LiveTable, Moment
from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.demo.traffic import real_calls
from otel_token_monitor.instrumenting import instrument, uninstrument
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from otel_token_monitor.monitor import TokenMonitor

__all__ = ["DemoError", "Options", "run"]

_HOST: Final = "127.0.0.1"
_REFRESH_SECONDS: Final = 0.5
_START_SECONDS: Final = 10.0
_REAL_SECONDS: Final = 60.0


class DemoError(Exception):
    """The demo cannot run, or what it shows is not what was received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chose.

    `data_dir` None is a temporary one, `seconds` None is without end. With `environ` it calls the
    real API, with the key and the model named there.
    """

    data_dir: Path | None = None
    port: int = 9464
    instrumentation: str = "traceloop"
    seconds: float | None = None
    environ: Mapping[str, str] | None = None


def run(options: Options, console: Console, stop: threading.Event) -> None:
    """Run until `stop` is set or the time is over. Raises DemoError."""
    if options.environ is None:
        with DemoServer() as server, _monitor(options, console, server.base_url) as monitor:
            console.print("Three projects call models on a server of the demo's own. Ctrl-C ends.")
            _watch(Application(server.base_url), monitor, options, console, stop)
    else:
        key = options.environ.get("OPENAI_API_KEY")
        if not key:
            raise DemoError("--real needs your key of the OpenAI API: set OPENAI_API_KEY")
        model = options.environ.get("OPENAI_MODEL") or "gpt-5-mini"
        with _monitor(options, console, None) as monitor:
            _call_openai(
                openai.OpenAI(api_key=key, timeout=_REAL_SECONDS, max_retries=1),
                model,
                monitor,
                console,
            )


def _watch(
    application: Application,
    monitor: TokenMonitor,
    options: Options,
    console: Console,
    stop: threading.Event,
) -> None:
    """Let the application run, and show what /metrics says of it."""
    start, began = _scrape(monitor), time.monotonic()

    def moment() -> Moment:
        return Moment(time.monotonic() - began, _scrape(monitor).since(start))

    with contextlib.closing((LiveTable if console.is_terminal else Lines)(console)) as screen:
        with application:
            while not stop.wait(_REFRESH_SECONDS):
                screen.show(moment())
                if options.seconds is not None and time.monotonic() - began >= options.seconds:
                    break
        monitor.force_flush()
        last = moment()
        screen.end(last)
    _check(application.received, last.reading, console)


def _call_openai(
    client: openai.OpenAI, model: str, monitor: TokenMonitor, console: Console
) -> None:
    """Make a few real calls, and show what /metrics says of them."""
    start, began, received = _scrape(monitor), time.monotonic(), Received()
    for call in real_calls(model):
        error = send(client, call, received)
        outcome = "ok" if error is None else f"{type(error).__name__}: {error}"
        console.print(f"{call.project}: {call.endpoint} {model}: {outcome}", markup=False)
    monitor.force_flush()
    reading = _scrape(monitor).since(start)
    Lines(console).end(Moment(time.monotonic() - began, reading))
    _check(received, reading, console)
    if received.errors == received.requests:
        raise DemoError("no call succeeded")


def _check(received: Received, reading: Reading, console: Console) -> None:
    """Hold /metrics against what the client received. Raises DemoError where they differ."""
    total = reading.total
    console.print()
    console.print(
        f"The client received {_bold(received.tokens)} tokens; "
        f"/metrics shows {_bold(total.total_tokens)}."
    )
    if received.without_usage or total.unmetered:
        console.print(
            f"{count_text(received.without_usage, 'call')} brought no usage; "
            f"/metrics shows {total.unmetered:,} unmetered."
        )
    expected = received.tokens, received.requests, received.errors, received.without_usage
    shown = total.total_tokens, total.requests, total.requests_error, total.unmetered
    if shown != expected:
        names = "tokens, requests, errors, unmetered"
        raise DemoError(f"received ({names}): {expected}, but /metrics shows {shown}")


def _bold(number: int) -> str:
    return f"[bold]{number:,}[/]"


@contextmanager
def _monitor(options: Options, console: Console, base_url: str | None) -> Iterator[TokenMonitor]:
    """Count this process, and serve /metrics; `base_url` is that of the bundled server."""
    with ExitStack() as undo:
        directory = options.data_dir or undo.enter_context(
            TemporaryDirectory(prefix="otel-token-monitor-")
        )
        config = TokenMonitorConfig(
            environ={},
            project="demo",
            data_dir=directory,
            host=_HOST,
            port=_free_port(options.port, console),
            instrumentation=options.instrumentation,
            provider_hosts={} if base_url is None else {urlsplit(base_url).netloc: "openai"},
        )
        undo.enter_context(_quiet())
        undo.callback(uninstrument)
        monitor = instrument(config=config)
        host, port = _address(monitor)
        console.print(f"Metrics: http://{host}:{port}/metrics", highlight=False, soft_wrap=True)
        yield monitor


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Traceloop's instrumentation makes the SDK say of failed calls off the screen.

    It ends the span of such a call twice, which changes nothing.
    """

    def is_news(record: logging.LogRecord) -> bool:
        return record.getMessage() != "Calling end() on an ended span."

    log = logging.getLogger("opentelemetry.sdk.trace")
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _free_port(port: int, console: Console) -> int:
    """The port, if it is free; else 0, for any free one."""
    if port:
        try:
            socket.create_server((_HOST, port)).close()
        except OSError as error:
            console.print(f"Port {port}: {os.strerror(error.errno or 0)}. Using a free one.")
            return 0
    return port


def _address(monitor: TokenMonitor) -> tuple[str, int]:
    """Where the monitor serves, once it does: it begins in the background."""
    deadline = time.monotonic() + _START_SECONDS
    while (address := monitor.address) is None:
        if time.monotonic() > deadline:
            message = f"port {monitor.config.port} was taken meanwhile: choose another with --port"
            raise DemoError(message)
        time.sleep(0.01)
    return address


def _scrape(monitor: TokenMonitor) -> Reading:
    try:
        return scrape(_address(monitor))
    except ScrapeError as error:
        raise DemoError(f"/metrics does not answer: {error}") from error
