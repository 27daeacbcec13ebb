"""`TokenDataImporter`: calls out of a file, counted by a monitor's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_token_monitor.archives.formats import Format
from otel_token_monitor.archives.importing import ArchiveImport

if TYPE_CHECKING:
    import os

    from otel_token_monitor.ledger.importing import ImportResult
    from otel_token_monitor.monitor import TokenMonitor

__all__ = ["TokenDataImporter"]


class TokenDataImporter:
    """Imports calls into a monitor's ledger: all of a file, or nothing.

    They count in reports and budgets, by the time at which they were made; never in the counters
    that Prometheus sees. With `merge`, calls that are here already are left alone, so that a second
    import changes nothing; without, all that the ledger has of the file's days is replaced.

    Every method raises BrokenFileError (a ValueError), which says the line and why, if the file is
    no sound export; ImportRefusedError, a LedgerError, if it does not fit what the ledger has;
    LedgerError if the ledger cannot be written; OSError if the file cannot be read.
    """

    def __init__(self, monitor: TokenMonitor) -> None:
        self._monitor = monitor

    def import_from_json(
        self,
        path: str | os.PathLike[str],
        merge: bool = True,  # noqa: FBT001, FBT002 - as it always was
    ) -> ImportResult:
        """Import a JSON document that an export wrote, also laid out anew."""
        return self._import(path, Format.JSON, merge=merge)

    def import_from_csv(
        self,
        path: str | os.PathLike[str],
        merge: bool = True,  # noqa: FBT001, FBT002
    ) -> ImportResult:
        """Import a CSV table that an export wrote."""
        return self._import(path, Format.CSV, merge=merge)

    def import_from_zip(
        self,
        path: str | os.PathLike[str],
        merge: bool = True,  # noqa: FBT001, FBT002
    ) -> ImportResult:
        """Import a ZIP file that an export wrote."""
        return self._import(path, Format.ZIP, merge=merge)

    def _import(self, path: str | os.PathLike[str], form: Format, *, merge: bool) -> ImportResult:
        self._monitor.force_flush()
        ledger = self._monitor.ledger
        archive = ArchiveImport(path, form, merge=merge)
        if ledger.location.path is None:
            result = ledger.change(archive.within)
        else:
            # Not through the monitor's own writer: calls are to be counted meanwhile.
            result = archive.into(ledger.location)
        ledger.tell()
        return result
