"""Exports and imports that are killed: nothing of them is there, or all."""

from __future__ import annotations

import random
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

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

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CALLS = 30_000
KILLS = 12


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
        process.communicate(timeout=10)
    return process.returncode == -signal.SIGKILL


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def ledger_only(data_dir: Path) -> bool:
    """Whether there is nothing else than the ledger, and what SQLite has beside it."""
    return {path.name for path in data_dir.iterdir()} <= {
        "usage.db",
        "usage.db-wal",
        "usage.db-shm",
    }


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_an_import_that_is_killed_is_there_as_a_whole_or_not_at_all(
    shelf: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    archive, scratch = shelf / "history.json", tmp_path / "scratch"
    scratch.mkdir()
    whole = tmp_path / "whole"
    shutil.copytree(shelf / "data", whole)
    begun = time.monotonic()
    with importing(archive, whole, scratch, *more) as process:
        written = 0
        while process.poll() is None:
            written = max(written, size(whole / "usage.db-wal"))
            time.sleep(0.0005)
    taken = time.monotonic() - begun
    before, after = fingerprint(shelf / "data"), fingerprint(whole)
    assert before != after
    chance = random.Random(4)
    killed: list[tuple[bool, int]] = []
    for number in range(KILLS):
        data_dir = tmp_path / str(number)
        shutil.copytree(shelf / "data", data_dir)
        log = data_dir / "usage.db-wal"
        process = importing(archive, data_dir, scratch, *more)
        if number % 2:
            # In the middle of the transaction, as its log shows.
            enough = chance.randrange(1, written)
            was_killed = kill_when(process, lambda: size(log) >= enough)
        else:
            end = time.monotonic() + chance.uniform(0.1, 0.9) * taken
            was_killed = kill_when(process, lambda: time.monotonic() >= end)
        killed.append((was_killed, size(log)))
        assert fingerprint(data_dir) in (before, after)
        assert ledger_only(data_dir)
        assert [*scratch.iterdir()] == []
        assert command("import", archive, "--data-dir", data_dir, *more)[0] == 0
        again = fingerprint(data_dir)
        if more:
            # Replaced by itself where it was in already: the sums have changed once more.
            del again["change"], again["period_change"]
        assert again == after
        shutil.rmtree(data_dir)
    print(killed)
    assert sum(log > 0 for was_killed, log in killed if was_killed) >= KILLS // 3


def test_a_ledger_is_written_as_before_after_an_import_was_killed(
    shelf: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(shelf / "data", data_dir)
    before = totals(data_dir / "usage.db")
    log = data_dir / "usage.db-wal"
    assert kill_when(
        importing(shelf / "history.json", data_dir, tmp_path), lambda: size(log) > 1_000_000
    )
    writer = LedgerWriter(Location.in_directory(data_dir), max_label_sets=100)
    assert writer.write(Batch(records(50, first=3 * 10**9))) == 0
    writer.close()
    assert totals(data_dir / "usage.db")[:2] == (before[0] + 50, before[1] + 50)


@pytest.mark.parametrize("suffix", ["json", "zip"])
def test_an_export_that_is_killed_leaves_the_old_file(
    shelf: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"calls.{suffix}"
    arguments = ("export", path, "--data-dir", shelf / "other", *history_days())
    assert command(*arguments)[0] == 0
    whole = path.read_bytes()
    chance = random.Random(4)
    for _ in range(4):
        path.write_bytes(b"what was there before")
        enough = chance.randrange(1, len(whole))
        assert kill_when(
            started(*arguments),
            lambda: sum(size(one) for one in tmp_path.glob(".calls.*.tmp")) >= enough,
        )
        assert path.read_bytes() == b"what was there before"
        for left in tmp_path.glob(".calls.*.tmp"):
            print(left)
            left.unlink()
    assert command(*arguments)[0] == 0
    assert len(read(path).calls) == CALLS
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
