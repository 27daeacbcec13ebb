"""Whatever befalls the ledger's file: the application runs on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.processes import ROOT
from tests.integration.steering import (
    NOBODY,
    Application,
    eventually,
    ledger_id,
    owned_by,
    recorded,
    totals,
)
from tests.loads import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

UP = "otel_token_monitor_ledger_up"
ERRORS = "otel_token_monitor_ledger_errors_total"
BACKLOG = "otel_token_monitor_backlog_records"
REQUESTS = "llm_requests_total"
AGAIN = "the ledger {} is written again"
MIGRATIONS = len([*(ROOT / "otel_token_monitor" / "ledger" / "migrations").glob("*.sql")])
GOES_ON = ". Counting goes on in memory until then."

as_root = pytest.mark.skipif(os.getuid() != 0, reason="changes users, mounts")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that other users can reach: pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds little more than an empty ledger."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def well(app: Application) -> bool:
    return app.trouble() is None


def seed(path: Path, calls: int = 100) -> str:
    """Make a ledger; its id."""
    with Application(path) as app:
        app.calls(calls)
        assert app.stop() == 0
    return ledger_id(path / "usage.db")


def suffering(app: Application, calls: int) -> str:
    """Make calls that cannot be written; the one error that was logged."""
    assert app.calls(calls) == []
    assert not app.flush(0.1)
    assert app.value(BACKLOG) == calls
    errors = app.value(ERRORS)
    assert errors is not None
    assert errors > 0
    (error,) = faults(app)
    return error


def faults(app: Application) -> list[str]:
    """The errors that were logged, but for what the watch says: that it rests meanwhile."""
    return [line for line in app.log("ERROR") if "budgets are not watched" not in line]


def cured(app: Application, file: Path, calls: int) -> None:
    """The ledger comes back by itself, with every call in it once."""
    eventually(lambda: well(app))
    assert app.flush()
    assert app.value(UP) == 1
    assert app.value(BACKLOG) == 0
    assert app.value(REQUESTS) == calls
    assert app.log("WARNING") == [AGAIN.format(file)]
    assert len(app.log("ERROR")) == 1
    assert app.stop() == 0
    assert totals(file) == (calls, calls, calls * TOKENS)


@as_root
def test_a_directory_that_is_read_only(open_path: Path) -> None:
    file = owned_by(open_path, NOBODY) / "usage.db"
    open_path.chmod(0o555)
    with Application(open_path, uid=NOBODY) as app:
        assert suffering(app, 50) == (
            f"the ledger {file} cannot be used (unable to open database file): it cannot be opened "
            f"or created: give this user access to the file and its directory, or set another "
            f"directory with TOKEN_MONITOR_DATA_DIR{GOES_ON}"
        )
        assert app.value(UP) == 0
        assert app.value(REQUESTS) is None
        open_path.chmod(0o755)
        cured(app, file, 50)


@as_root
def test_a_directory_that_cannot_be_made(open_path: Path) -> None:
    file = open_path / "data" / "usage.db"
    with Application(open_path / "data", uid=NOBODY) as app:
        assert suffering(app, 50) == (
            f"the ledger {file} cannot be used ([Errno 13] Permission denied: "
            f"'{open_path}/data'): check the path and its rights, or set another directory with "
            f"TOKEN_MONITOR_DATA_DIR{GOES_ON}"
        )
        owned_by(open_path, NOBODY)
        cured(app, file, 50)


@as_root
def test_a_file_of_another_user(open_path: Path) -> None:
    seed(open_path, 5)
    file = open_path / "usage.db"
    file.chmod(0o600)
    for path in (open_path, open_path / "config.json"):
        owned_by(path, NOBODY)
    with Application(open_path, uid=NOBODY) as app:
        assert "give this user access to the file" in suffering(app, 50)
        assert app.value(UP) == 0
        owned_by(file, NOBODY)
        cured(app, file, 55)


@as_root
def test_a_full_disk_that_is_freed(small_disk: Path) -> None:
    file = small_disk / "usage.db"
    with Application(small_disk) as app:
        written = 0
        while app.calls(100) == [] and app.flush(2):
            written += 100
        assert app.value(REQUESTS) == written  # what is durable, and no more
        assert app.value(UP) == 1  # it can be read
        app.calls(50)
        assert app.value(BACKLOG) == 150
        (error,) = app.log("ERROR")
        assert error == (
            f"the ledger {file} cannot be used (database or disk is full): the disk is full: "
            f"free some space{GOES_ON}"
        )
        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
        cured(app, file, written + 150)


def test_a_ledger_that_is_locked_for_long(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with Application(tmp_path) as app:
        app.calls(10)
        assert app.flush()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert app.calls(100) == []
            assert app.value(REQUESTS) == 10
            assert app.log("ERROR") == []  # moments of this are usual
            eventually(lambda: not well(app))
            (error,) = app.log("ERROR")
            assert error == (
                f"the ledger {file} is locked (database is locked): another process holds its "
                f"lock: end that process or its transaction{GOES_ON}"
            )
            assert app.value(BACKLOG) == 100
            assert app.value(UP) == 1
            other.execute("ROLLBACK")
        cured(app, file, 110)


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    content = b"dear diary, " * 1000
    file.write_bytes(content)
    with Application(tmp_path) as app:
        app.calls(20)
        assert app.flush()
        (error,) = app.log("ERROR")
        assert app.value(REQUESTS) == 20
        assert app.value(ERRORS) == 1
        assert app.stop() == 0
    (aside,) = tmp_path.glob("usage.db.corrupt-*")
    assert aside.read_bytes() == content
    assert error == (
        f"the ledger {file} is damaged (file is not a database); it was set aside as {aside}, and "
        f"a new ledger begins: its counters start at 0{GOES_ON}"
    )
    assert totals(file) == (20, 20, 20 * TOKENS)


def test_a_file_that_is_damaged_at_the_start_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    old = seed(tmp_path)
    damaged = overwrite_pages(file)
    with Application(tmp_path) as app:
        app.calls(20)
        assert app.flush()
        assert app.value(REQUESTS) == 20
        assert len(app.log("ERROR")) == 1
        assert app.stop() == 0
    (aside,) = tmp_path.glob("usage.db.corrupt-*")
    assert aside.read_bytes() == damaged
    assert ledger_id(file) != old
    assert totals(file) == (20, 20, 20 * TOKENS)


def test_a_file_that_is_damaged_while_it_is_in_use_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with Application(tmp_path) as app, Application(tmp_path) as other:
        app.calls(1000)
        other.calls(1000)
        assert app.flush()
        assert other.flush()
        old = ledger_id(file)
        checkpoint(file)
        overwrite_pages(file)
        app.calls(20)
        other.calls(30)
        eventually(lambda: list(tmp_path.glob("usage.db.corrupt-*")))
        assert app.flush()
        assert other.flush()
        assert app.value(UP) == 1
        assert app.value(REQUESTS) == 50
        assert len(app.log("ERROR")) + len(other.log("ERROR")) in {1, 2}  # one in each at most
        assert app.stop() == other.stop() == 0
    assert len([*tmp_path.glob("usage.db.corrupt-*[0-9a-f]")]) == 1
    assert ledger_id(file) != old
    assert totals(file) == (50, 50, 50 * TOKENS)


def test_damage_that_only_a_reader_meets_is_noticed_too(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    old = seed(tmp_path)
    overwrite_table(file, "first_token_histogram")
    with Application(tmp_path) as app:
        assert app.value(UP) == 0
        assert app.value(UP) == 1
        assert len(app.log("ERROR")) == 1
        assert app.stop() == 0
    assert ledger_id(file) != old


@pytest.mark.parametrize("size", [0, 100, 5000, 20_000])
def test_a_file_that_was_cut_off(tmp_path: Path, size: int) -> None:
    file = tmp_path / "usage.db"
    old = seed(tmp_path)
    os.truncate(file, size)
    with Application(tmp_path) as app:
        app.calls(20)
        assert app.flush()
        assert app.value(REQUESTS) == 20
        assert app.stop() == 0
    assert ledger_id(file) != old
    assert totals(file) == (20, 20, 20 * TOKENS)


def test_garbage_in_the_log_loses_nothing_that_was_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    old = seed(tmp_path)
    (tmp_path / "usage.db-wal").write_bytes(os.urandom(100_000))
    with Application(tmp_path) as app:
        app.calls(20)
        assert app.flush()
        assert app.log("ERROR") == []
        assert app.value(REQUESTS) == 120
        assert app.stop() == 0
    assert ledger_id(file) == old
    assert totals(file) == (120, 120, 120 * TOKENS)


def test_a_file_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("CREATE TABLE things (name TEXT)")
        newer.execute("PRAGMA user_version = 999")
        newer.commit()
    content = file.read_bytes()
    with Application(tmp_path) as app:
        assert suffering(app, 20) == (
            f"the ledger {file} has format 999, this release knows up to {MIGRATIONS}: upgrade "
            f"otel-token-monitor, or set another TOKEN_MONITOR_DATA_DIR{GOES_ON}"
        )
        assert app.stop() == 0
    assert file.read_bytes() == content
    assert names(tmp_path) == ["usage.db"]


def test_the_database_of_another_application_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE things (name TEXT)")
    content = file.read_bytes()
    with Application(tmp_path) as app:
        assert suffering(app, 20) == (
            f"{file} is another application's database: set another TOKEN_MONITOR_DATA_DIR{GOES_ON}"
        )
        assert app.stop() == 0
    assert file.read_bytes() == content


def test_a_file_that_is_deleted_while_it_is_in_use(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with Application(tmp_path) as app:
        app.calls(1000)
        assert app.flush()
        file.unlink()
        app.calls(20)
        assert app.flush()
        assert app.value(REQUESTS) == 20
        assert app.log("ERROR") == []
        assert app.stop() == 0
    assert totals(file) == (20, 20, 20 * TOKENS)


def test_a_file_that_is_moved_while_it_is_in_use_takes_its_log_with_it(tmp_path: Path) -> None:
    file, moved = tmp_path / "usage.db", tmp_path / "backup.db"
    with Application(tmp_path) as app, Application(tmp_path) as other:
        app.calls(500)
        other.calls(500)
        assert app.flush()
        assert other.flush()
        file.rename(moved)
        app.calls(20)
        assert app.flush()
        other.calls(30)
        assert other.flush()
        assert app.value(REQUESTS) == 50
        assert app.stop() == other.stop() == 0
    assert totals(moved) == (1000, 1000, 1000 * TOKENS)
    assert totals(file) == (50, 50, 50 * TOKENS)


def test_a_directory_that_is_deleted_while_it_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Application(folder) as app:
        app.calls(10)
        assert app.flush()
        subprocess.run(["rm", "-r", folder], check=True)
        app.calls(20)
        assert app.flush()
        assert app.value(REQUESTS) == 20
        assert app.stop() == 0
    assert totals(folder / "usage.db") == (20, 20, 20 * TOKENS)


def test_a_log_whose_file_is_gone_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with Application(tmp_path) as app:
        app.calls(100)
        assert app.flush()
        app.kill()
    log = (tmp_path / "usage.db-wal").read_bytes()
    file.rename(tmp_path / "backup.db")
    with Application(tmp_path) as app:
        app.calls(20)
        assert app.stop() == 0
    (aside,) = tmp_path.glob("usage.db.orphan-*")
    assert aside.read_bytes() == log
    assert totals(file) == (20, 20, 20 * TOKENS)
    aside.rename(tmp_path / "backup.db-wal")
    assert totals(tmp_path / "backup.db") == (100, 100, 100 * TOKENS)


@as_root
def test_the_backlog_is_bounded_and_its_totals_survive(open_path: Path) -> None:
    file = owned_by(open_path, NOBODY) / "usage.db"
    open_path.chmod(0o555)
    with Application(open_path, uid=NOBODY) as app:
        app.calls(12_500)
        assert not app.flush(0.1)
        assert app.value(BACKLOG) == 12_500
        open_path.chmod(0o755)
        eventually(lambda: well(app))
        assert app.flush()
        condensed = app.value("otel_token_monitor_condensed_records_total")
        assert app.stop() == 0
    assert totals(file) == (12_500, 12_500, 12_500 * TOKENS)
    assert condensed == 12_500 - len(recorded(file))
    assert 1_500 <= condensed <= 2_500  # one batch may be in flight beside the 10,000


@as_root
def test_an_application_ends_while_its_ledger_is_in_trouble(open_path: Path) -> None:
    open_path.chmod(0o555)
    with Application(open_path, uid=NOBODY) as app:
        suffering(app, 20)
        assert app.stop() == 0


@as_root
def test_a_user_who_may_only_read_sees_the_ledger(open_path: Path) -> None:
    seed(open_path, 30)
    with Application(":memory:", uid=NOBODY) as reader:
        assert reader.read(open_path) == 30  # nobody has it open
        assert [name for name in names(open_path) if "usage.db" in name] == ["usage.db"]
        with Application(open_path) as app:
            app.calls(10)
            assert app.flush()
            assert reader.read(open_path) == 40
            app.calls(10)
            assert app.flush()
            assert reader.read(open_path) == 50
            assert app.stop() == 0
        assert reader.read(open_path) == 50


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def checkpoint(file: Path) -> None:
    """Bring the log into the file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def overwrite_pages(file: Path) -> bytes:
    """Put garbage where all pages but the first are; what the file has then."""
    with file.open("r+b") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(4096)
        raw.write(b"\xa5" * (size - 4096))
    return file.read_bytes()


def overwrite_table(file: Path, table: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * 4096)
        raw.write(b"\xa5" * 4096)
