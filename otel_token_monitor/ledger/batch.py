"""What one transaction writes: records, and sums of calls whose records are not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from otel_token_monitor.usage import OTHER, Labels, PolledRecord, Sums, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LABEL_OVERFLOW", "Batch", "SumsByKey", "summed"]

LABEL_OVERFLOW: Final = "label_overflow_requests"
"""The health count of calls that count as `other`."""

SumsByKey = dict[tuple[Labels, int], Sums]
"""Sums by labels and UTC quarter-hour."""


def summed(records: Iterable[UsageRecord]) -> SumsByKey:
    """What records add up to, by labels and quarter-hour."""
    by_key: dict[tuple[Labels, int], list[UsageRecord]] = {}
    for record in records:
        by_key.setdefault((record.labels, record.quarter), []).append(record)
    return {key: Sums.of(group) for key, group in by_key.items()}


@dataclass(slots=True)
class Batch:
    """Records; beside them the sums of calls whose single records were given up; health counts."""

    records: list[UsageRecord] = field(default_factory=list)
    condensed: SumsByKey = field(default_factory=dict)
    health: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.records or self.condensed or self.health)

    def count(self, name: str, number: int = 1) -> None:
        """Count an event of the monitor's own health."""
        self.health[name] = self.health.get(name, 0) + number

    @property
    def calls(self) -> int:
        """How many calls it tells of, single records or not."""
        return len(self.records) + sum(sums.totals.requests for sums in self.condensed.values())

    def __len__(self) -> int:
        """Records, and sums of several."""
        return len(self.records) + len(self.condensed)

    def take(self, size: int) -> Batch:
        """Take away a part: the oldest, sums before records, `size` at most; all health counts."""
        part = Batch(health=self.health)
        self.health = {}
        for key in list(islice(self.condensed, size)):
            part.condensed[key] = self.condensed.pop(key)
        room = size - len(part.condensed)
        part.records = self.records[:room]
        del self.records[:room]
        return part

    def put_back(self, part: Batch) -> None:
        """Undo `take`."""
        self.records[:0] = part.records
        for key, sums in part.condensed.items():
            self.condensed.setdefault(key, Sums()).merge(sums)
        for name, number in part.health.items():
            self.count(name, number)

    def condense(self, keep: int, max_keys: int) -> int:
        """Give up all but the newest `keep` records, adding them to the sums: totals survive.

        Beyond `max_keys` sums, calls add up under the labels `other`. Returns how many records
        were given up.
        """
        surplus = len(self.records) - keep
        if surplus <= 0:
            return 0
        # What was fetched completes a record that may not be there: it is no sum of its own.
        calls = [r for r in self.records[:surplus] if not isinstance(r, PolledRecord)]
        for key, sums in summed(calls).items():
            known = key in self.condensed or len(self.condensed) < max_keys
            if not known:
                self.count(LABEL_OVERFLOW, sums.totals.requests)
            target = self.condensed.setdefault(key if known else (OTHER, key[1]), Sums())
            target.merge(sums)
        del self.records[:surplus]
        return surplus
