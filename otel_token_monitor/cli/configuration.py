"""`config`: a file to start from, what is wrong with one, and what holds."""

from __future__ import annotations

import os
from errno import ENOTDIR
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.cli.endings import EXIT_TROUBLE, Commands
from otel_token_monitor.cli.options import as_json, config_file, data_dir
from otel_token_monitor.cli.output import say, show, show_json
from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.config.presets import PRESETS, template
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerMissingError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.views.terminal.settings import (
    KeptLimits,
    Setting,
    checked_text,
    settings_view,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["config"]

SCHEMA_VERSION: Final = 1
"""Of the documents here; it grows when a key is removed or means something else."""

_STDOUT: Final = "-"
_file = click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))


@click.group(cls=Commands)
def config() -> None:
    """Begin, check and show a configuration."""


@config.command()
@click.option(
    "--model",
    type=click.Choice(sorted(PRESETS)),
    help="Set the usual limits of this model; without it, the file sets nothing yet.",
)
@click.option(
    "--output",
    metavar="FILE",
    default="token-monitor.yaml",
    show_default=True,
    help="Where to write it (.yaml, .yml or .json); - prints it.",
)
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
def init(model: str | None, output: str, *, force: bool) -> None:
    """Write a configuration file to start from: every setting, explained.

    Exits 0, or 3 if there is such a file already, or it cannot be written.
    """
    if output == _STDOUT:
        say(template(model).rstrip("\n"))
        return
    text = template(model, Path(output).suffix.lower())
    try:
        _write(Path(output), text, force=force)
    except FileExistsError:
        message = f"{output} is there already: --force replaces it, --output names another file"
        raise click.ClickException(message) from None
    except (OSError, ValueError) as error:  # a ValueError: the path holds a null
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(f"{output} cannot be written: {reason}") from None
    say(f"{output} is written. The application reads it where TOKEN_MONITOR_CONFIG={output}")


@config.command()
@_file
@as_json
def check(file: str | None, *, as_json: bool) -> None:
    """Tell what is wrong with a configuration, all of it at once.

    FILE, or what TOKEN_MONITOR_CONFIG names, together with the environment and ./.env.

    Exits 0 if it can be used, else 3.
    """
    try:
        settings = TokenMonitorConfig(file=file)
    except ConfigError as error:
        if as_json:
            show_json(_checked(list(error.faults), []))
            raise click.exceptions.Exit(EXIT_TROUBLE) from error
        raise
    given = list(_given(settings))
    if as_json:
        show_json(_checked([], given))
    else:
        say(checked_text(given, Policy.of(settings), file))


@config.command("show")
@data_dir
@config_file
@click.option("--all", "every", is_flag=True, help="Show defaults, too.")
@as_json
def show_(data_dir: str | None, config: str | None, *, every: bool, as_json: bool) -> None:
    """Show what is set, where it comes from, and which limits hold in the ledger.

    Secrets are masked. A setting comes from an option, the environment, ./.env or the file, in
    this order. Commands that read a ledger go by the limits of the application that writes it.

    Exits 0, or 3 if the configuration cannot be used or the ledger cannot be read.
    """
    settings = TokenMonitorConfig(file=config, data_dir=data_dir)
    given = list(_given(settings, every=every))
    kept = _kept(settings)
    if as_json:
        show_json(_shown(given, kept))
    else:
        show(partial(settings_view, given, kept))


def _given(settings: TokenMonitorConfig, *, every: bool = False) -> Iterator[Setting]:
    """The settings that anything but the default gives, or all."""
    document = settings.document(secrets=False)
    for name, value in document.items():
        origin = settings.origin(name)
        if every or origin != "default":
            yield Setting(name, value, origin)


def _kept(settings: TokenMonitorConfig) -> KeptLimits | None:
    """What the ledger keeps; None if there is no ledger, or no application has declared any."""
    if settings.data_dir == ":memory:":
        return None
    place = Location.in_directory(Path(settings.data_dir))
    reader = LedgerReader(place)
    try:
        document = reader.policy().document
    except LedgerMissingError:
        return None
    finally:
        reader.close()
    if document is None:
        return None
    policy = Policy.from_document(document)
    return KeptLimits(str(place), policy, differ=policy != Policy.of(settings))


def _checked(faults: list[str], given: list[Setting]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "usable": not faults,
        "faults": faults,
        "settings": {name: {"value": value, "from": origin} for name, value, origin in given},
    }


def _shown(given: list[Setting], kept: KeptLimits | None) -> dict[str, Any]:
    ledger = None
    if kept is not None:
        ledger = {
            "file": kept.ledger,
            "differs": kept.differ,
            "timezone": kept.policy.timezone,
            "warning_threshold": kept.policy.warning,
            "alert_threshold": kept.policy.critical,
            "limits": [limit.document() for limit in kept.policy.limits],
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "settings": {name: {"value": value, "from": origin} for name, value, origin in given},
        "ledger": ledger,
    }


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read: it will have secrets."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR)) from error
    mode = os.O_TRUNC if force else os.O_EXCL
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | mode, 0o600), "w") as file:
        file.write(text)
