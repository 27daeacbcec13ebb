"""The stack: the demo's application, Prometheus and Alertmanager, and alerts on their way."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_token_monitor.alerts.receiver import parse
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.demo.application import Application
from otel_token_monitor.demo.hosting import DemoError, quiet, served_address
from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.demo.stack.course import Course, Link, Step, arrivals
from otel_token_monitor.demo.stack.layout import Target, lay_out
from otel_token_monitor.demo.stack.limits import BUDGET, EARLIER, LIMITS, PAUSE_SECONDS, PROJECT
from otel_token_monitor.demo.stack.rules import firing
from otel_token_monitor.demo.stack.screen import METRICS_PORT, PROMETHEUS_PORT, Addresses, Screen
from otel_token_monitor.demo.stack.servers import (
    HOST,
    MissingServerError,
    ServerEndedError,
    StartError,
    check_installed,
    free_port,
    is_free,
    running_alertmanager,
    running_prometheus,
)
from otel_token_monitor.instrumenting import auto_monitor, instrument, uninstrument

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.demo.stack.course import Event
    from otel_token_monitor.demo.stack.layout import Layout
    from otel_token_monitor.demo.stack.servers import RunningServer
    from otel_token_monitor.monitor import TokenMonitor

__all__ = ["StackOptions", "run_stack"]

_REFRESH_SECONDS: Final = 0.5
_ALERTMANAGER_PORT: Final = 9093
_STATUSES: Final = (BudgetStatus.WARNING, BudgetStatus.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What the user chose; `seconds` None is without end."""

    port: int = METRICS_PORT
    instrumentation: str = "traceloop"
    seconds: float | None = None


def run_stack(options: StackOptions, console: Console, stop: threading.Event) -> bool:
    """Run until `stop` is set or the time is over; whether the WARNING has arrived.

    Raises DemoError if it cannot run, or if a server ends.
    """
    try:
        check_installed()
        with _standing(options, console) as stack:
            return _follow(stack, options.seconds, console, stop)
    except (MissingServerError, StartError, ServerEndedError) as error:
        raise DemoError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """All of it, running; `events` has what has happened and is not shown yet."""

    application: Application
    monitor: TokenMonitor
    prometheus: RunningServer
    alertmanager: RunningServer
    events: SimpleQueue[Event]

    def used(self) -> float | None:
        """The share of the budget that is used; None if the ledger cannot be read now."""
        budgets = auto_monitor.check().budgets
        return next((one.ratio for one in budgets if one.limit.budget == BUDGET), None)

    def look(self) -> None:
        """See what fires in Prometheus. Raises ServerEndedError if a server is not there."""
        for server in (self.prometheus, self.alertmanager):
            server.check()
        for status in firing(self.prometheus.port, BUDGET):
            self.events.put(Step(time.monotonic(), status, Link.PROMETHEUS))


@contextmanager
def _standing(options: StackOptions, console: Console) -> Iterator[_Stack]:
    """All servers, which end with it, last come first gone."""
    with ExitStack() as undo:
        directory = Path(undo.enter_context(TemporaryDirectory(prefix="otel-token-monitor-")))
        port, prometheus, alertmanager = (
            _usual_or_free(usual, console)
            for usual in (options.port, PROMETHEUS_PORT, _ALERTMANAGER_PORT)
        )
        layout = lay_out(
            directory / "prometheus",
            targets=[Target(address=f"{HOST}:{port}")],
            alertmanager=f"{HOST}:{alertmanager}",
            receiver=f"http://{HOST}:{port}/alerts",
        )
        server = undo.enter_context(DemoServer())
        config = _config(options, directory / "ledger", port, layout, server.base_url)
        events: SimpleQueue[Event] = SimpleQueue()
        monitor = undo.enter_context(_counting(config, events))
        yield _Stack(
            application=Application(server.base_url, pause_seconds=PAUSE_SECONDS),
            monitor=monitor,
            alertmanager=undo.enter_context(
                running_alertmanager(
                    layout.alertmanager, layout.alertmanager_storage, port=alertmanager
                )
            ),
            prometheus=undo.enter_context(
                running_prometheus(layout.prometheus, layout.prometheus_storage, port=prometheus)
            ),
            events=events,
        )


def _config(
    options: StackOptions, data_dir: Path, port: int, layout: Layout, base_url: str
) -> TokenMonitorConfig:
    return TokenMonitorConfig(
        environ={},
        **LIMITS,
        project="demo",
        data_dir=data_dir,
        host=HOST,
        port=port,
        instrumentation=options.instrumentation,
        provider_hosts={urlsplit(base_url).netloc: "openai"},
        alerts_token_file=layout.token_file,
        auto_report=False,
    )


@contextmanager
def _counting(config: TokenMonitorConfig, events: SimpleQueue[Event]) -> Iterator[TokenMonitor]:
    """Count this process, and note what its watch notices and what comes to its `/alerts`."""

    def note(alert: Alert) -> None:
        if alert.name == BUDGET:
            # Both at once, where calls were many.
            for status in _STATUSES[: alert.new_status]:
                events.put(Step(time.monotonic(), status, Link.APPLICATION))

    with ExitStack() as undo:
        undo.enter_context(quiet())
        auto_monitor.on_alert(note)
        undo.callback(uninstrument)
        monitor = instrument(config=config)
        receive = monitor.receiver

        def noting(body: bytes) -> Mapping[str, int]:
            """Once it is kept; what is not will come again."""
            counts = {} if receive is None else receive(body)
            for event in arrivals(parse(body), BUDGET, time.monotonic()):
                events.put(event)
            return counts

        monitor.receiver = noting
        served_address(monitor)
        monitor.log_usage(monitor.create_usage_record("gpt-5-mini", EARLIER, 0, project_id=PROJECT))
        yield monitor


def _follow(stack: _Stack, seconds: float | None, console: Console, stop: threading.Event) -> bool:
    """Let the application run, and tell what happens."""
    addresses = Addresses(
        data_dir=Path(stack.monitor.config.data_dir),
        monitor=stack.monitor.address or ("", 0),
        prometheus=stack.prometheus.address,
        alertmanager=stack.alertmanager.address,
    )
    limits = Policy.of(stack.monitor.config).limits
    limit = next(limit for limit in limits if limit.budget == BUDGET)
    course = Course({BudgetStatus.WARNING: limit.warning, BudgetStatus.CRITICAL: limit.critical})
    began = time.monotonic()
    with Screen(console, addresses, course, began) as screen, stack.application:
        screen.introduce(limit, EARLIER)
        while not stop.wait(_REFRESH_SECONDS):
            stack.look()
            while not stack.events.empty():
                screen.tell(stack.events.get())
            screen.show(stack.used())
            if seconds is not None and time.monotonic() - began >= seconds:
                break
    return screen.end()


def _usual_or_free(port: int, console: Console) -> int:
    """The port, or a free one if it is 0 or taken."""
    if port and not is_free(port):
        console.print(f"Port {port} is taken: using a free one.")
        port = 0
    return port or free_port()
