"""Projects to be brought together, for tests: their ledgers, their data files, the service."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.snapshots.data_files import DataFiles
from otel_token_monitor.token_sync_service import TokenSyncService
from otel_token_monitor.usage import Labels, Totals
from tests.unit.ledger.books import NOW, SECOND, Book

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

QUARTER_NS = 900 * SECOND
EVER = (0, 2**40)
ONE = Totals(input=10, input_cached=5, output=3, output_reasoning=2, requests_ok=1, unpriced=1)
"""What one call uses."""


class Books:
    """Makes the ledgers of projects, each in a directory of its name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: list[Book] = []

    def __call__(self, name: str) -> Book:
        self._made.append(Book.at(self._directory / name))
        return self._made[-1]

    def close(self) -> None:
        for book in self._made:
            book.close()


def config(directory: Path, **settings: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, global_data_dir=str(directory / "global"), **settings)


def service(directory: Path, *names: str, **settings: Any) -> TokenSyncService:
    projects = {name: directory / name for name in names}
    return TokenSyncService(
        projects, 300, global_monitor=False, config=config(directory, **settings)
    )


def sums(directory: Path, start: int = EVER[0], end: int = EVER[1]) -> dict[Labels, Totals]:
    """All that a ledger has, by labels."""
    reader = LedgerReader(Location.in_directory(directory))
    try:
        return reader.totals(start, end)
    finally:
        reader.close()


def tokens(directory: Path) -> dict[str, int]:
    """The tokens of each project in the global ledger."""
    found: dict[str, int] = {}
    for labels, totals in sums(directory / "global").items():
        found[labels.project] = found.get(labels.project, 0) + totals.total_tokens
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


def write_files(book: Book, directory: Path, timezone: str = "UTC") -> None:
    directory.mkdir(exist_ok=True)
    guest = LedgerGuest(book.location)
    files = DataFiles(guest, directory, Policy(timezone=timezone), retention_days=36500)
    files.write(NOW)
    guest.close()


def without_ledger(book: Book, timezone: str = "UTC") -> Path:
    """The directory of a ledger, of which only the data files are left."""
    path = book.location.path
    assert path is not None
    write_files(book, path.parent, timezone)
    book.close()
    path.unlink()
    return path.parent
