"""Writing the data files of a ledger: what changed since the last time, or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window, day_of
from otel_token_monitor.snapshots.contents import Origin, period_document, project_documents
from otel_token_monitor.snapshots.documents import (
    SCHEMA_VERSION,
    DayDocument,
    Document,
    DocumentError,
    MonthDocument,
    ProjectDocument,
)
from otel_token_monitor.snapshots.files import (
    Turn,
    read_document,
    remove_files,
    write_document,
)
from otel_token_monitor.snapshots.known_sums import KnownSums
from otel_token_monitor.snapshots.names import (
    COMPRESSED,
    file_name,
    is_project_file_name,
    period_of,
    project_file_name,
)
from otel_token_monitor.snapshots.periods import Period, days_of, first_kept, months_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.ledger.reader import LedgerReader
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["DataFiles", "Written"]

_KEY: Final = "data_files"
_KINDS: Final[Mapping[Window, type[DayDocument | MonthDocument]]] = {
    Window.DAY: DayDocument,
    Window.MONTH: MonthDocument,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How many files of each kind were written; those that held the same are not among them."""

    days: int = 0
    months: int = 0
    projects: int = 0


class _Kept(msgspec.Struct, frozen=True):
    """What the ledger keeps of the files: all changes up to a number are in them."""

    number: int
    timezone: str
    schema: int


class _Look(NamedTuple):
    """What is to be written; `whole`: all files, whether or not their days changed."""

    origin: Origin
    number: int
    days: list[Period]
    whole: bool


class _Reading(NamedTuple):
    """Sums of one moment: of what is to be written, and of what projects' files are made of."""

    look: _Look
    periods: dict[Period, Mapping[Labels, Totals]]
    months: dict[Period, Mapping[Labels, Totals]]
    recent: dict[Period, Mapping[Labels, Totals]]


def _never() -> bool:
    return False


