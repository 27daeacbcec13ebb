"""Days and time zones as people name them on a command line."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import click

from otel_token_monitor.config.faults import PartsError
from otel_token_monitor.config.timezones import check_timezone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["day_named", "day_option", "zone_option"]

_FIRST: Final = date(1970, 1, 1)
_LAST: Final = date(9998, 12, 31)
_DAYS_AGO: Final = re.compile(r"([1-9][0-9]{0,4})d", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}", re.ASCII)


def day_named(name: str, today: date) -> date:
    """The day that a name means: a date, `today`, `yesterday`, or `7d`.

    `7d` is the first of the last seven days, of which today is one. Raises ValueError.
    """
    day = _day(name.strip().lower(), today)
    if day is None or not _FIRST <= day <= _LAST:
        message = (
            f"{name!r} is no day: use a date such as 2026-11-01 (from {_FIRST} to {_LAST}), "
            f"today, yesterday, or 7d for the last seven days"
        )
        raise ValueError(message)
    return day


def _day(word: str, today: date) -> date | None:
    if word in _WORDS:
        return _WORDS[word](today)
    if days := _DAYS_AGO.fullmatch(word):
        return today - timedelta(days=int(days[1]) - 1)
    try:
        return date.fromisoformat(word) if _DATE.fullmatch(word) else None
    except ValueError:
        return None


_WORDS: Final[dict[str, Callable[[date], date]]] = {
    "today": lambda today: today,
    "yesterday": lambda today: today - timedelta(days=1),
}


def day_option(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> Callable[[date], date] | None:
    """The callback of an option that takes a day: gives a function from today to that day.

    Which day `today` is, is only known once the time zone is.
    """
    if value is None:
        return None
    try:
        day_named(value, date(2026, 1, 1))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return lambda today: day_named(value, today)


def zone_option(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> ZoneInfo | None:
    """The callback of an option that takes the IANA name of a time zone."""
    if value is None:
        return None
    try:
        return ZoneInfo(check_timezone(value))
    except PartsError as error:
        raise click.BadParameter(error.lines[0].removeprefix(": ")) from None
