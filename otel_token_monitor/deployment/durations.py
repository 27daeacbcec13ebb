"""Durations as Prometheus writes them: 1m30s."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["seconds"]

_UNITS: Final = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")


def seconds(duration: str) -> float:
    """The seconds of a duration; what is none counts nothing."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
