"""The same total, to the token, wherever calls are shown, go to, and come back from."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from otel_token_monitor import (
    AutoTokenMonitor,
    ImportResult,
    TokenDataExporter,
    TokenDataImporter,
    TokenMonitor,
    TokenMonitorConfig,
    TokenUsageAggregator,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PARTS = ("input", "input_cached", "input_cache_write", "output", "output_reasoning")
FORMATS = ("json", "csv", "zip")
NAMES = (
    *("=1+1", "+x", "-x", "@SUM(A1)", "'=1", '"quoted", twice', "..", "../../etc/passwd", "a/b"),
    *("A", "a", "CON", "нефть", "安 全", "🦊" * 30, "x" * 128, "a~b", "project_x.json", "%2F"),
)
names = st.sampled_from(NAMES) | st.text(
    st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40
)
models = st.sampled_from(["gpt-5-mini", "gpt-5", "=HYPERLINK(1)", "made-up"])
zones = st.sampled_from(["UTC", "Asia/Seoul", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu"])


class Call(NamedTuple):
    """What is logged: `nanoseconds` before or after the midnight that began today."""

    project: str
    model: str
    days: int
    nanoseconds: int
    input: int
    cached: int
    output: int
    kind: str


calls = st.lists(
    st.builds(
        Call,
        names,
        models,
        st.integers(-2, 0),
        st.sampled_from([-1000, 0, 1000]) | st.integers(-(10**12), 0),
        st.integers(0, 10**6),
        st.integers(0, 1000),
        st.integers(0, 10**6),
        st.sampled_from(["exact", "exact", "exact", "estimated", "unmetered", "error"]),
    ),
    max_size=12,
)


@contextmanager
def monitor_of(directory: Path, zone: str) -> Iterator[TokenMonitor]:
    monitor = TokenMonitor(
        TokenMonitorConfig(
            environ={},
            data_dir=str(directory),
            timezone=zone,
            instrumentation="none",
            serve=False,
        ),
        registry=CollectorRegistry(),
    )
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.stop()


def logged(monitor: TokenMonitor, call: Call, midnight: datetime) -> tuple[str, str, int]:
    """Log a call; the day, project and exact tokens that it has."""
    moment = midnight + timedelta(days=call.days, microseconds=call.nanoseconds // 1000)
    known = call.kind in {"exact", "estimated"}
    monitor.log_usage(
        monitor.create_usage_record(
            call.model,
            call.input + call.cached if known else None,
            call.output if known else None,
            project_id=call.project,
            cached_tokens=call.cached if known else 0,
            estimated=call.kind == "estimated",
            error_type="RateLimitError" if call.kind == "error" else None,
            time=moment.astimezone(UTC),
        )
    )
    tokens = call.input + call.cached + call.output if call.kind == "exact" else 0
    return moment.astimezone(midnight.tzinfo).date().isoformat(), call.project, tokens


def counted(monitor: TokenMonitor) -> Counter[str]:
    """What `/metrics` says, by project."""
    found: Counter[str] = Counter()
    for family in monitor.registry.collect():
        for sample in family.samples:
            if sample.name == "llm_tokens_total":
                found[sample.labels["project"]] += int(sample.value)
    return found


def exported(path: Path) -> Counter[str]:
    """What an export says by project, as a program that knows nothing of us would read it."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = [
                {**row, "project": row["project"].removeprefix("'")}
                for row in csv.DictReader(file)
                if row["kind"] == "call" and row["estimated"] in {"", "false"}
            ]
    else:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                [member] = archive.namelist()
                document = json.loads(archive.read(member))
        else:
            document = json.loads(path.read_bytes())
        rows = [row for row in document["calls"] if not row.get("estimated")]
    found: Counter[str] = Counter()
    for row in rows:
        found[row["project"]] += sum(int(row.get(part) or 0) for part in PARTS)
    return found


def in_files(directory: Path) -> tuple[Counter[str], Counter[str]]:
    """What the daily files say, by day and by project."""
    by_day: Counter[str] = Counter()
    by_project: Counter[str] = Counter()
    for path in directory.glob("usage_*.json"):
        document = json.loads(path.read_bytes())
        by_day[document["date"]] += document["total"]["total_tokens"]
        for row in document["usage"]:
            by_project[row["project"]] += row["total_tokens"]
    return by_day, by_project


def aggregated(directory: Path, zone: str, days: set[str]) -> tuple[Counter[str], Counter[str]]:
    by_day: Counter[str] = Counter()
    by_project: Counter[str] = Counter()
    for day in days:
        found = TokenUsageAggregator([directory], timezone=zone).aggregate_daily_usage(day)
        assert found["problems"] == []
        by_day[day] += found["total_tokens"]
        for project, sums in found["projects"].items():
            by_project[project] += sums["total_tokens"]
    return by_day, by_project


@given(calls=calls, zone=zones)
def test_everybody_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, calls: list[Call], zone: str
) -> None:
    root = tmp_path_factory.mktemp("total")
    home = root / "home"
    midnight = datetime.combine(datetime.now(ZoneInfo(zone)), datetime.min.time(), ZoneInfo(zone))
    by_day: Counter[str] = Counter()
    by_project: Counter[str] = Counter()
    with monitor_of(home, zone) as monitor:
        watch = AutoTokenMonitor(monitor)
        watch.start_monitoring()
        for call in calls:
            day, project, tokens = logged(monitor, call, midnight)
            by_day[day] += tokens
            by_project[project] += tokens
        today = midnight.date().isoformat()
        assert monitor.force_flush()
        summary = monitor.get_usage_summary()
        if summary["daily"]["date"] == today:
            assert summary["daily"]["total_tokens"] == by_day[today]
        assert +counted(monitor) == +by_project
        first = (midnight - timedelta(days=4)).date()
        for suffix in FORMATS:
            exporter = TokenDataExporter(monitor)
            done = getattr(exporter, f"export_to_{suffix}")(first, today, root / f"calls.{suffix}")
            assert done.calls == len(calls)
        watch.stop_monitoring()
    for suffix in FORMATS:
        assert +exported(root / f"calls.{suffix}") == +by_project
        there = root / suffix
        with monitor_of(there, zone) as other:
            importer = TokenDataImporter(other)
            take = getattr(importer, f"import_from_{suffix}")
            assert take(root / f"calls.{suffix}") == ImportResult(calls=len(calls))
            assert take(root / f"calls.{suffix}") == ImportResult(known=len(calls))
            assert counted(other) == {}
            assert other.get_usage_summary()["daily"]["requests"] == summary["daily"]["requests"]
            copy = root / f"again.{suffix}"
            getattr(TokenDataExporter(other), f"export_to_{suffix}")(first, today, copy)
            assert +exported(copy) == +by_project
        if calls:
            assert aggregated(there, zone, set(by_day)) == (by_day, by_project)
    assert in_files(home) == (by_day, by_project)
    if calls:
        assert aggregated(home, zone, set(by_day)) == (by_day, by_project)
        files_only = root / "files"
        files_only.mkdir()
        for path in home.glob("usage_*.json"):
            shutil.copy(path, files_only)
        assert aggregated(files_only, zone, set(by_day)) == (by_day, by_project)
