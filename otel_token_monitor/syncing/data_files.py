"""Following a project of which there are data files only: day by day, those that changed."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.following import DATA_FILES, LEDGER, Followed
from otel_token_monitor.snapshots.documents import DayDocument, DocumentError
from otel_token_monitor.snapshots.files import read_document
from otel_token_monitor.snapshots.names import COMPRESSED, file_name, period_of
from otel_token_monitor.syncing.keeping import day_quarter, look, take_over
from otel_token_monitor.syncing.projects import UnreadableError
from otel_token_monitor.views.sums import summed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from otel_token_monitor.snapshots.periods import Period
    from otel_token_monitor.syncing.keeping import Keeping
    from otel_token_monitor.syncing.projects import Project
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["DataFilesFollower"]

_MOST_FILES: Final = 100
_PLACE: Final = Followed(DATA_FILES, 0)


class _Look(NamedTuple):
    """What a file was like when it was looked at: the time and size of it and its compressed one.

    It was read after that, so a file of the same look has not changed since.
    """

    plain: tuple[int, int] | None
    packed: tuple[int, int] | None


class _Day(NamedTuple):
    """A day's file as it was read."""

    period: Period
    look: _Look
    document: DayDocument


class DataFilesFollower:
    """Follows the data files of one project: of one ledger, as a rule, or of one after another."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._taken: dict[Period, _Look] = {}
        # Of which ledgers they are.
        self._origins: set[str] = set()

    def follow(
        self,
        keeping: Keeping,
        counted: dict[str, str],
        zone: ZoneInfo,
        is_over: Callable[[], bool],
    ) -> tuple[str | None, int, str | None]:
        """Take over the files that changed: the newest one's ledger id, how many, what is wrong.

        `counted` has the names under which ledgers were followed in this round. Raises
        UnreadableError if there are none, OSError, NotKeptError.
        """
        periods = self._periods()
        self._refuse_others(counted)
        if not self._is_all_kept(keeping):
            self._taken.clear()
        due = [period for period in periods if self._taken.get(period) != self._look(period)]
        problems: list[str] = []
        newest, quarters = None, 0
        for start in range(0, len(due), _MOST_FILES):
            if is_over():
                break
            days = self._read(due[start : start + _MOST_FILES], problems)
            days = self._uncounted(days, counted, problems)
            days, changed = keeping.change(partial(self._apply, days, zone, problems))
            quarters += changed
            self._taken |= {day.period: day.look for day in days}
            self._origins |= {day.document.ledger for day in days}
            newest = days[-1].document.ledger if days else newest
        counted |= dict.fromkeys(self._origins, self._project.name)
        return newest, quarters, _told(problems)

    def _periods(self) -> list[Period]:
        directory = self._project.directory
        found = {period_of(path.name) for path in directory.iterdir()}
        days = sorted(p for p in found if p is not None and p.window is Window.DAY)
        if not days:
            message = (
                f"{directory} has neither a ledger nor data files: what was followed of "
                f"{self._project.name!r} stays; name the data directory of its application"
            )
            raise UnreadableError(message)
        return days

    def _is_all_kept(self, keeping: Keeping) -> bool:
        """Whether the global ledger still has what was taken over."""
        kept = keeping.look()
        return all(kept.standing(one).is_of(self._project, DATA_FILES) for one in self._origins)

    def _look(self, period: Period) -> _Look:
        path = self._project.directory / file_name(period)
        return _Look(_stamp(path), _stamp(path.with_name(path.name + COMPRESSED)))

    def _read(self, periods: Iterable[Period], problems: list[str]) -> list[_Day]:
        """The files that can be read; of the others, why not."""
        days = []
        for period in periods:
            path = self._project.directory / file_name(period)
            look = self._look(period)
            try:
                document = read_document(path, DayDocument)
                if document is not None:
                    _check(document, period)
                    days.append(_Day(period, look, document))
            except (DocumentError, OSError) as error:
                text = str(error) if str(path) in str(error) else f"{path}: {error}"
                problems.append(f"{text}: it counts as it was when it was read last")
        return days

    def _refuse_others(self, counted: dict[str, str]) -> None:
        for origin in self._origins:
            if counted.get(origin, self._project.name) != self._project.name:
                raise UnreadableError(self._is_counted(origin, counted))

    def _uncounted(
        self, days: Iterable[_Day], counted: dict[str, str], problems: list[str]
    ) -> list[_Day]:
        """The days of ledgers that were not followed under another name in this round."""
        mine = []
        for day in days:
            origin = day.document.ledger
            if counted.get(origin, self._project.name) == self._project.name:
                mine.append(day)
            else:
                problems.append(self._is_counted(origin, counted))
        return mine

    def _is_counted(self, origin: str, counted: dict[str, str]) -> str:
        return (
            f"the data files in {self._project.directory} are of the same ledger as that of "
            f"{counted[origin]!r}: it is counted once, there; leave one of the two out"
        )

    def _apply(
        self,
        days: Sequence[_Day],
        zone: ZoneInfo,
        problems: list[str],
        connection: sqlite3.Connection,
    ) -> tuple[list[_Day], int]:
        """Take days over; those that were, and how many sums that changed."""
        kept = look(connection)
        taken = []
        sums: dict[str, dict[int, dict[Labels, Totals]]] = defaultdict(dict)
        for day in days:
            place = kept.places.get(day.document.ledger)
            if place is not None and place.kind == LEDGER:
                problems.append(self._had_a_ledger())
            elif self._look(day.period) == day.look:
                # Another service may have taken over what the file has become since.
                usage = ((one.labels, one.totals) for one in day.document.usage)
                found = self._project.named(usage)
                sums[day.document.ledger][day_quarter(day.period.first, zone)] = found
                taken.append(day)
        changed = 0
        for origin, by_quarter in sums.items():
            if take_over(connection, self._project, origin, _PLACE, by_quarter):
                changed += len(by_quarter)
        return taken, changed

    def _had_a_ledger(self) -> str:
        return (
            f"{self._project.directory} has data files of a ledger that is not there any more, or "
            f"is followed elsewhere: what was followed of it stays; put the ledger back"
        )


def _stamp(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size
    return None


def _check(document: DayDocument, period: Period) -> None:
    """Raise DocumentError if a document contradicts itself, or its file's name."""
    if document.date != period.first:
        message = f"it is of {document.date.isoformat()}"
        raise DocumentError(message)
    if summed(sums.totals for sums in document.usage) != document.total.totals:
        raise DocumentError("its usage does not add up to its total")


def _told(problems: list[str]) -> str | None:
    """What is wrong, in a sentence: the first of it, and how much more there is."""
    different = list(dict.fromkeys(problems))
    if not different:
        return None
    more = f" ({len(different) - 1} more such)" if len(different) > 1 else ""
    return f"{different[0]}{more}"
