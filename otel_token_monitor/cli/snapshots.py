"""`snapshot`: the data files, now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.cli.options import config_file, data_dir, location
from otel_token_monitor.cli.output import say
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.snapshots.data_files import DataFiles
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.snapshots.data_files import Written

__all__ = ["snapshot"]

# For an application that writes files at the moment.
_PATIENCE_SECONDS: Final = 10.0


@click.command()
@data_dir
@config_file
@click.pass_obj
def snapshot(clock: Callable[[], int], data_dir: str | None, config: str | None) -> None:
    """Write all data files beside the ledger.

    usage_YYYY-MM-DD.json and monthly_YYYY-MM.json, as far back as retention_days says, and
    project_NAME.json. Applications that watch their budgets write what changed by themselves.

    Exits 0, or 3 if there is no ledger, it cannot be read, or a file cannot be written.
    """
    settings = TokenMonitorConfig(file=config, data_dir=data_dir)
    guest = LedgerGuest(location(settings))
    directory = Path(settings.data_dir).absolute()
    files = DataFiles(guest, directory, Policy.of(settings), retention_days=settings.retention_days)
    try:
        written = files.write(clock(), everything=True, patience=_PATIENCE_SECONDS)
    except OSError as error:
        message = (
            f"{error.filename or directory} cannot be written: {error.strerror}; see to the "
            f"directory's rights, and to free space"
        )
        raise click.ClickException(message) from error
    finally:
        guest.close()
    if written is None:
        message = f"another process is writing the data files in {directory}: try again later"
        raise click.ClickException(message)
    say(_sentence(written, directory))


def _sentence(written: Written, directory: Path) -> str:
    counts = (("day", written.days), ("month", written.months), ("project", written.projects))
    said = [count_text(number, what) for what, number in counts if number]
    if not said:
        return f"All data files in {directory} are up to date."
    *others, last = said
    parts = f"{', '.join(others)} and {last}" if others else last
    return f"Written to {directory}: {parts}. All else was up to date."
