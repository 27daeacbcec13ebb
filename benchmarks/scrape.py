"""What a scrape costs: the ledger's collector beside prometheus_client's own metrics.

Both sides show the same series with the same values, by turns in one run; trust the ratios.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)

from benchmarks.measure import Row, print_table, ratio_row
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    TOKEN_BOUNDS,
    Labels,
    TokenUsage,
    UsageRecord,
)
from otel_token_monitor.views import metrics
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.exposition import render
from otel_token_monitor.views.scrape import Scrape

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES: Final = (10, 100, 1000)
# A scrape of the ledger reads it too; but prometheus_client takes much longer to write the text.
LIMIT: Final = 0.5
_SAMPLES: Final = 20_000  # of each side and size, about: small scrapes are repeated more often
_USAGE: Final = TokenUsage(800, 200, 0, 120, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Milliseconds of each repetition; `lines` is the number of series.

    `read` is the query alone, `collect` has it and makes the families, `scrape` renders them too,
    `compressed` is a scrape with gzip; `peer` is prometheus_client's scrape.
    """

    label_sets: int
    lines: int
    read: list[float]
    collect: list[float]
    scrape: list[float]
    compressed: list[float]
    peer: list[float]


def run() -> list[Row]:
    """A whole scrape beside prometheus_client's, for each number of label sets."""
    return [
        ratio_row(
            f"scrape of {costs.label_sets} label sets ({costs.lines} series) / prometheus_client",
            costs.scrape,
            costs.peer,
            "ms",
            LIMIT,
        )
        for costs in map(measured, SIZES)
    ]


def measured(size: int) -> Costs:
    """What scrapes of so many label sets cost."""
    # The ledger's series have no _created beside them.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        return _measured(_records(size))
    finally:
        enable_created_metrics()  # type: ignore[no-untyped-call]


def _measured(records: list[UsageRecord]) -> Costs:
    with tempfile.TemporaryDirectory() as directory:
        location = Location.in_directory(Path(directory))
        writer = LedgerWriter(location, max_label_sets=len(records))
        writer.write(Batch(records))
        writer.close()
        reader = LedgerReader(location)
        ours = CollectorRegistry()
        ours.register(TokenCollector(lambda: Scrape(reader.exposition()), HealthReading))
        theirs = _peer(records)
        lines = _same_lines(ours, theirs)
        read, collect, scrape, compressed, peer = _alternating(
            max(7, _SAMPLES // lines),
            reader.exposition,
            lambda: list(ours.collect()),
            lambda: render(ours, ""),
            lambda: gzip.compress(render(ours, "")[0], 1),
            lambda: generate_latest(theirs),
        )
        reader.close()
    return Costs(
        label_sets=len(records),
        lines=lines,
        read=read,
        collect=collect,
        scrape=scrape,
        compressed=compressed,
        peer=peer,
    )


def _records(size: int) -> list[UsageRecord]:
    now = time.time_ns()
    return [
        UsageRecord(
            time_ns=now,
            nonce=number,
            labels=Labels(f"project-{number % 50}", "openai", f"m-{number}", "chat/completions"),
            source="benchmark",
            usage=_USAGE,
            duration_ns=2_000_000_000,
            first_token_ns=500_000_000,
            cost_nanousd=1_000_000,
        )
        for number in range(size)
    ]


def _peer(records: list[UsageRecord]) -> CollectorRegistry:
    """The same calls counted by prometheus_client's metrics."""
    registry = CollectorRegistry()

    def counter(spec: metrics.MetricSpec) -> Counter:
        return Counter(spec.name, spec.help, spec.labels, registry=registry)

    def histogram(spec: metrics.MetricSpec, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(spec.name, spec.help, spec.labels, registry=registry, buckets=bounds)

    tokens, requests, cost = map(counter, (metrics.TOKENS, metrics.REQUESTS, metrics.COST))
    duration = histogram(metrics.DURATION, DURATION_BOUNDS)
    sizes = histogram(metrics.REQUEST_TOKENS, TOKEN_BOUNDS)
    first_token = histogram(metrics.FIRST_TOKEN, FIRST_TOKEN_BOUNDS)
    for record in records:
        labels = record.labels
        for part, number in zip(metrics.TYPES, _USAGE, strict=True):
            tokens.labels(*labels, part).inc(number)
        requests.labels(*labels, "ok").inc()
        requests.labels(*labels, "error")
        cost.labels(*labels).inc(0.001)
        duration.labels(*labels).observe(2.0)
        sizes.labels(*labels, "input").observe(_USAGE.input_tokens)
        sizes.labels(*labels, "output").observe(_USAGE.output_tokens)
        first_token.labels(*labels).observe(0.5)
    return registry


def _same_lines(ours: CollectorRegistry, theirs: CollectorRegistry) -> int:
    """How many samples both sides show; what only the ledger's side has is the monitor's health."""

    def samples(registry: CollectorRegistry) -> list[str]:
        text = render(registry, "")[0].decode()
        return sorted(line for line in text.splitlines() if line.startswith("llm_"))

    shown = samples(ours)
    assert shown == samples(theirs)
    return len(shown)


def _alternating(rounds: int, *sides: Callable[[], object]) -> list[list[float]]:
    """The milliseconds of each side, all by turns."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, times, strict=True):
            begin = time.perf_counter()
            side()
            taken.append((time.perf_counter() - begin) * 1e3)
    return times


def main() -> None:
    """Print the parts of a scrape, then the comparison's table."""
    for size in SIZES:
        costs = measured(size)
        parts = {
            "read": costs.read,
            "collect": costs.collect,
            "scrape": costs.scrape,
            "with gzip": costs.compressed,
        }
        shown = ", ".join(f"{name} {median(times):.3g} ms" for name, times in parts.items())
        print(f"{costs.label_sets} label sets, {costs.lines} series: {shown}")
    print_table(run())


if __name__ == "__main__":
    main()
