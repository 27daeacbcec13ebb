"""`rules`: what Prometheus, Alertmanager and Grafana read, and whether Prometheus has read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from otel_token_monitor.cli.endings import Commands
from otel_token_monitor.cli.options import as_json
from otel_token_monitor.cli.output import say, show_json
from otel_token_monitor.cli.rules_text import check_document, check_text, exported_text
from otel_token_monitor.deployment.exporting import (
    DifferingFilesError,
    Exported,
    export,
    files_to_export,
)
from otel_token_monitor.deployment.http_api import ApiError
from otel_token_monitor.deployment.kubernetes import manifests_to_export
from otel_token_monitor.deployment.runbooks import RUNBOOKS, InvalidBaseError, runbooks_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_token_monitor.deployment.exporting import BundledFile

__all__ = ["rules"]

_TROUBLE_FOUND: Final = 1


def _runbooks_option(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    try:
        return RUNBOOKS if value is None else runbooks_base(value)
    except InvalidBaseError as error:
        raise click.BadParameter(str(error)) from error


@click.group(cls=Commands)
def rules() -> None:
    """Rules and dashboard for Prometheus and Grafana."""


@rules.command("export")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, writable=True))
@click.option("--force", is_flag=True, help="Replace rules and dashboards that differ.")
@click.option(
    "--kubernetes",
    is_flag=True,
    help="Write the rules as PrometheusRule manifests of the Prometheus Operator instead, one for "
    "each rule file.",
)
@click.option(
    "--runbooks",
    metavar="URL",
    callback=_runbooks_option,
    help="Where you keep a copy of docs/runbooks: an alert's runbook_url is then URL/NAME.md. "
    "[default: the pages of this project]",
)
def export_command(directory: str, *, force: bool, kubernetes: bool, runbooks: str) -> None:
    """Write the rules, the dashboard and a configuration to begin with to DIR.

    \b
    otel-token-monitor rules export deploy
    otel-token-monitor rules export deploy --force       # after an upgrade
    otel-token-monitor rules export manifests --kubernetes

    DIR/prometheus is for Prometheus and Alertmanager, DIR/grafana for Grafana.

    Rules and dashboards come from this version. Where others are in DIR, they are named and nothing
    is written, unless --force has them replaced. Configuration is yours once it is there
    (prometheus.yml, alertmanager.yml, targets/, grafana/provisioning/): it is never replaced, with
    --force neither. Where it differs from that of this version, that is said; export to another
    directory to compare.

    Exits 0, or 3 if something could not be written.
    """  # noqa: D301 - the backspace keeps click from joining the lines
    files = manifests_to_export(runbooks) if kubernetes else files_to_export(runbooks)
    exported = _export(files, directory, force=force)
    say(exported_text(exported, directory, kubernetes=kubernetes))


@rules.command()
@click.option(
    "--prometheus",
    metavar="URL",
    default="http://localhost:9090",
    show_default=True,
    help="The address of Prometheus, with user and password if it wants them.",
)
@as_json
def check(prometheus: str, *, as_json: bool) -> None:
    """Ask a running Prometheus for the rules and for its targets.

    Tells which of the rules of this version are loaded, changed, failing or missing, and whether
    the targets that show a ledger are up. Rules may be loaded from any file, and with runbooks
    elsewhere; a changed one is told with what differs.

    Exits 0 if all rules work, changed ones too, and all targets are up; 1 if a rule is missing or
    failing, a target is down, or there is none; 3 if that cannot be known.
    """
    # Slow, and of this command only.
    from otel_token_monitor.deployment.prometheus_api import PrometheusApi  # noqa: PLC0415
    from otel_token_monitor.deployment.rules_checking import check_rules  # noqa: PLC0415

    try:
        checked = check_rules(PrometheusApi(prometheus))
    except ApiError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        show_json(check_document(checked))
    else:
        say(check_text(checked))
    if not checked.is_well:
        raise click.exceptions.Exit(_TROUBLE_FOUND)


def _export(files: Sequence[BundledFile], directory: str, *, force: bool) -> Exported:
    """Write the files. Raises ClickException for all that keeps them from being written."""
    try:
        return export(files, Path(directory), force=force)
    except DifferingFilesError as error:
        message = (
            f"files in {directory} differ from those of this version, so nothing was written: "
            f"{', '.join(error.paths)}. --force replaces them, another DIR spares them"
        )
        raise click.ClickException(message) from error
    except (OSError, ValueError) as error:  # a ValueError: the path holds a null
        reason = error.strerror if isinstance(error, OSError) else error
        where = getattr(error, "filename", None) or directory
        message = f"{where} cannot be written: {reason}. Mend that or name another DIR"
        raise click.ClickException(message) from error
