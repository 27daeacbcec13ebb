"""Reading directories one after another: what each contributes, each call once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from otel_token_monitor.aggregation.shares import NotCountedError, Share, labelled
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import day_span
from otel_token_monitor.ledger.database import FILE_NAME, Location
from otel_token_monitor.ledger.errors import LedgerCorruptError, LedgerError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import QUARTER_NS
from otel_token_monitor.views.breakdown import By, ledger_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_token_monitor.aggregation.asking import Asked
    from otel_token_monitor.aggregation.directories import Directory
    from otel_token_monitor.views.breakdown import Cell, Question

__all__ = ["Gathering"]


class Gathering:
    """One walk through directories: `shares` of those that are counted, and `problems`.

    Both are in the order of the directories. Raises TooFineError.
    """

    def __init__(self, directories: Iterable[Directory], asked: Asked, now_ns: int) -> None:
        self._asked = asked
        self._now_ns = now_ns
        self._order = {directory: place for place, directory in enumerate(directories)}
        self._problems: list[tuple[int, str]] = []
        self._shares: list[Share] = []
        # Who has been counted, by the id of its ledger.
        self._ledgers: dict[str, Directory] = {}
        for read, found in self._kinds(directories):
            for directory in found:
                self._take(directory, read)
        self._note_counted_twice()

    @property
    def shares(self) -> tuple[Share, ...]:
        """What is counted."""
        return tuple(sorted(self._shares, key=lambda share: self._order[share.directory]))

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for all that is not counted, or is counted twice."""
        return tuple(text for _, text in sorted(self._problems, key=lambda problem: problem[0]))

    def _kinds(
        self, directories: Iterable[Directory]
    ) -> tuple[tuple[Callable[[Directory], Share], list[Directory]], ...]:
        """How to read which directories: ledgers first, for they win over copies of their files."""
        places: dict[tuple[int, int], Directory] = {}
        ledgers: list[Directory] = []
        others: list[Directory] = []
        for directory in directories:
            try:
                self._refuse_known_place(directory, places)
            except (NotCountedError, OSError) as error:
                self._note(directory, _said(directory, error))
            else:
                has_ledger = os.path.lexists(directory.path / FILE_NAME)
                (ledgers if has_ledger else others).append(directory)
        return (self._of_ledger, ledgers), (self._of_files, others)

    def _refuse_known_place(
        self, directory: Directory, places: dict[tuple[int, int], Directory]
    ) -> None:
        """Raise NotCountedError if another name of the same directory was there before."""
        status = directory.path.stat()
        other = places.setdefault((status.st_dev, status.st_ino), directory)
        if other is not directory:
            same = (
                "named twice" if str(directory) == str(other) else f"the same directory as {other}"
            )
            message = f"{directory} is {same}: counted once; name it once"
            raise NotCountedError(message)

    def _take(self, directory: Directory, read: Callable[[Directory], Share]) -> None:
        try:
            share = read(directory)
        except (NotCountedError, LedgerError, OSError) as error:
            self._note(directory, _said(directory, error))
        else:
            self._shares.append(share)
            for ledger_id in share.ledger_ids:
                self._ledgers.setdefault(ledger_id, directory)

    def _of_ledger(self, directory: Directory) -> Share:
        reader = LedgerReader(Location.in_directory(directory.path), clock=lambda: self._now_ns)
        try:
            with reader.moment():
                ledger_id, policy, has_origins = reader.brief()
                if ledger_id in self._ledgers:
                    other = self._ledgers[ledger_id]
                    message = f"{directory} has a copy of the ledger in {other}: counted once; "
                    raise NotCountedError(message + "name one of the two")
                own = Policy.held(policy, Policy())
                question = self._asked.question(self._now_ns, self._asked.zone or own.zone)
                origins = reader.origins(*_quarters(question)) if has_origins else frozenset()
                return Share(
                    directory=directory,
                    source="ledger",
                    question=question,
                    cells=labelled(directory, ledger_cells(reader, question)),
                    ledger_ids=(ledger_id,),
                    origins=origins,
                )
        finally:
            reader.close()

    def _of_files(self, directory: Directory) -> Share:
        # Only those who have such directories pay for what reads them.
        from otel_token_monitor.aggregation.files_only import FilesOnly, cells_of  # noqa: PLC0415

        files = FilesOnly(directory, lambda text: self._note(directory, text))
        self._refuse_known_files(directory, files.ledger_id)
        if By.HOUR in self._asked.by:
            message = f"{directory} has data files only, which know no hours: ask by day"
            raise NotCountedError(message)
        self._refuse_zone(directory, files.zone.key)
        question = self._asked.question(self._now_ns, files.zone)
        cells: list[Cell] = []
        ledger_ids = {files.ledger_id: True}
        for period, document in files.documents(question):
            self._refuse_zone(directory, document.timezone)
            self._refuse_known_files(directory, document.ledger)
            ledger_ids[document.ledger] = True
            cells += cells_of(period, document)
        return Share(
            directory=directory,
            source="files",
            question=question,
            cells=labelled(directory, cells),
            ledger_ids=tuple(ledger_ids),
        )

    def _refuse_known_files(self, directory: Directory, ledger_id: str) -> None:
        if ledger_id in self._ledgers:
            other = self._ledgers[ledger_id]
            message = (
                f"{directory} has data files of the ledger in {other}: counted once; name one of "
                f"the two"
            )
            raise NotCountedError(message)

    def _refuse_zone(self, directory: Directory, name: str) -> None:
        zone = self._asked.zone
        if zone is not None and name != zone.key:
            message = (
                f"the data files in {directory} have days of {name}, not of {zone.key}: not "
                f"counted; ask for {name}, for each directory's own days, or name the directory "
                f"of their ledger"
            )
            raise NotCountedError(message)

    def _note_counted_twice(self) -> None:
        for share in self._shares:
            for origin in sorted(share.origins & self._ledgers.keys()):
                other = self._ledgers[origin]
                if other != share.directory:
                    message = (
                        f"{share.directory} holds calls that came from {other}: they are counted "
                        f"twice; leave out one of the two"
                    )
                    self._note(share.directory, message)

    def _note(self, directory: Directory, problem: str) -> None:
        self._problems.append((self._order[directory], problem))


def _quarters(question: Question) -> tuple[int, int]:
    """The quarter-hours of the days of a question."""
    start_ns = day_span(question.since, question.zone).start_ns
    end_ns = day_span(question.until, question.zone).end_ns
    return start_ns // QUARTER_NS, end_ns // QUARTER_NS


def _said(directory: Directory, error: Exception) -> str:
    """A sentence with the path and the remedy."""
    if isinstance(error, FileNotFoundError):
        return f"{directory} does not exist: name the data directory of an application"
    if isinstance(error, NotADirectoryError):
        return f"{directory} is no directory: name the one that the file is in"
    if isinstance(error, OSError):
        path, reason = error.filename or directory, error.strerror or error
        return f"{path} cannot be read ({reason}): give this user access to it"
    text = str(error)
    if isinstance(error, NotCountedError):
        return text
    if isinstance(error, LedgerCorruptError):
        text += ": put back a copy of it, or start its application, which sets it aside"
    # What a ledger says of its policy does not tell which ledger it is.
    return text if str(directory.path.absolute()) in text else f"{directory}: {text}"
