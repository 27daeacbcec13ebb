"""The command `otel-token-monitor`.

Whatever is wrong (a missing ledger, an unusable configuration, a taken port, a misspelt option) is
said in a sentence on stderr, with exit code 3: 1 and 2 are left for verdicts.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.spans.instrumentations import InstrumentationError
from otel_token_monitor.views.summary import today
from otel_token_monitor.views.terminal import day_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.web.standalone import StandaloneServer

__all__ = ["cli", "main"]

EXIT_TROUBLE: Final = 3
_ENDED_BY_USER: Final = 130
_EXPECTED: Final = (ConfigError, InstrumentationError, LedgerError)


class _Commands(click.Group):
    """The group of commands, with one exit code for all that can go wrong."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and end the process."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_TROUBLE)
        except click.Abort:
            sys.exit(_ENDED_BY_USER)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of a context; what may be expected to go wrong is not a crash."""
        try:
            return super().invoke(ctx)
        except _EXPECTED as error:
            raise click.ClickException(str(error)) from error


_data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    help="The application's data directory. [default: TOKEN_MONITOR_DATA_DIR, else what the "
    "configuration says, else data/token_usage]",
)
_config = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A configuration file, YAML or JSON. [default: TOKEN_MONITOR_CONFIG]",
)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="otel-token-monitor", message="%(prog)s %(version)s")
def cli() -> None:
    """Know which project spent how many tokens on which model."""


@cli.command()
@_data_dir
@_config
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of a table.")
def status(data_dir: str | None, config: str | None, *, as_json: bool) -> None:
    """Show what was spent today (UTC).

    TOKENS is INPUT plus OUTPUT. CACHED is a part of INPUT, REASONING a part of OUTPUT. Columns that
    the terminal has no room for are left out; --json has everything.

    Exits 0, or 3 if there is no ledger or it cannot be read.
    """
    reader = LedgerReader(_location(TokenMonitorConfig(file=config, data_dir=data_dir)))
    try:
        summary = today(reader)
    finally:
        reader.close()
    if as_json:
        click.echo(json.dumps(summary.document(), indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        console.print(day_table(summary, console.width))


@cli.command()
@_data_dir
@_config
@click.option(
    "--host", help="The address to serve at. [default: OTEL_EXPORTER_PROMETHEUS_HOST, localhost]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The port to serve at, 0 for a free one. [default: OTEL_EXPORTER_PROMETHEUS_PORT, 9464]",
)
def serve(data_dir: str | None, config: str | None, host: str | None, port: int | None) -> None:
    """Serve the metrics of a ledger, with no application.

    For cron jobs and scripts that are gone before Prometheus scrapes them: they count into a data
    directory with instrument(serve=False), this shows it at /metrics.

    It may start before the first job has run: until there is a ledger, /metrics has health metrics
    only, with otel_token_monitor_ledger_up 0. It never creates or changes a ledger.

    Ends on Ctrl-C or SIGTERM.
    """
    # Imported here: `status` need not wait for an HTTP server.
    from otel_token_monitor.web.standalone import StandaloneServer  # noqa: PLC0415

    settings = TokenMonitorConfig(file=config, data_dir=data_dir, host=host, port=port)
    server = StandaloneServer(_location(settings), settings)
    with _stopping() as stop:
        _listen(server, settings)
        _announce(server)
        stop.wait()
        server.stop()


@cli.command()
@click.option("--data-dir", metavar="DIR", help="Keep the ledger here. [default: a temporary one]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    help="Where /metrics is served; if it is taken, a free one.",
)
@click.option(
    "--instrumentation",
    type=click.Choice(["traceloop", "official", "openinference"]),
    default="traceloop",
    show_default=True,
    help="Which OpenTelemetry instrumentation makes the spans.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    envvar="DEMO_SECONDS",
    show_envvar=True,
    help="End after so many seconds. [default: at Ctrl-C]",
)
@click.option(
    "--real",
    is_flag=True,
    help="Send a few small calls to the real API (OPENAI_API_KEY; OPENAI_MODEL, gpt-5-mini).",
)
def demo(
    *, data_dir: str | None, port: int, instrumentation: str, seconds: float | None, real: bool
) -> None:
    """Watch three projects spend tokens.

    An application with the real openai client calls a bundled server on this machine; nothing
    leaves it, and no key is needed. The table is read from /metrics, as Prometheus would.
    """
    try:
        # Imported here: openai is there only if the extra is installed.
        from otel_token_monitor.demo.run import DemoError, Options, run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise
        message = "the demo needs the openai package: pip install 'otel-token-monitor[demo]'"
        raise click.ClickException(message) from error
    options = Options(
        data_dir=None if data_dir is None else Path(data_dir),
        port=port,
        instrumentation=instrumentation,
        seconds=seconds,
        environ=os.environ if real else None,
    )
    try:
        with _stopping() as stop:
            run(options, Console(highlight=False), stop)
    except DemoError as error:
        raise click.ClickException(str(error)) from error


def main() -> None:
    """The entry point."""
    # Names of models may have letters that the terminal's encoding has not.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="otel-token-monitor")


def _location(settings: TokenMonitorConfig) -> Location:
    """The ledger's file. Raises ClickException if there is none that another process could read."""
    if settings.data_dir == ":memory:":
        message = (
            "a ledger in memory (:memory:) can be read by its application only, at its /metrics: "
            "name a data directory with --data-dir or TOKEN_MONITOR_DATA_DIR"
        )
        raise click.ClickException(message)
    return Location.in_directory(Path(settings.data_dir))


def _listen(server: StandaloneServer, settings: TokenMonitorConfig) -> None:
    try:
        if server.try_start():
            return
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    message = (
        f"port {settings.port} of {settings.host} is taken, by an application that serves its own "
        f"metrics perhaps: choose another with --port"
    )
    raise click.ClickException(message)


def _announce(server: StandaloneServer) -> None:
    host, port = server.address or ("", 0)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"metrics: http://{shown}:{port}/metrics")
    state = server.status()
    click.echo(f"ledger:  {state.ledger}")
    if state.trouble is not None:
        click.echo(f"Not readable yet: {state.trouble}", err=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets; the second Ctrl-C is as usual."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, previous[number])
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
