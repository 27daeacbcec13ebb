"""A directory that has data files and no ledger, as one reads a ledger: only what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from otel_token_monitor.aggregation.shares import NotCountedError
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.config.faults import PartsError
from otel_token_monitor.config.timezones import check_timezone
from otel_token_monitor.snapshots.documents import DayDocument, DocumentError, MonthDocument
from otel_token_monitor.snapshots.files import read_document
from otel_token_monitor.snapshots.names import file_name, period_of
from otel_token_monitor.snapshots.periods import Period
from otel_token_monitor.views.breakdown import By, Cell
from otel_token_monitor.views.sums import summed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.aggregation.directories import Directory
    from otel_token_monitor.views.breakdown import Question

__all__ = ["FilesOnly", "cells_of"]

PeriodDocument = DayDocument | MonthDocument

_KINDS: Final[dict[Window, type[DayDocument | MonthDocument]]] = {
    Window.DAY: DayDocument,
    Window.MONTH: MonthDocument,
}


class FilesOnly:
    """The data files of days and months in a directory.

    `note` is told of each file that is damaged, and so not counted. Raises OSError, and
    NotCountedError if there are none, or none that can be read.
    """

    def __init__(self, directory: Directory, note: Callable[[str], None]) -> None:
        self._directory = directory
        self._note = note
        self._read: dict[Period, PeriodDocument | None] = {}
        self._periods = {
            period for file in directory.path.iterdir() if (period := period_of(file.name))
        }
        if not self._periods:
            message = (
                f"{directory} has neither a ledger (usage.db) nor data files "
                f"(usage_YYYY-MM-DD.json): name the data directory of an application"
            )
            raise NotCountedError(message)
        self._head = self._newest()
        self.zone = self._zone()
        """The time zone of their days: of the newest file."""

    @property
    def ledger_id(self) -> str:
        """The ledger that they were written from: the newest file."""
        return self._head.ledger

    def documents(self, question: Question) -> Iterator[tuple[Period, PeriodDocument]]:
        """The documents that have the days of a question, whatever zone those are of.

        A month's own file, where the question has all of it and does not tell days apart.
        """
        for period in self._wanted(question):
            document = self._document(period)
            if document is not None:
                yield period, document

    def _newest(self) -> PeriodDocument:
        for period in sorted(self._periods, key=lambda one: one.last, reverse=True):
            document = self._document(period)
            if document is not None:
                return document
        message = (
            f"{self._directory} has no data file that can be read: name the data directory of an "
            f"application"
        )
        raise NotCountedError(message)

    def _zone(self) -> ZoneInfo:
        name = self._head.timezone
        try:
            return ZoneInfo(check_timezone(name))
        except PartsError:
            message = (
                f"this machine does not know the time zone {name!r} that the data files in "
                f"{self._directory} go by: pip install --upgrade tzdata"
            )
            raise NotCountedError(message) from None

    def _wanted(self, question: Question) -> list[Period]:
        """The files that have the days of a question between them, each day in one of them."""
        within = {
            period
            for period in self._periods
            if question.since <= period.first and period.last <= question.until
        }
        months: set[Period] = set()
        if By.DAY not in question.by:
            # A month whose file is damaged is put together from its days.
            months = {p for p in within if p.window is Window.MONTH and self._document(p)}
        days = {p for p in within if p.window is Window.DAY and Period.month(p.first) not in months}
        return sorted(months | days, key=lambda period: period.first)

    def _document(self, period: Period) -> PeriodDocument | None:
        """The document of a period; None if its file is damaged, which is noted once."""
        if period not in self._read:
            self._read[period] = self._checked(period)
        return self._read[period]

    def _checked(self, period: Period) -> PeriodDocument | None:
        path = self._directory.path / file_name(period)
        try:
            document = read_document(path, _KINDS[period.window])
        except DocumentError as error:
            self._note(_damaged(error))
            return None
        if document is None:
            self._note(f"{path} vanished while it was read: ask again")
            return None
        fault = _fault(document, period)
        if fault is not None:
            self._note(_damaged(f"{path}: {fault}"))
            return None
        return document


def cells_of(period: Period, document: PeriodDocument) -> Iterator[Cell]:
    """The sums of a document, under the names of its time."""
    names = {By.MONTH: Period.month(period.first).name}
    if period.window is Window.DAY:
        names[By.DAY] = period.name
    for sums in document.usage:
        yield Cell(names, sums.labels, sums.totals)


def _damaged(fault: object) -> str:
    return f"{fault}: it is not counted; have it written anew from its ledger, or remove it"


def _fault(document: PeriodDocument, period: Period) -> str | None:
    """What contradicts itself in a document, or its file's name; None if nothing does."""
    of = document.date.isoformat() if isinstance(document, DayDocument) else document.month
    if of != period.name:
        return f"it is of {of}"
    if summed(sums.totals for sums in document.usage) != document.total.totals:
        return "its usage does not add up to its total"
    return None
