"""A ledger's database: where it is, opened, migrated, and set aside when it is damaged."""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.errors import (
    LedgerMissingError,
    LedgerVersionError,
    explain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FILE_NAME", "Location", "connect", "keep_forever", "open_for_reading", "set_aside", "transaction"]

FILE_NAME: Final = "usage.db"

_BUSY_SECONDS: Final = 5.0
_WAL_ATTEMPTS: Final = 200
# The log is cut back to this size: without a limit, one long reader leaves a large file behind.
_LOG_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Location:
    """Where a ledger is: a file, or this process's memory."""

    uri: str
    path: Path | None

    @classmethod
    def in_directory(cls, directory: Path) -> Location:
        """The file in a data directory."""
        path = Path(os.path.abspath(directory)) / FILE_NAME
        return cls(path.as_uri(), path)

    @classmethod
    def in_memory(cls) -> Location:
        """A ledger of its own in memory, gone when its last connection closes."""
        return cls(f"file:usage-{secrets.token_hex(8)}?mode=memory&cache=shared", None)

    def identity(self) -> tuple[int, int] | None:
        """Device and inode of the file: how a writer sees that it was moved away."""
        if self.path is None:
            return None
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def __str__(self) -> str:
        """The path, for messages."""
        return "in memory" if self.path is None else str(self.path)


def connect(location: Location) -> sqlite3.Connection:
    """Open a ledger for writing, creating and migrating it as needed.

    Raises LedgerCorruptError, LedgerVersionError or LedgerError.
    """
    try:
        if location.path is not None:
            location.path.parent.mkdir(parents=True, exist_ok=True)
        connection = _open(location.uri)
    except (sqlite3.Error, OSError) as error:
        raise explain(location, error) from error
    try:
        if location.path is not None:
            _write_ahead(connection)
        # FULL: what was served to Prometheus must survive a power cut, or a counter would fall.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        _migrate(connection, location)
    except (sqlite3.Error, OSError) as error:
        connection.close()
        raise explain(location, error) from error
    except LedgerVersionError:
        connection.close()
        raise
    return connection


def open_for_reading(location: Location) -> sqlite3.Connection:
    """Open an existing ledger, and never create one: raises LedgerMissingError if there is none."""
    path = location.path
    uri = location.uri
    if path is not None:
        if not path.exists():
            message = (
                f"there is no ledger at {path}: name the data directory of the application with "
                f"--data-dir or TOKEN_MONITOR_DATA_DIR"
            )
            raise LedgerMissingError(message)
        # The write-ahead log's index needs write access; without that access, read as is.
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        uri = f"{uri}?mode={'rw' if writable else 'ro'}"
    try:
        connection = _open(uri)
        try:
            _refuse_newer(connection, location)
            if _version(connection) < len(_migrations()):
                message = f"the ledger {location} is of an older release: start its application once"
                raise LedgerMissingError(message)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(location, error) from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, mode: str = "IMMEDIATE") -> Iterator[None]:
    """Commit what happens within, all of it or, when it raises, nothing."""
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After some errors (a full disk) SQLite has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def set_aside(path: Path, seen: tuple[int, int] | None) -> Path | None:
    """Move a damaged ledger and its log out of the way, under a name that tells when; never delete.

    `seen` is the identity of the file that was found damaged. Returns the new name; None if
    another process has moved that file already. Raises OSError.
    """
    with (path.parent / f"{path.name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if seen is None or Location(path.as_uri(), path).identity() != seen:
            return None
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = path.with_name(f"{path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
        # The log first: beside a new file, an old log would be taken for its own.
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        return target


def keep_forever(connection: sqlite3.Connection | None) -> None:
    """Make sure that a connection is never closed, not even when the interpreter ends.

    A connection must not be used after a fork, not even to close it
    (https://www.sqlite.org/howtocorrupt.html, section 2.6).
    """
    if connection is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite's own busy handler does not cover this switch."""
    for attempt in range(_WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or attempt == _WAL_ATTEMPTS - 1:
                raise
            time.sleep(_BUSY_SECONDS / _WAL_ATTEMPTS)
        else:
            return


def _migrations() -> list[str]:
    folder = files("otel_token_monitor.ledger").joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(connection: sqlite3.Connection, location: Location) -> None:
    version, known = _version(connection), len(_migrations())
    if version > known:
        message = (
            f"the ledger {location} has format {version}, this release knows up to {known}: "
            f"upgrade otel-token-monitor, or set another TOKEN_MONITOR_DATA_DIR"
        )
        raise LedgerVersionError(message)


def _migrate(connection: sqlite3.Connection, location: Location) -> None:
    """Bring the schema to this release's, whichever of many processes comes first."""
    _refuse_newer(connection, location)
    scripts = _migrations()
    if _version(connection) == len(scripts):
        return
    with transaction(connection):
        for number in range(_version(connection), len(scripts)):
            for statement in _statements(scripts[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.executemany(
            "INSERT OR IGNORE INTO ledger (key, value) VALUES (?, ?)",
            [("id", secrets.token_hex(8)), ("created_ns", str(time.time_ns()))],
        )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
