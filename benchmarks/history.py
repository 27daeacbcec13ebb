"""What a scrape and `status` cost with a year of history, beside those of an empty ledger."""

from __future__ import annotations

import gzip
import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from benchmarks.measure import Row, print_table
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import QUARTER_SECONDS, Labels, TokenUsage, Totals, UsageRecord
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.exposition import render
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.scrape import take_scrape

if TYPE_CHECKING:
    from collections.abc import Callable

DAYS: Final = int(os.environ.get("BENCH_DAYS", "365"))
LABEL_SETS: Final = 100
ACTIVE_QUARTERS: Final = 40  # of the 96 of a day
ROUNDS: Final = 51
FACTOR: Final = 2.0
EXTRA_MS: Final = 10.0

# What a team sets: limits of the whole ledger and of each project, in its own time zone.
_WINDOWS: Final = (
    (Unit.TOKENS, Window.DAY),
    (Unit.TOKENS, Window.MONTH),
    (Unit.USD, Window.MONTH),
    (Unit.TOKENS, Window.MINUTE),
)
POLICY: Final = Policy(
    timezone="Asia/Seoul",
    limits=tuple(
        Limit(scope, unit, window, 10**12)
        for scope in (Scope(), *(Scope(f"project-{number}") for number in range(10)))
        for unit, window in _WINDOWS
    ),
)

_CALLS: Final = 20  # of each label set, counted as the application would; the year is copied
_DAY_QUARTERS: Final = 96
_COLUMNS: Final = ", ".join(Totals._fields)

# In the order of the primary key. Each label set works through other hours of the day.
_FILL_PERIOD: Final = f"""
WITH RECURSIVE past (quarter) AS (
    SELECT :first UNION ALL SELECT quarter + 1 FROM past WHERE quarter < :last
)
INSERT OR IGNORE INTO period (quarter, label_set_id, {_COLUMNS})
SELECT quarter, id, 500 + (quarter * 31 + id) % 9000, (quarter * 7 + id) % 2000, 0,
    100 + (quarter * 13 + id) % 900, (quarter + id) % 300, 0, 0, 1 + (quarter + id) % 9,
    (quarter + id) % 50 = 0, 0, 1000000 + (quarter * 17 + id) % 9000000, 0
FROM past CROSS JOIN label_set
WHERE (quarter + id * 7) % {_DAY_QUARTERS} < {ACTIVE_QUARTERS}
"""  # noqa: S608 - names of this package
_FILL_ROLLUPS: Final = tuple(
    f"INSERT OR REPLACE INTO {table} ({table}, label_set_id, {_COLUMNS}) "  # noqa: S608
    f"SELECT quarter / {quarters}, label_set_id, {', '.join(f'sum({n})' for n in Totals._fields)} "
    f"FROM period GROUP BY quarter / {quarters}, label_set_id"
    for table, quarters in (("hour", 4), ("day", _DAY_QUARTERS))
)
_FILL_COUNTERS: Final = f"""
INSERT OR REPLACE INTO counter (label_set_id, {_COLUMNS})
SELECT label_set_id, {", ".join(f"sum({n})" for n in Totals._fields)} FROM day GROUP BY label_set_id
"""  # noqa: S608
_HISTOGRAMS: Final = (
    "duration_histogram",
    "first_token_histogram",
    "input_tokens_histogram",
    "output_tokens_histogram",
)


@dataclass(frozen=True, slots=True)
class Side:
    """What is measured of one ledger."""

    scrape: Callable[[], bytes]
    compressed: Callable[[], bytes]
    status: Callable[[], object]


def run() -> list[Row]:
    """The scrape (as it is and with gzip) and `status`, alternating."""
    with tempfile.TemporaryDirectory() as folder:
        readers = [empty(Path(folder) / "empty"), year(Path(folder) / "year")]
        sides = [_side(reader) for reader in readers]
        assert f"label_sets {LABEL_SETS}.0\n".encode() in sides[1].scrape()
        rows = [
            _row(what, *_alternating(*[getattr(side, name) for side in reversed(sides)]))
            for what, name in (
                ("scrape", "scrape"),
                ("scrape with gzip", "compressed"),
                ("status", "status"),
            )
        ]
        for reader in readers:
            reader.close()
    return rows


