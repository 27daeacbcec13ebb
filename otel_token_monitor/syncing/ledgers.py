"""Following a project's ledger, portion by portion."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.following import LEDGER, Followed, forsake, origins
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.syncing.keeping import look, take_over
from otel_token_monitor.syncing.projects import UnreadableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from otel_token_monitor.syncing.keeping import Keeping, Standing
    from otel_token_monitor.syncing.projects import Project
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["LedgerFollower"]

_MOST_QUARTERS: Final = 500
_OVERTAKEN: Final = 5
"""How often another service may be faster before the rest is left to the next round."""


class _Portion(NamedTuple):
    """What is taken over in one transaction.

    `had`: how the ledger stood before; `place`: how far it is followed then. `anew`: what was
    followed does not hold any more.
    """

    origin: str
    had: Standing
    place: Followed
    sums: Mapping[int, Mapping[Labels, Totals]]
    anew: bool

    @property
    def is_last(self) -> bool:
        return len(self.sums) < _MOST_QUARTERS


class LedgerFollower:
    """Follows the ledger of one project. Each ledger is counted once, under one name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._reader = LedgerReader(Location.in_directory(project.directory))
        # The ledger that was read last, and its file: another file is another history.
        self._seen: tuple[str, tuple[int, int] | None] | None = None
        self._origins: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """Where the ledger is, if there is one."""
        return self._reader.location.path or self._project.directory

    def follow(
        self, keeping: Keeping, counted: dict[str, str], is_over: Callable[[], bool]
    ) -> tuple[str, int]:
        """Take over what has changed; the ledger's id, and how many quarter-hours that was.

        `counted` has the names under which ledgers were followed in this round. Raises
        UnreadableError if the ledger is counted already, LedgerError if it cannot be read,
        NotKeptError.
        """
        try:
            return self._follow(keeping, counted, is_over)
        finally:
            # It is open while it is read only: nothing of it is to be carried across a fork.
            self._reader.close()

    def doubled(self, keeping: Keeping) -> str | None:
        """What is wrong if it holds calls of another ledger that is followed, too; None: nothing.

        Raises NotKeptError.
        """
        if not self._origins:
            return None
        kept = keeping.look()
        owners = {kept.book.owner(origin) for origin in self._origins if origin in kept.places}
        others = sorted(name for name in owners - {self._project.name} if name is not None)
        if not others:
            return None
        return (
            f"{self.path} holds calls that came from the ledger of {others[0]!r}: they are counted "
            f"twice; leave one of the two out"
        )

    def forget_after_fork(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._reader.abandon()
        self._reader = LedgerReader(self._reader.location)

    def _follow(
        self, keeping: Keeping, counted: dict[str, str], is_over: Callable[[], bool]
    ) -> tuple[str, int]:
        quarters = overtaken = 0
        while True:
            portion = self._read(keeping, counted)
            if portion.sums or portion.anew or not portion.had.is_of(self._project, LEDGER):
                if not keeping.change(partial(_apply, self._project, portion)):
                    overtaken += 1
                    if overtaken < _OVERTAKEN and not is_over():
                        continue
                    return portion.origin, quarters
                quarters += len(portion.sums)
            self._seen = (portion.origin, self._reader.identity)
            if portion.is_last or is_over():
                return portion.origin, quarters

    def _read(self, keeping: Keeping, counted: dict[str, str]) -> _Portion:
        reader, name = self._reader, self._project.name
        with reader.moment():
            origin = reader.ledger_id()
            if counted.setdefault(origin, name) != name:
                message = (
                    f"{self.path} is the same ledger as that of {counted[origin]!r}: it is "
                    f"counted once, there; leave one of the two out"
                )
                raise UnreadableError(message)
            had = keeping.look().standing(origin)
            cursor = had.place.cursor if had.place and had.is_of(self._project, LEDGER) else 0
            changes = reader.changes(cursor, _MOST_QUARTERS)
            # An older state was put in its place: what came after that did not happen there.
            anew = changes.number < cursor or self._is_another_file(origin)
            if anew:
                changes = reader.changes(0, _MOST_QUARTERS)
            sums = reader.sums_of_quarters(changes.quarters)
            self._origins = reader.query(origins)
        named = {quarter: self._project.named(found.items()) for quarter, found in sums.items()}
        return _Portion(origin, had, Followed(LEDGER, changes.number), named, anew)

    def _is_another_file(self, origin: str) -> bool:
        """Whether the ledger that was read before is read from another file now."""
        if self._seen is None:
            return False
        seen, identity = self._seen
        return seen == origin and identity != self._reader.identity


def _apply(project: Project, portion: _Portion, connection: sqlite3.Connection) -> bool:
    """Take a portion over, unless another service has gone on meanwhile; whether it was."""
    if look(connection).standing(portion.origin) != portion.had:
        return False
    if portion.anew:
        forsake(connection, portion.origin)
    take_over(connection, project, portion.origin, portion.place, portion.sums)
    return True
