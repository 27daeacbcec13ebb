"""The demo: a server, an application that is counted, a screen, and the check at the end."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import openai

from otel_token_monitor.alerts.console import LOGGER
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.demo.application import Application, Received, send
from otel_token_monitor.demo.limits import LIMITS
from otel_token_monitor.demo.reading import Reading, ScrapeError, scrape
from otel_token_monitor.demo.screen import (
    INTRODUCTION,
    PATHS,
    Address,
    Lines,
    LiveScreen,
    Moment,
    News,
)
from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.demo.traffic import real_calls
from otel_token_monitor.instrumenting import auto_monitor, instrument, uninstrument
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.demo.screen import Screen
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
        with DemoServer() as server, _counting(options, console, server.base_url) as count:
            _watch(Application(server.base_url), count, options, console, stop)
    else:
        key = options.environ.get("OPENAI_API_KEY")
        if not key:
            raise DemoError("--real needs your key of the OpenAI API: set OPENAI_API_KEY")
        model = options.environ.get("OPENAI_MODEL") or "gpt-5-mini"
        client = openai.OpenAI(api_key=key, timeout=_REAL_SECONDS, max_retries=1)
        with _counting(options, console, None) as count:
            _call_openai(client, model, count, console)
    _say_what_next(options, console)


class _Count:
    """What the monitor shows of all that happens from now on; `alerts` grows with each alert."""

    def __init__(self, monitor: TokenMonitor, alerts: list[Alert]) -> None:
        self._monitor = monitor
        self._alerts = alerts
        self._limits = Policy.of(monitor.config)
        self.address = _address(monitor)
        self._start = self._scrape()
        self._began_ns = time.time_ns()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self._began

    def moment(self) -> Moment:
        """What it comes to now. Raises DemoError if /metrics does not answer."""
        seconds, reading = self.seconds, self._scrape().since(self._start)
        # As `status` shows it, but with all that has ended by now.
        report = self._monitor.ledger.ask(
            lambda reader: take_report(reader, self._limits, time.time_ns())
        )
        news = [
            News(max((alert.time_ns - self._began_ns) / 1e9, 0.0), alert) for alert in self._alerts
        ]
        return Moment(seconds, reading, report, news)

    def last_moment(self) -> Moment:
        """What it comes to, once all calls are in the ledger."""
        self._monitor.force_flush()
        return self.moment()

    def _scrape(self) -> Reading:
        try:
            return scrape(self.address)
        except ScrapeError as error:
            raise DemoError(f"/metrics does not answer: {error}") from error


def _watch(
    application: Application,
    count: _Count,
    options: Options,
    console: Console,
    stop: threading.Event,
) -> None:
    """Let the application run, and show what the monitor says of it."""
    screen: Screen
    if console.is_terminal and not console.is_dumb_terminal:
        screen = LiveScreen(console, count.address)
    else:
        console.print(INTRODUCTION, soft_wrap=True)
        screen = Lines(console)
    with contextlib.closing(screen):
        with application:
            while not stop.wait(_REFRESH_SECONDS):
                screen.show(count.moment())
                if options.seconds is not None and count.seconds >= options.seconds:
                    break
        last = count.last_moment()
        screen.end(last)
    _check(application.received, last.reading, console)


def _call_openai(client: openai.OpenAI, model: str, count: _Count, console: Console) -> None:
    """Make a few real calls, and show what the monitor says of them."""
    received = Received()
    for call in real_calls(model):
        error = send(client, call, received)
        outcome = "ok" if error is None else f"{type(error).__name__}: {error}"
        console.print(f"{call.project}: {call.endpoint} {model}: {outcome}", markup=False)
    last = count.last_moment()
    Lines(console).end(last)
    _check(received, last.reading, console)
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


def _say_what_next(options: Options, console: Console) -> None:
    """Name the command that reads a ledger, as it can be typed here."""
    if options.data_dir is None:
        directory = "DIR"
        console.print("Next: the README. With --data-dir DIR the ledger stays, and this reads it:")
    else:
        directory = shlex.quote(str(options.data_dir))
        console.print("Next: the README. This reads the ledger, which stays:")
    command = f"  {_program()} status --data-dir {directory}"
    console.print(command, style="cyan", markup=False, soft_wrap=True)


def _program() -> str:
    """How this program was called, or could be."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m otel_token_monitor"
    return called.name if shutil.which(called.name) else str(called)


def _bold(number: int) -> str:
    return f"[bold]{number:,}[/]"


@contextmanager
def _counting(options: Options, console: Console, base_url: str | None) -> Iterator[_Count]:
    """Count this process, and serve /metrics; `base_url` is that of the bundled server."""
    with ExitStack() as undo:
        directory = options.data_dir or undo.enter_context(
            TemporaryDirectory(prefix="otel-token-monitor-")
        )
        config = TokenMonitorConfig(
            environ={},
            **LIMITS,
            project="demo",
            data_dir=directory,
            host=_HOST,
            port=_free_port(options.port, console),
            instrumentation=options.instrumentation,
            provider_hosts={} if base_url is None else {urlsplit(base_url).netloc: "openai"},
        )
        undo.enter_context(_quiet())
        alerts: list[Alert] = []
        # Before all else: a ledger that was kept may be beyond its limits from the start.
        auto_monitor.on_alert(alerts.append)
        undo.callback(uninstrument)
        count = _Count(instrument(config=config), alerts)
        if not console.is_terminal:
            for path in PATHS:
                console.print(count.address.url(path), soft_wrap=True)
        yield count


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what would only disturb it.

    Traceloop's instrumentation ends the span of a failed call twice, which changes nothing, and
    makes the SDK say so. Alerts are shown by the demo itself; a logger with a handler of its own
    has no need of standard error.
    """

    def is_news(record: logging.LogRecord) -> bool:
        return record.getMessage() != "Calling end() on an ended span."

    log, alerts = logging.getLogger("opentelemetry.sdk.trace"), logging.getLogger(LOGGER)
    nowhere = logging.NullHandler()
    log.addFilter(is_news)
    alerts.addHandler(nowhere)
    try:
        yield
    finally:
        alerts.removeHandler(nowhere)
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


def _address(monitor: TokenMonitor) -> Address:
    """Where the monitor serves, once it does: it begins in the background."""
    deadline = time.monotonic() + _START_SECONDS
    while (address := monitor.address) is None:
        if time.monotonic() > deadline:
            message = f"port {monitor.config.port} was taken meanwhile: choose another with --port"
            raise DemoError(message)
        time.sleep(0.01)
    return Address(*address)
