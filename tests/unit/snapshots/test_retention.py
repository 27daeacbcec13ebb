"""Old files are compressed and removed; others are never touched."""

from __future__ import annotations

import gzip
import os
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from otel_token_monitor.snapshots.names import log_day, period_of
from otel_token_monitor.snapshots.retention import Tidied, tidy
from tests.unit.snapshots.ledgers import SEOUL, at

if TYPE_CHECKING:
    from pathlib import Path

# It is the 24th in Seoul, and the 23rd in Greenwich.
NOW = at("2026-11-24T03:00:00+09:00")
TODAY = date(2026, 11, 24)


def run(directory: Path, *, retention_days: int = 30, compress: bool = False) -> Tidied:
    return tidy(directory, NOW, SEOUL.zone, retention_days=retention_days, compress=compress)


def make(directory: Path, *names: str, content: bytes = b"content") -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_files_older_than_the_retention_are_removed(tmp_path: Path) -> None:
    make(
        tmp_path,
        "usage_2026-10-24.json",
        "usage_2026-10-25.json",
        "usage_2026-10-24.json.gz",
        "monthly_2026-09.json",
        "monthly_2026-10.json",
        "logs/alerts_2026-10-24.log",
        "logs/alerts_2026-10-25.log",
        "logs/alerts_2025-01-01.log.gz",
    )
    assert run(tmp_path) == Tidied(removed=5)
    assert names(tmp_path) == {
        "usage_2026-10-25.json",
        "monthly_2026-10.json",
        "logs/alerts_2026-10-25.log",
    }


def test_files_that_ended_more_than_a_week_ago_are_compressed(tmp_path: Path) -> None:
    make(
        tmp_path,
        "usage_2026-11-16.json",
        "usage_2026-11-17.json",
        "monthly_2026-10.json",
        "monthly_2026-11.json",
        "logs/alerts_2026-11-16.log",
        "logs/alerts_2026-11-17.log",
        "project_shop.json",
    )
    assert run(tmp_path, compress=True) == Tidied(compressed=3)
    assert names(tmp_path) == {
        "usage_2026-11-16.json.gz",
        "usage_2026-11-17.json",
        "monthly_2026-10.json.gz",
        "monthly_2026-11.json",
        "logs/alerts_2026-11-16.log.gz",
        "logs/alerts_2026-11-17.log",
        "project_shop.json",
    }
    assert gzip.decompress((tmp_path / "usage_2026-11-16.json.gz").read_bytes()) == b"content"
    assert run(tmp_path, compress=True) == Tidied()


def test_a_compressed_file_has_the_mode_and_the_time_of_the_plain_one(tmp_path: Path) -> None:
    make(tmp_path, "usage_2026-11-01.json")
    path = tmp_path / "usage_2026-11-01.json"
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_790_000_000_123_456_789))
    run(tmp_path, compress=True)
    status = (tmp_path / "usage_2026-11-01.json.gz").stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o640, 1_790_000_000_123_456_789)


def test_after_a_kill_midway_the_plain_file_wins(tmp_path: Path) -> None:
    make(tmp_path, "usage_2026-11-01.json.gz", content=b"old")
    make(tmp_path, "usage_2026-11-01.json", content=b"new")
    assert run(tmp_path, compress=True) == Tidied(compressed=1)
    assert names(tmp_path) == {"usage_2026-11-01.json.gz"}
    assert gzip.decompress((tmp_path / "usage_2026-11-01.json.gz").read_bytes()) == b"new"


@pytest.mark.parametrize(
    ("packed", "plain", "both"),
    [
        (b"1\n2\n", b"1\n2\n", b"1\n2\n"),
        (b"1\n2\n", b"1\n2\n3\n", b"1\n2\n3\n"),
        (b"1\n2\n", b"3\n", b"1\n2\n3\n"),
    ],
)
def test_lines_that_came_late_to_a_compressed_log_are_added(
    tmp_path: Path, packed: bytes, plain: bytes, both: bytes
) -> None:
    make(tmp_path, "logs/alerts_2026-11-01.log.gz", content=packed)
    make(tmp_path, "logs/alerts_2026-11-01.log", content=plain)
    run(tmp_path, compress=True)
    assert names(tmp_path) == {"logs/alerts_2026-11-01.log.gz"}
    log = tmp_path / "logs" / "alerts_2026-11-01.log.gz"
    assert gzip.decompress(log.read_bytes()) == both


