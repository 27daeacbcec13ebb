"""Where the sums come from that a ledger follows: the book of its sources, kept with the ledger."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from otel_token_monitor.ledger.errors import LedgerVersionError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SourceBook", "SourceNote", "quarters_followed", "read_book", "write_book"]

_KEY: Final = "sources"
_READ: Final = "SELECT value FROM ledger WHERE key = ?"
_WRITE: Final = "INSERT OR REPLACE INTO ledger (key, value) VALUES (?, ?)"
_QUARTERS: Final = "SELECT DISTINCT quarter FROM imported WHERE origin = ? ORDER BY quarter"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNote:
    """One source, as it was when it was looked at last.

    `kind` is `ledger` or `data_files`, `ledger` the id; both None until it was read once. `origins`
    are the ids of all ledgers that were followed there. `synchronised_ns` (UTC) is when all of it
    was in; `problem` says why it is not now.
    """

    path: str
    kind: str | None = None
    ledger: str | None = None
    origins: tuple[str, ...] = ()
    synchronised_ns: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBook:
    """The sources by name, and the time zone in which the days of data files were placed."""

    notes: dict[str, SourceNote] = field(default_factory=dict)
    timezone: str | None = None

    def owner(self, origin: str) -> str | None:
        """Under which name a ledger is followed; None: under none."""
        return next((name for name, note in self.notes.items() if origin in note.origins), None)

    def claimed(self, origin: str, name: str, path: str) -> SourceBook:
        """The book once a ledger is followed under a name, and under no other."""
        notes = {
            other: replace(note, origins=tuple(one for one in note.origins if one != origin))
            for other, note in self.notes.items()
        }
        note = notes.get(name) or SourceNote(path=path)
        notes[name] = replace(note, origins=(*note.origins, origin))
        return replace(self, notes=notes)


def read_book(connection: sqlite3.Connection) -> SourceBook:
    """What the ledger keeps. Raises LedgerVersionError if it cannot be read."""
    row = connection.execute(_READ, (_KEY,)).fetchone()
    if row is None:
        return SourceBook()
    try:
        document = json.loads(row[0])
        notes = {
            str(name): SourceNote(**{**note, "origins": tuple(note["origins"])})
            for name, note in document["notes"].items()
        }
        return SourceBook(notes=notes, timezone=document["timezone"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = (
            f"what the ledger keeps of its sources cannot be read ({error!r}): a newer release "
            f"wrote it perhaps; upgrade otel-token-monitor"
        )
        raise LedgerVersionError(message) from error


def write_book(connection: sqlite3.Connection, book: SourceBook) -> None:
    """Keep it, within a transaction of the caller's."""
    connection.execute(_WRITE, (_KEY, json.dumps(asdict(book), sort_keys=True)))


def quarters_followed(connection: sqlite3.Connection, origin: str) -> tuple[int, ...]:
    """The quarter-hours of which there are sums of another ledger, in order."""
    return tuple(quarter for (quarter,) in connection.execute(_QUARTERS, (origin,)))
