"""The names of data files, whatever projects are called."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import Final

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.snapshots.periods import Period

__all__ = [
    "COMPRESSED",
    "file_name",
    "is_project_file_name",
    "is_unfinished",
    "log_day",
    "period_of",
    "project_file_name",
]

COMPRESSED: Final = ".gz"
"""What a file that was compressed has at the end of its name."""

_STEMS: Final = {Window.DAY: "usage", Window.MONTH: "monthly"}
_PERIOD: Final = re.compile(
    r"(?:usage_([0-9]{4}-[0-9]{2}-[0-9]{2})|monthly_([0-9]{4}-[0-9]{2}))\.json(?:\.gz)?"
)
_LOG: Final = re.compile(r"alerts_([0-9]{4}-[0-9]{2}-[0-9]{2})\.log(?:\.gz)?")
# As `replaced_file` calls what it has not finished.
_UNFINISHED: Final = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.tmp", re.DOTALL)
_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SHOWN: Final = 40
_DIGITS: Final = 16


def file_name(period: Period) -> str:
    """The file of a day or a month."""
    return f"{_STEMS[period.window]}_{period.name}.json"


def project_file_name(project: str) -> str:
    """The file of a project: no two projects have the same, also where case does not count.

    A plain name stands as it is. Of any other there is what a file's name may have of it, and a
    hash after `~`, which no plain name has.
    """
    if _PLAIN.fullmatch(project):
        return f"project_{project}.json"
    shown = "".join(letter for letter in project if letter.isalnum() or letter in "_.-")[:_SHOWN]
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()
    return f"project_{shown}~{digest[:_DIGITS]}.json"


def is_project_file_name(name: str) -> bool:
    """Whether a file may be that of a project."""
    return name.startswith("project_") and name.endswith(".json")


def period_of(name: str) -> Period | None:
    """The day or month that a file is of, compressed or not; None for any other file."""
    match = _PERIOD.fullmatch(name)
    if match is None:
        return None
    day, month = match.groups()
    first = _date(day or f"{month}-01")
    return None if first is None else Period(Window.MONTH if month else Window.DAY, first)


def log_day(name: str) -> date | None:
    """The day that an alert log is of, compressed or not; None for any other file."""
    match = _LOG.fullmatch(name)
    return None if match is None else _date(match[1])


def is_unfinished(name: str) -> bool:
    """Whether a file is what a process that was killed left of one of these."""
    match = _UNFINISHED.fullmatch(name)
    if match is None:
        return False
    inner = match[1]
    return is_project_file_name(inner) or (period_of(inner) or log_day(inner)) is not None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
