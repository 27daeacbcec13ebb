"""Data directories to add up: with a ledger, or with the files that were written from one."""

from __future__ import annotations

import shutil
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.aggregation.aggregator import TokenUsageAggregator
from otel_token_monitor.budgets.keeper import PolicyKeeper
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.snapshots.data_files import DataFiles
from otel_token_monitor.usage import TokenUsage
from tests.unit.ledger.books import CHAT, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from otel_token_monitor.usage import UsageRecord

NANO: Final = 1_000_000_000
# 16:48 in Seoul.
NOW: Final = round(datetime.fromisoformat("2026-11-24T07:48:00+00:00").timestamp()) * NANO

_NUMBERS = count(1)


def at(text: str) -> int:
    """An instant, in ISO format with its offset (UTC ns)."""
    return round(datetime.fromisoformat(text).timestamp()) * NANO


def call(
    tokens: int, when: str | int = NOW - NANO, project: str = "shop", **given: Any
) -> UsageRecord:
    """A call of a project."""
    time_ns = at(when) if isinstance(when, str) else when
    labels = CHAT._replace(project=project, **given.pop("labels", {}))
    given = {"usage": TokenUsage(input=tokens), **given}
    return record(next(_NUMBERS), labels, time_ns=time_ns, **given)


def ledger(directory: Path, *records: UsageRecord, zone: str = "UTC") -> Path:
    """A directory with a ledger that has these calls, and goes by days of a zone."""
    book = Book.at(directory)
    book.clock.now = NOW
    book.writer.chore = PolicyKeeper(Policy(timezone=zone))
    book.write(*records)
    book.close()
    return directory


def write_files(directory: Path) -> None:
    """Have the data files of a ledger written beside it."""
    guest = LedgerGuest(Location.in_directory(directory))
    try:
        files = DataFiles(guest, directory, Policy(), retention_days=36500)
        assert files.write(NOW, everything=True) is not None
    finally:
        guest.close()


def files_of(directory: Path, target: Path) -> Path:
    """Another directory, which has only the data files of a ledger."""
    write_files(directory)
    target.mkdir()
    for path in directory.glob("*.json"):
        shutil.copy(path, target)
    return target


def files(target: Path, *records: UsageRecord, zone: str = "UTC") -> Path:
    """A directory that has only data files, whose ledger is nowhere else."""
    made = ledger(target.with_name(f"{target.name}-ledger"), *records, zone=zone)
    return files_of(made, target)


def ledger_id(directory: Path) -> str:
    reader = LedgerReader(Location.in_directory(directory))
    try:
        return reader.ledger_id()
    finally:
        reader.close()


def added_up(dirs: Any, **settings: Any) -> TokenUsageAggregator:
    """The aggregator, at a moment that is set."""
    return TokenUsageAggregator(dirs, clock=lambda: NOW, **settings)


def tokens(documents: dict[str, dict[str, Any]]) -> dict[str, int | None]:
    """The tokens of each of many sums."""
    return {name: sums["total_tokens"] for name, sums in documents.items()}


def exact(records: Iterable[UsageRecord]) -> int:
    """The tokens of calls, one by one."""
    return sum(one.usage.total_tokens for one in records if one.usage)
