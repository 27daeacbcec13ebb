"""All commands, under one name."""

from __future__ import annotations

import sys
import time

import click

from otel_token_monitor.cli.configuration import config
from otel_token_monitor.cli.endings import Commands
from otel_token_monitor.cli.live import top
from otel_token_monitor.cli.services import demo, serve
from otel_token_monitor.cli.spending import usage
from otel_token_monitor.cli.verdicts import check, status

__all__ = ["cli", "main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="otel-token-monitor", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Know which project spent how many tokens on which model."""
    # The clock: UTC nanoseconds since the epoch.
    context.obj = context.obj or time.time_ns


for _command in (status, check, usage, top, serve, demo, config):
    cli.add_command(_command)


def main() -> None:
    """The entry point."""
    # Names of models may have letters that the terminal's encoding has not.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="otel-token-monitor")
