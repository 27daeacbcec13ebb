"""What changed in a ledger, for those who follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.ledger.books import DAY, NOW, SECOND, record

if TYPE_CHECKING:
    from tests.unit.ledger.books import Book

QUARTER = NOW // (900 * SECOND)


def test_a_new_ledger_has_no_changes(book: Book) -> None:
    book.writer.open()
    assert book.reader.changes(0) == (0, ())
    assert book.reader.extent() is None


def test_each_quarter_hour_that_is_written_is_a_change(book: Book) -> None:
    book.write(record(1), record(2, time_ns=NOW - DAY))
    assert book.reader.changes(0) == (2, (QUARTER - 96, QUARTER))
    assert book.reader.extent() == (QUARTER - 96, QUARTER)


def test_only_later_changes_are_told(book: Book) -> None:
    book.write(record(1), record(2, time_ns=NOW - DAY))
    number = book.reader.changes(0).number
    assert book.reader.changes(number) == (number, ())
    book.write(record(3, time_ns=NOW - DAY))
    assert book.reader.changes(number) == (number + 1, (QUARTER - 96,))


def test_changes_can_be_asked_for_some_at_a_time(book: Book) -> None:
    book.write(*(record(n, time_ns=NOW - n * DAY) for n in range(3)))
    first = book.reader.changes(0, 2)
    assert first.quarters == (QUARTER - 192, QUARTER - 96)
    assert book.reader.changes(first.number, 2).quarters == (QUARTER,)


def test_a_call_that_was_known_changes_nothing(book: Book) -> None:
    book.write(record(1))
    number = book.reader.changes(0).number
    book.write(record(1))
    assert book.reader.changes(number).quarters == ()
