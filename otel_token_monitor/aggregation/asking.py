"""Which calls of many directories are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.views.breakdown import Question

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from otel_token_monitor.views.breakdown import By

__all__ = ["Asked", "day_named", "month_named", "month_of"]

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
_FIRST: Final = date(1970, 1, 1)
_LAST: Final = date(9998, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Calls of some days, told apart by some things.

    `days` gives the first and the last day, from what is today where the directory is. `zone` is
    where days begin and end; None: each directory's days are its own. `project` and `model` as in
    `Question`.
    """

    by: tuple[By, ...]
    days: Callable[[date], tuple[date, date]]
    zone: ZoneInfo | None = None
    project: str | None = None
    model: str | None = None

    def question(self, now_ns: int, own_zone: ZoneInfo) -> Question:
        """What that is for a directory whose own days are in a zone."""
        zone = self.zone or own_zone
        since, until = self.days(day_of(now_ns, zone))
        return Question(
            by=self.by,
            since=since,
            until=until,
            zone=zone,
            project=self.project,
            model=self.model,
        )


def day_named(day: str | date) -> date:
    """The date, also where it is written as `2026-11-24`. Raises ValueError."""
    found = day if isinstance(day, date) else _read(_DAY, day, "")
    if found is None or not _FIRST <= found <= _LAST:
        message = f"{_shown(day)} is no day: give one as 2026-11-24, from {_FIRST} to {_LAST}"
        raise ValueError(message)
    return date(found.year, found.month, found.day)


def month_named(month: str | date) -> date:
    """A date in a month that is written as `2026-11`. Raises ValueError."""
    found = month if isinstance(month, date) else _read(_MONTH, month, "-01")
    if found is None or not _FIRST <= found <= _LAST:
        message = f"{_shown(month)} is no month: give one as 2026-11, from 1970-01 to 9998-12"
        raise ValueError(message)
    return date(found.year, found.month, 1)


def month_of(day: date) -> tuple[date, date]:
    """The first and the last day of the month of a day."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _read(form: re.Pattern[str], text: str, rest: str) -> date | None:
    try:
        return date.fromisoformat(text + rest) if form.fullmatch(text) else None
    except ValueError:
        return None


def _shown(given: str | date) -> str:
    return repr(given if isinstance(given, str) else str(given))
