"""Opening a ledger: its settings, its migrations, and what is left alone."""

from __future__ import annotations

import errno
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from otel_token_monitor import ledger
from otel_token_monitor.ledger.database import Location, connect, set_aside
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerVersionError,
    explain,
)

SCRIPTS: Final = sorted(Path(ledger.__file__).with_name("migrations").glob("*.sql"))
FORMAT: Final = len(SCRIPTS)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_it_is_made_with_its_directory(tmp_path: Path) -> None:
    location = Location.in_directory(tmp_path / "a" / "b")
    with closing(connect(location)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert location.path == tmp_path / "a" / "b" / "usage.db"
    assert str(location) == f"{tmp_path}/a/b/usage.db"
    assert names(tmp_path / "a" / "b") == ["usage.db"]


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    location = Location.in_directory(tmp_path / "50% of #1? & größe")
    connect(location).close()
    assert location.identity() is not None


def test_a_relative_directory_stays_the_same_when_the_application_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    location = Location.in_directory(Path("data"))
    monkeypatch.chdir("/")
    connect(location).close()
    assert (tmp_path / "data" / "usage.db").exists()


def test_ledgers_in_memory_are_apart() -> None:
    with (
        closing(connect(Location.in_memory())) as one,
        closing(connect(Location.in_memory())) as two,
    ):
        ids = [
            c.execute("SELECT value FROM ledger WHERE key = 'id'").fetchone() for c in (one, two)
        ]
    assert ids[0] != ids[1]
    assert str(Location.in_memory()) == "in memory"
    assert Location.in_memory().identity() is None


def test_threads_that_make_it_at_once_make_one(tmp_path: Path) -> None:
    location = Location.in_directory(tmp_path)
    ids: list[str] = []
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        while True:
            try:
                connection = connect(location)
                break
            except LedgerBusyError:
                pass
        (found,) = connection.execute("SELECT value FROM ledger WHERE key = 'id'").fetchone()
        connection.close()
        ids.append(found)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version = 99", f"has format 99, this release knows up to {FORMAT}"),
        ("CREATE TABLE things (name)", "is another application's database"),
    ],
)
def test_what_is_not_ours_is_not_touched(tmp_path: Path, statement: str, message: str) -> None:
    file = tmp_path / "usage.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute(statement)
    before = file.read_bytes()
    with pytest.raises(LedgerVersionError, match=message):
        connect(Location.in_directory(tmp_path))
    assert file.read_bytes() == before
    assert names(tmp_path) == ["usage.db"]


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"x" * 5000)
    with pytest.raises(
        LedgerCorruptError, match=r"usage\.db is damaged \(file is not a database\)"
    ):
        connect(Location.in_directory(tmp_path))


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "usage.db").mkdir()
    with pytest.raises(LedgerError, match="unable to open database file"):
        connect(Location.in_directory(tmp_path))


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(LedgerError, match=r"File exists.*set another directory with"):
        connect(Location.in_directory(tmp_path / "data"))


def test_it_is_set_aside_once_with_its_log(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"usage.db{suffix}").write_text(f"the file {suffix}")
    seen = Location.in_directory(tmp_path).identity()
    target = set_aside(file, seen)
    assert target is not None
    assert target.read_text() == "the file "
    assert Path(f"{target}-wal").read_text() == "the file -wal"
    assert len(names(tmp_path)) == 3
    file.write_text("another")
    assert set_aside(file, seen) is None
    assert file.read_text() == "another"


READ_ONLY = (
    "it is read-only for this user: give write access to the file and its directory, or set "
    "another directory with TOKEN_MONITOR_DATA_DIR"
)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full: free some space"),
        (sqlite3.SQLITE_IOERR_FSYNC, "the disk reports an error: check it, and its free space"),
        (sqlite3.SQLITE_PERM, "access is denied: give this user access to the file"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, READ_ONLY),
    ],
)
def test_errors_name_the_file_and_the_remedy(code: int, remedy: str) -> None:
    error = sqlite3.OperationalError("said")
    error.sqlite_errorcode = code
    assert (
        str(explain("/x/usage.db", error))
        == f"the ledger /x/usage.db cannot be used (said): {remedy}"
    )


def test_no_space_for_the_directory_is_a_full_disk() -> None:
    explained = explain("/x/usage.db", OSError(errno.ENOSPC, "No space left on device"))
    assert str(explained).endswith(": the disk is full: free some space")


def test_a_ledger_of_the_first_release_gets_its_hours_and_days(tmp_path: Path) -> None:
    sums = ", ".join(str(number) for number in range(1, 13))
    with closing(sqlite3.connect(tmp_path / "usage.db")) as old:
        old.executescript(SCRIPTS[0].read_text(encoding="utf-8"))
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO label_set VALUES (1, 'p', 'openai', 'm', 'responses', NULL)")
        for quarter in (96_000, 96_095, 96_096):
            old.execute(f"INSERT INTO period VALUES ({quarter}, 1, {sums})")  # noqa: S608
        old.commit()
    with closing(connect(Location.in_directory(tmp_path))) as connection:
        assert [row[:3] for row in connection.execute("SELECT * FROM hour")] == [
            (24_000, 1, 1),
            (24_023, 1, 1),
            (24_024, 1, 1),
        ]
        assert connection.execute("SELECT * FROM day").fetchall() == [
            (1000, 1, *(2 * number for number in range(1, 13))),
            (1001, 1, *range(1, 13)),
        ]
        changed = connection.execute("SELECT quarter, number FROM changed").fetchall()
        assert changed == [(96_000, 1), (96_095, 2), (96_096, 3)]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert tables >= {"policy", "budget_state", "imported", "origin"}
