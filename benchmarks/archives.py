"""Exporting and importing a million calls, beside reading and inserting the same rows alone.

CPU time of the whole process; the rows that are inserted alone lie in memory beforehand.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from benchmarks.measure import Row, ratio_row
from otel_token_monitor.archives.contents import Days
from otel_token_monitor.archives.exporting import export_file
from otel_token_monitor.archives.formats import Format
from otel_token_monitor.archives.importing import ArchiveImport
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location, connect, transaction
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    import sqlite3

RECORDS: Final = int(os.environ.get("BENCH_RECORDS", "1000000"))
ROUNDS: Final = 3
LIMIT: Final = 2.0
MEMORY_MB: Final = 40

_FIRST: Final = date(2026, 8, 1)
_DAYS: Final = 90
_START_NS: Final = 1_785_542_400 * 10**9
_STEP_NS: Final = _DAYS * 86_400 * 10**9 // RECORDS
_BATCH: Final = 10_000
_MARKS: Final = ", ".join("?" * 20)

Timed = Callable[[], float]


def run() -> list[Row]:
    """Export and import of each format, and what they cost alone, alternating."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _fill(root / "full")
        rows = [_row("export", form, _read, _export, root) for form in (Format.JSON, Format.CSV)]
        _export(root, Format.ZIP)
        rows += [_row("import", form, _insert, _import, root) for form in (Format.JSON, Format.CSV)]
        rows += [_memory(command, root) for command in ("export", "import")]
    return rows


def _row(
    what: str,
    form: Format,
    alone: Callable[[Path], float],
    whole: Callable[[Path, Format], float],
    root: Path,
) -> Row:
    theirs, ours = [], []
    for _ in range(ROUNDS if form is Format.JSON else 1):
        theirs.append(alone(root) * 1e3)
        ours.append(whole(root, form) * 1e3)
    beside = "reading the rows" if what == "export" else "inserting the rows"
    # Must hold of JSON; of the others we want to know.
    limit = LIMIT if form is Format.JSON else 3 * LIMIT
    return ratio_row(f"{what} of {RECORDS:,} calls, {form} / {beside}", ours, theirs, "ms", limit)


def _fill(directory: Path) -> None:
    """A ledger with so many calls, spread evenly over ninety days, as real ones are."""
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=100)
    calls = _calls()
    while batch := list(islice(calls, _BATCH)):
        writer.write(Batch(batch))
    writer.close()


def _calls() -> Iterator[UsageRecord]:
    chance = random.Random(1)
    for number in range(RECORDS):
        yield UsageRecord(
            time_ns=_START_NS + number * _STEP_NS + chance.randrange(1000),
            nonce=chance.getrandbits(64) - (1 << 63),
            labels=Labels(
                f"project-{number % 5}",
                "openai",
                f"gpt-5-mini-{number % 20 // 5}",
                "chat/completions",
            ),
            source="opentelemetry.instrumentation.openai.v1",
            usage=TokenUsage(chance.randrange(3000), chance.randrange(100), 0, 200, 40),
            response_model="gpt-5-mini-2025-08-07",
            response_id=f"chatcmpl-{chance.getrandbits(100):025x}",
            duration_ns=chance.randrange(10**10),
            cost_nanousd=chance.randrange(10**7),
            trace_id=f"{chance.getrandbits(128):032x}",
            span_id=f"{chance.getrandbits(64):016x}",
        )


def _read(root: Path) -> float:
    """Read every row, with its labels, and do nothing with it."""
    with closing(connect(Location.in_directory(root / "full"))) as connection:
        begin = time.process_time()
        read = sum(1 for _ in connection.execute(_ROWS))
        taken = time.process_time() - begin
    assert read == RECORDS
    return taken


_ROWS: Final = (
    "SELECT r.*, s.* FROM record r CROSS JOIN label_set s ON s.id = r.label_set_id "
    "ORDER BY r.time_ns, r.nonce"
)


def _export(root: Path, form: Format) -> float:
    days = Days(_FIRST, _FIRST + timedelta(days=_DAYS - 1), ZoneInfo("UTC"))
    with closing(LedgerReader(Location.in_directory(root / "full"))) as reader:
        begin = time.process_time()
        done = export_file(reader, days, form, root / f"calls.{form}", now_ns=time.time_ns())
        taken = time.process_time() - begin
    assert (done.calls, done.sums) == (RECORDS, 0)
    return taken


def _insert(root: Path) -> float:
    """Insert the rows into an empty ledger, in one transaction."""
    with closing(connect(Location.in_directory(root / "full"))) as connection:
        rows: list[tuple[Any, ...]] = connection.execute("SELECT * FROM record").fetchall()
        labels = connection.execute("SELECT * FROM label_set").fetchall()
    with (
        tempfile.TemporaryDirectory(dir=root) as folder,
        closing(connect(Location.in_directory(Path(folder)))) as connection,
    ):
        begin = time.process_time()
        with transaction(connection):
            _insert_all(connection, labels, rows)
        return time.process_time() - begin


def _insert_all(
    connection: sqlite3.Connection, labels: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]
) -> None:
    connection.executemany("INSERT INTO label_set VALUES (?, ?, ?, ?, ?, ?)", labels)
    connection.executemany(f"INSERT INTO record VALUES ({_MARKS})", rows)  # noqa: S608 - marks only


def _import(root: Path, form: Format) -> float:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        archive = ArchiveImport(root / f"calls.{form}", form, merge=True)
        begin = time.process_time()
        done = archive.into(Location.in_directory(Path(folder)))
        taken = time.process_time() - begin
    assert done.calls == RECORDS
    return taken


def _memory(command: str, root: Path) -> Row:
    """The most memory that a process of the command line has at once, beside one with no calls."""
    full = _peak_mb(command, root, root / "full", root / "calls.json")
    empty = root / "empty"
    LedgerWriter(Location.in_directory(empty), max_label_sets=100).open()
    _peak_mb("export", root, empty, root / "none.json")
    none = _peak_mb(command, root, empty, root / "none.json")
    return Row(
        f"{command} of {RECORDS:,} calls, memory of the process / of no call",
        f"{full:.3g} MB",
        f"{none:.3g} MB",
        f"+{full - none:.2g} MB",
        f"≤ {MEMORY_MB} MB",
        full <= MEMORY_MB,
    )


# What getrusage says is inherited from who started the process.
_MEASURED: Final = """
import runpy, sys
sys.argv = ["otel-token-monitor", *sys.argv[1:]]
try:
    runpy.run_module("otel_token_monitor", run_name="__main__")
finally:
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(line.split()[1])
"""


def _peak_mb(command: str, root: Path, directory: Path, file: Path) -> float:
    if command == "import":
        directory = root / f"into-{file.stem}"
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, command, str(file), "--data-dir", str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1]) / 1024
