"""Calls and sums on their way from a file to a ledger: checked, many at a time.

A million calls are to be taken in within seconds: so what they hold is looked at column by column,
and only where something does not fit, call by call, to tell which line it is.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_token_monitor.archives.errors import BrokenFileError, UnfitError
from otel_token_monitor.archives.rows import (
    FIELDS_OF_CALL,
    FIELDS_OF_SUM,
    KIND,
    SCHEMA_VERSION,
    columns_of,
)
from otel_token_monitor.archives.times import TimeTexts, instant
from otel_token_monitor.usage import QUARTER_NS, TokenUsage, check_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_token_monitor.archives.rows import Call, Head, Sum

__all__ = ["Intake", "Source", "Staged"]

_MAX_TOTAL: Final = 2**62

_USAGE: Final = slice(
    FIELDS_OF_CALL.index("input"), FIELDS_OF_CALL.index("input") + len(TokenUsage._fields)
)
_ESTIMATED: Final = FIELDS_OF_CALL.index("estimated")
_REST: Final = FIELDS_OF_CALL.index("source")
_TEXTS: Final = tuple(
    (name, FIELDS_OF_CALL.index(name))
    for name in (
        *("source", "unmetered", "response_model", "response_id", "error_type"),
        *("trace_id", "span_id"),
    )
)
_AMOUNTS: Final = FIELDS_OF_SUM.index("input")
_REQUESTS: Final = itemgetter(
    FIELDS_OF_SUM.index("requests_ok"), FIELDS_OF_SUM.index("requests_error")
)


class Staged(Protocol):
    """Where rows are put aside until all of a file is known: a LedgerImport."""

    def place(self, labels: tuple[str, str, str, str]) -> int:
        """What stands for labels in the rows."""

    def add_calls(self, columns: Sequence[Sequence[Any]]) -> None:
        """Put calls aside, column by column."""

    def add_sums(self, rows: Iterable[Sequence[Any]]) -> None:
        """Put sums aside."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the rows of a file have in common: which ledger they are of, from when to when (ns)."""

    ledger: str
    start_ns: int
    end_ns: int


