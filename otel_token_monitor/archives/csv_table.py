"""The CSV table: a row a call, between one that says where the range begins and one that ends it.

Texts that a spreadsheet would take for a formula get an apostrophe in front, which is taken away
again when they are read.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import starmap
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from otel_token_monitor.archives.contents import Written
from otel_token_monitor.archives.errors import COPY, CUT_OFF, UnfitError
from otel_token_monitor.archives.intake import Source
from otel_token_monitor.archives.rows import (
    FIELDS_OF_CALL,
    FIELDS_OF_SUM,
    Call,
    Sum,
    reason_of,
)
from otel_token_monitor.archives.times import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.archives.contents import Contents
    from otel_token_monitor.archives.intake import Intake

__all__ = ["COLUMNS", "read_csv", "write_csv"]

COLUMNS: Final = (
    "kind",
    "ledger",
    *FIELDS_OF_CALL,
    *(name for name in FIELDS_OF_SUM if name not in {*FIELDS_OF_CALL, "ledger"}),
)
"""The columns, as they are written; they may be read in any order."""

_PLACES: Final = {name: index for index, name in enumerate(COLUMNS)}
_FORMULA: Final = re.compile(r"[=+\-@'\t\r\n＝＋－＠]")  # noqa: RUF001 - spreadsheets take these, too
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_COUNTS: Final = re.compile(r"calls=(0|[1-9][0-9]{0,18}) sums=(0|[1-9][0-9]{0,18})")
_BOM: Final = b"\xef\xbb\xbf"
_MAX_LINE: Final = 64 * 1024
_BATCH: Final = 500


def write_csv(file: IO[bytes], contents: Contents) -> Written:
    """Write the table."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text)
        start, end = contents.bounds
        writer.writerow(COLUMNS)
        writer.writerow(_row({"kind": "begin", "ledger": contents.ledger, "time": start}))
        calls = sums = 0
        for batch in contents.batches_of_calls():
            writer.writerows(starmap(_call_row, batch))
            calls += len(batch)
        for batch in contents.batches_of_sums():
            writer.writerows(map(_sum_row, batch))
            sums += len(batch)
        counts = f"calls={calls} sums={sums}"
        writer.writerow(_row({"kind": "end", "time": end, "id": counts}))
    finally:
        # The file is whoever's who gave it.
        text.flush()
        text.detach()
    return Written(calls, sums)


def _row(values: dict[str, Any]) -> list[Any]:
    return [_guarded(values.get(name)) for name in COLUMNS]


def _call_row(*values: Any) -> list[Any]:
    return ["call", None, *map(_guarded, values), *_AFTER_CALL]


_AFTER_CALL: Final = [None] * (len(COLUMNS) - len(FIELDS_OF_CALL) - 2)


def _sum_row(values: tuple[Any, ...]) -> list[Any]:
    row: list[Any] = ["sum", *[None] * (len(COLUMNS) - 1)]
    for name, value in zip(FIELDS_OF_SUM, values, strict=True):
        row[_PLACES[name]] = _guarded(value) if value != 0 else None
    return row


def _guarded(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if type(value) is str and _FORMULA.match(value) else value


class _Lines:
    """The lines of a file as text, none of them long; and how many were read."""

    def __init__(self, file: IO[bytes], intake: Intake) -> None:
        self._file = file
        self._intake = intake
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_MAX_LINE):
            self.number += 1
            if len(line) >= _MAX_LINE:
                raise self._intake.broken(self.number, "a line of more than 64 KiB")
            if self.number == 1:
                line = line.removeprefix(_BOM)
            if b"\0" in line:
                raise self._intake.broken(self.number, "the line has NUL bytes")
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise self._intake.broken(self.number, reason_of(error)) from error


def read_csv(file: IO[bytes], intake: Intake) -> Source:
    """Read a table whose columns may be in any order. Raises BrokenFileError."""
    lines = _Lines(file, intake)
    return _Table(lines, intake).read()