def test_a_broken_compressed_log_does_not_cost_the_plain_one(tmp_path: Path) -> None:
    make(tmp_path, "logs/alerts_2026-11-01.log")
    (tmp_path / "logs" / "alerts_2026-11-01.log.gz").write_bytes(b"no gzip")
    run(tmp_path, compress=True)
    log = tmp_path / "logs" / "alerts_2026-11-01.log.gz"
    assert gzip.decompress(log.read_bytes()) == b"content"


def test_links_are_left_alone(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    make(elsewhere, "usage_2020-01-01.json", "alerts_2020-01-01.log")
    (data / "usage_2020-01-01.json").symlink_to(elsewhere / "usage_2020-01-01.json")
    (data / "usage_2020-01-02.json").symlink_to(elsewhere / "nowhere")
    (data / "logs").symlink_to(elsewhere)
    (data / "usage_2020-01-03.json").mkdir()
    assert run(data, compress=True) == Tidied()
    assert len(list(data.iterdir())) == 4
    assert names(elsewhere) == {"usage_2020-01-01.json", "alerts_2020-01-01.log"}


def test_what_a_kill_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    make(
        tmp_path,
        ".usage_2026-11-24.json.abcd_123.tmp",
        ".project_etcpasswd~74acf31844532670.json.abcd_123.tmp",
        "logs/.alerts_2026-11-01.log.gz.abcd_123.tmp",
        ".config.json.abcd_123.tmp",
        ".usage_2026-11-24.json.tmp",
        ".monthly_2026-11.json.abcd_123.tmp",
    )
    for path in tmp_path.rglob("*.tmp"):
        os.utime(path, ns=(NOW, NOW - 3601 * 10**9))
    os.utime(tmp_path / ".monthly_2026-11.json.abcd_123.tmp", ns=(NOW, NOW - 3599 * 10**9))
    run(tmp_path)
    assert names(tmp_path) == {
        ".config.json.abcd_123.tmp",
        ".usage_2026-11-24.json.tmp",
        ".monthly_2026-11.json.abcd_123.tmp",
    }


def test_a_directory_without_logs(tmp_path: Path) -> None:
    assert run(tmp_path) == Tidied()


_DATES = strategies.dates(TODAY - timedelta(days=100), TODAY).map(date.isoformat)
_FILES = strategies.one_of(
    strategies.builds("usage_{}.json".format, _DATES),
    strategies.builds("usage_{}.json.gz".format, _DATES),
    strategies.builds("usage_{}.json.bak".format, _DATES),
    strategies.builds("usage_{}-1.json".format, _DATES),
    strategies.builds("monthly_{:.7}.json".format, _DATES),
    strategies.builds("project_{}.json".format, _DATES),
    strategies.builds("alerts_{}.log".format, _DATES),
    strategies.builds("logs/alerts_{}.log".format, _DATES),
    strategies.builds("logs/usage_{}.json".format, _DATES),
    strategies.builds("logs/{}.log".format, _DATES),
    strategies.sampled_from(["usage.db", "config.json", "usage.db-wal", ".data_files.lock"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.sets(_FILES, max_size=30), strategies.integers(1, 60), strategies.booleans())
def test_only_files_whose_names_are_of_a_day_are_touched(
    tmp_path: Path, files: set[str], retention_days: int, compress: bool
) -> None:
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    directory.mkdir()
    make(directory, *files)
    run(directory, retention_days=retention_days, compress=compress)
    left = names(directory)
    oldest = TODAY - timedelta(days=retention_days)
    for name in files:
        in_logs, _, last = name.rpartition("/")
        day = log_day(last) if in_logs else None
        period = None if in_logs else period_of(last)
        end = day if period is None else period.last
        kept = {name, f"{name}.gz"} if end is not None else {name}
        assert bool(left & kept) == (end is None or end >= oldest)
    assert left <= files | {f"{name}.gz" for name in files}
