"""Old records go, sums and counters stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_token_monitor.ledger.pruning import prune
from otel_token_monitor.usage import Sums
from tests.unit.ledger.books import CHAT, DAY, NOW, SECOND, Book, record

if TYPE_CHECKING:
    from otel_token_monitor.usage import UsageRecord

QUARTER = NOW // (900 * SECOND)


def pruned(book: Book, before_ns: int, most: int) -> int:
    return book.writer.run(lambda connection: prune(connection, before_ns, most))


def written(book: Book, number: int) -> list[UsageRecord]:
    """Calls of as many days, the oldest first."""
    records = [record(n, time_ns=NOW - (number - n) * DAY) for n in range(number)]
    book.write(*records)
    return records


def test_the_oldest_go_first_so_many_at_a_time(book: Book) -> None:
    written(book, 5)
    assert [pruned(book, NOW - DAY, 3), pruned(book, NOW - DAY, 3)] == [3, 1]
    assert len(list(book.reader.calls(0, 2**62))) == 1


def test_a_call_at_the_very_instant_stays(book: Book) -> None:
    written(book, 1)
    assert pruned(book, NOW - DAY, 3) == 0
    assert pruned(book, NOW - DAY + 1, 3) == 1


def test_sums_and_counters_stay(book: Book) -> None:
    records = written(book, 5)
    shown = book.reader.exposition()
    pruned(book, NOW, 10)
    assert book.reader.exposition() == shown
    assert book.reader.totals(QUARTER - 960, QUARTER + 1) == {CHAT: Sums.of(records).totals}


def test_what_was_pruned_is_told_as_sums(book: Book) -> None:
    first, *_ = written(book, 2)
    pruned(book, NOW - DAY, 10)
    own = book.reader.ledger_id()
    assert list(book.reader.sums_without_calls(QUARTER - 960, QUARTER + 1)) == [
        ("2026-09-19T14:00:00Z", own, *CHAT, *Sums.of([first]).totals)
    ]


def test_from_when_on_calls_are_known_is_told_and_never_goes_back(book: Book) -> None:
    written(book, 5)
    assert book.reader.pruned_before_ns() == 0
    pruned(book, NOW - 20 * DAY, 10)
    assert book.reader.pruned_before_ns() == 0
    pruned(book, NOW - 2 * DAY, 1)
    pruned(book, NOW - 3 * DAY, 1)
    assert book.reader.pruned_before_ns() == NOW - 2 * DAY
