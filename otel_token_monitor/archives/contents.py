"""What goes into a file: which days of which ledger, and the rows as they come from there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.archives.times import instant_text
from otel_token_monitor.budgets.windows import Span, day_span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    Progress = Callable[[float], None]

__all__ = ["BATCH", "Contents", "Days", "Written"]

BATCH: Final = 300
"""How many rows are written at a time: these fit a processor's cache."""

_FIRST: Final = date(1970, 1, 2)
_LAST: Final = date(2115, 12, 31)


@dataclass(frozen=True, slots=True)
class Days:
    """Calendar days, both ends included, in a time zone. Raises ValueError for what are none."""

    first: date
    last: date
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(
                f"the first day, {self.first}, is after the last, {self.last}: exchange them"
            )

    @classmethod
    def of(cls, start: date | str, end: date | str, zone: ZoneInfo) -> Days:
        """The days from one to another, each a date or a text such as "2026-09-01"."""
        return cls(_day("start", start), _day("end", end), zone)

    @property
    def span(self) -> Span:
        """From the first instant up to, not including, the one after the last."""
        return Span(day_span(self.first, self.zone).start_ns, day_span(self.last, self.zone).end_ns)

    def __str__(self) -> str:
        """As people say it."""
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{days} ({self.zone.key})"


def _day(name: str, said: object) -> date:
    day = said
    if isinstance(said, str) and len(said) == len("2026-09-01"):
        try:
            day = date.fromisoformat(said)
        except ValueError:
            day = None
    if not isinstance(day, date) or isinstance(day, datetime) or not _FIRST <= day <= _LAST:
        message = f'{name}={said!r} is no day: use a date such as "2026-09-01"'
        raise ValueError(message)
    return day


@dataclass(frozen=True, slots=True)
class Written:
    """How many calls and sums were written."""

    calls: int = 0
    sums: int = 0


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file is to hold: `calls` and `sums` as LedgerReader gives them, to be read once.

    `on_calls` is called with the last call of each batch.
    """

    ledger: str
    days: Days
    calls: Iterable[tuple[Any, ...]]
    sums: Iterable[tuple[Any, ...]]
    on_calls: Callable[[tuple[Any, ...]], None] = lambda _row: None

    @property
    def bounds(self) -> tuple[str, str]:
        """The first instant, and the one after the last, as clocks there show them."""
        start_ns, end_ns = self.days.span
        return instant_text(start_ns, self.days.zone), instant_text(end_ns, self.days.zone)

    def batches_of_calls(self) -> Iterator[list[tuple[Any, ...]]]:
        """The calls, many at a time."""
        for batch in _batches(self.calls):
            yield batch
            self.on_calls(batch[-1])

    def batches_of_sums(self) -> Iterator[list[tuple[Any, ...]]]:
        """The sums, many at a time."""
        return _batches(self.sums)


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
