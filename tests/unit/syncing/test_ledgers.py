"""Following ledgers: all of each is there once, come what may."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.importing import ImportPlan, LedgerImport, import_into
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.syncing.projects import projects_of
from otel_token_monitor.syncing.rounds import Rounds
from otel_token_monitor.token_sync_service import ProjectSync, TokenSyncService
from otel_token_monitor.usage import TokenUsage, Totals
from tests.unit.ledger.books import CHAT, DAY, NOW, Book, project, record
from tests.unit.syncing.scenes import (
    ONE,
    QUARTER_NS,
    config,
    service,
    sums,
    tokens,
    warnings,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_token_monitor.alerts.access import LedgerAccess
    from tests.unit.syncing.scenes import Books


T = TypeVar("T")


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


def test_a_ledger_that_holds_calls_of_another_one_is_told(books: Books, tmp_path: Path) -> None:
    shop, archive = books("shop"), books("archive")
    shop.write(record(1))
    origin = shop.reader.ledger_id()

    def fill(staged: LedgerImport) -> ImportPlan:
        call = Totals(input=20, requests_ok=1)
        staged.add_sums([(NOW // QUARTER_NS, origin, staged.place(CHAT), *call, 1)])
        return ImportPlan(origin)

    import_into(archive.location, fill)
    one = service(tmp_path, "archive", "shop")
    one.sync()
    problem = (
        f"{tmp_path}/archive/usage.db holds calls that came from the ledger of 'shop': they are "
        f"counted twice; leave one of the two out"
    )
    assert one.sync() == (
        ProjectSync(name="archive", problem=problem),
        ProjectSync(name="shop"),
    )
    assert service(tmp_path, "archive").sync() == (ProjectSync(name="archive", problem=problem),)


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
    book.close()
    backup = tmp_path / "backup.db"
    shutil.copy(tmp_path / "shop" / "usage.db", backup)
    book.write(record(3), record(4, time_ns=NOW - 2 * DAY))
    service(tmp_path, "shop").sync()
    assert tokens(tmp_path) == {"shop": 80}
    book.close()
    shutil.copy(backup, tmp_path / "shop" / "usage.db")
    assert service(tmp_path, "shop").sync() == (ProjectSync(name="shop", quarters=2),)
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")
    assert tokens(tmp_path) == {"shop": 40}


def test_a_backup_that_has_gone_on_further_than_was_seen(books: Books, tmp_path: Path) -> None:
    book = books("shop")
    book.write(record(1))
    book.close()
    backup = tmp_path / "backup.db"
    shutil.copy(tmp_path / "shop" / "usage.db", backup)
    book.write(record(2, time_ns=NOW - DAY))
    one = service(tmp_path, "shop")
    one.sync()
    book.close()
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
    book.close()
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
    book.close()
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
    book.close()
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
    book.close()
    with closing(sqlite3.connect(tmp_path / "shop" / "usage.db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    (sync,) = service(tmp_path, "shop").sync()
    assert sync.problem is not None
    assert reason in sync.problem
    assert sync.quarters == 0


# Another service, at the same time


class Beaten:
    """The global ledger, into which somebody else is faster to write, a number of times."""

    def __init__(self, access: LedgerAccess, times: int, faster: Callable[[], object]) -> None:
        self._access = access
        self._times = times
        self._faster = faster
        self.ask = access.ask

    def change(self, action: Callable[[sqlite3.Connection], T]) -> T:
        if self._times > 0:
            self._times -= 1
            self._faster()
        return self._access.change(action)


@pytest.mark.parametrize("times", [1, 2, 3, 20])
def test_another_service_that_is_always_faster(books: Books, tmp_path: Path, times: int) -> None:
    book = books("shop")
    book.write(*(record(n, time_ns=NOW - n * QUARTER_NS) for n in range(703)))
    other = service(tmp_path, "shop")
    nonces = iter(range(1000, 2000))

    def faster() -> None:
        book.write(record(next(nonces)))
        other.sync()

    mine = service(tmp_path, "shop")
    beaten = Beaten(mine.global_monitor.token_monitor.ledger, times, faster)
    projects = projects_of({"shop": tmp_path / "shop"}, str(tmp_path / "global"))
    rounds = Rounds(beaten, projects, ZoneInfo("UTC"))
    (sync,) = rounds.round(lambda: False)
    assert sync.problem is None
    rounds.round(lambda: False)
    mine.sync()
    assert sums(tmp_path / "global") == sums(tmp_path / "shop")


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
