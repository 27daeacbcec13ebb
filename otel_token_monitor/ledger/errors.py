"""Why a ledger cannot be used: each error names the file and the remedy."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

__all__ = [
    "ImportRefusedError",
    "LedgerBusyError",
    "LedgerCorruptError",
    "LedgerError",
    "LedgerMissingError",
    "LedgerRefusedError",
    "LedgerVersionError",
    "explain",
]


class LedgerError(Exception):
    """The ledger cannot be opened, read or written now; later it may."""


class LedgerBusyError(LedgerError):
    """Another process holds the ledger's lock: usual for moments, trouble if it lasts."""


class LedgerMissingError(LedgerError):
    """There is no ledger, and the caller only reads."""


class LedgerCorruptError(LedgerError):
    """The file is damaged, or is no SQLite database."""


class LedgerVersionError(LedgerError):
    """A newer release of this package, or another application, wrote the file."""


class LedgerRefusedError(LedgerError):
    """A batch holds a value that no ledger takes: it will be refused every time."""


class ImportRefusedError(LedgerError):
    """What is to be imported does not fit what the ledger has; `line` of the file, if it is one."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


_ELSEWHERE: Final = "set another directory with TOKEN_MONITOR_DATA_DIR"
_LOCKED: Final = "another process holds its lock: end that process or its transaction"

# SQLite's primary result codes (https://www.sqlite.org/rescode.html), which the low byte carries.
_REMEDIES: Final = {
    sqlite3.SQLITE_READONLY: "it is read-only for this user: give write access to the file and "
    f"its directory, or {_ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or created: give this user access to the file "
    f"and its directory, or {_ELSEWHERE}",
    sqlite3.SQLITE_PERM: "access is denied: give this user access to the file",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an error: check it, and its free space",
}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explain(location: object, error: sqlite3.Error | OSError) -> LedgerError:
    """Name the file, what SQLite or the operating system said of it, and the remedy."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _DAMAGED:
        return LedgerCorruptError(f"the ledger {location} is damaged ({error})")
    if primary in _BUSY or isinstance(error, BlockingIOError):
        return LedgerBusyError(f"the ledger {location} is locked ({error}): {_LOCKED}")
    if getattr(error, "errno", None) == errno.ENOSPC:
        primary = sqlite3.SQLITE_FULL
    remedy = _REMEDIES.get(primary or 0, f"check the path and its rights, or {_ELSEWHERE}")
    return LedgerError(f"the ledger {location} cannot be used ({error}): {remedy}")
