"""Instants as alerts write them: UTC, whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["UNENDED", "instant", "nanoseconds"]

UNENDED: Final = "0001-01-01T00:00:00Z"
"""What Alertmanager has for the end of an alert that fires: Go's zero time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(time_ns: int) -> str:
    """As in `2026-11-23T21:32:38.123Z`."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}Z"


def nanoseconds(text: str) -> int:
    """UTC nanoseconds of such a text, or any of RFC 3339, cut to microseconds.

    Raises ValueError if it is none or has no time zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    try:
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    except OverflowError as error:
        raise ValueError("no time that there is") from error
