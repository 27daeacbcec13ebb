"""The windows of time that limits hold for, in the team's own time zone.

Calendar windows follow one another without gap or overlap whatever the clocks do: a day begins at
the first instant of its date, and ends where the next one begins.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["MINUTE_NS", "Span", "Window", "day_of", "day_span", "month_span", "span_of"]

_NANO: Final = 1_000_000_000
MINUTE_NS: Final = 60 * _NANO
_DAY: Final = timedelta(days=1)


class Window(StrEnum):
    """What a limit is per."""

    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"


class Span(NamedTuple):
    """From one instant up to, not including, another (UTC nanoseconds since the epoch)."""

    start_ns: int
    end_ns: int


def span_of(window: Window, now_ns: int, zone: ZoneInfo) -> Span:
    """The window that an instant is in.

    A minute is the 60 s that end with the instant; all that is in it now has left 60 s later.
    """
    if window is Window.MINUTE:
        return Span(now_ns + 1 - MINUTE_NS, now_ns + 1)
    day = day_of(now_ns, zone)
    return day_span(day, zone) if window is Window.DAY else month_span(day, zone)


def day_of(now_ns: int, zone: ZoneInfo) -> date:
    """The date whose day an instant is in."""
    day = datetime.fromtimestamp(now_ns // _NANO, zone).date()
    # Where clocks are set back just after midnight, the date is yesterday's once more.
    return day if now_ns < _start(day + _DAY, zone) else day + _DAY


def day_span(day: date, zone: ZoneInfo) -> Span:
    """A calendar day: 23 to 25 hours, as a rule."""
    return Span(_start(day, zone), _start(day + _DAY, zone))


def month_span(day: date, zone: ZoneInfo) -> Span:
    """The calendar month of a date."""
    first = day.replace(day=1)
    following = (first + 31 * _DAY).replace(day=1)
    return Span(_start(first, zone), _start(following, zone))


def _start(day: date, zone: ZoneInfo) -> int:
    """The first instant of a date.

    Midnight; the first one if clocks show it twice; if they skip it, the instant at which they do.
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * _NANO