class _Table:
    """One table that is being read."""

    def __init__(self, lines: _Lines, intake: Intake) -> None:
        self._lines = lines
        self._intake = intake
        self._rows = csv.reader(lines, strict=True)
        self._columns: list[str] = []
        self._calls: list[tuple[dict[str, Any], int]] = []
        self._sums: list[tuple[dict[str, Any], int]] = []

    def read(self) -> Source:
        """Read it all."""
        self._columns = self._header()
        begin = self._next("begin")
        ledger, start_ns = begin.pop("ledger", ""), self._time(begin)
        self._refuse_more(begin)
        first = self._lines.number
        end = self._between()
        counts, end_ns = _COUNTS.fullmatch(end.pop("id", "")), self._time(end)
        self._refuse_more(end)
        last = self._lines.number
        if counts is None:
            raise self._broken("the last row's id must say how many, as calls=2 sums=1")
        if self._row() is not None:
            raise self._broken("the file goes on after the row of kind end")
        return self._intake.close(
            Source(ledger, start_ns, end_ns),
            (int(counts[1]), int(counts[2])),
            (first, last, last),
        )

    def _header(self) -> list[str]:
        names = self._row()
        if names is None:
            raise self._intake.broken(1, CUT_OFF, COPY)
        for name in names:
            if name not in COLUMNS:
                raise self._broken(
                    f"unknown column {name!r}",
                    "upgrade otel-token-monitor, or export it again; nothing was imported",
                )
            if names.count(name) > 1:
                raise self._broken(f"column {name!r} is there twice")
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise self._broken(f"column {missing[0]!r} is missing")
        return names

    def _between(self) -> dict[str, str]:
        """Take in all rows up to the last one, which is returned."""
        while True:
            row = self._cells()
            kind = row.pop("kind", "")
            if kind == "end":
                self._hand_over()
                return row
            if kind not in {"call", "sum"}:
                raise self._broken(f"kind {kind!r}: use call or sum, and end for the last row")
            waiting = self._calls if kind == "call" else self._sums
            waiting.append((self._values(row), self._lines.number))
            if len(waiting) == _BATCH:
                self._hand_over()

    def _hand_over(self) -> None:
        calls, sums, self._calls, self._sums = self._calls, self._sums, [], []
        if calls:
            numbers = [line for _, line in calls]
            self._intake.add_calls(self._converted(calls, Call), numbers, printable=False)
        if sums:
            self._intake.add_sums(self._converted(sums, Sum), [line for _, line in sums])

    def _converted(self, rows: list[tuple[dict[str, Any], int]], kind: Any) -> list[Any]:
        try:
            return list(msgspec.convert([values for values, _ in rows], list[kind]))
        except msgspec.ValidationError as error:
            if len(rows) == 1:
                raise self._intake.broken(rows[0][1], reason_of(error)) from error
            return [one for row in rows for one in self._converted([row], kind)]

    def _next(self, kind: str) -> dict[str, str]:
        row = self._cells()
        if row.pop("kind", "") != kind:
            raise self._broken(f"here must be the row of kind {kind}")
        return row

    def _cells(self) -> dict[str, str]:
        """The cells of the next row that are not empty, by column."""
        row = self._row()
        if row is None:
            raise self._intake.broken(self._lines.number + 1, CUT_OFF, COPY)
        if len(row) != len(self._columns):
            raise self._broken(f"{len(row)} cells instead of {len(self._columns)}")
        return {
            name: cell[1:] if cell[0] == "'" else cell
            for name, cell in zip(self._columns, row, strict=True)
            if cell
        }

    def _values(self, cells: dict[str, str]) -> dict[str, Any]:
        """The same as they are in a call or a sum."""
        values: dict[str, Any] = cells
        for name, read in _READ.items():
            if name in cells:
                try:
                    values[name] = read(cells[name])
                except UnfitError as error:
                    raise self._broken(f"{name}: {error}") from error
        return values

    def _row(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except csv.Error as error:
            raise self._broken(f"malformed CSV: {error}") from error

    def _time(self, row: dict[str, str]) -> int:
        try:
            return instant(row.pop("time", ""))
        except UnfitError as error:
            raise self._broken(str(error)) from error

    def _refuse_more(self, row: dict[str, str]) -> None:
        for name in row:
            raise self._broken(f"column {name!r} must be empty here")

    def _broken(self, reason: str, remedy: str | None = None) -> Exception:
        return self._intake.broken(self._lines.number, reason, remedy)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UnfitError(f"{text!r} is no number: use digits only")
    return int(text)


def _flag(text: str) -> bool:
    if text != "1":
        raise UnfitError(f"{text!r}: use 1, or nothing")
    return True


_TEXTS: Final = {
    *("kind", "ledger", "time", "id", "project", "provider", "model", "endpoint", "source"),
    *("status", "unmetered", "response_model", "response_id", "error_type", "trace_id", "span_id"),
}
_READ: Final[dict[str, Callable[[str], Any]]] = {
    **{name: _number for name in COLUMNS if name not in _TEXTS},
    "estimated": _flag,
}
