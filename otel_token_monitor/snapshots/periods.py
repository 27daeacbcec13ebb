"""The days and months that data files are of."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.budgets.windows import Span, Window, day_of, day_span, month_span
from otel_token_monitor.usage import QUARTER_NS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

__all__ = ["Period", "days_of", "first_kept", "months_of", "time_of"]

_NANO: Final = 1_000_000_000
"""A quarter-hour in nanoseconds."""
_DAY: Final = timedelta(days=1)


class Period(NamedTuple):
    """A calendar day or month, by its first day."""

    window: Window
    first: date

    @classmethod
    def day(cls, day: date) -> Period:
        """A day."""
        return cls(Window.DAY, day)

    @classmethod
    def month(cls, day: date) -> Period:
        """The month of a day."""
        return cls(Window.MONTH, day.replace(day=1))

    @property
    def last(self) -> date:
        """Its last day."""
        if self.window is Window.DAY:
            return self.first
        return (self.first + 31 * _DAY).replace(day=1) - _DAY

    @property
    def name(self) -> str:
        """As in `2026-11-24` or `2026-11`."""
        whole = self.first.isoformat()
        return whole if self.window is Window.DAY else whole[:7]

    def span(self, zone: ZoneInfo) -> Span:
        """When it begins and ends in a time zone."""
        return (
            day_span(self.first, zone)
            if self.window is Window.DAY
            else month_span(self.first, zone)
        )


def days_of(quarters: Iterable[int], zone: ZoneInfo) -> list[Period]:
    """The days that UTC quarter-hours, which are sorted, are in; in order."""
    days: list[Period] = []
    end_ns = None
    for quarter in quarters:
        at_ns = quarter * QUARTER_NS
        if end_ns is None or at_ns >= end_ns:
            day = day_of(at_ns, zone)
            days.append(Period.day(day))
            end_ns = day_span(day, zone).end_ns
    return days


def months_of(days: Iterable[Period]) -> list[Period]:
    """The months of days, in their order."""
    return list(dict.fromkeys(Period.month(day.first) for day in days))


def first_kept(today: date, retention_days: int) -> date:
    """The first day that is not too old to be kept."""
    return today - min(timedelta(days=retention_days), today - date.min)


def time_of(time_ns: int, zone: ZoneInfo) -> datetime:
    """An instant (UTC ns) as clocks in a time zone show it, in whole seconds."""
    return datetime.fromtimestamp(time_ns // _NANO, zone)
