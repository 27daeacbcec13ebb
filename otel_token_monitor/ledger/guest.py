"""A ledger that other processes make: read, and changed otherwise than by records."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

from otel_token_monitor.ledger.database import open_for_changing, transaction
from otel_token_monitor.ledger.errors import explain
from otel_token_monitor.ledger.reader import LedgerReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.ledger.database import Location

__all__ = ["LedgerGuest"]

T = TypeVar("T")


class LedgerGuest:
    """Reads and changes the ledger at `location`, in any thread, one at a time.

    It never makes a ledger, migrates one, or sets one aside: that is up to those who count.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._reading = threading.Lock()
        self._reader = LedgerReader(location)
        self._writing = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def ask(self, question: Callable[[LedgerReader], T]) -> T:
        """The answer to a question. Raises LedgerError when the ledger cannot be read."""
        with self._reading:
            return question(self._reader)

    def change(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` in one write transaction; when it raises, nothing is changed.

        Raises LedgerError when the ledger is missing or cannot be written.
        """
        with self._writing:
            connection = self._ready()
            try:
                with transaction(connection):
                    return action(connection)
            except sqlite3.Error as error:
                self._close()
                raise explain(self.location, error) from error

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._writing:
            self._close()
        with self._reading:
            self._reader.close()

    def _ready(self) -> sqlite3.Connection:
        """The open connection; another one if the file was moved away or deleted meanwhile."""
        if self._connection is not None and self.location.identity() != self._identity:
            self._close()
        if self._connection is None:
            self._identity = self.location.identity()
            self._connection = open_for_changing(self.location)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
