"""Keeping a policy with the ledger, while it is written and while it is only open."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.budgets.keeper import PolicyKeeper
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from tests.unit.ledger.books import SECOND, Book, record

if TYPE_CHECKING:
    from pathlib import Path

ONE = Policy(limits=(Limit(Scope(), Unit.TOKENS, Window.DAY, 1),))
TWO = Policy(limits=(Limit(Scope(), Unit.TOKENS, Window.DAY, 2),))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book.at(tmp_path)
    made.writer.chore = PolicyKeeper(ONE)
    return made


def held(book: Book) -> Policy | None:
    document = book.reader.policy().document
    return None if document is None else Policy.from_document(document)


def test_it_is_declared_when_the_ledger_is_opened(book: Book) -> None:
    book.writer.open()
    assert held(book) == ONE


def test_it_is_declared_with_the_first_batch(book: Book) -> None:
    book.write(record(1))
    assert held(book) == ONE


def test_it_is_declared_again_each_minute_with_calls_or_without(book: Book) -> None:
    other = book.another_writer()
    other.chore = PolicyKeeper(TWO)
    book.write(record(1))
    other.open()
    for _ in range(10):
        book.clock.now += 31 * SECOND
        book.write(record(2, time_ns=book.clock.now))
        other.open()
    assert held(book) == TWO
    assert book.reader.policy().contested is True


def test_a_new_ledger_in_the_old_ones_place_hears_of_it_too(book: Book, tmp_path: Path) -> None:
    book.writer.open()
    (tmp_path / "usage.db").rename(tmp_path / "away.db")
    book.writer.open()
    assert held(book) == ONE


def test_a_disagreement_is_said_once(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    other = book.another_writer()
    other.chore = PolicyKeeper(TWO)
    book.writer.open()
    other.open()
    for _ in range(3):
        book.clock.now += 60 * SECOND
        book.writer.open()
        other.open()
    messages = [(r.levelno, r.getMessage()) for r in caplog.records]
    said = (
        "applications that count into this ledger disagree about limits, thresholds or the time "
        "zone: those of the one that started last hold, which are {}this application's. Give them "
        "the same configuration, or ledgers of their own."
    )
    assert messages == [
        (logging.WARNING, said.format("")),
        (logging.WARNING, said.format("").replace("hold, which are this", "hold, not this")),
    ]


def test_who_keeps_it_hears_whenever_it_begins_to_hold(book: Book) -> None:
    heard: list[str] = []
    book.writer.chore = PolicyKeeper(ONE, holds=lambda: heard.append("one"))
    other = book.another_writer()
    other.chore = PolicyKeeper(TWO, holds=lambda: heard.append("two"))
    book.writer.open()
    book.clock.now += 60 * SECOND
    book.writer.open()
    other.open()
    assert heard == ["one", "two"]
    # The other application has ended: this one's limits hold again once that shows.
    for _ in range(8):
        book.clock.now += 60 * SECOND
        book.writer.open()
    assert heard == ["one", "two", "one"]
