"""Whose limits hold, when several applications write one ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.policies import (
    LIVE_SECONDS,
    PolicyRow,
    PolicyStanding,
    declare_policy,
)
from tests.unit.ledger.books import NOW, SECOND, Book

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = PolicyRow(digest="1", document="one", owner="a", silent=False)
TWO = PolicyRow(digest="2", document="two", owner="b", silent=False)
SILENT = PolicyRow(digest="0", document="nothing", owner="a", silent=True)


@dataclass
class Ledger:
    """A ledger, and how many seconds have passed."""

    book: Book
    seconds: int = 0

    def declare(self, row: PolicyRow, *, starting: bool = False) -> PolicyStanding:
        now = NOW + self.seconds * SECOND
        return self.book.writer.run(lambda c: declare_policy(c, row, now, starting=starting))

    def holds(self) -> str | None:
        self.book.clock.now = NOW + self.seconds * SECOND
        return self.book.reader.policy().document


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    book = Book(Location.in_memory())
    book.writer.open()
    yield Ledger(book)
    book.close()


def test_nobody_has_said_anything(ledger: Ledger) -> None:
    assert ledger.book.reader.policy() == PolicyStanding()


def test_the_application_that_started_last_decides(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    standing = ledger.declare(TWO, starting=True)
    assert standing == PolicyStanding(document="two", contested=True)
    ledger.declare(ONE)
    assert ledger.holds() == "two"


def test_once_an_application_has_ended_nothing_is_contested(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    ledger.declare(TWO, starting=True)
    ledger.seconds = LIVE_SECONDS + 1
    assert ledger.declare(TWO) == PolicyStanding(document="two", contested=False)


def test_who_was_overruled_gets_its_way_when_the_other_has_ended(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    ledger.declare(TWO, starting=True)
    for ledger.seconds in range(60, LIVE_SECONDS + 1, 60):
        assert ledger.declare(ONE).document == "two"
    ledger.seconds = LIVE_SECONDS + 60
    assert ledger.declare(ONE).document == "one"


def test_who_sets_nothing_gives_way_to_a_running_application(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    assert ledger.declare(SILENT, starting=True) == PolicyStanding(document="one")


def test_who_sets_something_need_not_start_to_overrule_who_does_not(ledger: Ledger) -> None:
    ledger.declare(SILENT, starting=True)
    assert ledger.declare(ONE).document == "one"


def test_limits_that_were_taken_away_are_gone_soon_after_the_restart(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    ledger.declare(SILENT, starting=True)
    ledger.seconds = LIVE_SECONDS + 1
    assert ledger.declare(SILENT).document == "nothing"


def test_who_sets_nothing_never_takes_away_the_limits_of_another_project(ledger: Ledger) -> None:
    ledger.declare(TWO, starting=True)
    ledger.seconds = 100 * LIVE_SECONDS
    assert ledger.declare(SILENT, starting=True).document == "two"


def test_two_projects_with_the_same_limits_do_not_disagree(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    twin = PolicyRow(digest="3", document="one", owner="c", silent=False)
    assert ledger.declare(twin, starting=True) == PolicyStanding(document="one", contested=False)


def test_the_last_word_stays_when_everybody_has_ended(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    ledger.seconds = 400 * 86400
    assert ledger.holds() == "one"


def test_what_nobody_said_for_long_is_forgotten(ledger: Ledger) -> None:
    ledger.declare(ONE, starting=True)
    ledger.seconds = 31 * 86400
    ledger.declare(TWO, starting=True)
    rows = ledger.book.writer.run(lambda c: c.execute("SELECT digest FROM policy").fetchall())
    assert rows == [("2",)]
