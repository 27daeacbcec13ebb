"""Synchronising: the global ledger has what the projects' ledgers have, come what may."""

from __future__ import annotations

import gzip
import logging
import math
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import day_span
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.global_token_monitor import GlobalTokenMonitor
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.ledger.importing import ImportPlan, LedgerImport, import_into
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.snapshots.data_files import DataFiles
from otel_token_monitor.snapshots.files import write_gzip
from otel_token_monitor.syncing import keeping
from otel_token_monitor.token_sync_service import ProjectSync, TokenSyncService
from otel_token_monitor.usage import Labels, TokenUsage, Totals
from otel_token_monitor.views.sums import summed
from tests.unit.ledger.books import CHAT, DAY, NOW, SECOND, Book, project, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Books = Callable[[str], Book]

QUARTER_NS = 900 * SECOND
EVER = (0, 2**40)
ONE = Totals(input=10, input_cached=5, output=3, output_reasoning=2, requests_ok=1, unpriced=1)
"""What one call uses."""


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Makes the ledger of a project."""
    made: list[Book] = []

    def make(name: str) -> Book:
        made.append(Book.at(tmp_path / name))
        return made[-1]

    yield make
    for book in made:
        book.close()


def config(directory: Path, **settings: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, global_data_dir=str(directory / "global"), **settings)


def service(directory: Path, *names: str, **settings: Any) -> TokenSyncService:
    projects = {name: directory / name for name in names}
    return TokenSyncService(
        projects, 300, global_monitor=False, config=config(directory, **settings)
    )


def sums(directory: Path, start: int = EVER[0], end: int = EVER[1]) -> dict[Labels, Totals]:
    """All that a ledger has, by labels."""
    reader = LedgerReader(Location.in_directory(directory))
    try:
        return reader.totals(start, end)
    finally:
        reader.close()


def tokens(directory: Path) -> dict[str, int]:
    """The tokens of each project in the global ledger."""
    found: dict[str, int] = {}
    for labels, totals in sums(directory / "global").items():
        found[labels.project] = found.get(labels.project, 0) + totals.total_tokens
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


def close(book: Book) -> None:
    """Have all of a ledger be in its file."""
    book.close()


def write_files(book: Book, directory: Path, timezone: str = "UTC") -> None:
    directory.mkdir(exist_ok=True)
    guest = LedgerGuest(book.location)
    files = DataFiles(guest, directory, Policy(timezone=timezone), retention_days=36500)
    files.write(NOW)
    guest.close()


def without_ledger(book: Book, timezone: str = "UTC") -> Path:
    """The directory of a ledger, of which only the data files are left."""
    path = book.location.path
    assert path is not None
    write_files(book, path.parent, timezone)
    close(book)
    path.unlink()
    return path.parent


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


# Ledgers


def test_the_sums_of_all_projects_stand_together(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1), record(2, cost_nanousd=7), record(3, usage=None, status="error"))
    books("search").write(record(1, project("search")))
    assert service(tmp_path, "shop", "search").sync() == (
        ProjectSync(name="shop", quarters=1),
        ProjectSync(name="search", quarters=1),
    )
    assert sums(tmp_path / "global") == sums(tmp_path / "shop") | sums(tmp_path / "search")


def test_again_changes_nothing(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1))
    service(tmp_path, "shop").sync()
    before = sums(tmp_path / "global")
    assert service(tmp_path, "shop").sync() == (ProjectSync(name="shop"),)
    assert sums(tmp_path / "global") == before


def test_its_prometheus_series_stay_empty(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1))
    service(tmp_path, "shop").sync()
    reader = LedgerReader(Location.in_directory(tmp_path / "global"))
    assert reader.exposition().series == {}
    reader.close()


def test_a_late_call_of_a_past_day_is_seen(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    one = service(tmp_path, "shop")
    one.sync()
    book.write(record(2, time_ns=NOW - 40 * DAY))
    assert one.sync() == (ProjectSync(name="shop", quarters=1),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")
    past = (NOW - 40 * DAY) // QUARTER_NS
    assert sums(tmp_path / "global", past, past + 1) == {CHAT: ONE}


def test_a_range_that_was_replaced_is_replaced(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    one = service(tmp_path, "shop")
    one.sync()

    def fill(_: LedgerImport) -> ImportPlan:
        return ImportPlan("elsewhere", (NOW - DAY - QUARTER_NS, NOW - DAY + QUARTER_NS))

    import_into(book.location, fill)
    assert one.sync()[0].quarters == 1
    assert sums(tmp_path / "global") == sums(tmp_path / "shop") == {CHAT: ONE}


def test_more_quarter_hours_than_fit_into_one_transaction(books: Books, tmp_path: Path) -> None:
    books("shop").write(*(record(n, time_ns=NOW - n * QUARTER_NS) for n in range(1203)))
    assert service(tmp_path, "shop").sync() == (ProjectSync(name="shop", quarters=1203),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")


def test_calls_without_a_project_count_under_the_name_given(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1, project("default")), record(2, project("web")), record(3))
    service(tmp_path, "shop").sync()
    assert tokens(tmp_path) == {"shop": 40, "web": 20}


def test_another_name_takes_over_what_was_followed(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1, project("default")), record(2, project("default"), time_ns=NOW - DAY))
    service(tmp_path, "shop").sync()
    renamed = TokenSyncService(
        {"store": tmp_path / "shop"}, global_monitor=False, config=config(tmp_path)
    )
    assert renamed.sync() == (ProjectSync(name="store", quarters=2),)
    assert tokens(tmp_path) == {"store": 40}
    assert renamed.sync() == (ProjectSync(name="store"),)


def test_the_same_ledger_under_two_names_counts_once(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    books("shop").write(record(1))
    (tmp_path / "store").symlink_to(tmp_path / "shop")
    one = service(tmp_path, "shop", "store")
    problem = (
        f"{tmp_path}/store/usage.db is the same ledger as that of 'shop': it is counted once, "
        f"there; leave one of the two out"
    )
    expected = (
        ProjectSync(name="shop", quarters=1),
        ProjectSync(name="store", problem=problem),
    )
    assert one.sync() == expected
    one.sync()
    assert tokens(tmp_path) == {"shop": 20}
    assert warnings(caplog) == [problem]


def test_a_ledger_from_an_older_backup(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1), record(2, time_ns=NOW - DAY))
    close(book)
    backup = tmp_path / "backup.db"
    shutil.copy(tmp_path / "shop" / "usage.db", backup)
    book.write(record(3), record(4, time_ns=NOW - 2 * DAY))
    service(tmp_path, "shop").sync()
    assert tokens(tmp_path) == {"shop": 80}
    close(book)
    shutil.copy(backup, tmp_path / "shop" / "usage.db")
    assert service(tmp_path, "shop").sync() == (ProjectSync(name="shop", quarters=2),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")
    assert tokens(tmp_path) == {"shop": 40}


def test_a_backup_that_has_gone_on_further_than_was_seen(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    close(book)
    backup = tmp_path / "backup.db"
    shutil.copy(tmp_path / "shop" / "usage.db", backup)
    book.write(record(2, time_ns=NOW - DAY))
    one = service(tmp_path, "shop")
    one.sync()
    close(book)
    backup.rename(tmp_path / "shop" / "usage.db")
    for nonce in range(5, 15):
        book.write(record(nonce))
    assert one.sync()[0].problem is None
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")
    assert tokens(tmp_path) == {"shop": 220}


def test_a_new_ledger_beside_one_that_was_set_aside(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    one = service(tmp_path, "shop")
    one.sync()
    close(book)
    (tmp_path / "shop" / "usage.db").rename(tmp_path / "shop" / "usage.db.corrupt")
    book.write(record(2))
    one.sync()
    assert tokens(tmp_path) == {"shop": 40}


def test_a_directory_that_vanishes_keeps_what_was_followed(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = books("shop")
    book.write(record(1))
    one = service(tmp_path, "shop")
    one.sync()
    close(book)
    (tmp_path / "shop").rename(tmp_path / "away")
    problem = (
        f"the data directory {tmp_path}/shop cannot be read (No such file or directory): what was "
        f"followed of 'shop' stays, and it is looked for in each round"
    )
    assert one.sync() == (ProjectSync(name="shop", problem=problem),)
    assert one.sync() == (ProjectSync(name="shop", problem=problem),)
    assert tokens(tmp_path) == {"shop": 20}
    (tmp_path / "away").rename(tmp_path / "shop")
    book.write(record(2))
    assert one.sync() == (ProjectSync(name="shop", quarters=1),)
    assert tokens(tmp_path) == {"shop": 40}
    assert warnings(caplog) == [problem]
    (tmp_path / "shop").rename(tmp_path / "away")
    one.sync()
    assert warnings(caplog) == [problem, problem]


def test_a_directory_that_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert service(tmp_path, "shop").sync() == (
        ProjectSync(
            name="shop",
            problem=f"{tmp_path}/shop has neither a ledger nor data files: what was followed of "
            f"'shop' stays; name the data directory of its application",
        ),
    )


def test_a_damaged_ledger_holds_up_nobody(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    books("search").write(record(1, project("search")))
    one = service(tmp_path, "shop", "search")
    one.sync()
    close(book)
    file = tmp_path / "shop" / "usage.db"
    file.write_bytes(b"no database" * 1000)
    books("search").write(record(2, project("search")))
    assert one.sync() == (
        ProjectSync(name="shop", problem=f"the ledger {file} is damaged (file is not a database)"),
        ProjectSync(name="search", quarters=1),
    )
    assert file.read_bytes() == b"no database" * 1000
    assert tokens(tmp_path) == {"shop": 20, "search": 40}


@pytest.mark.parametrize(
    ("version", "reason"), [(99, "has format 99"), (1, "is of an older release")]
)
def test_a_ledger_of_another_release(
    books: Books, tmp_path: Path, version: int, reason: str
) -> None:
    book = books("shop")
    book.write(record(1))
    close(book)
    with closing(sqlite3.connect(tmp_path / "shop" / "usage.db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    (sync,) = service(tmp_path, "shop").sync()
    assert sync.problem is not None
    assert reason in sync.problem
    assert sync.quarters == 0


# Data files


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
    close(book)
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


# The global ledger


def test_a_locked_global_ledger_is_left_as_it_is(
    books: Books,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(keeping, "_PATIENCE_SECONDS", 0.1)
    books("shop").write(record(1))
    books("search").write(record(1, project("search")))
    one = service(tmp_path, "shop", "search")
    one.sync()
    books("shop").write(record(2))
    with closing(sqlite3.connect(tmp_path / "global" / "usage.db")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        done = one.sync()
        assert [sync.problem for sync in done] == [done[0].problem] * 2
        assert done[0].problem is not None
        assert done[0].problem.startswith(
            "nothing is synchronised, for the global ledger cannot be used: the ledger "
        )
        one.sync()
        connection.rollback()
    assert tokens(tmp_path) == {"shop": 20, "search": 20}
    assert warnings(caplog) == [done[0].problem]
    assert one.sync() == (ProjectSync(name="shop", quarters=1), ProjectSync(name="search"))
    assert tokens(tmp_path) == {"shop": 40, "search": 20}


def test_a_global_ledger_that_was_deleted_is_made_anew(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    other = books("other")
    other.write(record(1, project("other")))
    write_files(other, tmp_path / "files")
    one = service(tmp_path, "shop", "files")
    one.sync()
    shutil.rmtree(tmp_path / "global")
    one.sync()
    assert tokens(tmp_path) == {"shop": 20, "other": 20}


# The thread


def test_the_first_round_comes_at_once(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1, time_ns=_now()))
    monitor = GlobalTokenMonitor(config(tmp_path, global_daily_limit=20))
    alerted = threading.Event()
    monitor.on_alert(lambda _: alerted.set())
    monitor.start_monitoring()
    one = TokenSyncService({"shop": tmp_path / "shop"}, 3600, monitor)
    with one as same:
        assert same is one
        assert one.running
        assert alerted.wait(20)
    assert not one.running
    assert monitor.running
    monitor.stop_monitoring()


def _now() -> int:
    return int(datetime.now(UTC).timestamp()) * SECOND


def test_it_goes_on_round_after_round(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    one = TokenSyncService(
        {"shop": tmp_path / "shop"}, 0.01, global_monitor=False, config=config(tmp_path)
    )
    one.start_sync()
    try:
        for nonce in range(2, 5):
            book.write(record(nonce))
            _until(lambda: tokens(tmp_path) == sums_of(tmp_path / "shop"))
    finally:
        one.stop_sync()
    assert tokens(tmp_path) == {"shop": 80}


def sums_of(directory: Path) -> dict[str, int]:
    return {labels.project: totals.total_tokens for labels, totals in sums(directory).items()}


def _until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        try:
            if condition():
                return
        except Exception as error:
            if type(error).__name__ != "LedgerMissingError":
                raise
        pause.wait(0.02)
    raise AssertionError("it has not come to pass")


def test_starting_and_stopping_twice(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1))
    one = TokenSyncService({"shop": tmp_path / "shop"}, config=config(tmp_path))
    one.stop_sync()
    one.start_sync()
    threads = threading.active_count()
    one.start_sync()
    assert threading.active_count() <= threads
    assert one.global_monitor.running
    one.stop_sync()
    one.stop_sync()
    assert not one.running
    assert not one.global_monitor.running


def test_a_service_that_only_synchronises_watches_nothing(tmp_path: Path) -> None:
    one = service(tmp_path, "shop")
    with one:
        assert not one.global_monitor.running


def test_a_forked_child_does_not_synchronise(books: Books, tmp_path: Path) -> None:
    books("shop").write(record(1))
    one = service(tmp_path, "shop")
    one.start_sync()
    child = os.fork()
    if child == 0:
        os._exit(17 if not one.running else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
    assert one.running
    one.stop_sync()


def test_making_it_opens_nothing(tmp_path: Path) -> None:
    service(tmp_path, "shop")
    assert list(tmp_path.iterdir()) == []


# Arguments


@pytest.mark.parametrize(
    ("projects", "error", "message"),
    [
        (
            ["shop"],
            TypeError,
            (
                'projects_config must map names to data directories, as {"shop": '
                "\"shop/data/token_usage\"}, not ['shop']"
            ),
        ),
        (
            {},
            ValueError,
            "projects_config is empty: name at least one project and its directory",
        ),
        ({"": "a"}, ValueError, "'' cannot name a project: use 1 to 128 printable characters"),
        ({5: "a"}, TypeError, "a project's name must be a string, not 5"),
        ({"shop": None}, TypeError, "the data directory of 'shop' must be a path, not None"),
        (
            {"shop": " "},
            ValueError,
            "' ' is no data directory to follow: give 'shop' the path of one",
        ),
        (
            {"shop": ":memory:"},
            ValueError,
            "':memory:' is no data directory to follow: give 'shop' the path of one",
        ),
    ],
)
def test_projects_that_are_none(
    tmp_path: Path, projects: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        TokenSyncService(projects, config=config(tmp_path))
    assert str(caught.value) == message


def test_the_global_ledger_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "global")
    with pytest.raises(ValueError, match="leave it out") as caught:
        TokenSyncService({"all": tmp_path / "link"}, config=config(tmp_path))
    assert str(caught.value) == (
        f"'{tmp_path}/link' is where the global ledger is kept: it cannot be the project 'all'; "
        f"leave it out, or set another GLOBAL_TOKEN_DATA_DIR"
    )


@pytest.mark.parametrize(
    ("interval", "error", "message"),
    [
        (0, ValueError, "sync_interval must be more than 0 seconds, not 0: 300 is usual"),
        (-1.5, ValueError, "sync_interval must be more than 0 seconds, not -1.5: 300 is usual"),
        (math.nan, ValueError, "sync_interval must be more than 0 seconds, not nan: 300 is usual"),
        (math.inf, ValueError, "sync_interval must be more than 0 seconds, not inf: 300 is usual"),
        ("5", TypeError, "sync_interval must be a number of seconds, such as 300, not '5'"),
        (True, TypeError, "sync_interval must be a number of seconds, such as 300, not True"),
    ],
)
def test_intervals_that_are_none(
    tmp_path: Path, interval: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        TokenSyncService({"shop": "shop"}, interval, config=config(tmp_path))
    assert str(caught.value) == message


def test_a_global_monitor_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TypeError) as caught:
        TokenSyncService({"shop": "shop"}, 300, "yes", config=config(tmp_path))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "global_monitor must be True, False or a GlobalTokenMonitor, not 'yes'"
    )


def test_a_configuration_beside_a_monitor_that_has_its_own(tmp_path: Path) -> None:
    monitor = GlobalTokenMonitor(config(tmp_path))
    with pytest.raises(TypeError) as caught:
        TokenSyncService({"shop": "shop"}, 300, monitor, config=config(tmp_path))
    assert str(caught.value) == (
        "config cannot be given beside a global_monitor: that one has its own"
    )


# Anything, in any order

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.sampled_from(["a", "b"]),
            st.lists(st.tuples(st.integers(0, 30), st.integers(0, 99)), min_size=1, max_size=5),
        ),
        st.tuples(st.just("sync"), st.integers(0, 1), st.just(())),
        st.tuples(st.just("restart"), st.integers(0, 1), st.just(())),
    ),
    max_size=8,
)


# Each example commits some dozen times, as it is done: with the disk's word for it.
@settings(max_examples=10, deadline=None)
@given(steps)
def test_two_services_in_any_order_have_what_the_ledgers_have(
    tmp_path_factory: pytest.TempPathFactory, taken: list[Any]
) -> None:
    directory = tmp_path_factory.mktemp("many")
    books = {name: Book.at(directory / name) for name in "ab"}
    for book in books.values():
        book.writer.open()
    services = [service(directory, "a", "b") for _ in range(2)]
    nonce = 0
    for step, which, calls in taken:
        if step == "write":
            for quarter, used in calls:
                nonce += 1
                at = NOW - quarter * QUARTER_NS
                usage = TokenUsage(used, 0, 0, 1, 0)
                books[which].write(record(nonce, project(which), time_ns=at, usage=usage))
        elif step == "sync":
            services[which].sync()
        else:
            services[which] = service(directory, "a", "b")
    services[0].sync()
    assert sums(directory / "global") == sums(directory / "a") | sums(directory / "b")
    assert [one.quarters for one in services[1].sync()] == [0, 0]
    for book in books.values():
        book.close()
