"""Exports and imports where there is no room: nothing is half there; it is said what is full."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.archived import command, fingerprint, history, history_days, seed
from tests.integration.steering import totals
from tests.loads import records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.getuid() != 0, reason="mounts file systems"),
]

CALLS = 20_000


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a ledger, and its calls in a file."""
    path = tmp_path_factory.mktemp("shelf")
    seed(path / "other", history(CALLS))
    code, _, errors = command(
        "export", path / "history.zip", "--data-dir", path / "other", *history_days()
    )
    assert code == 0, errors
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a ledger of some hundred calls."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_an_import_where_the_disk_gets_full(shelf: Path, small_disk: Path) -> None:
    seed(small_disk, records(100))
    before = fingerprint(small_disk)
    error = (
        f"Error: the ledger {small_disk}/usage.db cannot be used (database or disk is full): "
        f"the disk is full: free some space"
    )
    assert command("import", shelf / "history.zip", "--data-dir", small_disk) == (3, "", error)
    assert fingerprint(small_disk) == before
    seed(small_disk, records(50, first=1000))
    assert totals(small_disk / "usage.db")[:2] == (150, 150)


def test_an_import_where_the_directory_for_temporary_files_gets_full(
    shelf: Path, small_disk: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    seed(data_dir, records(100))
    before = fingerprint(data_dir)
    code, out, errors = command(
        *("import", shelf / "history.zip", "--data-dir", data_dir),
        env={"SQLITE_TMPDIR": str(small_disk)},
    )
    assert (code, out) == (3, "")
    assert errors == (
        "Error: SQLite's directory for temporary files is full (database or disk is full): free "
        "some space there, or name another one with SQLITE_TMPDIR"
    )
    assert fingerprint(data_dir) == before
    assert [*small_disk.iterdir()] == []
    assert command("import", shelf / "history.zip", "--data-dir", data_dir)[0] == 0
    assert totals(data_dir / "usage.db")[:2] == (100, 100 + CALLS)


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_an_export_where_the_disk_gets_full(shelf: Path, small_disk: Path, suffix: str) -> None:
    path = small_disk / f"calls.{suffix}"
    path.write_text("what was there before")
    code, out, errors = command("export", path, "--data-dir", shelf / "other", *history_days())
    assert (code, out) == (3, "")
    assert errors == f"Error: {path}: No space left on device"
    assert [one.read_text() for one in small_disk.iterdir()] == ["what was there before"]
