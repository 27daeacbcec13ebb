"""Today's totals from a ledger of ten million records, beside one of a million."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from benchmarks.measure import Row, ratio_row
from otel_token_monitor.budgets.evaluation import window_totals
from otel_token_monitor.budgets.windows import Window, span_of
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

RECORDS = int(os.environ.get("BENCH_RECORDS", "10000000"))
DAYS = 30
BATCH = 10_000
ROUNDS = 51

_LABELS = [
    Labels(f"project-{project}", "openai", model, "chat/completions")
    for project in range(10)
    for model in ("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1", "gpt-4o")
]


def fill(folder: Path, count: int, now: float) -> LedgerReader:
    """A ledger with so many records, spread evenly over the last 30 days."""
    location = Location.in_directory(folder)
    writer = LedgerWriter(location, max_label_sets=1000)
    chance = random.Random(count)
    start, step = int((now - DAYS * 86400) * 1e9), int(DAYS * 86400 * 1e9 / count)
    for first in range(0, count, BATCH):
        writer.write(
            Batch(
                records=[
                    UsageRecord(
                        time_ns=start + number * step,
                        nonce=chance.getrandbits(63),
                        labels=chance.choice(_LABELS),
                        source="benchmark",
                        usage=TokenUsage(900, 100, 0, 50, 30),
                        response_model="gpt-5-mini-2025-08-07",
                        response_id=f"chatcmpl-{number:032x}",
                        duration_ns=900_000_000,
                        cost_nanousd=1_000,
                        trace_id=f"{number:032x}",
                        span_id=f"{number:016x}",
                    )
                    for number in range(first, min(first + BATCH, count))
                ]
            )
        )
    writer.close()
    return LedgerReader(location)


def run() -> list[Row]:
    """The comparison, alternating."""
    with tempfile.TemporaryDirectory() as folder:
        now = time.time()
        readers = {
            count: fill(Path(folder) / str(count), count, now) for count in (RECORDS, RECORDS // 10)
        }
        day = span_of(Window.DAY, round(now * 1e9), ZoneInfo("Asia/Seoul"))
        times: dict[int, list[float]] = {count: [] for count in readers}
        for _ in range(ROUNDS):
            for count, reader in readers.items():
                begin = time.perf_counter()
                window_totals(reader, Window.DAY, day)
                times[count].append((time.perf_counter() - begin) * 1000)
        assert median(times[RECORDS]) > 0
        for reader in readers.values():
            reader.close()
    large, small = times[RECORDS], times[RECORDS // 10]
    return [
        ratio_row(
            f"today's totals, {RECORDS:,} records / {RECORDS // 10:,}", large, small, "ms", 1.5
        )
    ]
