"""Why a ledger cannot be used: each error names the file and the remedy."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["LedgerCorruptError", "LedgerError", "LedgerMissingError", "LedgerVersionError", "explain"]


class LedgerError(Exception):
    """The ledger cannot be opened, read or written now; later it may."""


class LedgerMissingError(LedgerError):
    """There is no ledger, and the caller only reads."""


class LedgerCorruptError(LedgerError):
    """The file is damaged, or is no SQLite database."""


class LedgerVersionError(LedgerError):
    """A newer release of this package wrote the file."""


# SQLite's primary result codes (https://www.sqlite.org/rescode.html), which the low byte carries.
_REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "another process holds its lock: end that process or its transaction",
    sqlite3.SQLITE_LOCKED: "another process holds its lock: end that process or its transaction",
    sqlite3.SQLITE_READONLY: "it is read-only for this user: give write access to the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or created: give this user access to the directory, "
    "or set another with TOKEN_MONITOR_DATA_DIR",
    sqlite3.SQLITE_PERM: "access is denied: give this user access to the file",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an error: check it, and its free space",
}


def explain(location: object, error: sqlite3.Error | OSError) -> LedgerError:
    """Name the file, what SQLite or the operating system said of it, and the remedy."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerCorruptError(f"the ledger {location} is damaged ({error})")
    remedy = _REMEDIES.get(primary, "") if primary is not None else "check the path and its rights"
    return LedgerError(f"the ledger {location} cannot be used ({error})" + (f": {remedy}" if remedy else ""))
