"""The service: its rounds, its thread, what it takes, and the global ledger that it writes."""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.global_token_monitor import GlobalTokenMonitor
from otel_token_monitor.syncing import keeping
from otel_token_monitor.token_sync_service import ProjectSync, TokenSyncService
from tests.forking import ends_well
from tests.unit.ledger.books import SECOND, project, record
from tests.unit.syncing.scenes import (
    Books,
    config,
    service,
    sums,
    tokens,
    warnings,
    write_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Makes the ledger of a project."""
    made = Books(tmp_path)
    yield made
    made.close()


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
        assert alerted.wait(60)
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
    assert ends_well(lambda: not one.running)
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
