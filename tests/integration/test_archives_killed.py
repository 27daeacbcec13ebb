"""Exports and imports that are killed: nothing of them is there, or all."""

from __future__ import annotations

import random
import shutil
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.archives.formats import Format
from otel_token_monitor.archives.importing import ArchiveImport
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from tests.integration.archived import (
    command,
    fingerprint,
    history,
    history_days,
    read,
    seed,
    started,
)
from tests.integration.steering import totals
from tests.loads import records

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration

CALLS = 12_000
KILLS = 8


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an archive, and a ledger that has some of its calls and of its days."""
    path = tmp_path_factory.mktemp("shelf")
    seed(path / "other", history(CALLS))
    code, _, errors = command(
        "export", path / "history.json", "--data-dir", path / "other", *history_days()
    )
    assert code == 0, errors
    seed(path / "data", history(2_000, first=10**9) + records(100, first=2 * 10**9))
    return path


def importing(archive: Path, data_dir: Path, scratch: Path, *more: str) -> subprocess.Popen[str]:
    env = {"SQLITE_TMPDIR": str(scratch)}
    return started("import", archive, "--data-dir", data_dir, *more, env=env)


def kill_when(process: subprocess.Popen[str], is_time: Callable[[], bool]) -> bool:
    """Kill a process at some time; whether it had not ended before."""
    with process:
        while process.poll() is None and not is_time():
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def has_passed(end: float) -> bool:
    return time.monotonic() >= end


def has_grown_to(path: Path, enough: int) -> bool:
    return size(path) >= enough


def ledger_only(data_dir: Path) -> bool:
    """Whether there is nothing else than the ledger, and what SQLite has beside it."""
    return {path.name for path in data_dir.iterdir()} <= {
        "usage.db",
        "usage.db-wal",
        "usage.db-shm",
    }


def size_of_log(archive: Path, data_dir: Path, scratch: Path, *more: str) -> tuple[int, float]:
    """How large the log gets in an import, and how long that takes."""
    begun, written = time.monotonic(), 0
    with importing(archive, data_dir, scratch, *more) as process:
        while process.poll() is None:
            written = max(written, size(data_dir / "usage.db-wal"))
            time.sleep(0.0005)
    assert process.returncode == 0
    return written, time.monotonic() - begun


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_an_import_that_is_killed_is_there_as_a_whole_or_not_at_all(
    shelf: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    archive, scratch, whole = shelf / "history.json", tmp_path / "scratch", tmp_path / "whole"
    scratch.mkdir()
    shutil.copytree(shelf / "data", whole)
    written, taken = size_of_log(archive, whole, scratch, *more)
    before, after = fingerprint(shelf / "data"), fingerprint(whole)
    chance, in_the_middle = random.Random(4), 0
    for number in range(KILLS):
        data_dir = tmp_path / str(number)
        shutil.copytree(shelf / "data", data_dir)
        log = data_dir / "usage.db-wal"
        process = importing(archive, data_dir, scratch, *more)
        enough = chance.randrange(1, written // 2)
        end = time.monotonic() + chance.uniform(0.1, 0.9) * taken
        # At any time, or in the middle of the transaction, as its log shows.
        kill_when(
            process,
            partial(has_passed, end) if number % 2 else partial(has_grown_to, log, enough),
        )
        logged = size(log)
        found = fingerprint(data_dir)
        assert found in (before, after)
        in_the_middle += bool(logged) and found == before
        assert ledger_only(data_dir)
        # SQLite removes the name of a temporary file as soon as it has made it. A kill in between
        # leaves that name, and nothing else.
        assert sum(map(size, scratch.iterdir())) == 0
        ArchiveImport(archive, Format.JSON, merge=not more).into(Location.in_directory(data_dir))
        again = fingerprint(data_dir)
        if more and found == after:
            # Replaced by what is the same: it has changed once more.
            again["changed"] = after["changed"]
        assert again == after
        shutil.rmtree(data_dir)
    assert in_the_middle > 0


def test_a_ledger_is_written_as_before_after_an_import_was_killed(
    shelf: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(shelf / "data", data_dir)
    before = totals(data_dir / "usage.db")
    log = data_dir / "usage.db-wal"
    assert kill_when(
        importing(shelf / "history.json", data_dir, tmp_path), lambda: size(log) > 500_000
    )
    writer = LedgerWriter(Location.in_directory(data_dir), max_label_sets=100)
    assert writer.write(Batch(records(50, first=3 * 10**9))) == 0
    writer.close()
    assert totals(data_dir / "usage.db")[:2] == (before[0] + 50, before[1] + 50)


def unfinished(folder: Path) -> list[Path]:
    """The files that exports were writing when they were killed."""
    return [*folder.glob(".calls.*.tmp")]


@pytest.mark.parametrize("suffix", ["json", "zip"])
def test_an_export_that_is_killed_leaves_the_old_file(
    shelf: Path, tmp_path: Path, suffix: str
) -> None:
    path, in_the_middle = tmp_path / f"calls.{suffix}", 0
    arguments: list[str | Path] = ["export", path, "--data-dir", shelf / "other", *history_days()]
    for number in range(4):
        path.write_text("what was there before")
        process = started(*arguments)
        # At its begin, and later.
        kill_when(process, lambda: sum(map(size, unfinished(tmp_path))) > number * 50_000)  # noqa: B023 - of this turn
        left = unfinished(tmp_path)
        in_the_middle += len(left)
        for one in left:
            one.unlink()
            assert path.read_text() == "what was there before"
    assert in_the_middle > 0
    assert command(*arguments)[0] == 0
    assert len(read(path).calls) == CALLS
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
