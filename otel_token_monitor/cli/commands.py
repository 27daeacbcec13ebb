"""All commands, under one name."""

from __future__ import annotations

import sys
import time
from typing import Final

import click

from otel_token_monitor.cli.endings import Commands

__all__ = ["cli", "main"]

_HOMES: Final = {
    name: (f"otel_token_monitor.cli.{module}", attribute)
    for name, module, attribute in (
        ("status", "verdicts", "status"),
        ("check", "verdicts", "check"),
        ("usage", "spending", "usage"),
        ("report", "aggregation", "report"),
        ("top", "live", "top"),
        ("export", "archives", "export_command"),
        ("import", "archives", "import_command"),
        ("snapshot", "snapshots", "snapshot"),
        ("serve", "services", "serve"),
        ("demo", "services", "demo"),
        ("config", "configuration", "config"),
        ("rules", "rules", "rules"),
        ("doctor", "doctor", "doctor"),
    )
}


@click.group(cls=Commands, homes=_HOMES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="otel-token-monitor", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Know which project spent how many tokens on which model."""
    # The clock: UTC nanoseconds since the epoch.
    context.obj = context.obj or time.time_ns


def main() -> None:
    """The entry point."""
    # Names of models may have letters that the terminal's encoding has not.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="otel-token-monitor")