class DataFiles:
    """The data files of one ledger, in a directory.

    Days and months are those of the ledger's policy, or of `fallback` where it keeps none. Files
    of days that ended more than `retention_days` ago are not written.
    """

    def __init__(
        self, access: LedgerAccess, directory: Path, fallback: Policy, *, retention_days: int
    ) -> None:
        self._access = access
        self._directory = directory
        self._fallback = fallback
        self._retention_days = retention_days
        self._known = KnownSums()
        self.turn = Turn(directory)
        """Whose turn it is to work at them."""

    def write(
        self,
        now_ns: int,
        *,
        everything: bool = False,
        patience: float = 0.0,
        is_over: Callable[[], bool] = _never,
    ) -> Written | None:
        """Bring the files up to date with what changed in the ledger, or all of them.

        None: another process is at it, still after `patience` seconds. Where `is_over` says so it
        stops, between two files; then, and when something is raised, the next time begins where
        this one did. Raises LedgerError; OSError if a file cannot be written.
        """
        look = self._access.ask(lambda reader: self._look(reader, now_ns, everything=everything))
        if not look.days and not look.whole:
            return Written()
        with self.turn.taken(patience) as mine:
            if not mine:
                return None
            return self._write(now_ns, everything=everything, is_over=is_over)

    # Reading.

    def _look(self, reader: LedgerReader, now_ns: int, *, everything: bool) -> _Look:
        with reader.moment():
            zone = Policy.held(reader.policy().document, self._fallback).zone
            kept = reader.query(_read_kept)
            since = 0
            whole = everything or kept is None
            if kept is not None:
                since = kept.number
                whole = whole or (zone.key, SCHEMA_VERSION) != (kept.timezone, kept.schema)
            changes = reader.changes(since)
            if whole or changes.number < since:
                # Fewer changes than were seen: the ledger came back from a backup.
                whole, changes = True, reader.changes(0)
            origin = Origin(reader.ledger_id(), zone, now_ns)
        return _Look(origin, changes.number, days_of(changes.quarters, zone), whole)

    def _read(self, now_ns: int, *, everything: bool) -> _Reading:
        """What is to be written, and its sums, as of one moment: none of it takes long."""

        def look_up(reader: LedgerReader) -> tuple[_Look, list[Period]]:
            with reader.moment():
                look = self._look(reader, now_ns, everything=everything)
                self._known.bring_up_to_date(reader, look.origin.zone)
            return look, self._known.missing(self._wanted(look))

        def read_all(reader: LedgerReader) -> _Reading:
            with reader.moment():
                look = self._look(reader, now_ns, everything=everything)
                zone = look.origin.zone
                self._known.bring_up_to_date(reader, zone)
                files, months, recent = (
                    {period: self._known.of(period, zone, reader) for period in periods}
                    for periods in (self._files(look), self._known.months, _recent(look.origin))
                )
            return _Reading(look, files, months, recent)

        look, missing = self._access.ask(look_up)
        for period in missing:
            self._access.ask(partial(self._known.of, period, look.origin.zone))
        return self._access.ask(read_all)

    def _wanted(self, look: _Look) -> list[Period]:
        return [*self._files(look), *self._known.months, *_recent(look.origin)]

    def _files(self, look: _Look) -> list[Period]:
        """The days and months to be written whose files are kept."""
        oldest = self._oldest(look.origin)
        return [period for period in (*months_of(look.days), *look.days) if period.last >= oldest]

    def _oldest(self, origin: Origin) -> date:
        return first_kept(day_of(origin.now_ns, origin.zone), self._retention_days)

    # Writing.

    def _write(
        self,
        now_ns: int,
        *,
        everything: bool,
        is_over: Callable[[], bool],
    ) -> Written:
        reading = self._read(now_ns, everything=everything)
        counts = dict.fromkeys((DayDocument, MonthDocument, ProjectDocument), 0)
        for path, kind, document in self._documents(reading):
            if is_over():
                break
            if document is None:
                _remove_own(path, kind, reading.look.origin.ledger_id)
            else:
                counts[kind] += write_document(path, document)
        else:
            self._keep(reading.look)
        self._known.keep_only([*reading.months, *reading.recent])
        return Written(
            days=counts[DayDocument],
            months=counts[MonthDocument],
            projects=counts[ProjectDocument],
        )

    def _documents(
        self, reading: _Reading
    ) -> Iterator[tuple[Path, type[Document], Document | None]]:
        """The files to be written, each with its document; None: there is nothing to say.

        Projects come first: which of them changed is seen from days that were not written yet.
        """
        look = reading.look
        projects = self._changed_projects(reading)
        present = set()
        for project in project_documents(look.origin, projects, reading.months, reading.recent):
            present.add(project.project)
            yield self._directory / project_file_name(project.project), ProjectDocument, project
        if not look.whole:
            for gone in sorted(projects - present):
                yield self._directory / project_file_name(gone), ProjectDocument, None
        for period, sums in reading.periods.items():
            document = period_document(look.origin, period, sums) if sums else None
            yield self._directory / file_name(period), _KINDS[period.window], document
        if look.whole:
            names = {project_file_name(project) for project in present}
            yield from self._strays(names, {*look.days, *months_of(look.days)})

    def _changed_projects(self, reading: _Reading) -> set[str]:
        """The projects of which anything changed on the days that are to be written."""
        every = {labels.project for sums in reading.months.values() for labels in sums}
        if reading.look.whole:
            return every
        changed: set[str] = set()
        for day in reading.look.days:
            if day not in reading.periods:
                # Too old for a file that would tell what was there before.
                return every
            before = self._day_before(day)
            now = reading.periods[day]
            changed |= {
                labels.project
                for labels in before.keys() | now.keys()
                if before.get(labels) != now.get(labels)
            }
        return changed

    def _day_before(self, day: Period) -> dict[Labels, Totals]:
        """A day as its file has it."""
        try:
            document = read_document(self._directory / file_name(day), DayDocument)
        except DocumentError:
            document = None
        return {} if document is None else {sums.labels: sums.totals for sums in document.usage}

    def _strays(
        self, projects: Container[str], periods: Container[Period]
    ) -> Iterator[tuple[Path, type[Document], None]]:
        """The files of all other projects and periods: nothing was used there (any more)."""
        for path in sorted(self._directory.iterdir()):
            name = path.name.removesuffix(COMPRESSED)
            if path.is_symlink() or not path.is_file() or name in projects:
                continue
            period = period_of(name)
            if period is not None and period not in periods:
                yield path.with_name(name), _KINDS[period.window], None
            elif is_project_file_name(name):
                yield path.with_name(name), ProjectDocument, None

    def _keep(self, look: _Look) -> None:
        kept = _Kept(look.number, look.origin.zone.key, SCHEMA_VERSION)
        text = msgspec.json.encode(kept).decode()
        self._access.change(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO ledger (key, value) VALUES (?, ?)", (_KEY, text)
            )
        )


def _read_kept(connection: sqlite3.Connection) -> _Kept | None:
    row = connection.execute("SELECT value FROM ledger WHERE key = ?", (_KEY,)).fetchone()
    try:
        return None if row is None else msgspec.json.decode(row[0], type=_Kept)
    except msgspec.MsgspecError:
        return None


def _recent(origin: Origin) -> list[Period]:
    """The days of the previous month and of the current one."""
    current = Period.month(day_of(origin.now_ns, origin.zone))
    first = Period.month(current.first - timedelta(days=1)).first
    return [
        Period.day(first + timedelta(days=number))
        for number in range((current.last - first).days + 1)
    ]


def _remove_own(path: Path, kind: type[Document], ledger_id: str) -> None:
    """Remove a file about nothing, if it was written from this ledger."""
    try:
        found = read_document(path, kind)
    except DocumentError:
        return
    if found is not None and found.ledger == ledger_id:
        remove_files(path)
