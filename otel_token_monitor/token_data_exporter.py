"""`TokenDataExporter`: what a monitor counted on some days, in a file."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from otel_token_monitor.archives.contents import Days
from otel_token_monitor.archives.exporting import Exported, export_file
from otel_token_monitor.archives.formats import Format
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.reader import LedgerReader

if TYPE_CHECKING:
    import os
    from datetime import date

    from otel_token_monitor.monitor import TokenMonitor

__all__ = ["TokenDataExporter"]


class TokenDataExporter:
    """Exports the calls of a monitor's ledger.

    `start` and `end` are days, dates or texts such as "2026-09-01", both included, in the time
    zone of the ledger's limits. The file takes the place of what is at `path` once it is whole, and
    is of one moment: all calls that ended before are in it. Memory stays flat however many these
    are; others go on counting meanwhile.

    Every method raises ValueError if a day is none, LedgerError if the ledger cannot be read,
    OSError if the file cannot be written.
    """

    def __init__(self, monitor: TokenMonitor) -> None:
        self._monitor = monitor

    def export_to_json(
        self, start: date | str, end: date | str, path: str | os.PathLike[str]
    ) -> Exported:
        """Write a JSON document with one call a line."""
        return self._export(start, end, path, Format.JSON)

    def export_to_csv(
        self, start: date | str, end: date | str, path: str | os.PathLike[str]
    ) -> Exported:
        """Write a CSV table with one call a row."""
        return self._export(start, end, path, Format.CSV)

    def export_to_zip(
        self, start: date | str, end: date | str, path: str | os.PathLike[str]
    ) -> Exported:
        """Write a ZIP file with the JSON document in it."""
        return self._export(start, end, path, Format.ZIP)

    def export_to_openmetrics(
        self, start: date | str, end: date | str, path: str | os.PathLike[str]
    ) -> Exported:
        """Write counters with timestamps, for `promtool tsdb create-blocks-from openmetrics`."""
        return self._export(start, end, path, Format.OPENMETRICS)

    def _export(
        self, start: date | str, end: date | str, path: str | os.PathLike[str], form: Format
    ) -> Exported:
        self._monitor.force_flush()

        def write(reader: LedgerReader) -> Exported:
            with reader.moment():
                policy = Policy.held(reader.policy().document, self._monitor.policy)
                days = Days.of(start, end, policy.zone)
                return export_file(reader, days, form, path, now_ns=time.time_ns())

        ledger = self._monitor.ledger
        if ledger.location.path is None:
            return ledger.ask(write)
        # Not through the monitor's own reader: calls are to be counted meanwhile.
        with closing(LedgerReader(ledger.location)) as reader:
            return write(reader)
