"""Writing what a ledger has of some days into a file, as of one moment."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from otel_token_monitor.archives.contents import Contents, Days, Written
from otel_token_monitor.archives.formats import Format
from otel_token_monitor.archives.times import instant
from otel_token_monitor.replacing import replaced_file
from otel_token_monitor.usage import QUARTER_NS, QUARTER_SECONDS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator

    from otel_token_monitor.archives.contents import Progress
    from otel_token_monitor.ledger.reader import LedgerReader

    _Rows = Generator[tuple[Any, ...]]

__all__ = ["Exported", "export_file", "export_to"]

_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: single calls, and sums of calls of which there is no record any more.

    `calls` of an OpenMetrics file are those that it counts. `path` is None if it is a stream.
    """

    path: Path | None
    days: Days
    calls: int
    sums: int


def export_file(
    reader: LedgerReader,
    days: Days,
    form: Format,
    path: str | os.PathLike[str],
    **asked: Any,
) -> Exported:
    """Write a file, which takes the place of `path` once it is whole; see `export_to`.

    Raises LedgerError if the ledger cannot be read, OSError if the file cannot be written; then
    what was at `path` is still there.
    """
    with replaced_file(Path(path)) as file:
        written = export_to(file, reader, days, form, **asked)
    return Exported(path=Path(path), days=days, calls=written.calls, sums=written.sums)


def export_to(  # noqa: PLR0913 - the last two are settings, given by name
    file: IO[bytes],
    reader: LedgerReader,
    days: Days,
    form: Format,
    *,
    now_ns: int,
    on_progress: Progress = lambda _share: None,
) -> Written:
    """Write to an open file what a ledger has of some days, as of one moment.

    `on_progress` is told, now and then, how much is done (0 to 1).
    """
    with reader.moment():
        if form is Format.OPENMETRICS:
            return _export_counters(file, reader, days, now_ns, on_progress)
        start_ns, end_ns = days.span
        calls = cast("_Rows", reader.calls(start_ns, end_ns))
        sums = cast("_Rows", reader.sums_without_calls(*_quarters(days)))
        # Closed at once when writing fails, not when the ledger has been closed before.
        with closing(calls), closing(sums):
            ledger, on_calls = reader.ledger_id(), _on_calls(reader, days, on_progress)
            return _writers()[form](file, Contents(ledger, days, calls, sums, on_calls))


def _on_calls(
    reader: LedgerReader, days: Days, on_progress: Progress
) -> Callable[[tuple[Any, ...]], None]:
    """What tells of progress, by the time of the last call of a batch."""
    start_ns, end_ns = days.span
    extent = reader.extent() or _quarters(days)
    first_ns = max(start_ns, extent[0] * QUARTER_NS)
    last_ns = max(min(end_ns, (extent[1] + 1) * QUARTER_NS), first_ns + 1)
    return lambda row: on_progress((instant(row[0]) - first_ns) / (last_ns - first_ns))


def _export_counters(
    file: IO[bytes], reader: LedgerReader, days: Days, now_ns: int, on_progress: Progress
) -> Written:
    # Imported only where it is asked for, as the formats below: a command should start at once.
    from otel_token_monitor.archives.openmetrics import write_openmetrics  # noqa: PLC0415
    from otel_token_monitor.ledger.history import history_of  # noqa: PLC0415

    end = min(days.span.end_ns, now_ns) // _NANO
    start_quarter, end_quarter = _quarters(days)
    # None that begins after the last samples: a clock that is ahead has made such calls.
    end_quarter = min(end_quarter, -(-end // QUARTER_SECONDS))

    def write(connection: Any) -> int:
        history = history_of(connection, start_quarter, end_quarter)
        return write_openmetrics(file, history, end, on_progress)

    return Written(calls=reader.query(write))


def _quarters(days: Days) -> tuple[int, int]:
    start_ns, end_ns = days.span
    return start_ns // QUARTER_NS, end_ns // QUARTER_NS


def _writers() -> dict[Format, Callable[[IO[bytes], Contents], Written]]:
    from otel_token_monitor.archives.csv_table import write_csv  # noqa: PLC0415 - see above
    from otel_token_monitor.archives.json_document import write_json  # noqa: PLC0415
    from otel_token_monitor.archives.zip_file import write_zip  # noqa: PLC0415

    return {Format.JSON: write_json, Format.CSV: write_csv, Format.ZIP: write_zip}
