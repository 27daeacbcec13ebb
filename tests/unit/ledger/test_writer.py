"""What a batch adds to a ledger, and that it does so once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger import writer
from otel_token_monitor.ledger.batch import Batch, summed
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerBusyError, LedgerRefusedError
from otel_token_monitor.usage import OTHER, Totals
from tests.unit.ledger.books import CHAT, DAY, NOW, SEARCH, SECOND, Book, project, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUARTER = NOW // 900_000_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Book]:
    """A ledger with room for two label sets."""
    made = Book.at(tmp_path, max_label_sets=2)
    yield made
    made.close()


def test_counters_have_the_sum_of_every_part(book: Book) -> None:
    book.write(
        record(1, cost_nanousd=100),
        record(2, cost_nanousd=20),
        record(3, usage=None, unmetered="stream_without_usage"),
        record(4, usage=None, status="error", error_type="RateLimitError"),
        record(5, estimated=True, unmetered="no_usage"),
    )
    book.write(record(6, cost_nanousd=3))
    assert book.shown()[CHAT].totals == Totals(
        input=30,
        input_cached=15,
        output=9,
        output_reasoning=6,
        estimated_input=15,
        estimated_output=5,
        requests_ok=5,
        requests_error=1,
        unmetered=2,
        cost_nanousd=123,
        unpriced=1,
    )


def test_unmetered_calls_are_counted_by_reason(book: Book) -> None:
    for nonce, reason in enumerate(["no_usage", "abandoned", "no_usage"]):
        book.write(record(nonce, usage=None, unmetered=reason))
    assert book.shown()[CHAT].unmetered == {"no_usage": 2, "abandoned": 1}


def test_histograms_have_a_count_per_bucket(book: Book) -> None:
    book.write(record(1, duration_ns=80_000_000, first_token_ns=100_000_000))
    book.write(record(2, duration_ns=80_000_001, first_token_ns=99_000_000_000))
    book.write(record(3, duration_ns=500_000_000_000))
    sums = book.shown()[CHAT]
    assert sums.duration == [1, 1, *[0] * 9, 1]
    assert sums.duration_ns == 500_160_000_001
    assert sums.first_token == [1, *[0] * 8, 1]
    assert sums.first_token_ns == 99_100_000_000
    assert sums.input_tokens == [3, *[0] * 9]
    assert sums.output_tokens == [3, *[0] * 9]


def test_quarter_hours_have_the_sums_of_their_own_calls(book: Book) -> None:
    last = (QUARTER + 1) * 900_000_000_000 - 1
    book.write(record(1, time_ns=last), record(2, time_ns=last + 1), record(3, time_ns=last + 1))
    assert book.reader.totals(QUARTER, QUARTER + 1)[CHAT].requests == 1
    assert book.reader.totals(QUARTER + 1, QUARTER + 2)[CHAT].requests == 2
    assert book.reader.totals(QUARTER, QUARTER + 2)[CHAT].requests == 3
    assert book.reader.totals(QUARTER + 2, QUARTER + 9) == {}


def test_a_record_that_is_in_already_adds_nothing(book: Book) -> None:
    first = [record(nonce) for nonce in range(5)]
    assert book.write(*first) == 0
    assert book.write(*first, record(5), record(6)) == 5
    assert book.requests() == {"shop": 7}
    assert book.reader.totals(QUARTER, QUARTER + 1)[CHAT].requests == 7


def test_a_record_that_is_twice_in_one_batch_counts_once(book: Book) -> None:
    assert book.write(record(1), record(2), record(1)) == 1
    assert book.requests() == {"shop": 2}


def test_two_calls_that_end_at_once_are_two(book: Book) -> None:
    book.write(record(1), record(2))
    book.write(record(3), record(1, time_ns=NOW + 1))
    assert book.requests() == {"shop": 4}


def test_the_extremes_of_64_bits_are_kept(book: Book) -> None:
    book.write(record(-(2**63)), record(2**63 - 1))
    assert book.write(record(-(2**63)), record(2**63 - 1)) == 2


def test_condensed_sums_count_like_their_records(book: Book) -> None:
    records = [record(n, duration_ns=n * 10**9, cost_nanousd=n) for n in range(1, 40)]
    records += [record(n, SEARCH, usage=None, unmetered="no_usage") for n in range(40, 50)]
    book.writer.write(Batch(condensed=summed(records)))
    assert book.shown() == {labels: sums for (labels, _), sums in summed(records).items()}
    assert book.reader.totals(QUARTER, QUARTER + 1)[CHAT].cost_nanousd == sum(range(40))


def test_health_adds_up(book: Book) -> None:
    book.write(dropped_spans=3)
    book.write(record(1), dropped_spans=4, hook_errors=1)
    assert book.health() == {"dropped_spans": 7, "hook_errors": 1}


def test_several_writers_add_up(book: Book) -> None:
    other = book.another_writer()
    for nonce in range(10):
        book.write(record(nonce))
        other.write(Batch([record(nonce, time_ns=NOW + 1)]))
    other.close()
    assert book.requests() == {"shop": 20}


# The cap on label sets.


def test_beyond_the_cap_calls_count_as_other(small: Book) -> None:
    small.write(record(1, project("a")), record(2, project("b")), record(3, project("c")))
    small.write(record(4, project("c")), record(5, project("d")), record(6, project("a")))
    assert small.requests() == {"a": 2, "b": 1, "other": 3}
    assert small.health() == {"label_overflow_requests": 3}


def test_beyond_the_cap_reports_still_know_the_true_labels(small: Book) -> None:
    small.write(*(record(n, project(name)) for n, name in enumerate("abcd")))
    totals = small.reader.totals(QUARTER, QUARTER + 1)
    assert {labels.project for labels in totals} == set("abcd")


def test_in_memory_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_RECORDS_IN_MEMORY", 1000)
    book = Book(Location.in_memory(), max_label_sets=2)
    for first in range(0, 3_000, 100):
        numbers = range(first, first + 100)
        book.clock.now = NOW + 60 * SECOND + first * SECOND
        book.write(*(record(n, project(f"p{n % 500}"), time_ns=NOW + n * SECOND) for n in numbers))
    connection = book.writer._connection
    assert connection is not None
    assert connection.execute("SELECT count(*) FROM label_set").fetchone() == (3,)
    assert connection.execute("SELECT count(*), min(time_ns) FROM record").fetchone() == (
        1_001,
        NOW + 1_999 * SECOND,
    )
    assert book.requests() == {"p0": 6, "p1": 6, "other": 2_988}
    assert book.health() == {"label_overflow_requests": 2_988}
    book.close()


def test_in_memory_the_last_minute_is_kept_whatever_is_in_it() -> None:
    book = Book(Location.in_memory())
    for first in range(0, 12_000, 1000):
        book.write(*(record(n, time_ns=NOW - 59 * SECOND) for n in range(first, first + 1000)))
    minute = book.reader.totals_of_records(NOW - 60 * SECOND, NOW)
    assert [totals.requests for totals in minute.values()] == [12_000]
    book.close()


def test_in_memory_a_set_that_comes_back_to_no_room_keeps_its_own_rows() -> None:
    book = Book(Location.in_memory(), max_label_sets=1)
    book.write(record(1, project("a")))
    book.clock.now += 31 * DAY
    book.write(record(2, project("b")), record(3, project("a")))
    assert book.requests() == {"b": 1, "other": 1}
    book.clock.now += 31 * DAY
    book.write(record(4, project("a")))
    assert book.requests() == {"a": 2}
    book.close()


def test_a_project_that_is_called_other_has_no_more_room_than_others(small: Book) -> None:
    for nonce, model in enumerate("abcd"):
        small.write(record(nonce, OTHER._replace(model=model)))
    assert len(small.shown()) == 3
    assert small.shown()[OTHER].totals.requests == 2


def test_the_cap_holds_for_all_writers_together(small: Book) -> None:
    writers = [small.another_writer() for _ in range(4)]
    for nonce, one in enumerate(writers):
        one.write(Batch([record(nonce, project(f"p{nonce}"))]))
        one.close()
    assert small.requests() == {"p0": 1, "p1": 1, "other": 2}


def test_a_set_that_is_idle_for_30_days_leaves_and_frees_its_place(small: Book) -> None:
    small.write(record(1, project("a")), record(2, project("b")))
    small.clock.now += 29 * DAY
    small.write(record(3, project("b")), record(4, project("c")))
    assert small.requests() == {"a": 1, "b": 2, "other": 1}
    small.clock.now += 2 * DAY
    assert small.requests() == {"b": 2, "other": 1}
    small.write(record(5, project("c")))
    assert small.requests() == {"b": 2, "other": 1, "c": 1}


def test_a_set_that_comes_back_continues_where_it_was(small: Book) -> None:
    small.write(record(1, project("a")), record(2, project("a")))
    small.clock.now += 31 * DAY
    assert small.requests() == {}
    small.write(record(3, project("a")))
    assert small.requests() == {"a": 3}


def test_a_set_that_comes_back_to_no_room_counts_as_other_meanwhile(small: Book) -> None:
    small.write(record(1, project("a")))
    small.clock.now += 31 * DAY
    small.write(record(2, project("b")), record(3, project("c")), record(4, project("a")))
    assert small.requests() == {"b": 1, "c": 1, "other": 1}
    small.clock.now += 31 * DAY
    small.write(record(5, project("a")))
    assert small.requests() == {"a": 2}


def test_a_clock_that_is_set_back_and_forth_loses_and_lowers_nothing(small: Book) -> None:
    written, shown = 0, {"a": 0, "b": 0, "c": 0, "other": 0}
    for step in (0, -400, 401, 3650, -3650, -1, 20, -20, 0, 31, 0):
        small.clock.now += step * DAY
        for name in "abc":
            small.write(record(written, project(name), time_ns=small.clock.now))
            written += 1
        for name, requests in small.requests().items():
            assert requests >= shown[name]
            shown[name] = requests
    with closing(sqlite3.connect(str(small.location.path))) as connection:
        for table in ("counter", "period"):
            (count,) = connection.execute(f"SELECT sum(requests_ok) FROM {table}").fetchone()  # noqa: S608
            assert count == written
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (written,)


# What goes wrong in the middle.


def test_a_batch_whose_commit_succeeded_with_an_error_is_not_written_twice(book: Book) -> None:
    batch = Batch([record(1)], condensed=summed([record(2), record(3)]), health={"odd": 1})
    book.writer.write(batch)
    # As if the answer to the commit had been lost.
    book.writer._batch -= 1
    book.writer._uncertain = True
    assert book.writer.write(batch) == 0
    assert book.requests() == {"shop": 3}
    assert book.health() == {"odd": 1}


def test_a_batch_whose_commit_failed_with_an_error_is_written(book: Book) -> None:
    book.write(record(1))
    book.writer._uncertain = True
    book.write(record(2))
    book.write(record(3))
    assert book.requests() == {"shop": 3}


@pytest.mark.parametrize(
    "poison",
    [{"nonce": 2**63}, {"response_id": "\ud800"}, {"duration_ns": 2**64}, {"source": object()}],
)
def test_what_no_ledger_takes_leaves_nothing_behind(book: Book, poison: dict[str, object]) -> None:
    book.write(record(1))
    with pytest.raises(LedgerRefusedError):
        book.write(record(2, SEARCH), record(3)._replace(**poison))  # type: ignore[arg-type]
    assert book.requests() == {"shop": 1}
    book.write(record(4, SEARCH))
    assert book.requests() == {"shop": 1, "search": 1}


def test_a_ledger_that_another_process_holds_is_busy(tmp_path: Path) -> None:
    book = Book.at(tmp_path)
    book.write(record(1))
    with closing(sqlite3.connect(str(book.location.path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusyError, match="another process holds its lock: end that"):
            book.write(record(2))
    book.write(record(2))
    assert book.requests() == {"shop": 2}
    book.close()


@pytest.mark.parametrize("number", [1, 3, 255, 341, 600])
def test_batches_of_any_size_are_in_whole(small: Book, number: int) -> None:
    small.write(*(record(each) for each in range(number)))
    assert small.shown()[CHAT].totals.requests == number
    with closing(sqlite3.connect(str(small.location.path))) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM record").fetchone()
    assert rows == number


def test_a_batch_that_is_known_in_part_adds_the_rest(book: Book) -> None:
    book.write(*(record(each) for each in range(0, 341, 2)))
    assert book.write(*(record(each) for each in range(341))) == 171
    assert book.shown()[CHAT].totals.requests == 341
