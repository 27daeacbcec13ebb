"""What a ledger keeps of alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.alert_book import BudgetState
from tests.unit.ledger.books import DAY, NOW

if TYPE_CHECKING:
    from tests.unit.ledger.books import Book

STATE = BudgetState(
    budget="ledger/tokens/day",
    status=2,
    window_start_ns=NOW,
    lower_since_ns=NOW + 1,
    reported_ppm=900_000,
    firing='{"critical": {}}',
)
MINUTE = 60_000_000_000


def test_a_state_is_read_as_it_was_written(book: Book) -> None:
    book.writer.run(lambda connection: alert_book.write_state(connection, STATE))
    assert book.reader.query(alert_book.read_states) == {STATE.budget: STATE}


def test_a_state_is_replaced_and_removed(book: Book) -> None:
    calmer = replace(STATE, status=0, lower_since_ns=None)
    for state in (STATE, calmer):
        book.writer.run(lambda connection, state=state: alert_book.write_state(connection, state))  # type: ignore[misc]
    assert book.reader.query(alert_book.read_states) == {STATE.budget: calmer}
    book.writer.run(lambda connection: alert_book.remove_state(connection, STATE.budget))
    assert book.reader.query(alert_book.read_states) == {}


def test_a_key_is_noted_once_and_its_last_time_kept(book: Book) -> None:
    noted = [
        book.writer.run(lambda connection, at=at: alert_book.note(connection, "key", at))  # type: ignore[misc]
        for at in (NOW, NOW + 5, NOW + 3)
    ]
    assert noted == [True, False, False]
    assert book.reader.query(lambda connection: alert_book.noted_ns(connection, "key")) == NOW + 5


def test_a_key_that_was_never_noted_has_no_time(book: Book) -> None:
    book.writer.open()
    found = book.reader.query(lambda one: alert_book.noted_ns(one, "key"))
    assert found is None


def test_keys_are_forgotten_after_thirty_days(book: Book) -> None:
    for key, at in (("old", NOW - 30 * DAY - 1), ("new", NOW - 30 * DAY)):
        book.writer.run(lambda connection, key=key, at=at: alert_book.note(connection, key, at))  # type: ignore[misc]
    book.writer.run(lambda connection: alert_book.forget_old(connection, NOW))
    rows = book.writer.run(
        lambda connection: connection.execute("SELECT key FROM notified").fetchall()
    )
    assert rows == [("new",)]


def test_a_notification_without_targets_is_not_kept(book: Book) -> None:
    book.writer.run(lambda connection: alert_book.add_notification(connection, "{}", [], NOW))
    rows = book.writer.run(
        lambda connection: connection.execute("SELECT * FROM notification").fetchall()
    )
    assert rows == []


def test_the_oldest_delivery_is_leased_and_no_other(book: Book) -> None:
    for document in ("first", "second"):
        book.writer.run(
            lambda connection, document=document: alert_book.add_notification(  # type: ignore[misc]
                connection, document, ["a", "b"], NOW
            )
        )
    first = book.writer.run(lambda connection: alert_book.lease(connection, "a", NOW))
    assert first is not None
    assert (first.document, first.attempts, first.leased_ns) == ("first", 0, NOW + MINUTE)
    assert book.writer.run(lambda connection: alert_book.lease(connection, "a", NOW + 1)) is None
    assert book.reader.query(lambda connection: alert_book.due_ns(connection, ["a", "b", "c"])) == {
        "a": NOW + MINUTE,
        "b": 0,
    }


def test_who_lost_the_lease_does_not_put_off_another_process(book: Book) -> None:
    book.writer.run(lambda connection: alert_book.add_notification(connection, "{}", ["a"], NOW))
    slow = book.writer.run(lambda connection: alert_book.lease(connection, "a", NOW))
    book.writer.run(lambda connection: alert_book.lease(connection, "a", NOW + MINUTE))
    assert slow is not None
    book.writer.run(lambda connection: alert_book.postpone(connection, slow, NOW + 5 * MINUTE))
    due = book.reader.query(lambda connection: alert_book.due_ns(connection, ["a"]))
    assert due == {"a": NOW + 2 * MINUTE}


def test_a_notification_goes_with_its_last_delivery(book: Book) -> None:
    book.writer.run(
        lambda connection: alert_book.add_notification(connection, "{}", ["a", "b"], NOW)
    )
    left = []
    for target in ("a", "b"):
        delivery = book.writer.run(
            lambda connection, target=target: alert_book.lease(connection, target, NOW)  # type: ignore[misc]
        )
        assert delivery is not None
        book.writer.run(
            lambda connection, one=delivery: alert_book.end_delivery(connection, one)  # type: ignore[misc]
        )
        left += book.writer.run(
            lambda connection: connection.execute("SELECT count(*) FROM notification").fetchall()
        )
    assert left == [(1,), (0,)]
