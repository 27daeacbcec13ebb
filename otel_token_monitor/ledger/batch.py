"""What one transaction writes: records, and sums of calls whose records are not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_token_monitor.usage import OTHER, Labels, Sums, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Batch", "SumsByKey", "summed"]

SumsByKey = dict[tuple[Labels, int], Sums]
"""Sums by labels and UTC quarter-hour."""


def summed(records: Iterable[UsageRecord], into: SumsByKey | None = None) -> SumsByKey:
    """What records add up to, by labels and quarter-hour."""
    result: SumsByKey = {} if into is None else into
    for record in records:
        key = record.labels, record.quarter
        sums = result.get(key)
        if sums is None:
            sums = result[key] = Sums()
        sums.add(record)
    return result


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

    def condense(self, keep: int, max_keys: int) -> int:
        """Give up all but the newest `keep` records, adding them to the sums: totals survive.

        Beyond `max_keys` sums, calls add up under the labels `other`. Returns how many records
        were given up.
        """
        surplus = len(self.records) - keep
        if surplus <= 0:
            return 0
        for key, sums in summed(self.records[:surplus]).items():
            known = key in self.condensed or len(self.condensed) < max_keys
            target = self.condensed.setdefault(key if known else (OTHER, key[1]), Sums())
            target.merge(sums)
        del self.records[:surplus]
        return surplus
