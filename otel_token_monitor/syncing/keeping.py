"""The global ledger as rounds use it: with patience, and in transactions that check what holds."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import day_of, day_span
from otel_token_monitor.ledger.errors import LedgerBusyError, LedgerError
from otel_token_monitor.ledger.following import (
    DATA_FILES,
    Followed,
    follow,
    followed,
    forsake,
    sums_by_origin,
)
from otel_token_monitor.ledger.source_book import (
    SourceBook,
    SourceNote,
    quarters_followed,
    read_book,
    write_book,
)
from otel_token_monitor.usage import QUARTER_NS, Labels, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.syncing.projects import Project

__all__ = ["Keeping", "Kept", "NotKeptError", "Standing", "day_quarter", "look", "take_over"]

T = TypeVar("T")

# How long another process may hold the lock: it writes a portion of its own, as a rule.
_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05


class NotKeptError(Exception):
    """The global ledger cannot be read or written now; the message names it and the reason."""


class Standing(NamedTuple):
    """How far a ledger was followed, and under which name; None: not at all, under none."""

    place: Followed | None
    owner: str | None

    def is_of(self, project: Project, kind: str) -> bool:
        """Whether it is followed under a project's name, and as this kind."""
        return self.place is not None and (self.place.kind, self.owner) == (kind, project.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the global ledger knows of those it follows."""

    places: Mapping[str, Followed]
    book: SourceBook

    def standing(self, origin: str) -> Standing:
        """How one ledger stands."""
        return Standing(self.places.get(origin), self.book.owner(origin))


class Keeping:
    """Reads and writes the global ledger. Every method raises NotKeptError when it cannot."""

    def __init__(self, access: LedgerAccess, is_over: Callable[[], bool]) -> None:
        self._access = access
        self._is_over = is_over

    def look(self) -> Kept:
        """What is known now."""
        return self._patiently(lambda: self._access.ask(lambda reader: reader.query(look)))

    def change(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` in one write transaction; when it raises, nothing is changed."""
        return self._patiently(lambda: self._access.change(action))

    def place_days(self, timezone: str) -> None:
        """Have the days of data files begin where they do in a time zone."""
        if self.look().book.timezone != timezone:
            self.change(partial(_place_days, timezone=timezone))

    def note(self, notes: Mapping[str, SourceNote], now_ns: int) -> None:
        """Note how the sources stand; those without a problem are up to date as of `now_ns`."""
        self.change(partial(_note, notes=notes, now_ns=now_ns))

    def _patiently(self, attempt: Callable[[], T]) -> T:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return attempt()
            except LedgerBusyError as error:
                if self._is_over() or time.monotonic() >= deadline:
                    raise _not_kept(error) from error
            except LedgerError as error:
                raise _not_kept(error) from error
            time.sleep(_POLL_SECONDS)


def day_quarter(day: date, zone: ZoneInfo) -> int:
    """The first quarter-hour of a day: where the sums of its data file are placed."""
    return day_span(day, zone).start_ns // QUARTER_NS


def take_over(
    connection: sqlite3.Connection,
    project: Project,
    origin: str,
    place: Followed,
    sums: Mapping[int, Mapping[Labels, Totals]],
) -> bool:
    """Follow a ledger under a project's name, and under no other; whether any sum changed.

    What was followed of it under another name, or as another kind, is taken back.
    """
    kept = look(connection)
    had = kept.standing(origin)
    anew = had.place is not None and not had.is_of(project, place.kind)
    if anew:
        forsake(connection, origin)
    if had.owner != project.name:
        write_book(connection, kept.book.claimed(origin, project.name, str(project.directory)))
    return follow(connection, origin, place, sums) or anew


def _not_kept(error: LedgerError) -> NotKeptError:
    return NotKeptError(f"nothing is synchronised, for the global ledger cannot be used: {error}")


def look(connection: sqlite3.Connection) -> Kept:
    """What the ledger knows of those it follows, within a transaction of the caller's."""
    return Kept(places=followed(connection), book=read_book(connection))


def _place_days(connection: sqlite3.Connection, timezone: str) -> None:
    """Move what data files gave to the first quarter-hours that its days have in a time zone."""
    book = read_book(connection)
    if book.timezone is not None:
        old, new = Policy(timezone=book.timezone).zone, Policy(timezone=timezone).zone
        for origin, place in followed(connection).items():
            if place.kind == DATA_FILES:
                follow(connection, origin, place, _moved(connection, origin, old, new))
    write_book(connection, replace(book, timezone=timezone))


def _moved(
    connection: sqlite3.Connection, origin: str, old: ZoneInfo, new: ZoneInfo
) -> dict[int, dict[Labels, Totals]]:
    """The sums of an origin where they are to be; nothing where they were."""
    moved: dict[int, dict[Labels, Totals]] = defaultdict(dict)
    for quarter in quarters_followed(connection, origin):
        sums = sums_by_origin(connection, quarter, quarter + 1)[origin]
        moved[quarter].update({})
        moved[day_quarter(day_of(quarter * QUARTER_NS, old), new)].update(sums)
    return dict(moved)


def _note(connection: sqlite3.Connection, notes: Mapping[str, SourceNote], now_ns: int) -> None:
    book = read_book(connection)
    for name, note in notes.items():
        had = book.notes.get(name, note)
        book.notes[name] = replace(
            note,
            kind=note.kind or had.kind,
            ledger=note.ledger or had.ledger,
            origins=had.origins,
            synchronised_ns=had.synchronised_ns if note.problem else now_ns,
        )
    write_book(connection, book)
