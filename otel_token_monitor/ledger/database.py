"""A ledger's database: where it is, opened, migrated, and set aside when it is damaged."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.errors import (
    LedgerError,
    LedgerMissingError,
    LedgerVersionError,
    explain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ATTACHED",
    "FILE_NAME",
    "Location",
    "attach",
    "connect",
    "keep_forever",
    "may_write",
    "open_for_changing",
    "open_for_reading",
    "open_private",
    "set_aside",
    "transaction",
]

FILE_NAME: Final = "usage.db"
ATTACHED: Final = "attached_ledger"
"""What a ledger is called that was attached to another connection."""

# How long SQLite waits for another process's lock. Short, for whoever waits holds up scrapes and
# forks of its own process; callers try again.
_BUSY_SECONDS: Final = 0.25
# Readers meet a lock only while a log is recovered, or the last writer closes.
_READING_BUSY_SECONDS: Final = 1.0
_TABLES: Final = "SELECT count(*), coalesce(max(name = 'label_set'), 0) FROM sqlite_master"
_POLL_SECONDS: Final = 0.005
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
        path = directory.absolute() / FILE_NAME
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

    Raises LedgerBusyError, LedgerCorruptError, LedgerVersionError or LedgerError.
    """
    path = location.path
    try:
        if path is None:
            return _prepared(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return _prepared(location)
        with _directory_lock(path):
            if not path.exists():
                _set_orphans_aside(path)
            return _prepared(location)
    except (sqlite3.Error, OSError) as error:
        raise explain(location, error) from error


def open_private() -> sqlite3.Connection:
    """A database of nobody else's, on disk if it grows, and gone when it is closed."""
    return _open("")


def attach(connection: sqlite3.Connection, location: Location) -> None:
    """Have a private database's connection write a ledger, too, which is made if need be.

    What is said of tables that the private one has not is said of the ledger's. Raises what
    `connect` does.
    """
    connect(location).close()
    connection.execute(f"ATTACH ? AS {ATTACHED}", (location.uri,))
    _tune(connection, ATTACHED)


def _prepared(location: Location) -> sqlite3.Connection:
    """A connection to a ledger of this release's format."""
    connection = _open(location.uri)
    try:
        # First of all: a file of a newer release, or of another application, stays as it is.
        _refuse_foreign(connection, location)
        if location.path is not None:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        _tune(connection)
        _migrate(connection, location)
    except BaseException:
        connection.close()
        raise
    return connection


def _tune(connection: sqlite3.Connection, schema: str = "main") -> None:
    """Have what a connection writes last, and its log stay small."""
    # FULL: what was served to Prometheus must survive a power cut, or a counter would fall.
    connection.execute(f"PRAGMA {schema}.synchronous = FULL")
    connection.execute(f"PRAGMA {schema}.journal_size_limit = {_LOG_BYTES}")


def open_for_reading(location: Location) -> sqlite3.Connection:
    """Open an existing ledger, and never create one: raises LedgerMissingError if there is none.

    Where this user may not write, and nobody has it open, the connection sees the file as it is
    now: it must not be kept.
    """
    path = location.path
    uri = location.uri
    try:
        if path is not None:
            _refuse_missing(path)
            uri = f"{uri}?{_reading_mode(path)}"
        connection = _open(uri, _READING_BUSY_SECONDS)
        try:
            _refuse_older(_refuse_foreign(connection, location), location)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise explain(location, error) from error
    return connection


def open_for_changing(location: Location) -> sqlite3.Connection:
    """Open an existing ledger of this release's format for writing: it makes and migrates none.

    Raises LedgerMissingError if there is none, LedgerError if this user may not write it.
    """
    path = location.path
    if path is not None and path.exists() and not may_write(path):
        message = (
            f"the ledger {location} is read-only for this user: give write access to the file and "
            f"its directory"
        )
        raise LedgerError(message)
    connection = open_for_reading(location)
    try:
        _tune(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(location, error) from error
    return connection


def may_write(path: Path) -> bool:
    """Whether this user may write a ledger's file, and make its log beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _reading_mode(path: Path) -> str:
    """How to open a file for reading: with a log, SQLite must write the log's index."""
    if may_write(path):
        return "mode=rw"
    log = path.with_name(f"{path.name}-wal")
    return "mode=ro" if log.exists() else "mode=ro&immutable=1"


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
    with _directory_lock(path):
        if seen is None or Location(path.as_uri(), path).identity() != seen:
            return None
        target = path.with_name(f"{path.name}.corrupt-{_stamp()}")
        # The log first: beside a new file, an old log would be taken for its own.
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        return target


def _set_orphans_aside(path: Path) -> None:
    """Move away the log of a file that is no more: a new file would take it for its own.

    Its calls can be had back by putting it beside the file that was moved.
    """
    log, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    index.unlink(missing_ok=True)
    if log.exists():
        log.rename(path.with_name(f"{path.name}.orphan-{_stamp()}-wal"))


def _stamp() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"


@contextmanager
def _directory_lock(path: Path) -> Iterator[None]:
    """Let one process at a time make the file, or move it away. Raises OSError if it takes long."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(directory)


def keep_forever(connection: sqlite3.Connection | None) -> None:
    """Make sure that a connection is never closed, not even when the interpreter ends.

    A connection must not be used after a fork, not even to close it
    (https://www.sqlite.org/howtocorrupt.html, section 2.6).
    """
    if connection is not None:
        import ctypes  # noqa: PLC0415 - only forked children need it, and it takes 5 ms

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _open(uri: str, busy_seconds: float = _BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )


@cache
def _migrations() -> tuple[str, ...]:
    scripts = sorted(Path(__file__).with_name("migrations").glob("*.sql"))
    return tuple(script.read_text(encoding="utf-8") for script in scripts)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, location: Location) -> int:
    """Refuse what this release must not touch; the format of what is left."""
    version, known = _version(connection), len(_migrations())
    if version > known:
        message = (
            f"the ledger {location} has format {version}, this release knows up to {known}: "
            f"upgrade otel-token-monitor, or set another TOKEN_MONITOR_DATA_DIR"
        )
        raise LedgerVersionError(message)
    tables, ours = connection.execute(_TABLES).fetchone()
    if tables and not ours:
        message = (
            f"{location} is another application's database: set another TOKEN_MONITOR_DATA_DIR"
        )
        raise LedgerVersionError(message)
    return version


def _refuse_older(version: int, location: Location) -> None:
    if version < len(_migrations()):
        message = (
            f"the ledger {location} is of an older release, or not made yet: "
            f"start its application once"
        )
        raise LedgerMissingError(message)


def _refuse_missing(path: Path) -> None:
    if not path.exists():
        message = (
            f"there is no ledger at {path}: name the data directory of the application with "
            f"--data-dir or TOKEN_MONITOR_DATA_DIR"
        )
        raise LedgerMissingError(message)


def _migrate(connection: sqlite3.Connection, location: Location) -> None:
    """Bring the schema to this release's, whichever of many processes comes first."""
    scripts = _migrations()
    if _version(connection) == len(scripts):
        return
    with transaction(connection):
        _refuse_foreign(connection, location)
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
