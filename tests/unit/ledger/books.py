"""Ledgers for tests: a writer and a reader of one file, and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.usage import Sums

NOW: Final = 1_790_000_000_000_000_000
SECOND: Final = 1_000_000_000
DAY: Final = 86_400 * SECOND
CHAT: Final = Labels("shop", "openai", "gpt-5-mini", "chat/completions")
SEARCH: Final = Labels("search", "openai", "embed", "embeddings")


@dataclass
class Clock:
    """UTC nanoseconds, as they are set."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Book:
    """One ledger."""

    location: Location
    max_label_sets: int = 100
    clock: Clock = field(default_factory=Clock)
    writer: LedgerWriter = field(init=False)
    reader: LedgerReader = field(init=False)

    @classmethod
    def at(cls, path: Path, **settings: Any) -> Book:
        return cls(Location.in_directory(path), **settings)

    def __post_init__(self) -> None:
        self.writer = self.another_writer()
        self.reader = LedgerReader(self.location, clock=self.clock)

    def another_writer(self) -> LedgerWriter:
        return LedgerWriter(self.location, max_label_sets=self.max_label_sets, clock=self.clock)

    def write(self, *records: UsageRecord, **health: int) -> int:
        return self.writer.write(Batch(list(records), health=health))

    def shown(self) -> dict[Labels, Sums]:
        return self.reader.exposition().series

    def requests(self) -> dict[str, int]:
        """Calls by project, as they are exposed."""
        return {labels.project: sums.totals.requests for labels, sums in self.shown().items()}

    def health(self) -> dict[str, int]:
        return self.reader.exposition().health

    def close(self) -> None:
        self.writer.close()
        self.reader.close()


def record(nonce: int = 1, labels: Labels = CHAT, **given: Any) -> UsageRecord:
    given.setdefault("time_ns", NOW)
    given.setdefault("usage", TokenUsage(10, 5, 0, 3, 2))
    return UsageRecord(nonce=nonce, labels=labels, source="test", **given)


def project(name: str) -> Labels:
    return CHAT._replace(project=name)
