"""The original module's samples of section 8 and of its advanced features, in processes.

Only their imports are from the top of this package.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.places import Place
from tests.integration.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# What each project's own application does.
SPEND = """
import sys
from datetime import datetime, timezone

from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from dotenv import load_dotenv

load_dotenv()
monitor = TokenMonitor(config=TokenMonitorConfig())
for when in {times}:
    monitor.log_usage(monitor.create_usage_record(
        model="gpt-5-mini", input_tokens={tokens}, output_tokens=10, endpoint="chat_completion",
        project_id={project!r}, time=when and datetime.fromisoformat(when),
    ))
assert monitor.force_flush()
"""

EXPORT = """
from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from otel_token_monitor import TokenDataExporter
from dotenv import load_dotenv

load_dotenv()
monitor = TokenMonitor(config=TokenMonitorConfig())

exporter = TokenDataExporter(monitor)
exporter.export_to_json("2025-09-01", "2025-09-05", "usage_report.json")
exporter.export_to_csv("2025-09-01", "2025-09-05", "usage_report.csv")
exporter.export_to_zip("2025-09-01", "2025-09-05", "usage_report.zip")
"""

IMPORT = """
from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from otel_token_monitor import TokenDataImporter
from dotenv import load_dotenv

load_dotenv()
monitor = TokenMonitor(config=TokenMonitorConfig())

importer = TokenDataImporter(monitor)
importer.import_from_json("usage_report.json", merge=True)
importer.import_from_csv("usage_report.csv", merge=True)
"""

MANY = """
from otel_token_monitor import TokenUsageAggregator, GlobalTokenMonitor, TokenSyncService

# 여러 프로젝트 데이터 통합
projects_data_dirs = [
    "project_a/data/token_usage",
    "project_b/data/token_usage",
    "project_c/data/token_usage"
]

aggregator = TokenUsageAggregator(projects_data_dirs)
daily_summary = aggregator.aggregate_daily_usage()
print(f"전체 사용량: {daily_summary['total_tokens']:,} 토큰")

# 전역 모니터링
global_monitor = GlobalTokenMonitor()
global_summary = global_monitor.get_global_summary()

# 자동 동기화 서비스
sync_service = TokenSyncService(
    projects_config={
        "project_a": "project_a/data/token_usage",
        "project_b": "project_b/data/token_usage"
    },
    sync_interval=300,  # 5분마다 동기화
    global_monitor=True
)
sync_service.start_sync()

import json, time
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    later = global_monitor.get_global_summary()
    if len(later["sources"]) == 2:
        break
    time.sleep(0.05)
sync_service.stop_sync()
print(json.dumps([global_summary, later]))
"""


def spend(path: Path, project: str, tokens: int, times: tuple[str | None, ...] = (None,)) -> Place:
    path.mkdir()
    place = Place.at(path)
    place.run(SPEND.format(project=project, tokens=tokens, times=times))
    return place


def test_what_is_exported_can_be_imported_elsewhere(tmp_path: Path) -> None:
    times = ("2025-08-31T23:59:59+00:00", "2025-09-01T00:00:00+00:00", "2025-09-05T23:59:59+00:00")
    place = spend(tmp_path / "here", "my_project", 90, (*times, "2025-09-06T00:00:00+00:00"))
    place.run(EXPORT)
    (tmp_path / "there").mkdir()
    other = Place.at(tmp_path / "there")
    for suffix in ("json", "csv", "zip"):
        name = f"usage_report.{suffix}"
        (place.path / name).rename(other.path / name)
    other.run(IMPORT)
    assert other.rows() == [("my_project", "gpt-5-mini", "chat/completions", 100)] * 2


def test_many_projects_add_up(tmp_path: Path) -> None:
    for name, tokens in (("project_a", 1_000_000), ("project_b", 200_000), ("project_c", 30_000)):
        spend(tmp_path / name, name, tokens)
    said, documents = Place.at(tmp_path).run(MANY)
    assert said == "전체 사용량: 1,230,030 토큰"
    before, after = json.loads(documents)
    assert (before["daily"]["total_tokens"], before["sources"]) == (0, [])
    assert after["daily"]["total_tokens"] == 1_200_020
    assert {name: sums["daily"]["total_tokens"] for name, sums in after["projects"].items()} == {
        "project_a": 1_000_010,
        "project_b": 200_010,
    }


def test_the_data_directory_is_as_it_was(tmp_path: Path) -> None:
    place = spend(tmp_path / "here", "my_project", 90)
    place.python("-m", "otel_token_monitor", "snapshot")
    names = {path.name for path in place.ledger.parent.iterdir()}
    assert "config.json" in names
    assert {"project_my_project.json"} < names
    assert any(name.startswith("usage_20") for name in names)
    assert any(name.startswith("monthly_20") for name in names)


def test_the_quick_start_tells_what_the_reply_used(tmp_path: Path) -> None:
    place = Place.at(tmp_path)
    said = place.python(str(ROOT / "examples" / "quick_start.py")).stdout.splitlines()
    [(_, _, _, tokens)] = place.rows()
    assert said[:3] == [
        f"the reply says {tokens} tokens",
        f"today: {tokens} tokens",
        "status: NORMAL",
    ]
    assert f"  ledger/tokens/day: {tokens} of 2,000,000 tokens" in said
    assert said[-1].endswith("in usage_report.json: 1")
    assert len(json.loads((tmp_path / "usage_report.json").read_bytes())["calls"]) == 1
