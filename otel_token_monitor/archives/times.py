"""Instants as texts: ISO 8601 with a UTC offset and up to nine decimals, exact to a nanosecond."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from operator import add
from typing import TYPE_CHECKING, Final

from otel_token_monitor.archives.errors import UnfitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

__all__ = ["TimeTexts", "instant", "instant_text"]

_NANO: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _NANO
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2117, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d(?::?\d\d)?)", re.ASCII
)
# "2026-09-01T10:00:00.123456789Z", as an export writes it.
_LENGTH: Final = 30
_REMEMBERED: Final = 4096


def instant(text: str) -> int:
    """The nanoseconds since the epoch (UTC) that a text says. Raises UnfitError."""
    found = _TIME.fullmatch(text)
    whole = None
    if found is not None:
        with suppress(ValueError):
            whole = datetime.fromisoformat(found[1] + found[3])
    if found is None or whole is None:
        message = f"time {text!r}: use a time with a UTC offset, such as 2026-09-01T10:00:00Z"
        raise UnfitError(message)
    if not _EPOCH <= whole < _LATEST:
        message = f"time {text!r}: use a time between the years 1970 and {_LATEST.year - 1}"
        raise UnfitError(message)
    return (whole - _EPOCH) // timedelta(seconds=1) * _NANO + int((found[2] or "").ljust(9, "0"))


def instant_text(time_ns: int, zone: ZoneInfo) -> str:
    """A whole second (UTC nanoseconds since the epoch) as clocks in a time zone show it."""
    return datetime.fromtimestamp(time_ns // _NANO, zone).isoformat()


class TimeTexts:
    """Reads many texts at once; what it knows of their minutes, it remembers for a while."""

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}
        self._days: dict[str, int] = {}

    def instants(self, texts: Sequence[str]) -> list[int]:
        """The nanoseconds since the epoch of each. Raises UnfitError if one of them has none."""
        with suppress(UnfitError):
            written = self._as_written(texts)
            if written is not None:
                return written
        return [instant(text) for text in texts]

    def _as_written(self, texts: Sequence[str]) -> list[int] | None:
        """The same of texts that are all as an export writes them; None if one is not."""
        joined, number = "".join(texts), len(texts)
        if not (
            len(joined) == number * _LENGTH
            and joined[16::_LENGTH] == ":" * number
            and joined[19::_LENGTH] == "." * number
            and joined[29::_LENGTH] == "Z" * number
        ):
            return None
        digits = [text[17:19] + text[20:29] for text in texts]
        if not joined.isascii() or not "".join(digits).isdigit():
            return None
        within = [*map(int, digits)]
        if max(within) >= _MINUTE_NS:
            return None
        minutes = [text[:16] for text in texts]
        try:
            return [*map(add, map(self._minutes.__getitem__, minutes), within)]
        except KeyError:
            self._learn(set(minutes))
        return [*map(add, map(self._minutes.__getitem__, minutes), within)]

    def _learn(self, minutes: set[str]) -> None:
        if len(self._minutes) > _REMEMBERED:
            self._minutes.clear()
            self._days.clear()
        for minute in minutes:
            if minute not in self._minutes:
                self._minutes[minute] = self._minute(minute)

    def _minute(self, minute: str) -> int:
        day, hours, minutes = minute[:11], minute[11:13], minute[14:16]
        if day not in self._days:
            self._days[day] = instant(f"{day}00:00:00Z")
        if not (hours + minutes).isdigit() or hours > "23" or minutes > "59" or minute[13] != ":":
            return instant(f"{minute}:00Z")
        return self._days[day] + (int(hours) * 60 + int(minutes)) * _MINUTE_NS