class Intake:
    """Takes what a file holds, batch by batch; then `finish`, with what it says of itself.

    `path` is for messages. `on_progress` is called after each batch. Every method raises
    BrokenFileError.
    """

    def __init__(
        self, path: str, staged: Staged, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        self.path = path
        self.calls = 0
        self.sums = 0
        self._staged = staged
        self._on_progress = on_progress
        self._times = TimeTexts()
        self._places: dict[tuple[str, ...], int] = {}
        # When the first and the last of all were, and in which lines.
        self._first: tuple[int, int] | None = None
        self._last: tuple[int, int] | None = None
        self._totals: list[int] = [0] * (len(FIELDS_OF_SUM) - _AMOUNTS)

    def broken(self, line: int | None, reason: str, remedy: str | None = None) -> BrokenFileError:
        """The error to raise of a line."""
        return BrokenFileError(self.path, line, reason, remedy)

    def add_calls(self, calls: list[Call], lines: Sequence[int], *, printable: bool) -> None:
        """Take calls, each with its line; `printable`: all of their texts are known to be that."""
        try:
            columns = self._columns(calls, lines, printable=printable)
        except UnfitError as error:
            if len(calls) == 1:
                raise self.broken(lines[0], str(error), error.remedy) from error
            for call, line in zip(calls, lines, strict=True):
                self.add_calls([call], [line], printable=False)
            return
        self._staged.add_calls(columns)
        self.calls += len(calls)
        self._on_progress()

    def add_sums(self, sums: list[Sum], lines: Sequence[int]) -> None:
        """Take sums, each with its line."""
        rows = []
        for one, line in zip(sums, lines, strict=True):
            try:
                rows.append(self._sum_row(one, line))
            except UnfitError as error:
                raise self.broken(line, str(error), error.remedy) from error
        self._staged.add_sums(rows)
        self.sums += len(sums)
        self._on_progress()

    def check_version(self, version: int, kind: str, line: int) -> None:
        """Refuse what a newer release wrote, and what is no export."""
        if kind != KIND:
            raise self.broken(line, f"kind {kind!r} is no export of calls ({KIND})")
        if version > SCHEMA_VERSION:
            reason = f"schema_version {version} is of a newer release"
            raise self.broken(line, reason, "upgrade otel-token-monitor")

    def finish(self, head: Head, lines: dict[str, int]) -> Source:
        """Compare what was taken with what the file says of itself, field by field in `lines`."""
        last = max(lines.values())
        self.check_version(head.schema_version, head.kind, lines.get("kind", last))
        bounds = []
        for field, text in (("from", head.from_), ("to", head.to)):
            try:
                bounds.append(instant(text))
            except UnfitError as error:
                raise self.broken(lines.get(field, last), f"{field}: {error}") from error
        return self.close(
            Source(head.ledger, bounds[0], bounds[1]),
            (head.count.calls, head.count.sums),
            (lines.get("ledger", last), lines.get("to", last), lines.get("count", last)),
        )

    def close(self, source: Source, counts: tuple[int, int], lines: tuple[int, int, int]) -> Source:
        """The same, where it was read already; `lines` are those of ledger, range and counts."""
        if not source.ledger.isprintable() or not source.ledger.strip():
            raise self.broken(lines[0], f"ledger {source.ledger!r}: use the id of a ledger")
        if source.start_ns >= source.end_ns:
            raise self.broken(lines[1], "the range ends before it begins")
        if source.start_ns % QUARTER_NS or source.end_ns % QUARTER_NS:
            raise self.broken(lines[1], "the range is not of whole quarter-hours")
        for found in (self._first, self._last):
            if found is not None and not source.start_ns <= found[0] < source.end_ns:
                raise self.broken(found[1], "this time is not in the range that the file is of")
        if counts != (self.calls, self.sums):
            reason = (
                f"the file should have {counts[0]} calls and {counts[1]} sums, "
                f"and has {self.calls} and {self.sums}"
            )
            raise self.broken(lines[2], reason)
        return source

    def _columns(
        self, calls: list[Call], lines: Sequence[int], *, printable: bool
    ) -> Sequence[Sequence[Any]]:
        """What the ledger takes of them. Raises UnfitError."""
        columns = columns_of(calls)
        nonces = _nonces(columns[1])
        times = self._times.instants(columns[0])
        if not printable:
            _check_texts(columns)
        _check_usage(columns)
        places = self._places_of([*zip(*columns[2:_REST], strict=True)])
        self._span(times, lines)
        estimated = [1 if value else 0 for value in columns[_ESTIMATED]]
        return [
            times,
            nonces,
            places,
            *columns[_REST:_ESTIMATED],
            estimated,
            *columns[_ESTIMATED + 1 :],
            lines,
        ]

    def _sum_row(self, one: Sum, line: int) -> tuple[Any, ...]:
        """The row for the ledger. Raises UnfitError."""
        values = columns_of([one])
        amounts = [value for (value,) in values[_AMOUNTS:]]
        time_ns = instant(one.time)
        if time_ns % QUARTER_NS:
            raise UnfitError(f"time {one.time!r}: sums are of whole quarter-hours")
        if not any(value for (value,) in _REQUESTS(values)):
            raise UnfitError("a sum of no calls")
        if not one.ledger.isprintable() or not one.ledger.strip():
            raise UnfitError(f"ledger {one.ledger!r}: use the id of a ledger")
        self._totals = [*map(int.__add__, self._totals, amounts)]
        if max(self._totals) > _MAX_TOTAL:
            raise UnfitError("the sums of the file are more than a ledger can hold")
        (place,) = self._places_of([(one.project, one.provider, one.model, one.endpoint)])
        self._span([time_ns], [line])
        return (time_ns // QUARTER_NS, one.ledger, place, *amounts, line)

    def _places_of(self, labels: list[tuple[Any, ...]]) -> list[int]:
        """What stands for each set of labels, which is checked the first time."""
        try:
            return [*map(self._places.__getitem__, labels)]
        except KeyError:
            for one in dict.fromkeys(labels):
                if one not in self._places:
                    _check_labels(one)
                    self._places[one] = self._staged.place(one)
        return [*map(self._places.__getitem__, labels)]

    def _span(self, times: list[int], lines: Sequence[int]) -> None:
        """Remember the first and the last time of all."""
        first, last = min(times), max(times)
        if self._first is None or first < self._first[0]:
            self._first = first, lines[times.index(first)]
        if self._last is None or last > self._last[0]:
            self._last = last, lines[times.index(last)]


def _nonces(ids: Sequence[str]) -> tuple[int, ...]:
    """The signed numbers that calls' ids stand for."""
    joined = "".join(ids)
    if joined[::17] == "x" * len(ids):
        with suppress(ValueError, struct.error):
            return struct.unpack(f">{len(ids)}q", bytes.fromhex(joined.replace("x", "")))
    raise UnfitError(f"id {ids[0]!r}: use an x and 16 hexadecimal digits")


def _check_texts(columns: Sequence[Sequence[Any]]) -> None:
    for name, index in _TEXTS:
        if not "".join(filter(None, columns[index])).isprintable():
            text = next(text for text in columns[index] if text and not text.isprintable())
            raise UnfitError(f"{name}: {text!r} has characters that cannot be printed")


def _check_labels(labels: tuple[Any, ...]) -> None:
    try:
        check_project(labels[0])
    except ValueError as error:
        raise UnfitError(f"project: {error}") from error
    for name, label in zip(("provider", "model", "endpoint"), labels[1:], strict=True):
        if not label.isprintable():
            raise UnfitError(f"{name}: {label!r} has characters that cannot be printed")


def _check_usage(columns: Sequence[Sequence[Any]]) -> None:
    """A usage is known in all its parts or in none; an estimated one is known."""
    parts, estimated = columns[_USAGE], columns[_ESTIMATED]
    unknown = [column.count(None) for column in parts]
    if not any(unknown):
        return
    for values, is_estimate in zip(zip(*parts, strict=True), estimated, strict=True):
        missing = values.count(None)
        if missing not in {0, len(parts)}:
            given = ", ".join(TokenUsage._fields)
            raise UnfitError(f"a usage of which only some parts are given: use all of {given}")
        if missing and is_estimate:
            raise UnfitError("estimated, but without a usage: give its parts")
