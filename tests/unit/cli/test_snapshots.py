"""`snapshot`: the data files, now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.cli import snapshots as module
from otel_token_monitor.snapshots.files import Turn
from tests.unit.cli.invoking import POLICY, RECORDS, invoke, write

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "usage_2026-11-23.json",
    "usage_2026-11-24.json",
    "monthly_2026-11.json",
    "project_checkout.json",
    "project_search.json",
    "project_support.json",
}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.json")}


def test_all_files_are_written(tmp_path: Path) -> None:
    write(*RECORDS, policy=POLICY)
    result = invoke("snapshot")
    assert (result.exit_code, result.output) == (
        0,
        (f"Written to {tmp_path}/data: 2 days, 1 month and 3 projects. All else was up to date.\n"),
    )
    assert names(tmp_path / "data") == FILES
    day = json.loads((tmp_path / "data" / "usage_2026-11-24.json").read_text())
    assert (day["timezone"], day["total"]["total_tokens"]) == ("Asia/Seoul", 2_114_000)


def test_files_that_are_up_to_date_stay(tmp_path: Path) -> None:
    write(*RECORDS, policy=POLICY)
    invoke("snapshot")
    (tmp_path / "data" / "project_search.json").unlink()
    assert invoke("snapshot").output == (
        f"Written to {tmp_path}/data: 1 project. All else was up to date.\n"
    )
    assert invoke("snapshot").output == f"All data files in {tmp_path}/data are up to date.\n"


@pytest.mark.parametrize("exists", [True, False])
def test_without_a_ledger_nothing_is_made(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "data").mkdir()
    result = invoke("snapshot")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            f"Error: there is no ledger at {tmp_path}/data/usage.db: name the data directory of "
            "the application with --data-dir or TOKEN_MONITOR_DATA_DIR\n"
        ),
    )
    assert [path.name for path in tmp_path.rglob("*")] == (["data"] if exists else [])


def test_a_file_that_cannot_be_written_is_trouble(tmp_path: Path) -> None:
    write(*RECORDS, policy=POLICY)
    hurdle = tmp_path / "data" / "monthly_2026-11.json"
    hurdle.mkdir()
    result = invoke("snapshot")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            f"Error: {hurdle} cannot be written: Is a directory; see to the directory's rights, "
            "and to free space\n"
        ),
    )


def test_another_process_that_is_at_it_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(*RECORDS, policy=POLICY)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    with Turn(tmp_path / "data").taken():
        result = invoke("snapshot")
    assert (result.exit_code, result.stderr) == (
        3,
        (f"Error: another process is writing the data files in {tmp_path}/data: try again later\n"),
    )


def test_a_ledger_in_memory_has_no_files() -> None:
    result = invoke("snapshot", TOKEN_MONITOR_DATA_DIR=":memory:")
    assert (result.exit_code, result.stderr[:33]) == (3, "Error: a ledger in memory (:memor")
