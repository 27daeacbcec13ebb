"""Ledgers to export from and to import into, and what is in them."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from otel_token_monitor.archives.contents import Contents, Days
from otel_token_monitor.archives.exporting import export_file
from otel_token_monitor.archives.formats import Format, format_of
from otel_token_monitor.archives.importing import ArchiveImport
from otel_token_monitor.archives.json_document import write_json
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from tests.unit.ledger.books import Book

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.archives.exporting import Exported
    from otel_token_monitor.ledger.importing import ImportResult
    from otel_token_monitor.usage import UsageRecord

SEOUL: Final = ZoneInfo("Asia/Seoul")
NANO: Final = 1_000_000_000
# A Monday noon in Seoul.
NOON: Final = 1_788_404_400 * NANO + 123_456_789
DAY_OF_NOON: Final = "2026-09-03"
EVER: Final = Days.of("2026-01-01", "2027-12-31", SEOUL)
READABLE: Final = ("json", "csv", "zip")


def write(directory: Path, *records: UsageRecord) -> None:
    """Count calls into the ledger of a directory, which is made if need be."""
    book = Book.at(directory)
    book.write(*records)
    book.close()


def exported(
    directory: Path, path: Path, days: Days = EVER, now_ns: int = NOON, **asked: Any
) -> Exported:
    """Export a directory's ledger in the format of the path's suffix."""
    form = format_of(path)
    assert form is not None
    with closing(LedgerReader(Location.in_directory(directory))) as reader:
        return export_file(reader, days, form, path, now_ns=now_ns, **asked)


def imported(path: Path, directory: Path, **asked: Any) -> ImportResult:
    """Import a file of that suffix into a directory's ledger."""
    form = format_of(path)
    assert form is not None
    return ArchiveImport(path, form, **asked).into(Location.in_directory(directory))


def calls_in(directory: Path) -> list[tuple[Any, ...]]:
    """All single calls, with all that is known of them."""
    with closing(sqlite3.connect(directory / "usage.db")) as ledger:
        return ledger.execute(
            "SELECT time_ns, nonce, project, provider, model, endpoint, source, status, input, "
            "input_cached, input_cache_write, output, output_reasoning, estimated, unmetered, "
            "response_model, response_id, duration_ns, first_token_ns, error_type, cost_nanousd, "
            "trace_id, span_id FROM record JOIN label_set ON id = label_set_id "
            "ORDER BY time_ns, nonce"
        ).fetchall()


def sums_in(directory: Path) -> list[tuple[Any, ...]]:
    """All sums per quarter-hour."""
    with closing(sqlite3.connect(directory / "usage.db")) as ledger:
        return ledger.execute(
            "SELECT quarter, project, provider, model, endpoint, p.input, p.input_cached, "
            "p.input_cache_write, p.output, p.output_reasoning, estimated_input, estimated_output, "
            "requests_ok, requests_error, p.unmetered, p.cost_nanousd, unpriced "
            "FROM period p JOIN label_set ON id = label_set_id ORDER BY 1, 2, 3, 4, 5"
        ).fetchall()


def document_of(*calls: tuple[Any, ...], sums: tuple[tuple[Any, ...], ...] = ()) -> bytes:
    """The JSON document that has these rows."""
    file = io.BytesIO()
    write_json(file, Contents("0123456789abcdef", EVER, calls, sums))
    return file.getvalue()


__all__ = [
    "DAY_OF_NOON",
    "EVER",
    "NANO",
    "NOON",
    "READABLE",
    "SEOUL",
    "Format",
    "calls_in",
    "document_of",
    "exported",
    "imported",
    "sums_in",
    "write",
]
