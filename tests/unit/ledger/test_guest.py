"""A guest of a ledger: it reads and changes, and leaves the file itself to those who count."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.alert_book import BudgetState, read_states, write_state
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerMissingError,
    LedgerVersionError,
)
from otel_token_monitor.ledger.guest import LedgerGuest
from tests.unit.ledger.books import Book, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = BudgetState(budget="ledger/tokens/day", status=1)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[LedgerGuest]:
    one = LedgerGuest(Location.in_directory(tmp_path))
    yield one
    one.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    one = Book.at(tmp_path)
    one.write(record(1))
    yield one
    one.close()


def change(guest: LedgerGuest) -> None:
    guest.change(lambda connection: write_state(connection, STATE))


@pytest.mark.usefixtures("book")
def test_what_it_changes_is_in_the_ledger(guest: LedgerGuest) -> None:
    change(guest)
    assert guest.ask(lambda reader: reader.query(read_states)) == {STATE.budget: STATE}


@pytest.mark.usefixtures("book")
def test_when_the_action_fails_nothing_is_changed(guest: LedgerGuest) -> None:
    def action(connection: sqlite3.Connection) -> None:
        write_state(connection, STATE)
        raise KeyError

    with pytest.raises(KeyError):
        guest.change(action)
    assert guest.ask(lambda reader: reader.query(read_states)) == {}


def test_it_makes_no_ledger(guest: LedgerGuest, tmp_path: Path) -> None:
    with pytest.raises(LedgerMissingError, match=r"^there is no ledger at "):
        change(guest)
    assert list(tmp_path.iterdir()) == []


def test_it_makes_no_tables(guest: LedgerGuest, tmp_path: Path) -> None:
    (tmp_path / "usage.db").touch()
    with pytest.raises(LedgerMissingError, match=r"is of an older release, or not made yet"):
        change(guest)
    assert (tmp_path / "usage.db").stat().st_size == 0


def test_it_leaves_the_database_of_another_application_alone(
    guest: LedgerGuest, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "usage.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(LedgerVersionError, match=r"is another application's database"):
        change(guest)


def test_it_does_not_set_a_damaged_ledger_aside(guest: LedgerGuest, tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerCorruptError, match=r"usage\.db is damaged "):
        change(guest)
    assert [path.name for path in tmp_path.iterdir()] == ["usage.db"]


def test_it_waits_for_others_only_briefly(guest: LedgerGuest, book: Book) -> None:
    change(guest)

    def meanwhile(_connection: sqlite3.Connection) -> None:
        with pytest.raises(LedgerBusyError, match=r"another process holds its lock"):
            change(guest)

    book.writer.run(meanwhile)


def test_it_follows_a_ledger_that_was_replaced(
    guest: LedgerGuest, book: Book, tmp_path: Path
) -> None:
    change(guest)
    book.close()
    for path in tmp_path.iterdir():
        path.rename(path.with_name(f"old-{path.name}"))
    book.write(record(2))
    assert guest.ask(lambda reader: reader.query(read_states)) == {}
    change(guest)
    assert guest.ask(lambda reader: reader.query(read_states)) == {STATE.budget: STATE}
