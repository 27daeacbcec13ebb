"""Following data files where there is no ledger."""

from __future__ import annotations

import gzip
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from otel_token_monitor.budgets.windows import day_span
from otel_token_monitor.snapshots.files import write_gzip
from otel_token_monitor.token_sync_service import ProjectSync
from otel_token_monitor.views.sums import summed
from tests.unit.ledger.books import CHAT, DAY, NOW, SECOND, project, record
from tests.unit.syncing.scenes import (
    ONE,
    QUARTER_NS,
    service,
    sums,
    tokens,
    warnings,
    without_ledger,
    write_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.syncing.scenes import Books


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_data_files_count_where_there_is_no_ledger(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1, project("default")), record(2), record(3, time_ns=NOW - 3 * DAY))
    everything = summed(sums(tmp_path / "shop").values())
    without_ledger(book)
    one = service(tmp_path, "shop")
    assert one.sync() == (ProjectSync(name="shop", quarters=2),)
    assert sums(tmp_path / "global") == {CHAT: everything}
    assert one.sync() == (ProjectSync(name="shop"),)
    assert service(tmp_path, "shop").sync() == (ProjectSync(name="shop"),)


def test_a_day_of_data_files_begins_where_it_does_in_the_global_time_zone(
    books: Books, tmp_path: Path
) -> None:
    book = books("shop")
    book.write(record(1))
    without_ledger(book)
    day = datetime.fromtimestamp(NOW // SECOND, UTC).date()
    for zone in ("Asia/Seoul", "America/New_York", "UTC"):
        service(tmp_path, "shop", timezone=zone).sync()
        span = day_span(day, ZoneInfo(zone))
        start, end = span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS
        assert sums(tmp_path / "global", start, end) == {CHAT: ONE}
        assert sums(tmp_path / "global") == {CHAT: ONE}


def test_a_data_file_that_changed_takes_the_place_of_what_it_was(
    books: Books, tmp_path: Path
) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    write_files(book, tmp_path / "files")
    one = service(tmp_path, "files")
    assert one.sync() == (ProjectSync(name="files", quarters=2),)
    book.write(record(3, time_ns=NOW - DAY))
    write_files(book, tmp_path / "files")
    assert one.sync() == (ProjectSync(name="files", quarters=1),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")


def test_a_compressed_data_file_counts_and_one_that_was_removed_stays(
    books: Books, tmp_path: Path
) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    directory = without_ledger(book)
    first, second = sorted(directory.glob("usage_*.json"))
    write_gzip(first.with_name(f"{first.name}.gz"), first.read_bytes(), first.stat())
    first.unlink()
    one = service(tmp_path, "shop")
    assert one.sync() == (ProjectSync(name="shop", quarters=2),)
    second.unlink()
    assert one.sync() == (ProjectSync(name="shop"),)
    assert tokens(tmp_path) == {"shop": 40}


def test_a_half_written_data_file_counts_as_it_was(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    directory = without_ledger(book)
    one = service(tmp_path, "shop")
    one.sync()
    _, last = sorted(directory.glob("usage_*.json"))
    whole = last.read_bytes()
    damaged(last)
    (sync,) = one.sync()
    assert sync.quarters == 0
    assert sync.problem == (
        f"{last}: Input data was truncated: it counts as it was when it was read last"
    )
    assert one.sync() == (sync,)
    assert tokens(tmp_path) == {"shop": 40}
    assert warnings(caplog) == [sync.problem]
    last.write_bytes(whole)
    assert one.sync() == (ProjectSync(name="shop"),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"schema_version": 1, "kind": "day"}',
        b'{"schema_version": 2}',
        b"[" * 100_000,
    ],
)
def test_a_data_file_that_is_none(books: Books, tmp_path: Path, content: bytes) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    directory = without_ledger(book)
    first, _ = sorted(directory.glob("usage_*.json"))
    first.write_bytes(content)
    (sync,) = service(tmp_path, "shop").sync()
    assert sync.problem is not None
    assert sync.problem.startswith(f"{first}: ")
    assert tokens(tmp_path) == {"shop": 20}


def test_a_compressed_data_file_that_is_none(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    directory = without_ledger(book)
    (file,) = directory.glob("usage_*.json")
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes())[:50])
    file.unlink()
    (sync,) = service(tmp_path, "shop").sync()
    assert sync.quarters == 0
    assert sync.problem is not None


def test_a_data_file_of_another_day_than_its_name(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    directory = without_ledger(book)
    (file,) = directory.glob("usage_*.json")
    file.rename(directory / "usage_2020-01-01.json")
    (sync,) = service(tmp_path, "shop").sync()
    day = datetime.fromtimestamp(NOW // SECOND, UTC).date()
    assert sync.problem == (
        f"{directory}/usage_2020-01-01.json: it is of {day}: "
        f"it counts as it was when it was read last"
    )
    assert tokens(tmp_path) == {}


def test_a_ledger_that_joins_its_data_files_counts_instead(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    book.close()
    ledger = tmp_path / "shop" / "usage.db"
    shutil.copy(ledger, tmp_path / "kept.db")
    without_ledger(book)
    one = service(tmp_path, "shop")
    one.sync()
    assert tokens(tmp_path) == {"shop": 40}
    (tmp_path / "kept.db").rename(ledger)
    book.write(record(3))
    assert one.sync() == (ProjectSync(name="shop", quarters=2),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")
    quarter = NOW // QUARTER_NS
    assert sums(tmp_path / "global", quarter, quarter + 1) == sums(
        tmp_path / "shop", quarter, quarter + 1
    )


def test_data_files_of_a_ledger_that_is_gone_change_nothing(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    one = service(tmp_path, "shop")
    one.sync()
    without_ledger(book)
    problem = (
        f"{tmp_path}/shop has data files of a ledger that is not there any more, or is followed "
        f"elsewhere: what was followed of it stays; put the ledger back"
    )
    assert one.sync() == (ProjectSync(name="shop", problem=problem),)
    assert one.sync() == (ProjectSync(name="shop", problem=problem),)
    assert tokens(tmp_path) == {"shop": 20}


def test_data_files_of_a_ledger_that_is_followed_count_once(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    write_files(book, tmp_path / "copy")
    one = service(tmp_path, "shop", "copy")
    problem = (
        f"the data files in {tmp_path}/copy are of the same ledger as that of 'shop': it is "
        f"counted once, there; leave one of the two out"
    )
    for _ in range(2):
        assert one.sync()[1] == ProjectSync(name="copy", problem=problem)
    assert tokens(tmp_path) == {"shop": 20}


def test_another_name_takes_over_what_data_files_gave(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1, project("default")), record(2, project("default"), time_ns=NOW - DAY))
    without_ledger(book)
    old = service(tmp_path, "shop")
    old.sync()
    (tmp_path / "store").symlink_to(tmp_path / "shop")
    assert service(tmp_path, "store").sync() == (ProjectSync(name="store", quarters=2),)
    assert tokens(tmp_path) == {"store": 40}
    # Who still uses the other name gets all of it, not only what changed since.
    assert old.sync() == (ProjectSync(name="shop", quarters=2),)
    assert tokens(tmp_path) == {"shop": 40}
