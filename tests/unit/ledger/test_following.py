"""Following other ledgers: what one of them has is here once, whatever happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import ImportRefusedError
from otel_token_monitor.ledger.following import (
    LEDGER,
    Followed,
    follow,
    followed,
    forsake,
    sums_by_origin,
)
from otel_token_monitor.ledger.importing import ImportPlan, LedgerImport, import_into
from otel_token_monitor.ledger.pruning import prune
from otel_token_monitor.usage import Sums, Totals
from tests.unit.ledger.books import CHAT, DAY, NOW, SEARCH, SECOND, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from otel_token_monitor.usage import Labels

QUARTER = NOW // (900 * SECOND)
ONE = Totals(input=7, requests_ok=1)
TWO = Totals(input=9, output=4, requests_ok=2, cost_nanousd=3)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book.at(tmp_path)
    made.writer.open()
    yield made
    made.close()


def taken_over(
    book: Book, sums: Mapping[int, Mapping[Labels, Totals]], *, cursor: int = 1, origin: str = "a"
) -> bool:
    return book.writer.run(lambda c: follow(c, origin, Followed(LEDGER, cursor), sums))


def here(book: Book) -> dict[Labels, Totals]:
    """The sums, which must be the same from quarter-hours and from days."""
    quarters = book.reader.totals(QUARTER - 400, QUARTER + 97)
    assert book.reader.totals(QUARTER - 96 * 400, QUARTER + 96 * 400) == quarters
    return quarters


def test_sums_are_added_to_what_was_counted_here(book: Book) -> None:
    book.write(record(1))
    assert taken_over(book, {QUARTER: {CHAT: ONE, SEARCH: TWO}})
    assert here(book) == {CHAT: Sums.of([record(1)]).totals.plus(ONE), SEARCH: TWO}


def test_a_second_time_nothing_changes(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}})
    number = book.reader.changes(0).number
    assert not taken_over(book, {QUARTER: {CHAT: ONE}})
    assert here(book) == {CHAT: ONE}
    assert book.reader.changes(number).quarters == ()


def test_what_came_later_takes_the_place_of_what_was_there(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: TWO, SEARCH: ONE}})
    assert taken_over(book, {QUARTER: {CHAT: ONE}})
    assert here(book) == {CHAT: ONE}


def test_no_counter_grows(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}})
    assert book.shown() == {}


def test_how_far_each_was_followed_is_kept_with_its_sums(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}}, cursor=5)
    taken_over(book, {}, cursor=7, origin="b")
    assert book.reader.query(followed) == {"a": Followed(LEDGER, 5), "b": Followed(LEDGER, 7)}


def test_what_fails_takes_nothing_over(book: Book) -> None:
    with pytest.raises(ZeroDivisionError):
        book.writer.run(
            lambda c: (follow(c, "a", Followed(LEDGER, 1), {QUARTER: {CHAT: ONE}}), 1 // 0)
        )
    assert here(book) == {}
    assert book.reader.query(followed) == {}


def test_a_forsaken_ledger_leaves_nothing_behind(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}, QUARTER - 9: {SEARCH: TWO}})
    taken_over(book, {QUARTER: {CHAT: TWO}}, origin="b")
    book.writer.run(lambda connection: forsake(connection, "a"))
    assert here(book) == {CHAT: TWO}
    assert book.reader.query(followed) == {"b": Followed(LEDGER, 1)}


def test_sums_are_told_apart_by_where_they_came_from(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}, QUARTER - 1: {CHAT: TWO}})
    taken_over(book, {QUARTER: {SEARCH: TWO}}, origin="b")
    found = book.reader.query(lambda c: sums_by_origin(c, QUARTER - 1, QUARTER + 1))
    assert found == {"a": {CHAT: ONE.plus(TWO)}, "b": {SEARCH: TWO}}


def test_a_file_of_a_ledger_that_is_followed_is_refused(book: Book) -> None:
    taken_over(book, {QUARTER: {CHAT: ONE}})

    def fill(staged: LedgerImport) -> ImportPlan:
        staged.add_sums([(QUARTER, "a", staged.place(CHAT), *ONE, 1)])
        return ImportPlan("a")

    with pytest.raises(ImportRefusedError, match="this ledger follows ledger a, whose calls are"):
        import_into(book.location, fill)


batches = st.lists(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(1, 99), st.sampled_from([CHAT, SEARCH])),
        max_size=9,
    ),
    max_size=5,
)


@given(batches, st.integers(1, 4), st.integers(0, 3))
def test_two_ledgers_followed_in_any_steps_add_up(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[list[tuple[int, int, Labels]]],
    most: int,
    late: int,
) -> None:
    root = tmp_path_factory.mktemp("ledgers")
    sources = [Book(Location.in_directory(root / name)) for name in "ab"]
    target = Book(Location.in_directory(root / "all"))
    target.writer.open()
    for number, batch in enumerate(written):
        source = sources[number % 2]
        source.write(
            *(
                record(nonce, labels, time_ns=NOW - hours * 3600 * SECOND // 4)
                for hours, nonce, labels in batch
            )
        )
        if number % (late + 1) == 0:
            catch_up(source, target, most)
    for source in sources:
        source.writer.open()
        source.writer.run(lambda c: prune(c, NOW - DAY, 3))
        catch_up(source, target, most)
    wanted: dict[Labels, Totals] = {}
    for source in sources:
        for labels, totals in here(source).items():
            wanted[labels] = wanted.get(labels, Totals()).plus(totals)
    assert here(target) == wanted
    for book in (*sources, target):
        book.close()


def catch_up(source: Book, target: Book, most: int) -> None:
    """Follow a ledger to its end, some changes at a time."""
    origin = source.reader.ledger_id()
    while True:
        place = target.reader.query(followed).get(origin, Followed(LEDGER, 0))
        with source.reader.moment():
            changes = source.reader.changes(place.cursor, most)
            sums = source.reader.sums_of_quarters(changes.quarters)
        if not changes.quarters:
            return
        taken_over(target, sums, cursor=changes.number, origin=origin)
