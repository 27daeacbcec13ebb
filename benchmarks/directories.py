"""Totals of a hundred projects and ninety days, beside loading one JSON file a day and project.

The files are as the module that this product grew out of kept them: the calls of a day in a list.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.measure import Row, ratio_row
from otel_token_monitor.aggregation.aggregator import TokenUsageAggregator
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from otel_token_monitor.views.breakdown import By

RECORDS: Final = int(os.environ.get("BENCH_RECORDS", "1000000"))
PROJECTS: Final = 100
DAYS: Final = 90
ROUNDS: Final = 3
LIMIT: Final = 1 / 15

_FIRST: Final = date(2026, 8, 1)
_MODELS: Final = ("gpt-5", "gpt-5-mini", "gpt-5-nano")


def run() -> list[Row]:
    """CPU time of both, alternating."""
    with tempfile.TemporaryDirectory() as root:
        folders = [_make(Path(root) / f"project-{number}") for number in range(PROJECTS)]
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS):
            begin = time.process_time()
            loaded = _load(folders)
            theirs.append((time.process_time() - begin) * 1e3)
            begin = time.process_time()
            asked = _ask(folders)
            ours.append((time.process_time() - begin) * 1e3)
            assert asked == loaded
    what = f"totals of {PROJECTS} projects × {DAYS} days, {RECORDS:,} calls / the original's JSON"
    return [ratio_row(what, ours, theirs, "ms", LIMIT)]


def _make(folder: Path) -> Path:
    """A project's directory: the ledger, and beside it the files."""
    folder.mkdir()
    chance = random.Random(folder.name)
    calls = RECORDS // PROJECTS // DAYS
    records: list[UsageRecord] = []
    for number in range(DAYS):
        day = _FIRST + timedelta(days=number)
        start_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
        today = [
            UsageRecord(
                time_ns=start_ns + chance.randrange(86_400 * 10**9),
                nonce=chance.getrandbits(63),
                labels=Labels(folder.name, "openai", chance.choice(_MODELS), "chat/completions"),
                source="benchmark",
                usage=TokenUsage(chance.randrange(3000), 0, 0, chance.randrange(500), 0),
            )
            for _ in range(calls)
        ]
        file = folder / f"usage_{day}.json"
        file.write_text(json.dumps({"date": str(day), "records": [*map(_document, today)]}))
        records += today
    writer = LedgerWriter(Location.in_directory(folder), max_label_sets=100)
    writer.write(Batch(records))
    writer.close()
    return folder


def _document(record: UsageRecord) -> dict[str, object]:
    """A call as the original's `create_usage_record` made it."""
    usage = record.usage or TokenUsage()
    return {
        "timestamp": datetime.fromtimestamp(record.time_ns / 1e9, UTC).isoformat(),
        "model": record.labels.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "endpoint": record.labels.endpoint,
        "project_id": record.labels.project,
    }


def _load(folders: list[Path]) -> Counter[tuple[str, str]]:
    """Tokens by project and model, from the files."""
    sums: Counter[tuple[str, str]] = Counter()
    for folder in folders:
        for file in folder.glob("usage_*.json"):
            with file.open(encoding="utf-8") as opened:
                calls = json.load(opened)["records"]
            for call in calls:
                sums[call["project_id"], call["model"]] += call["total_tokens"]
    return sums


def _ask(folders: list[Path]) -> dict[tuple[str, ...], int]:
    """The same, from the ledgers."""
    days = _FIRST, _FIRST + timedelta(days=DAYS - 1)
    answer = TokenUsageAggregator(folders).aggregate(lambda _: days, by=(By.PROJECT, By.MODEL))
    return {part.key: part.totals.total_tokens for part in answer.breakdown.parts}
