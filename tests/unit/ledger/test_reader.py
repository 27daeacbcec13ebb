"""Reading: of one moment, and without leaving a trace."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerMissingError,
    LedgerVersionError,
)
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import QUARTER_SECONDS, TokenUsage
from tests.unit.ledger.books import NOW, SECOND, Book, project, record
from tests.unit.ledger.test_database import FORMAT

if TYPE_CHECKING:
    from pathlib import Path

QUARTER_NS: Final = QUARTER_SECONDS * SECOND


def test_a_missing_ledger_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    reader = LedgerReader(Location.in_directory(folder))
    message = (
        f"there is no ledger at {folder}/usage.db: name the data directory of the application "
        f"with --data-dir or TOKEN_MONITOR_DATA_DIR"
    )
    for ask in (reader.exposition, lambda: reader.totals(0, 1)):
        with pytest.raises(LedgerMissingError) as caught:
            ask()
        assert str(caught.value) == message
    assert not folder.exists()


def test_an_empty_file_is_left_empty(tmp_path: Path) -> None:
    (tmp_path / "usage.db").touch()
    with pytest.raises(LedgerMissingError, match="start its application once"):
        LedgerReader(Location.in_directory(tmp_path)).exposition()
    assert (tmp_path / "usage.db").read_bytes() == b""
    assert [file.name for file in tmp_path.iterdir()] == ["usage.db"]


def test_a_file_of_a_newer_release_is_not_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "usage.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerVersionError, match="has format 99, this release knows up to "):
        LedgerReader(Location.in_directory(tmp_path)).exposition()


def test_a_ledger_that_appears_later_is_found(tmp_path: Path) -> None:
    book = Book.at(tmp_path)
    with pytest.raises(LedgerMissingError):
        book.shown()
    book.write(record(1))
    assert book.requests() == {"shop": 1}
    book.close()


def test_the_file_that_took_the_place_of_another_is_read(tmp_path: Path) -> None:
    book = Book.at(tmp_path)
    book.write(record(1), record(2))
    assert book.requests() == {"shop": 2}
    (tmp_path / "usage.db").rename(tmp_path / "moved.db")
    book.write(record(3))
    assert book.requests() == {"shop": 1}
    book.close()


def test_each_ledger_has_an_id_of_its_own_for_ever(tmp_path: Path) -> None:
    one, two = Book.at(tmp_path / "one"), Book.at(tmp_path / "two")
    ids = []
    for book in (one, two, one):
        book.write(health=1)
        ids.append(book.reader.exposition().ledger_id)
        book.close()
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 16


def test_series_come_in_order(tmp_path: Path) -> None:
    book = Book.at(tmp_path)
    book.write(*(record(n, project(name)) for n, name in enumerate("cabd")))
    assert [labels.project for labels in book.shown()] == ["a", "b", "c", "d"]
    book.close()


def test_what_a_scrape_shows_is_of_one_moment(tmp_path: Path) -> None:
    """Each call has 20 tokens, in every table, while four writers write."""
    book = Book.at(tmp_path)
    book.writer.open()
    done = threading.Event()

    def write(worker: int) -> None:
        writer = book.another_writer()
        nonce = worker << 32
        while not done.is_set():
            nonce += 3
            batch = Batch(
                [record(nonce + n, project(f"p{worker}"), duration_ns=10**9) for n in range(3)],
                health={"calls": 3},
            )
            while True:
                try:
                    writer.write(batch)
                    break
                except LedgerBusyError:
                    pass
        writer.close()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    before, scrapes = 0, 0
    try:
        while before < 1000 or scrapes < 50:
            scrapes += 1
            exposition = book.reader.exposition()
            for sums in exposition.series.values():
                assert sums.totals.total_tokens == sums.totals.requests * 20
                assert sums.duration_count == sums.metered_count == sums.totals.requests
            requests = sum(sums.totals.requests for sums in exposition.series.values())
            assert exposition.health.get("calls", 0) == requests >= before
            before = requests
    finally:
        done.set()
        for thread in threads:
            thread.join()
    book.close()


def test_a_foreign_schema_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "usage.db")) as other:
        other.execute("CREATE TABLE label_set (id)")
        other.execute(f"PRAGMA user_version = {FORMAT}")
    with pytest.raises(LedgerError, match=r"no such table: ledger.*set another directory"):
        LedgerReader(Location.in_directory(tmp_path)).exposition()


@settings(deadline=None, max_examples=60)
@given(
    calls=st.lists(st.tuples(st.integers(0, 500), st.sampled_from("ab"), st.integers(0, 9))),
    ends=st.lists(st.integers(0, 500), min_size=2, max_size=2).map(sorted),
)
def test_any_span_of_quarter_hours_has_the_calls_in_it(
    calls: list[tuple[int, str, int]], ends: list[int]
) -> None:
    book = Book(Location.in_memory())
    base = NOW // QUARTER_NS // 96 * 96
    start, end = (base + away for away in ends)
    book.write(
        *(
            record(
                number,
                project(name),
                time_ns=(base + away) * QUARTER_NS,
                usage=TokenUsage(input=tokens),
            )
            for number, (away, name, tokens) in enumerate(calls)
        )
    )
    expected: dict[str, tuple[int, int]] = {}
    for away, name, tokens in calls:
        if start <= base + away < end:
            known = expected.get(name, (0, 0))
            expected[name] = known[0] + 1, known[1] + tokens
    found = book.reader.totals(start, end)
    assert {s.project: (t.requests, t.total_tokens) for s, t in found.items()} == expected
    book.close()
