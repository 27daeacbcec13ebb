"""Reading a file into a ledger: all of it, or nothing."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from otel_token_monitor.archives.formats import READABLE, Format
from otel_token_monitor.archives.intake import Intake
from otel_token_monitor.ledger.errors import ImportRefusedError
from otel_token_monitor.ledger.importing import ImportPlan, LedgerImport, import_into

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_token_monitor.archives.contents import Progress
    from otel_token_monitor.archives.intake import Source
    from otel_token_monitor.ledger.database import Location
    from otel_token_monitor.ledger.importing import ImportResult

__all__ = ["ArchiveImport"]


class ArchiveImport:
    """One file to be imported.

    With `merge`, calls that the ledger has already are left alone; without, all that it has of the
    file's days is given up for what the file has. `on_progress` is told how much is read (0 to 1).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        form: Format,
        *,
        merge: bool = True,
        on_progress: Progress = lambda _share: None,
    ) -> None:
        if form not in READABLE:
            message = f"{os.fspath(path)} is {form}: import {', '.join(READABLE)}"
            raise ValueError(message)
        self._path = Path(path)
        self._form = form
        self._merge = merge
        self._on_progress = on_progress

    def into(self, location: Location) -> ImportResult:
        """Import it into the ledger at a place, which is made if there is none.

        Raises BrokenFileError, ImportRefusedError, LedgerError or OSError; then the ledger is as it
        was.
        """
        with self._path.open("rb") as file:
            return self._explained(lambda: import_into(location, partial(self._fill, file)))

    def within(self, connection: sqlite3.Connection) -> ImportResult:
        """Import it within a write transaction that the caller commits; raises the same."""
        with self._path.open("rb") as file:
            staged = LedgerImport(connection)
            result = self._explained(lambda: staged.apply(self._fill(file, staged)))
            staged.drop()
            return result

    def _fill(self, file: IO[bytes], staged: LedgerImport) -> ImportPlan:
        size = max(os.fstat(file.fileno()).st_size, 1)
        intake = Intake(
            str(self._path), staged, lambda: self._on_progress(min(file.tell() / size, 1.0))
        )
        source = _readers()[self._form](file, intake)
        replace = None if self._merge else (source.start_ns, source.end_ns)
        return ImportPlan(source.ledger, replace)

    def _explained(self, importing: Callable[[], ImportResult]) -> ImportResult:
        """Name the file where only its line is named."""
        try:
            return importing()
        except ImportRefusedError as error:
            named = ImportRefusedError(error.reason, error.line)
            named.args = (f"{self._path}: {error}",)
            raise named from error


def _readers() -> dict[Format, Callable[[IO[bytes], Intake], Source]]:
    # Imported only where something is imported: it takes some time.
    from otel_token_monitor.archives.csv_table import read_csv  # noqa: PLC0415
    from otel_token_monitor.archives.json_document import read_json  # noqa: PLC0415
    from otel_token_monitor.archives.zip_file import read_zip  # noqa: PLC0415

    return {Format.JSON: read_json, Format.CSV: read_csv, Format.ZIP: read_zip}
