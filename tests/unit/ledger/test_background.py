"""Calls whose usage comes later: a request at once, completed once, given up after a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.usage import PolledRecord, TokenUsage, UsageRecord
from tests.unit.ledger.books import CHAT, DAY, NOW, SEARCH, SECOND, Book, record

if TYPE_CHECKING:
    from otel_token_monitor.usage import Sums, Totals

TOLD = TokenUsage(100, 20, 0, 7, 3)
QUARTER = NOW // (900 * SECOND)


def begun(nonce: int = 1, **given: Any) -> UsageRecord:
    return record(nonce, **{"usage": None, "response_id": "resp_1", **given})


def polled(nonce: int = 9, **given: Any) -> PolledRecord:
    """What a request for the response told, an hour later, by someone of another project."""
    later = {"time_ns": NOW + 3600 * SECOND, "usage": TOLD, "response_id": "resp_1"}
    return PolledRecord(*record(nonce, SEARCH, **{**later, **given}))


def sums(book: Book) -> Sums:
    (only,) = book.shown().values()
    return only


def in_its_quarter(book: Book) -> Totals:
    return book.reader.totals(QUARTER, QUARTER + 1)[CHAT]


def test_it_is_a_request_at_once(book: Book) -> None:
    book.write(begun())
    assert book.requests() == {"shop": 1}


def test_it_is_not_unmetered_at_once(book: Book) -> None:
    book.write(begun())
    assert sums(book).totals.unmetered == 0


def test_its_usage_comes_with_a_poll(book: Book) -> None:
    book.write(begun())
    book.write(polled())
    assert sums(book).totals[:5] == TOLD


def test_a_poll_is_no_request(book: Book) -> None:
    book.write(begun())
    book.write(polled())
    assert book.requests() == {"shop": 1}


def test_a_poll_in_the_same_batch(book: Book) -> None:
    book.write(begun(), polled())
    assert (book.requests(), sums(book).totals[:5]) == ({"shop": 1}, TOLD)


def test_only_the_first_poll_counts(book: Book) -> None:
    book.write(begun())
    book.write(polled(), polled(10))
    book.write(polled(11))
    assert sums(book).totals[:5] == TOLD


def test_only_one_process_counts_it(book: Book) -> None:
    book.write(begun())
    other = book.another_writer()
    other.write(Batch([polled()]))
    other.close()
    book.write(polled(10))
    assert sums(book).totals[:5] == TOLD


def test_a_poll_of_what_this_ledger_did_not_see_counts_nothing(book: Book) -> None:
    book.write(record(1))
    book.write(polled(response_id="resp_elsewhere"))
    assert sums(book).totals == sums(book).totals._replace(input=10, output=3, requests_ok=1)


def test_a_poll_of_a_call_with_usage_counts_nothing(book: Book) -> None:
    book.write(record(1, response_id="resp_1"))
    book.write(polled())
    assert sums(book).totals.input == 10


def test_its_price_comes_with_the_poll(book: Book) -> None:
    book.write(begun())
    book.write(polled(cost_nanousd=77))
    assert (sums(book).totals.cost_nanousd, sums(book).totals.unpriced) == (77, 0)


def test_it_counts_when_it_was_begun(book: Book) -> None:
    book.write(begun())
    book.write(polled())
    assert in_its_quarter(book)[:5] == TOLD


def test_its_record_is_completed(book: Book) -> None:
    book.write(begun())
    book.write(polled(cost_nanousd=77, response_model="gpt-5-mini-2025-08-07"))
    totals = book.reader.totals_of_records(NOW, NOW + 1)
    assert totals[CHAT] == in_its_quarter(book)


def test_the_change_of_its_quarter_hour_is_noted(book: Book) -> None:
    book.write(begun())
    before = book.reader.changes(0)
    book.write(polled())
    assert book.reader.changes(before.number).quarters == (QUARTER,)


@pytest.mark.parametrize(
    ("after", "unmetered"), [(DAY - 1, {}), (DAY + SECOND, {"never_polled": 1})]
)
def test_it_is_given_up_after_a_day(book: Book, after: int, unmetered: dict[str, int]) -> None:
    book.write(begun())
    book.clock.now = NOW + after
    book.write(record(2, SEARCH, time_ns=NOW + after))
    assert book.shown()[CHAT].unmetered == unmetered


@pytest.mark.parametrize(
    ("after", "unmetered"), [(3 * DAY - 1, {}), (3 * DAY + SECOND, {"never_polled": 1})]
)
def test_a_batch_is_given_up_after_three_days(
    book: Book, after: int, unmetered: dict[str, int]
) -> None:
    batches = CHAT._replace(endpoint="batches")
    book.write(begun(labels=batches))
    book.clock.now = NOW + after
    book.write(record(2, SEARCH, time_ns=NOW + after))
    assert book.shown()[batches].unmetered == unmetered


def test_who_learns_that_there_is_no_usage_ends_the_waiting(book: Book) -> None:
    book.write(begun())
    book.write(polled(usage=None, unmetered="no_usage"))
    book.write(polled(10))
    assert (sums(book).unmetered, sums(book).totals[:5]) == ({"no_usage": 1}, TokenUsage())


def test_its_record_says_that_there_is_no_usage(book: Book) -> None:
    book.write(begun())
    book.write(polled(usage=None, unmetered="no_usage"))
    totals = book.reader.totals_of_records(NOW, NOW + 1)
    assert totals[CHAT] == in_its_quarter(book)


def test_an_idle_writer_gives_it_up_too(book: Book) -> None:
    book.write(begun())
    book.clock.now = NOW + DAY + SECOND
    book.writer.open()
    assert sums(book).unmetered == {"never_polled": 1}


def test_it_is_given_up_once(book: Book) -> None:
    book.write(begun())
    for hour in range(3):
        book.clock.now = NOW + DAY + SECOND + hour * 3600 * SECOND
        book.writer.open()
    assert (sums(book).totals.unmetered, in_its_quarter(book).unmetered) == (1, 1)


def test_what_was_given_up_stays_so(book: Book) -> None:
    book.write(begun())
    book.clock.now = NOW + DAY + SECOND
    book.writer.open()
    book.write(polled())
    assert sums(book).totals.input == 0


def test_a_refused_call_is_not_waited_for(book: Book) -> None:
    book.write(begun(status="error", error_type="RateLimitError"))
    book.clock.now = NOW + DAY + SECOND
    book.writer.open()
    assert sums(book).unmetered == {}


def test_its_tokens_are_among_those_of_a_request(book: Book) -> None:
    book.write(begun())
    book.write(polled())
    assert sums(book).metered_count == 1
