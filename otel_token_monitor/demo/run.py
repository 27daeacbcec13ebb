"""The demo: a server, an application that is counted, a screen, and the check at the end."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import openai

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.config.sources import VARIABLES
from otel_token_monitor.demo.application import Application, Received, send
from otel_token_monitor.demo.hosting import DemoError, quiet, served_address
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
# Served at all addresses of the machine, it is asked at the one for itself.
_ALL_HOSTS: Final = {"0.0.0.0": _HOST, "::": "::1"}  # noqa: S104 - nothing is bound here
# What the demo takes from the environment. All else is its own: a developer's limits, webhooks and
# data directory are not for made-up calls.
_VARIABLES: Final = (VARIABLES["alerts_token_file"], VARIABLES["retention_days"])
_REFRESH_SECONDS: Final = 0.5
_REAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chose.

    `data_dir` None is a temporary one, `seconds` None is without end. With `environ` it calls the
    real API, with the key and the model named there. Of `variables`, those of the token for /alerts
    and of the retention are taken.
    """

    data_dir: Path | None = None
    host: str = _HOST
    port: int = 9464
    instrumentation: str = "traceloop"
    seconds: float | None = None
    environ: Mapping[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


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
        self.address = _asked_at(served_address(monitor))
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
    untold = f", and {_bold(received.untold)} untold" if received.untold else ""
    console.print(
        f"The client received {_bold(received.tokens)} tokens{untold}; "
        f"/metrics shows {_bold(total.total_tokens)}.",
        soft_wrap=True,
    )
    if received.without_usage or total.unmetered:
        console.print(
            f"{count_text(received.without_usage, 'call')} brought no usage; "
            f"/metrics shows {total.unmetered:,} unmetered."
        )
    tokens = received.tokens + received.untold
    expected = tokens, received.requests, received.errors, received.without_usage
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
            environ={name: options.variables.get(name, "") for name in _VARIABLES},
            **LIMITS,
            project="demo",
            data_dir=directory,
            host=options.host,
            port=_free_port(options.host, options.port, console),
            instrumentation=options.instrumentation,
            provider_hosts={} if base_url is None else {urlsplit(base_url).netloc: "openai"},
        )
        undo.enter_context(quiet())
        alerts: list[Alert] = []
        # Before all else: a ledger that was kept may be beyond its limits from the start.
        auto_monitor.on_alert(alerts.append)
        undo.callback(uninstrument)
        count = _Count(instrument(config=config), alerts)
        if not console.is_terminal:
            for path in PATHS:
                console.print(count.address.url(path), soft_wrap=True)
        yield count


def _free_port(host: str, port: int, console: Console) -> int:
    """The port, if it is free; else 0, for any free one. Raises DemoError for another's address."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise DemoError(f"--host {host} is no address of this machine") from error
        console.print(f"Port {port}: {os.strerror(error.errno or 0)}. Using a free one.")
        return 0
    return port


def _asked_at(address: Address) -> Address:
    """Where one asks, on this machine, what is served at an address."""
    return address._replace(host=_ALL_HOSTS.get(address.host, address.host))
