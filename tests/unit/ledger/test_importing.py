"""Taking in calls that were counted elsewhere: once, all of them or none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import ImportRefusedError, LedgerError
from otel_token_monitor.ledger.importing import (
    ImportPlan,
    ImportResult,
    LedgerImport,
    import_into,
)
from otel_token_monitor.ledger.pruning import prune
from otel_token_monitor.usage import Labels, Sums, Totals, UsageRecord
from tests.unit.ledger.books import CHAT, DAY, NOW, SEARCH, SECOND, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

QUARTER = NOW // (900 * SECOND)
ELSEWHERE = "00000000deadbeef"
A_SUM = Totals(input=7, output=2, requests_ok=1, unpriced=1)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book.at(tmp_path)
    made.writer.open()
    yield made
    made.close()


def columns_of(staged: LedgerImport, records: Iterable[UsageRecord]) -> list[list[Any]]:
    rows = [
        (
            *one[:2],
            staged.place(one.labels),
            *one[3:5],
            *((None,) * 5 if one.usage is None else one.usage),
            *one[6:-1],
            line,
        )
        for line, one in enumerate(records, 1)
    ]
    return [list(column) for column in zip(*rows, strict=True)] or [[]] * 21


Sum = tuple[int, str, Labels, Totals]


def imported(
    book: Book, *records: UsageRecord, sums: Iterable[Sum] = (), **plan: Any
) -> ImportResult:
    plan.setdefault("origin", ELSEWHERE)

    def fill(staged: LedgerImport) -> ImportPlan:
        staged.add_calls(columns_of(staged, records))
        staged.add_sums(
            (quarter, origin, staged.place(labels), *totals, line)
            for line, (quarter, origin, labels, totals) in enumerate(sums, 100)
        )
        return ImportPlan(**plan)

    return import_into(book.location, fill)


def everything(book: Book) -> list[list[tuple[Any, ...]]]:
    """All that the ledger holds."""
    tables = ("record", "period", "hour", "day", "counter", "imported", "origin", "label_set")
    assert book.location.path is not None
    with closing(sqlite3.connect(book.location.path)) as connection:
        return [connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables]  # noqa: S608


def in_windows(book: Book) -> dict[Labels, Totals]:
    """The sums, which must be the same from quarter-hours and from days."""
    quarters = book.reader.totals(QUARTER - 400, QUARTER + 97)
    assert book.reader.totals(QUARTER - 96 * 400, QUARTER + 96 * 400) == quarters
    return quarters


def test_new_calls_are_in_windows_and_among_single_calls(book: Book) -> None:
    calls = [record(1, cost_nanousd=5), record(2, SEARCH, usage=None, unmetered="no_usage")]
    assert imported(book, *calls) == ImportResult(calls=2)
    assert in_windows(book) == {call.labels: Sums.of([call]).totals for call in calls}
    assert [row[2] for row in book.reader.calls(0, NOW + 1)] == ["shop", "search"]


def test_no_counter_grows(book: Book) -> None:
    book.write(record(1))
    before = book.reader.exposition()
    imported(book, record(2), record(3, SEARCH))
    assert book.reader.exposition() == before


def test_a_second_time_nothing_changes(book: Book) -> None:
    calls, sums = [record(1), record(2, SEARCH)], [(QUARTER - 9, ELSEWHERE, CHAT, A_SUM)]
    assert imported(book, *calls, sums=sums) == ImportResult(calls=2, sums=1)
    before = everything(book)
    assert imported(book, *calls, sums=sums) == ImportResult(known=3)
    assert everything(book) == before


def test_a_call_that_was_counted_here_is_known(book: Book) -> None:
    book.write(record(1))
    assert imported(book, record(1), record(2)) == ImportResult(calls=1, known=1)
    assert in_windows(book)[CHAT].requests == 2


def test_a_call_that_was_imported_is_counted_no_more(book: Book) -> None:
    imported(book, record(1))
    assert book.write(record(1)) == 1
    assert book.shown() == {}


def test_another_call_of_the_same_id_is_refused(book: Book) -> None:
    book.write(record(1), record(2))
    before = everything(book)
    with pytest.raises(ImportRefusedError) as refused:
        imported(book, record(3), record(2, cost_nanousd=1))
    assert str(refused.value) == (
        "line 2: this ledger has another call with the same time and id: correct the file, or "
        "replace what is here (merge=False, --replace)"
    )
    assert everything(book) == before


@pytest.mark.parametrize("known", [False, True])
def test_one_id_twice_is_refused(book: Book, *, known: bool) -> None:
    if known:
        book.write(record(2))
    before = everything(book)
    with pytest.raises(ImportRefusedError, match="line 3: the file has a call with this time"):
        imported(book, record(1), record(2), record(2))
    assert everything(book) == before


def test_calls_of_a_pruned_time_are_refused(book: Book) -> None:
    book.write(record(1, time_ns=NOW - DAY), record(2))
    book.writer.run(lambda connection: prune(connection, NOW, 10))
    before = everything(book)
    with pytest.raises(ImportRefusedError) as refused:
        imported(book, record(4), record(3, time_ns=NOW - 1))
    assert str(refused.value) == (
        "line 2: the single calls before 2026-09-21T14:13:20Z were pruned from this ledger, so it "
        "cannot tell whether it has counted these: export from that time on"
    )
    with pytest.raises(ImportRefusedError, match=r"^the single calls before"):
        imported(book, replace=(NOW - DAY, NOW + DAY))
    with pytest.raises(ImportRefusedError, match=r"^line 100: the single calls before"):
        imported(book, sums=[(QUARTER - 1, ELSEWHERE, CHAT, A_SUM)])
    assert everything(book) == before
    assert imported(book, record(4)) == ImportResult(calls=1)


def test_replacing_gives_up_all_of_the_range_and_nothing_else(book: Book) -> None:
    start = NOW // DAY * DAY
    before, inside, after = (
        record(1, time_ns=start - 1),
        record(2, time_ns=start),
        record(3, time_ns=start + DAY),
    )
    book.write(before, inside, after)
    book.write(record(4, SEARCH, time_ns=start + DAY - 1))
    counters = book.shown()
    new = record(5, time_ns=start + 7, cost_nanousd=3)
    done = imported(book, new, replace=(start, start + DAY))
    assert done == ImportResult(calls=1, replaced=2)
    assert in_windows(book) == {CHAT: Sums.of([before, new, after]).totals}
    assert len(list(book.reader.calls(0, 2**62))) == 3
    assert book.shown() == counters


def test_a_sum_of_another_ledger_is_taken_in_beside_calls_of_here(book: Book) -> None:
    book.write(record(1))
    imported(book, sums=[(QUARTER, ELSEWHERE, CHAT, A_SUM), (QUARTER, "other", CHAT, A_SUM)])
    assert in_windows(book)[CHAT] == Sums.of([record(1)]).totals.plus(A_SUM).plus(A_SUM)
    assert list(book.reader.sums_without_calls(QUARTER, QUARTER + 1)) == [
        ("2026-09-21T14:00:00Z", origin, *CHAT, *A_SUM) for origin in (ELSEWHERE, "other")
    ]


def test_a_sum_that_may_repeat_imported_calls_is_refused(book: Book) -> None:
    imported(book, record(1))
    with pytest.raises(ImportRefusedError) as refused:
        imported(book, sums=[(QUARTER, ELSEWHERE, CHAT, A_SUM)])
    assert str(refused.value) == (
        f"line 100: this sum of 2026-09-21T14:00:00Z cannot be told from calls of ledger "
        f"{ELSEWHERE} that are here already: replace what is here (merge=False, --replace)"
    )


def test_a_call_that_may_be_in_an_imported_sum_is_refused(book: Book) -> None:
    imported(book, sums=[(QUARTER, ELSEWHERE, CHAT, A_SUM)])
    with pytest.raises(
        ImportRefusedError, match=f"line 1: this call may be among those .*{ELSEWHERE}"
    ):
        imported(book, record(1))
    assert imported(book, record(1), origin="other") == ImportResult(calls=1)


def test_calls_and_a_sum_of_one_quarter_hour_come_together_once(book: Book) -> None:
    sums = [(QUARTER, ELSEWHERE, CHAT, A_SUM), (QUARTER, ELSEWHERE, SEARCH, A_SUM)]
    assert imported(book, record(1), sums=sums) == ImportResult(calls=1, sums=2)
    before = everything(book)
    assert imported(book, record(1), sums=sums) == ImportResult(known=3)
    assert everything(book) == before
    assert in_windows(book)[CHAT] == Sums.of([record(1)]).totals.plus(A_SUM)


def test_a_sum_twice_in_a_file_is_refused(book: Book) -> None:
    with pytest.raises(ImportRefusedError, match="line 101: the file has this sum twice"):
        imported(book, sums=[(QUARTER, ELSEWHERE, CHAT, A_SUM)] * 2)


def test_the_ledgers_own_sums_are_known_while_they_are_here(book: Book) -> None:
    book.write(record(1))
    own, totals = book.reader.ledger_id(), Sums.of([record(1)]).totals
    imported(book, record(2, SEARCH))
    restored = [(QUARTER, own, CHAT, A_SUM)]
    assert imported(book, sums=restored, origin=own) == ImportResult(sums=1)
    assert imported(book, sums=restored, origin=own) == ImportResult(known=1)
    assert in_windows(book)[CHAT] == totals.plus(A_SUM)
    with pytest.raises(ImportRefusedError, match="line 100: this sum of"):
        imported(book, sums=[(QUARTER, own, CHAT, A_SUM._replace(input=8))], origin=own)


def test_what_fails_while_it_is_read_imports_nothing(book: Book) -> None:
    before = everything(book)

    def fill(staged: LedgerImport) -> ImportPlan:
        staged.add_calls(columns_of(staged, [record(1)]))
        raise ValueError("line 2")

    with pytest.raises(ValueError, match="line 2"):
        import_into(book.location, fill)
    assert everything(book) == before


def test_the_disk_that_is_full_while_rows_are_put_aside_is_named(book: Book) -> None:
    before = everything(book)

    def fill(staged: LedgerImport) -> ImportPlan:
        staged._connection.execute("PRAGMA temp.max_page_count = 20").fetchone()
        staged.add_calls(columns_of(staged, [record(n) for n in range(5000)]))
        return ImportPlan(ELSEWHERE)

    with pytest.raises(LedgerError) as caught:
        import_into(book.location, fill)
    assert str(caught.value) == (
        "SQLite's directory for temporary files is full (database or disk is full): free some "
        "space there, or name another one with SQLITE_TMPDIR"
    )
    assert everything(book) == before


def test_nothing_waits_while_rows_are_put_aside(book: Book) -> None:
    def fill(staged: LedgerImport) -> ImportPlan:
        staged.add_calls(columns_of(staged, [record(1)]))
        book.write(record(2))
        return ImportPlan(ELSEWHERE)

    assert import_into(book.location, fill) == ImportResult(calls=1)
    assert in_windows(book)[CHAT].requests == 2


def test_a_ledger_is_made_if_there_is_none(tmp_path: Path) -> None:
    book = Book.at(tmp_path / "new")
    assert imported(book, record(1)) == ImportResult(calls=1)
    assert in_windows(book)[CHAT].requests == 1
    book.close()


def test_quarter_hours_that_an_import_changes_are_noted(book: Book) -> None:
    book.write(record(1))
    seen = book.reader.changes(0).number
    imported(book, record(2, time_ns=NOW - DAY), record(3, time_ns=NOW - 2 * DAY))
    assert book.reader.changes(seen).quarters == (QUARTER - 192, QUARTER - 96)


times = st.integers(NOW - 3 * DAY, NOW)
calls = st.lists(st.tuples(times, st.integers(-9, 9), st.sampled_from([CHAT, SEARCH])), max_size=30)


@given(calls, calls, st.integers(0, 3), st.integers(0, 3))
def test_sums_are_those_of_the_calls_whatever_was_there(
    tmp_path_factory: pytest.TempPathFactory,
    here: list[tuple[int, int, Labels]],
    there: list[tuple[int, int, Labels]],
    first: int,
    days: int,
) -> None:
    book = Book(Location.in_directory(tmp_path_factory.mktemp("ledger")))
    counted = {call[:2]: record(call[1], call[2], time_ns=call[0]) for call in here}
    new = {call[:2]: record(call[1], call[2], time_ns=call[0]) for call in there}
    book.write(*counted.values())
    start = (NOW // DAY - 3 + first) * DAY
    replace = (start, start + days * DAY) if days else None
    kept = dict(counted)
    if replace is not None:
        kept = {key: one for key, one in kept.items() if not start <= key[0] < replace[1]}
        new = {key: one for key, one in new.items() if start <= key[0] < replace[1]}
    new = {key: kept.get(key, one) for key, one in new.items()}
    done = imported(book, *new.values(), replace=replace)
    assert done.calls == len(new.keys() - kept.keys())
    wanted = {
        labels: Sums.of([one for one in (kept | new).values() if one.labels == labels]).totals
        for labels in {one.labels for one in (kept | new).values()}
    }
    assert in_windows(book) == wanted
    assert list(book.reader.sums_without_calls(QUARTER - 400, QUARTER + 1)) == []
    book.close()
