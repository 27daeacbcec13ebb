"""Exports as programs read them that know nothing of ours, and what a ledger has, row by row."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage
from tests.integration.processes import ROOT, environment
from tests.loads import records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otel_token_monitor.usage import UsageRecord

__all__ = [
    "FORMATS",
    "Exported",
    "command",
    "fingerprint",
    "history",
    "history_days",
    "read",
    "seed",
    "started",
]

FORMATS = ("json", "csv", "zip")
PARTS = TokenUsage._fields
_DAY_NS = 86_400 * 1_000_000_000
_AGO_DAYS = 40
HISTORY_DAYS = 10


@dataclass(frozen=True)
class Exported:
    """The calls and sums of a file, and how many it says that it has."""

    calls: list[dict[str, Any]]
    sums: list[dict[str, Any]]
    count: dict[str, int]

    def totals(self) -> Counter[str]:
        """What both add up to: tokens of each kind, requests, cost."""
        found: Counter[str] = Counter()
        for call in self.calls:
            found.update(_totals_of(call))
        for one in self.sums:
            for name, value in one.items():
                if name not in {"kind", "time", "ledger", *Labels._fields} and value:
                    found[name] += int(value)
        return +found


def _totals_of(call: dict[str, Any]) -> Counter[str]:
    is_known = call.get("input") not in {None, ""}
    usage = [int(call.get(part) or 0) for part in PARTS]
    is_estimated = bool(call.get("estimated"))
    found = Counter(dict(zip(PARTS, usage, strict=True)) if not is_estimated else {})
    if is_estimated:
        found["estimated_input"], found["estimated_output"] = sum(usage[:3]), sum(usage[3:])
    cost = call.get("cost_nanousd") or None
    found["cost_nanousd"] = int(cost or 0)
    found["unpriced_requests"] = is_known and cost is None
    found["unmetered_requests"] = bool(call.get("unmetered"))
    found[f"requests_{call['status']}"] = 1
    return found


def read(path: Path) -> Exported:
    """Read an export of any format."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        by_kind = {
            kind: [row for row in rows if row["kind"] == kind] for kind in ("call", "sum", "end")
        }
        counts = dict(pair.split("=") for pair in by_kind["end"][0]["id"].split())
        return Exported(
            by_kind["call"], by_kind["sum"], {name: int(count) for name, count in counts.items()}
        )
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read("usage.json"))
    else:
        document = json.loads(path.read_bytes())
    return Exported(document["calls"], document["sums"], document["count"])


def started(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command of ours, running in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "otel_token_monitor", *arguments],
        cwd=ROOT,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """A command of ours, run to its end: exit code, what it printed, what it complained of."""
    with started(*arguments, env=env) as process:
        try:
            out, errors = process.communicate(timeout=150)
        finally:
            process.kill()
    return process.returncode, out.strip(), errors.strip()


def history(number: int, *, first: int = 0) -> list[UsageRecord]:
    """Calls of ten days, over a month ago: of all kinds, evenly spread; nonces from `first` on."""
    begin = time.time_ns() // _DAY_NS * _DAY_NS - _AGO_DAYS * _DAY_NS
    return [
        _of_a_kind(record)._replace(time_ns=begin + index * HISTORY_DAYS * _DAY_NS // number)
        for index, record in enumerate(records(number, first=first))
    ]


def history_days() -> tuple[str, ...]:
    """The days of a history, as arguments of `export`."""
    first = datetime.now(UTC).date() - timedelta(days=_AGO_DAYS)
    last = first + timedelta(days=HISTORY_DAYS - 1)
    return ("--since", str(first), "--until", str(last))


def _of_a_kind(record: UsageRecord) -> UsageRecord:
    kind = record.nonce % 7
    if kind == 0:
        return record._replace(estimated=True, unmetered="stream", cost_nanousd=77)
    if kind == 1:
        return record._replace(
            status="error", usage=None, error_type="RateLimitError", cost_nanousd=None
        )
    return record


def seed(directory: Path, made: list[UsageRecord]) -> None:
    """Count calls in a directory's ledger."""
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=1000)
    for start in range(0, len(made), 5000):
        writer.write(Batch(made[start : start + 5000]))
    writer.close()


def fingerprint(directory: Path) -> dict[str, str]:
    """What is in each table of a directory's ledger, which must be sound."""
    with closing(sqlite3.connect(directory / "usage.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: hashlib.sha256(
                # In order of its key.
                repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()).encode()  # noqa: S608 - a name of ours
            ).hexdigest()[:12]
            for (name,) in tables.fetchall()
        }
