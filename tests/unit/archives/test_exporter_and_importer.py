"""`TokenDataExporter` and `TokenDataImporter`: a monitor's calls, in files and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.archives.errors import BrokenFileError
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.importing import ImportResult
from otel_token_monitor.monitor import TokenMonitor
from otel_token_monitor.token_data_exporter import TokenDataExporter
from otel_token_monitor.token_data_importer import TokenDataImporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Monitors = tuple[TokenMonitor, Callable[[], TokenMonitor]]

FORMATS = ("json", "csv", "zip")
WHEN = datetime(2026, 9, 3, 15, 30, tzinfo=UTC)  # half past midnight in Seoul, of the 4th


@pytest.fixture
def make() -> Iterator[Callable[[str], TokenMonitor]]:
    made: list[TokenMonitor] = []

    def monitor(data_dir: str) -> TokenMonitor:
        config = TokenMonitorConfig(
            environ={}, data_dir=data_dir, project="shop", timezone="Asia/Seoul"
        )
        made.append(TokenMonitor(config))
        return made[-1]

    yield monitor
    for each in made:
        each.stop()


@pytest.fixture(params=["file", "memory"])
def monitors(
    request: pytest.FixtureRequest, tmp_path: Path, make: Callable[[str], TokenMonitor]
) -> Monitors:
    """One that has counted a call, and how to make one that has not; on disk, or in memory."""
    in_memory = request.param == "memory"
    one = make(":memory:" if in_memory else str(tmp_path / "a"))
    one.log_usage(one.create_usage_record("gpt-5-mini", 100, 20, time=WHEN))

    def another() -> TokenMonitor:
        one.stop()  # a process has one ledger in memory, gone with its last monitor
        return make(":memory:" if in_memory else str(tmp_path / "b"))

    return one, another


def tokens_of(monitor: TokenMonitor) -> int:
    totals = monitor.ledger.ask(lambda reader: reader.totals(0, 2**40))
    return sum(each.total_tokens for each in totals.values())


@pytest.mark.parametrize("form", FORMATS)
def test_what_one_exports_another_imports(monitors: Monitors, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"calls.{form}"
    exporter = TokenDataExporter(monitors[0])
    done = getattr(exporter, f"export_to_{form}")("2026-09-04", date(2026, 9, 4), path)
    assert (done.path, done.calls, done.sums) == (path, 1, 0)
    other = monitors[1]()
    importer = TokenDataImporter(other)
    results: list[Any] = [getattr(importer, f"import_from_{form}")(path) for _ in range(2)]
    assert results == [ImportResult(calls=1), ImportResult(known=1)]
    assert tokens_of(other) == 120


def test_days_are_those_of_the_ledgers_time_zone(monitors: Monitors, tmp_path: Path) -> None:
    exporter = TokenDataExporter(monitors[0])
    exporter.export_to_json("2026-09-03", "2026-09-03", tmp_path / "third.json")
    exporter.export_to_json("2026-09-04", "2026-09-04", tmp_path / "fourth.json")
    documents = [json.loads((tmp_path / f"{day}.json").read_text()) for day in ("third", "fourth")]
    assert [(each["timezone"], len(each["calls"])) for each in documents] == [
        ("Asia/Seoul", 0),
        ("Asia/Seoul", 1),
    ]


def test_replacing_takes_only_what_the_file_has(monitors: Monitors, tmp_path: Path) -> None:
    path, (one, _) = tmp_path / "calls.json", monitors
    TokenDataExporter(one).export_to_json("2026-09-04", "2026-09-04", path)
    one.log_usage(one.create_usage_record("gpt-5-mini", 1, 1, time=WHEN))
    result = TokenDataImporter(one).import_from_json(path, merge=False)
    assert (result, tokens_of(one)) == (ImportResult(calls=1, replaced=2), 120)


def test_a_broken_file_changes_nothing(monitors: Monitors, tmp_path: Path) -> None:
    path, (one, another) = tmp_path / "calls.json", monitors
    TokenDataExporter(one).export_to_json("2026-09-04", "2026-09-04", path)
    path.write_text(path.read_text().replace('"input":100', '"input":-1'))
    other = another()
    with pytest.raises(BrokenFileError, match=r"calls\.json: line 2: input: use a whole number"):
        TokenDataImporter(other).import_from_json(path)
    assert tokens_of(other) == 0


def test_whoever_watches_looks_anew(monitors: Monitors, tmp_path: Path) -> None:
    path, (one, another) = tmp_path / "calls.json", monitors
    TokenDataExporter(one).export_to_json("2026-09-04", "2026-09-04", path)
    other = another()
    told: list[int] = []
    other.ledger.listen(lambda: told.append(1))
    TokenDataImporter(other).import_from_json(path)
    assert told == [1]


def test_history_is_exported_too(monitors: Monitors, tmp_path: Path) -> None:
    path = tmp_path / "history.om"
    done = TokenDataExporter(monitors[0]).export_to_openmetrics("2026-09-04", "2026-09-04", path)
    assert (done.calls, path.read_text().count(" 100 ")) == (1, 2)


def test_a_day_that_is_none_is_named(monitors: Monitors, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"start='yesterday' is no day: use a date such as"):
        TokenDataExporter(monitors[0]).export_to_csv("yesterday", "2026-09-04", tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_a_directory_that_cannot_be_written_is_an_os_error(
    monitors: Monitors, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        TokenDataExporter(monitors[0]).export_to_csv(
            "2026-09-04", "2026-09-04", tmp_path / "taken" / "x.csv"
        )
