"""What was spent today, by project and model: for people and for programs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_token_monitor.usage import QUARTER_SECONDS, Labels, TokenUsage, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = [
    "SCHEMA_VERSION",
    "DaySummary",
    "cost_usd",
    "grouped",
    "summed",
    "today",
    "tokens_by_project",
]

SCHEMA_VERSION: Final = 1
"""Of `DaySummary.document`; it grows when a key is removed or means something else."""

Key = TypeVar("Key")

_DAY_SECONDS: Final = 86400
_NANODOLLARS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """One UTC day: its sums by label set."""

    date: str
    by_labels: dict[Labels, Totals]

    @property
    def total(self) -> Totals:
        """The sum over everything."""
        return summed(self.by_labels.values())

    def document(self) -> dict[str, Any]:
        """The summary as JSON: tokens are exact integers, cost is in dollars, None if unknown."""
        return {
            "schema_version": SCHEMA_VERSION,
            "date": self.date,
            "timezone": "UTC",
            "total": _document(self.total),
            "usage": [
                {**labels._asdict(), **_document(totals)}
                for labels, totals in sorted(self.by_labels.items())
            ],
        }


def today(reader: LedgerReader, *, now: float | None = None) -> DaySummary:
    """The sums of the current UTC day. Raises LedgerError."""
    moment = time.time() if now is None else now
    start = int(moment // _DAY_SECONDS) * _DAY_SECONDS
    quarter = start // QUARTER_SECONDS
    return DaySummary(
        date=datetime.fromtimestamp(start, UTC).date().isoformat(),
        by_labels=reader.totals(quarter, quarter + _DAY_SECONDS // QUARTER_SECONDS),
    )


def tokens_by_project(summary: DaySummary) -> dict[str, int]:
    """The tokens of each project, most first."""
    by_project = grouped(summary.by_labels, lambda labels: labels.project)
    return {project: totals.total_tokens for project, totals in by_project.items()}


def summed(totals: Iterable[Totals]) -> Totals:
    """The sum of them all."""
    result = Totals()
    for one in totals:
        result = result.plus(one)
    return result


def grouped(by_labels: Mapping[Labels, Totals], key: Callable[[Labels], Key]) -> dict[Key, Totals]:
    """The sums of the label sets that have the same key, most tokens first."""
    groups: dict[Key, Totals] = {}
    for labels, totals in sorted(by_labels.items()):
        groups[key(labels)] = groups.get(key(labels), Totals()).plus(totals)
    return dict(sorted(groups.items(), key=lambda item: -item[1].total_tokens))


def cost_usd(totals: Totals) -> float | None:
    """The cost in dollars of the calls whose price is known; None if there are only others."""
    if totals.unpriced and not totals.cost_nanousd:
        return None
    return totals.cost_nanousd / _NANODOLLARS


def _document(totals: Totals) -> dict[str, Any]:
    return {
        "total_tokens": totals.total_tokens,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "tokens": {name: getattr(totals, name) for name in TokenUsage._fields},
        "estimated_tokens": totals.estimated_input + totals.estimated_output,
        "requests": totals.requests,
        "errors": totals.requests_error,
        "unmetered_requests": totals.unmetered,
        "unpriced_requests": totals.unpriced,
        "cost_usd": cost_usd(totals),
    }
