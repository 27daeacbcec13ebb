"""What alerts need of whoever holds a ledger: a pipeline, or a process that only serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["LedgerAccess"]

T = TypeVar("T")


class LedgerAccess(Protocol):
    """Reads and changes one ledger, from any thread. Both raise LedgerError when they cannot."""

    def ask(self, question: Callable[[LedgerReader], T], /) -> T:
        """The answer to a question, once all calls are in that have ended before."""

    def change(self, action: Callable[[sqlite3.Connection], T], /) -> T:
        """Run `action` in one write transaction; when it raises, nothing is changed."""