def empty(folder: Path) -> LedgerReader:
    """A ledger in which nothing was counted yet."""
    return _ledger(folder, [])


def year(folder: Path) -> LedgerReader:
    """A ledger with the sums of `DAYS` days up to now."""
    reader = _ledger(folder, _calls(time.time_ns()))
    last = int(time.time()) // QUARTER_SECONDS
    with closing(sqlite3.connect(folder / "usage.db")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_FILL_PERIOD, {"first": last - DAYS * _DAY_QUARTERS, "last": last})
        for statement in _FILL_ROLLUPS:
            connection.execute(statement)
        connection.execute(_FILL_COUNTERS)
        for table in _HISTOGRAMS:
            _multiply(connection, table, DAYS * ACTIVE_QUARTERS * 5 // _CALLS)
        connection.commit()
    return reader


def _ledger(folder: Path, records: list[UsageRecord]) -> LedgerReader:
    folder.mkdir()
    location = Location.in_directory(folder)
    writer = LedgerWriter(location, max_label_sets=LABEL_SETS)
    writer.open()
    writer.write(Batch(records))
    writer.close()
    return LedgerReader(location)


def _calls(now: int) -> list[UsageRecord]:
    """Some calls of each label set: they fill every metric."""
    chance = random.Random(1)
    return [
        UsageRecord(
            time_ns=now,
            nonce=number,
            labels=Labels(
                f"project-{number % 10}",
                "openai",
                f"gpt-5-variant-{number % LABEL_SETS // 10}",
                "chat/completions",
            ),
            source="benchmark",
            status="error" if number % 41 == 0 else "ok",
            usage=None if number % 17 == 0 else TokenUsage(chance.randrange(9000), 0, 0, 120, 30),
            unmetered="stream_without_usage" if number % 17 == 0 else None,
            duration_ns=chance.randrange(60_000_000_000),
            first_token_ns=chance.randrange(5_000_000_000),
            cost_nanousd=None if number % 23 == 0 else 1_000_000,
        )
        for number in range(LABEL_SETS * _CALLS)
    ]


def _multiply(connection: sqlite3.Connection, table: str, factor: int) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    changes = ", ".join(f"{column} = {column} * {factor}" for column in columns[1:])
    connection.execute(f"UPDATE {table} SET {changes}")  # noqa: S608 - names of this module


def _side(reader: LedgerReader) -> Side:
    registry = CollectorRegistry()
    registry.register(
        TokenCollector(lambda: take_scrape(reader, POLICY, time.time_ns()), HealthReading)
    )

    def scrape() -> bytes:
        return render(registry, "")[0]

    def status() -> object:
        return take_report(reader, POLICY, time.time_ns()).status_document()

    return Side(scrape, lambda: gzip.compress(scrape(), 1), status)


def _alternating(*sides: Callable[[], object]) -> list[float]:
    """The median of each side, in milliseconds."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, taken in zip(sides, times, strict=True):
            begin = time.perf_counter()
            side()
            taken.append((time.perf_counter() - begin) * 1e3)
    return [median(taken) for taken in times]


def _row(what: str, full: float, bare: float) -> Row:
    allowed = FACTOR * bare + EXTRA_MS
    return Row(
        f"{what}, {DAYS} days of {LABEL_SETS} label sets / an empty ledger",
        f"{full:.3g} ms",
        f"{bare:.3g} ms",
        f"{full / bare:.3g}×",
        f"≤ {FACTOR:.3g}× + {EXTRA_MS:.3g} ms",
        full <= allowed,
    )


def main() -> None:
    """Print the comparison's table."""
    print_table(run())


if __name__ == "__main__":
    main()
