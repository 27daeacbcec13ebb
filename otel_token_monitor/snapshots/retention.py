"""Old data files: compressed after a week, where that is wanted, and removed in the end.

Only files whose names are those of a day, a month or an alert log are touched, and no links; and
what processes that were killed left of such files.
"""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.snapshots.files import write_gzip
from otel_token_monitor.snapshots.names import COMPRESSED, is_unfinished, log_day, period_of
from otel_token_monitor.snapshots.periods import first_kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

__all__ = ["LOGS", "Tidied", "tidy"]

LOGS: Final = "logs"
"""The directory of the alert logs, in the data directory."""

_PLAIN_DAYS: Final = 7
# No file takes so long to be written.
_UNFINISHED_NS: Final = 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """How many files were compressed, and how many removed for their age."""

    compressed: int = 0
    removed: int = 0


class _Aging(NamedTuple):
    """A file of a span of time: the last day of it. Lines are added to a log even afterwards."""

    path: Path
    last: date
    is_log: bool


def tidy(
    directory: Path, now_ns: int, zone: ZoneInfo, *, retention_days: int, compress: bool
) -> Tidied:
    """Remove the files of days and months that ended more than `retention_days` days ago.

    With `compress`, those that ended more than a week ago are compressed. It must be this process's
    turn (see files.Turn). Raises OSError.
    """
    today = day_of(now_ns, zone)
    oldest, plain = first_kept(today, retention_days), first_kept(today, _PLAIN_DAYS)
    compressed = removed = 0
    for file in _aging(directory):
        if file.last < oldest:
            file.path.unlink(missing_ok=True)
            removed += 1
        elif compress and file.last < plain and file.path.suffix != COMPRESSED:
            _compress(file)
            compressed += 1
    for path in (*_files(directory), *_files(directory / LOGS)):
        if is_unfinished(path.name) and path.stat().st_mtime_ns < now_ns - _UNFINISHED_NS:
            path.unlink(missing_ok=True)
    return Tidied(compressed=compressed, removed=removed)


def _aging(directory: Path) -> Iterator[_Aging]:
    for path in _files(directory):
        period = period_of(path.name)
        if period is not None:
            yield _Aging(path, period.last, is_log=False)
    for path in _files(directory / LOGS):
        day = log_day(path.name)
        if day is not None:
            yield _Aging(path, day, is_log=True)


def _files(directory: Path) -> list[Path]:
    """The files in a directory that are no links; none if there is no such directory."""
    if directory.is_symlink() or not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        return sorted(Path(one.path) for one in entries if one.is_file(follow_symlinks=False))


def _compress(file: _Aging) -> None:
    """Put the compressed file in the place of the plain one; ended midway, both are there."""
    packed = file.path.with_name(file.path.name + COMPRESSED)
    content, status = file.path.read_bytes(), file.path.stat()
    if file.is_log:
        content = _continued(packed, content)
    write_gzip(packed, content, status)
    if file.path.stat().st_mtime_ns == status.st_mtime_ns:
        file.path.unlink()


def _continued(packed: Path, log: bytes) -> bytes:
    """A log and what was compressed of it before: lines may have come late to a file of its own."""
    try:
        before = gzip.decompress(packed.read_bytes())
    except (FileNotFoundError, EOFError, zlib.error, gzip.BadGzipFile):
        return log
    return log if log.startswith(before) else before + log
