"""`serve` and `demo`: what runs until it is told to end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otel_token_monitor.cli.endings import stopping
from otel_token_monitor.cli.options import config_file, data_dir, location
from otel_token_monitor.cli.output import terminal
from otel_token_monitor.config import TokenMonitorConfig

if TYPE_CHECKING:
    from otel_token_monitor.web.standalone import StandaloneServer

__all__ = ["demo", "serve"]

_LOOPBACK = "127.0.0.1"


@click.command()
@data_dir
@config_file
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
    only, with otel_token_monitor_ledger_up 0. It never creates a ledger.

    It watches the budgets too, and delivers alerts to the webhooks that it is given: also those of
    jobs that ended before, and those that Alertmanager posts to /alerts. TOKEN_AUTO_MONITOR=false
    switches that off.

    Ends on Ctrl-C or SIGTERM.
    """
    # Imported here: `status` need not wait for an HTTP server.
    from otel_token_monitor.web.standalone import StandaloneServer  # noqa: PLC0415

    settings = TokenMonitorConfig(file=config, data_dir=data_dir, host=host, port=port)
    server = StandaloneServer(location(settings), settings)
    with stopping() as stop:
        _listen(server, settings)
        _announce(server)
        stop.wait()
        server.stop()


@click.command()
@click.option("--data-dir", metavar="DIR", help="Keep the ledger here. [default: a temporary one]")
@click.option(
    "--host",
    default=_LOOPBACK,
    show_default=True,
    help="The address that /metrics is served at; within a container 0.0.0.0.",
)
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
@click.option(
    "--stack",
    is_flag=True,
    help="With Prometheus and Alertmanager, as installed: see alerts arrive.",
)
def demo(  # noqa: PLR0913 - an argument for each option
    *,
    data_dir: str | None,
    host: str,
    port: int,
    instrumentation: str,
    seconds: float | None,
    real: bool,
    stack: bool,
) -> None:
    """Watch three projects spend tokens.

    An application with the real openai client calls a bundled server on this machine; nothing
    leaves it, and no key is needed. The table is read from /metrics, as Prometheus would.

    Its limits are its own, whatever is configured. TOKEN_ALERTS_TOKEN_FILE and TOKEN_RETENTION_DAYS
    of the environment hold here too.

    --stack also starts Prometheus and Alertmanager (Debian's packages prometheus and
    prometheus-alertmanager) with the bundled rules, on loopback, with files that are gone at its
    end. It tells when a budget is used, when the alert fires, and when it arrives. With --seconds
    it ends with 1 if no WARNING has arrived by then.
    """
    try:
        # Imported here: openai is there only if the extra is installed.
        from otel_token_monitor.demo.run import DemoError, Options, run  # noqa: PLC0415
        from otel_token_monitor.demo.stack.run import StackOptions, run_stack  # noqa: PLC0415
        from otel_token_monitor.spans.instrumentations import (  # noqa: PLC0415
            InstrumentationError,
        )
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise
        message = "the demo needs the openai package: pip install 'otel-token-monitor[demo]'"
        raise click.ClickException(message) from error
    if stack and (data_dir is not None or real or host != _LOOPBACK):
        message = "--stack has a ledger, a server and an address of its own: leave --data-dir, "
        raise click.UsageError(f"{message}--real and --host away")
    stack_options = StackOptions(port=port, instrumentation=instrumentation, seconds=seconds)
    options = Options(
        data_dir=None if data_dir is None else Path(data_dir),
        host=host,
        port=port,
        instrumentation=instrumentation,
        seconds=seconds,
        environ=os.environ if real else None,
        variables=os.environ,
    )
    try:
        with stopping() as stop:
            if not stack:
                run(options, terminal(), stop)
            elif not run_stack(stack_options, terminal(), stop) and not stop.is_set():
                click.get_current_context().exit(1)
    except (DemoError, InstrumentationError) as error:
        raise click.ClickException(str(error)) from error


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
